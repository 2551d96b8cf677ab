r"""JSON Lines by blocks of whole lines, at the speed of pyarrow.

pyarrow reads objects wherever they begin and end, fills in keys that are not there, and looks at nothing but the keys
asked for. JSON Lines are stricter. So a block is given to pyarrow only if it is UTF-8 and if every line begins with
``{`` and ends with ``}``: then every newline lies between two objects, because no valid JSON has ``}``, a newline and
``{`` within an object or array (there would be a comma) or a string (there is no newline). And if the objects are as
many as the lines then, each line has one. A block of which pyarrow finds anything wrong, or a null, is read line by
line, by :mod:`portmanteau.reading.exact_json`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from portmanteau.reading.addresses import is_address
from portmanteau.reading.asked import Asked
from portmanteau.reading.exact_json import BlockPlace, block_of_texts
from portmanteau.reading.lines import NEWLINE, Lines, blocks_of_lines
from portmanteau.reading.opening import file_state, opened, stream_of
from portmanteau.reading.part import Part

__all__ = ["batches", "parts"]

BLOCK_BYTES = 4 << 20
"""More is not faster, and less is slower."""
PIECE_BYTES = 1 << 16
OPENING, CLOSING = ord("{"), ord("}")


def parts(path: str, compression: str | None, part_bytes: int) -> Iterator[Part]:
    """The parts of a file: equal ranges of bytes, or the whole file if it is compressed."""
    size = file_state(path).n_bytes
    if compression is not None:
        yield Part(path, 0, size, 4 * size, None)
        return
    for first in range(0, size, part_bytes):
        end = min(first + part_bytes, size)
        yield Part(path, first, end, end - first, None)


def batches(part: Part, compression: str | None, asked: Asked) -> Iterator[list[Any]]:
    """The texts of the lines that begin in a part, in blocks of whole lines."""
    path = part.path
    if compression is not None:
        with stream_of(path, "JSON Lines", compression) as stream:
            yield from _from_stream(stream, path, 0, asked)
        return
    with opened(path, "JSON Lines") as file:
        start, end = _line_start(file, part.first), _line_start(file, part.end)
        if start < end:
            yield from _from_stream(file.get_stream(start, end - start), path, start, asked)


def _line_start(file: Any, position: int) -> int:
    """Where the first line begins that begins at a byte or after it."""
    if position == 0:
        return 0
    at: int = position - 1
    file.seek(at)
    while piece := file.read(PIECE_BYTES):
        newline: int = piece.find(b"\n")
        if newline >= 0:
            return at + newline + 1
        at += len(piece)
    return at


def _from_stream(stream: Any, path: str, start: int, asked: Asked) -> Iterator[list[Any]]:
    """The texts of a stream that begins at this byte of the file."""
    offset, n_lines = start, 0
    for lines in blocks_of_lines(stream, min(BLOCK_BYTES, asked.batch_bytes)):
        texts = _by_pyarrow(lines, asked.columns)
        if texts is None:
            place = BlockPlace(path, offset, _line_counter(path, start, n_lines))
            texts = block_of_texts(lines.content.tobytes(), place, asked)
        yield texts
        offset += len(lines.content)
        n_lines += len(lines.newlines)


def _line_counter(path: str, start: int, n_lines: int) -> Callable[[], int | None]:
    """What counts the lines before a block that comes so many lines after a byte of the file."""

    def count() -> int | None:
        if start == 0:
            return n_lines
        if is_address(path):  # which would be to fetch all before it
            return None
        with opened(path, "JSON Lines") as file:
            before = blocks_of_lines(file.get_stream(0, start), BLOCK_BYTES)
            return n_lines + sum(len(lines.newlines) for lines in before)

    return count


def _by_pyarrow(lines: Lines, columns: tuple[str, ...]) -> list[Any] | None:
    """The texts of lines, or ``None`` if they are not as plain as pyarrow needs them."""
    import pyarrow as pa
    from pyarrow import json as arrow_json

    if not _is_utf8(lines.content):
        return None
    if not _are_objects(lines):
        lines = _tidied(lines.content)
        if not _are_objects(lines):
            return None
    schema = pa.schema([(column, pa.large_string()) for column in dict.fromkeys(columns)])
    try:
        table = arrow_json.read_json(
            pa.BufferReader(lines.content),
            read_options=arrow_json.ReadOptions(use_threads=False, block_size=len(lines.content) + 1),
            parse_options=arrow_json.ParseOptions(
                explicit_schema=schema, unexpected_field_behavior="ignore", newlines_in_values=False
            ),
        )
    except (pa.ArrowException, OverflowError):
        return None
    n_lines = len(lines.newlines) + (lines.content[-1] != NEWLINE)
    if table.num_rows != n_lines or any(column.null_count for column in table.columns):
        return None
    return [table.column(name).combine_chunks() for name in columns]


def _is_utf8(content: npt.NDArray[np.uint8]) -> bool:
    import pyarrow as pa

    offsets = pa.py_buffer(np.array([0, len(content)], np.int64))
    try:
        pa.LargeStringArray.from_buffers(1, offsets, pa.py_buffer(content)).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _are_objects(lines: Lines) -> bool:
    """Whether each line begins with ``{`` and ends with ``}``."""
    content, newlines = lines
    if not len(content):
        return False
    inner = newlines[:-1] if content[-1] == NEWLINE else newlines
    last = content[newlines[-1] - 1] if content[-1] == NEWLINE else content[-1]
    return bool(
        content[0] == OPENING
        and last == CLOSING
        and (content[inner - 1] == CLOSING).all()
        and (content[inner + 1] == OPENING).all()
    )


def _tidied(content: npt.NDArray[np.uint8]) -> Lines:
    """The lines without blank ones, and without white space around them."""
    stripped = (line.strip(b" \t\r") for line in content.tobytes().split(b"\n"))
    tidy = np.frombuffer(b"\n".join([line for line in stripped if line]), np.uint8)
    return Lines(tidy, np.flatnonzero(tidy == NEWLINE))
