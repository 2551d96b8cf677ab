"""Arrow files and streams: record batches are what can be read alone, and of a local file none is copied.

A file ends with a list of its record batches. A stream has no such list, so its messages are gone through: each says
how long it is, and only that is read. (Hugging Face ``datasets`` writes streams.) A stream with dictionaries, which
come before the record batches that they are for, is read from its beginning.

The layout of messages is of https://arrow.apache.org/docs/format/Columnar.html and of its Message.fbs.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

from portmanteau.reading.asked import Asked, check_columns, checked_text
from portmanteau.reading.opening import opened, wrong_file
from portmanteau.reading.part import Part, joined_parts

__all__ = ["batches", "parts"]

FILE_MAGIC = b"ARROW1"
CONTINUES = b"\xff\xff\xff\xff"
DICTIONARY, RECORD_BATCH = 2, 3


def parts(path: str, columns: tuple[str, ...], part_bytes: int) -> Iterator[Part]:
    """The record batches of a file; those that follow each other join up to ``part_bytes``."""
    with opened(path, "Arrow", mapped=True) as source:
        layout = _layout(path, source)
        check_columns(path, columns, layout.schema)
    sizes = [(batch.n_rows, batch.n_bytes) for batch in layout.batches]
    return joined_parts(path, sizes, part_bytes if layout.can_be_cut else sys.maxsize)


def batches(part: Part, asked: Asked) -> Iterator[list[Any]]:
    """The texts of the record batches of a part."""
    path = part.path
    with opened(path, "Arrow", mapped=True) as source:
        layout = _layout(path, source)
        check_columns(path, asked.columns, layout.schema)
        row = sum(batch.n_rows for batch in layout.batches[: part.first])
        for batch in _record_batches(source, layout, part, asked.columns):
            yield [
                checked_text(batch.column(name), path=path, name=name, first_row=row, asked=asked)
                for name in asked.columns
            ]
            row += batch.num_rows


def _record_batches(source: Any, layout: _Layout, part: Part, columns: tuple[str, ...]) -> Iterator[Any]:
    from pyarrow import ipc

    if layout.is_file:
        fields = sorted({layout.schema.get_field_index(column) for column in columns})
        reader = ipc.open_file(source, options=ipc.IpcReadOptions(included_fields=fields))
        for number in range(part.first, part.end):
            yield reader.get_batch(number)
    elif layout.can_be_cut:
        for batch in layout.batches[part.first : part.end]:
            source.seek(batch.start)
            yield ipc.read_record_batch(ipc.read_message(source), layout.schema)
    else:
        source.seek(0)
        yield from ipc.open_stream(source)


class _Layout(NamedTuple):
    schema: Any
    is_file: bool
    batches: list[_Message]
    can_be_cut: bool


def _layout(path: str, source: Any) -> _Layout:
    """What a file or stream consists of."""
    from pyarrow import ipc

    is_file = source.read(len(FILE_MAGIC)) == FILE_MAGIC
    source.seek(0)
    reader = ipc.open_file(source) if is_file else ipc.open_stream(source)
    messages = list(_messages(path, source, len(FILE_MAGIC) + 2 if is_file else 0))
    batches = [message for message in messages if message.kind == RECORD_BATCH]
    if is_file and len(batches) != reader.num_record_batches:
        message = (
            f"the file has {len(batches)} record batches and lists {reader.num_record_batches}; write it anew"
        )
        raise wrong_file(path, message)
    can_be_cut = is_file or not any(message.kind == DICTIONARY for message in messages)
    return _Layout(reader.schema, is_file, batches, can_be_cut)


class _Message(NamedTuple):
    kind: int
    start: int
    n_bytes: int
    n_rows: int


def _messages(path: str, source: Any, at: int) -> Iterator[_Message]:
    """The messages of a stream that begins at this byte, of which only the metadata is read."""
    size = source.size()
    try:
        while at < size:
            source.seek(at)
            prefix = source.read(8)
            # Before version 0.15 of Arrow, the length stood alone.
            prefix_bytes = 8 if prefix.startswith(CONTINUES) else 4
            [metadata_bytes] = struct.unpack_from("<i", prefix, prefix_bytes - 4)
            if metadata_bytes == 0:
                return
            if not 0 < metadata_bytes <= size - at:
                raise struct.error
            source.seek(at + prefix_bytes)
            kind, n_rows, body_bytes = _told(source.read(metadata_bytes))
            end = at + prefix_bytes + metadata_bytes + body_bytes
            if n_rows < 0 or not 0 <= body_bytes <= size - at or end > size:
                raise struct.error
            yield _Message(kind, at, body_bytes, n_rows)
            at = end
    except struct.error:
        raise wrong_file(path, "the file is cut off or damaged; copy or download it again") from None


def _told(metadata: bytes) -> tuple[int, int, int]:
    """The kind of a message, its rows, and the bytes of its body, out of its flat buffer."""
    [message] = struct.unpack_from("<I", metadata)
    kind = _field(metadata, message, 1, "<B")
    body_bytes = _field(metadata, message, 3, "<q")
    if kind != RECORD_BATCH:
        return kind, 0, body_bytes
    header = _position(metadata, message, 2)
    return kind, _field(metadata, header + struct.unpack_from("<I", metadata, header)[0], 0, "<q"), body_bytes


def _field(metadata: bytes, table: int, slot: int, kind: str) -> int:
    """A number of a table of a flat buffer; zeros are left out there."""
    position = _position(metadata, table, slot)
    return int(struct.unpack_from(kind, metadata, position)[0]) if position else 0


def _position(metadata: bytes, table: int, slot: int) -> int:
    """Where a field of a table lies, or 0 if it is left out."""
    vtable = table - struct.unpack_from("<i", metadata, table)[0]
    [vtable_bytes] = struct.unpack_from("<H", metadata, vtable)
    if 4 + 2 * slot >= vtable_bytes:
        return 0
    [offset] = struct.unpack_from("<H", metadata, vtable + 4 + 2 * slot)
    return table + int(offset) if offset else 0
