"""Whole lines of a stream of bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Lines", "blocks_of_lines"]

NEWLINE = ord("\n")


class Lines(NamedTuple):
    """Whole lines; the last may have no newline."""

    content: npt.NDArray[np.uint8]
    """Their bytes, which are good until the next lines are asked for."""
    newlines: npt.NDArray[np.int64]
    """Where the newlines are."""


def blocks_of_lines(stream: Any, block_bytes: int) -> Iterator[Lines]:
    r"""The lines of a stream in blocks of about this size, or of one longer line. O(bytes).

    One buffer holds every block in its turn, since fresh memory costs as much as reading.

    >>> import io
    >>> [bytes(lines.content) for lines in blocks_of_lines(io.BytesIO(b"by\nthe way\noff"), 4)]
    [b'by\n', b'the way\n', b'off']
    """
    buffer = np.empty(block_bytes, np.uint8)
    n_held = 0
    while True:
        n_read = _fill(stream, buffer[n_held:])
        n_held += n_read
        newlines = np.flatnonzero(buffer[:n_held] == NEWLINE)
        if n_held < len(buffer):  # the stream has ended
            break
        if not len(newlines):
            buffer = np.concatenate((buffer, np.empty_like(buffer)))
            continue
        cut = int(newlines[-1]) + 1
        yield Lines(buffer[:cut], newlines)
        buffer[: n_held - cut] = buffer[cut:n_held]
        n_held -= cut
    if n_held:
        yield Lines(buffer[:n_held], newlines)


def _fill(stream: Any, target: npt.NDArray[np.uint8]) -> int:
    """Reads until the target is full or the stream ends, and returns the number of bytes read."""
    n_read = 0
    while n_read < len(target) and (n_more := stream.readinto(target[n_read:])):
        n_read += n_more
    return n_read
