"""``TokenStream``: the ids of a text that comes in chunks, in memory that does not grow with the text."""

from __future__ import annotations

from types import TracebackType
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from portmanteau import _rust
from portmanteau.errors import EncodingError

__all__ = ["TokenStream"]


class TokenStream:
    """One text, encoded while it comes: see :meth:`portmanteau.Tokenizer.streaming`, which makes it.

    The ids that :meth:`feed` and :meth:`finish` return, one array after the other, are those of one call of
    ``encode`` on the whole text, however it is cut into chunks.

    Held back is only what the text to come can still change: a pretoken, the beginning of an added token, white space
    that an added token may swallow, and with normalization (NFC, …) what combines with the next character. In most
    texts that is a few words. A run of letters without end needs memory for that run, and so does a run of white space
    or of combining marks. A pretokenizer whose expression is none of those that have a name holds the text back until
    an added token or :meth:`finish`.

    The cost is linear in the text, also for chunks of one byte. One thread feeds a stream at a time.

    >>> import portmanteau as pm
    >>> tokenizer = pm.Tokenizer.load("o200k_base")
    >>> with tokenizer.streaming() as stream:
    ...     ids = [stream.feed(chunk) for chunk in ["by t", "he w", "ay"]]
    ...     ids.append(stream.finish())
    >>> np.concatenate(ids)
    array([2345,  290, 2006], dtype=uint32)
    """

    __slots__ = ("_core",)

    _core: _rust.TokenStream

    def __init__(self, core: _rust.TokenStream) -> None:
        """Not for use: see :meth:`portmanteau.Tokenizer.streaming`."""
        self._core = core

    def feed(self, chunk: str | bytes) -> npt.NDArray[np.uint32]:
        """Takes the next chunk and returns the ids that are certain now, ``uint32[n]``; there may be none.

        Args:
            chunk: A ``str``, or ``bytes`` of UTF-8, which may end within a character.

        Raises:
            EncodingError: The chunk is neither, or has a lone surrogate; the stream goes on without it. Or the bytes
                are not UTF-8, the text has a special token and ``special="error"``, or one of its bytes has no token;
                then the stream is lost, with the ids of this chunk. ``offset`` counts in the whole stream. Or the
                stream is finished or lost.
        """
        return self._core.feed(chunk)

    def finish(self) -> npt.NDArray[np.uint32]:
        """Ends the text and returns the last ids, ``uint32[n]``.

        Raises:
            EncodingError: The text ends within a character, or as for :meth:`feed`.
        """
        return self._core.finish()

    def __enter__(self) -> TokenStream:
        """The stream itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Ends the stream.

        Raises:
            EncodingError: Text was fed and :meth:`finish` was not called, so that the last ids would be lost.
        """
        has_unfinished_text = self._core.close()
        if has_unfinished_text and kind is None:
            raise EncodingError(
                "the stream was left without finish(), so the last of its text has no ids; call finish() at the end of "
                "the block and keep the ids that it returns"
            )

    def __reduce__(self) -> NoReturn:
        """A stream does not pickle."""
        raise TypeError(
            "a TokenStream does not pickle: it is at a place in one text; pickle the tokenizer, and call "
            "streaming() where the text is"
        )
