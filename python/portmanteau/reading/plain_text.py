"""Plain text: a file is one document, or blocks of whole lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from portmanteau.reading.asked import Asked
from portmanteau.reading.lines import blocks_of_lines
from portmanteau.reading.opening import encoding_error, file_state, stream_of, wrong_file
from portmanteau.reading.part import Part
from portmanteau.reading.policy import Policy, what_is_wrong

__all__ = ["batches", "in_blocks", "parts"]


def parts(path: str, compression: str | None, columns: tuple[str, ...]) -> Iterator[Part]:
    """The file, which is one row."""
    if len(columns) != 1:
        raise wrong_file(
            path, f"a text file has one text and no columns {list(columns)}; give a file that has"
        )
    size = file_state(path).n_bytes
    yield Part(path, 0, size, 4 * size if compression else size, 1)


def batches(part: Part, compression: str | None, asked: Asked) -> Iterator[list[Any]]:
    """The content of the file as an array of one text."""
    import pyarrow as pa

    with stream_of(part.path, "text", compression) as stream:
        content = stream.read()
    offsets = pa.py_buffer(np.array([0, len(content)], np.int64))
    text = pa.LargeStringArray.from_buffers(1, offsets, pa.py_buffer(content))
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        text = pa.array([_decoded(part.path, content, 1, 0, asked.policy)], pa.large_string())
    yield [text]


def in_blocks(path: str, compression: str | None, policy: Policy, block_bytes: int) -> Iterator[str]:
    """The content of the file in blocks of whole lines, which are one text together; O(block) memory.

    Raises:
        FileError: The file cannot be read.
        EncodingError: It is not UTF-8.
    """
    line, offset = 1, 0
    with stream_of(path, "text", compression) as stream:
        for lines in blocks_of_lines(stream, block_bytes):
            yield _decoded(path, lines.content.tobytes(), line, offset, policy)
            line += len(lines.newlines)
            offset += len(lines.content)


def _decoded(path: str, block: bytes, line: int, offset: int, policy: Policy) -> str:
    """A block that starts at this line and byte of the file, as text."""
    try:
        return policy.decode(block)
    except UnicodeDecodeError as error:
        at_line = line + block.count(b"\n", 0, error.start)
        raise encoding_error(path, what_is_wrong(error), at_line, offset + error.start) from None
