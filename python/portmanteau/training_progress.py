"""What a training shows on a terminal while it goes on: how much is done, and how long it may take."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from portmanteau.progress import is_shown

if TYPE_CHECKING:
    from tqdm import tqdm

__all__ = ["ProgressBar", "TextSize"]


class TextSize:
    """Estimates how many bytes of text there are, from what was read so far.

    Args:
        sizes: The bytes of each file.
        text_per_byte: What a byte of a file is taken for until the first file was read; ``None`` if nobody knows.
        n_texts: In place of files: how many texts there are, which are taken for equally long.

    >>> size = TextSize(sizes=[100, 300])
    >>> size.after(number=0, n_bytes=150) is None
    True
    >>> size.after(number=1, n_bytes=50)
    600
    """

    def __init__(
        self, *, sizes: Sequence[int] = (), text_per_byte: float | None = None, n_texts: int | None = None
    ) -> None:
        """See the class."""
        self._sizes = sizes
        self._n_file_bytes = sum(sizes)
        self._text_per_byte = text_per_byte
        self._n_texts = n_texts
        self._number = 0
        self._n_finished = 0
        self._n_bytes = 0
        self._n_texts_read = 0

    def after(self, *, number: int, n_bytes: int, n_texts: int = 0) -> int | None:
        """Notes so many further bytes and texts, of the file of this number.

        Returns:
            The bytes of all text, or ``None`` if that cannot be said yet.

        >>> TextSize(n_texts=10).after(number=0, n_bytes=30, n_texts=2)
        150
        """
        if number != self._number:
            self._n_finished += sum(self._sizes[self._number : number])
            self._number = number
            if self._n_finished:
                self._text_per_byte = self._n_bytes / self._n_finished
        self._n_bytes += n_bytes
        self._n_texts_read += n_texts
        if self._n_texts is not None:
            return self._n_bytes * self._n_texts // max(self._n_texts_read, 1)
        if self._text_per_byte is None or not self._sizes:
            return None
        return max(self._n_bytes, round(self._text_per_byte * self._n_file_bytes))


class ProgressBar:
    """A bar on standard error if it is a terminal: bytes of text read, then each phase of the training."""

    def __init__(self, wanted: bool) -> None:
        self._wanted = is_shown(wanted)
        self._bar: tqdm[Any] | None = None
        self._phase = ""

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    @property
    def show(self) -> Callable[[str, int, int], None] | None:
        """What the trainer calls with (phase, done, total)."""
        return self._show if self._wanted else None

    def read(self, n_bytes: int, estimate: int | None) -> None:
        """Shows that so many further bytes of text were read, of about so many."""
        if not self._wanted:
            return
        if self._phase != "reading" or self._bar is None:
            self._start("reading", estimate, "B")
        if self._bar is not None:
            self._bar.total = estimate
            self._bar.update(n_bytes)

    def _show(self, phase: str, done: int, total: int) -> None:
        if self._phase != phase or self._bar is None or self._bar.total != total:
            self._start(phase, total, "")
        if self._bar is not None:
            self._bar.update(done - self._bar.n)

    def _start(self, phase: str, total: int | None, unit: str) -> None:
        from tqdm import tqdm

        if self._bar is not None:
            self._bar.close()
        self._phase = phase
        self._bar = tqdm(desc=phase, total=total, unit=unit, unit_scale=True, leave=False, file=sys.stderr)
