"""Whole lines of a stream of bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["blocks_of_lines"]


def blocks_of_lines(stream: Any, block_bytes: int) -> Iterator[bytes]:
    r"""Blocks of whole lines of about this size, or of one longer line; the last may have no newline. O(bytes).

    >>> import io
    >>> list(blocks_of_lines(io.BytesIO(b"by\nthe way\noff"), 4))
    [b'by\n', b'the way\n', b'off']
    """
    held: list[bytes] = []
    while data := stream.read(block_bytes):
        cut = data.rfind(b"\n") + 1
        if cut:
            yield b"".join((*held, memoryview(data)[:cut]))
            held = []
        if cut < len(data):
            held.append(data[cut:])
    if held:
        yield b"".join(held)
