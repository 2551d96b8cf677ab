"""The parts of files, and the text of a part in batches of bounded size: one way for every format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from portmanteau.reading import arrow_files, csv_files, json_lines, parquet, plain_text
from portmanteau.reading.asked import Asked
from portmanteau.reading.expanding import Paths, expand
from portmanteau.reading.formats import format_of
from portmanteau.reading.part import Part
from portmanteau.reading.policy import Policy

__all__ = ["TextBatch", "columns_of", "file_parts", "parts"]

BATCH_BYTES = 16 << 20


@dataclass
class TextBatch:
    """Rows of a part: one text in each of the columns asked for."""

    columns: list[Any]
    """For each column a ``pyarrow`` string or large string array, without nulls, which is UTF-8."""
    first_row: int
    """The row within the part that comes first. Blank lines are no rows."""

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return len(self.columns[0])

    @property
    def n_bytes(self) -> int:
        """How many bytes of text there are."""
        return sum(int(offsets[-1] - offsets[0]) for offsets in map(_offsets, self.columns))


def parts(paths: Paths, *, columns: Sequence[str] = ("text",), part_bytes: int) -> Iterator[Part]:
    r"""What can be read alone, in the order of the files; it depends on the files and ``part_bytes`` alone.

    Uncompressed JSON Lines are cut into ranges of bytes, Parquet into row groups and Arrow into record batches, which
    join up to ``part_bytes``. Text, CSV, and whatever is compressed as a whole, is one part. A file without a row group
    or record batch, or without a byte of JSON Lines, has no parts.

    Args:
        paths: Files, patterns and addresses, as :func:`expand` takes them.
        columns: The columns or keys of the text.
        part_bytes: About the most text of a part, as far as a file can be cut.

    Raises:
        FileError: A file does not exist, cannot be read, or has no such column.
        EncodingError: A column does not hold strings.

    >>> from pathlib import Path
    >>> _ = Path("two.jsonl").write_text('{"text": "by the way"}\n{"text": "off we go"}\n')
    >>> [(part.first, part.end) for part in parts("two.jsonl", part_bytes=30)]
    [(0, 30), (30, 45)]
    """
    for path in expand(paths):
        yield from file_parts(path, columns=columns, part_bytes=part_bytes)


def file_parts(path: str, *, columns: Sequence[str] = ("text",), part_bytes: int) -> Iterator[Part]:
    """The parts of one file that :func:`expand` has named; see :func:`parts`."""
    names = tuple(columns)
    kind, compression = format_of(path)
    if kind == "JSON Lines":
        return json_lines.parts(path, compression, part_bytes)
    if kind == "Parquet":
        return parquet.parts(path, names, part_bytes)
    if kind == "Arrow":
        return arrow_files.parts(path, names, part_bytes)
    if kind in csv_files.DELIMITERS:
        return csv_files.parts(path, compression)
    return plain_text.parts(path, compression, names)


def columns_of(
    part: Part,
    *,
    columns: Sequence[str] = ("text",),
    policy: Policy | None = None,
    null_text: Literal["error", "empty"] = "error",
    batch_bytes: int = BATCH_BYTES,
) -> Iterator[TextBatch]:
    r"""The rows of a part, in order, in batches of about ``batch_bytes``. Every row is a document.

    Memory is a few times ``batch_bytes``, or the longest row, whatever the sizes of the file and its row groups; of a
    compressed Arrow file it is the largest record batch, and of plain text the file. The time is linear.

    Args:
        part: A part, as :func:`parts` gives them.
        columns: The columns or keys of the text.
        policy: What to do with bytes that are not UTF-8; an error, by default.
        null_text: Whether a null is an error or an empty text.
        batch_bytes: The bytes of text of a batch, and 8 more for each text.

    Raises:
        FileError: The file cannot be read, is cut off, is not what its name says, or has no such key or column; with
            ``path``, and ``line`` and ``offset`` (JSON Lines) or row.
        EncodingError: Bytes are not UTF-8, or a text is null or not a string; with the same.

    >>> from pathlib import Path
    >>> _ = Path("two.jsonl").write_text('{"text": "by the way"}\n{"text": "off we go"}\n')
    >>> for part in parts("two.jsonl", part_bytes=22):
    ...     print([batch.columns[0].to_pylist() for batch in columns_of(part)])
    [['by the way']]
    [['off we go']]
    []
    """
    asked = Asked(tuple(columns), policy or Policy(), null_text, batch_bytes)
    return _joined(_pieces(part, asked), batch_bytes)


def _pieces(part: Part, asked: Asked) -> Iterator[list[Any]]:
    kind, compression = format_of(part.path)
    if kind == "JSON Lines":
        return json_lines.batches(part, compression, asked)
    if kind == "Parquet":
        return parquet.batches(part, asked)
    if kind == "Arrow":
        return arrow_files.batches(part, asked)
    if kind in csv_files.DELIMITERS:
        return csv_files.batches(part, csv_files.DELIMITERS[kind], compression, asked)
    return plain_text.batches(part, compression, asked)


def _joined(pieces: Iterator[list[Any]], batch_bytes: int) -> Iterator[TextBatch]:
    """Pieces of any size as batches of about this size: long ones are cut, short ones are joined."""
    held: list[list[Any]] = []
    first_row, n_bytes = 0, 0
    for piece in pieces:
        for rows, rows_bytes in _cut(piece, batch_bytes):
            held.append(rows)
            n_bytes += rows_bytes
            if n_bytes >= batch_bytes:
                batch = _batch(held, first_row)
                yield batch
                first_row += batch.n_rows
                held, n_bytes = [], 0
    if held:
        yield _batch(held, first_row)


def _batch(pieces: list[list[Any]], first_row: int) -> TextBatch:
    import pyarrow as pa

    if len(pieces) == 1:
        return TextBatch(pieces[0], first_row)
    columns = zip(*pieces, strict=True)
    return TextBatch([pa.concat_arrays(column) for column in columns], first_row)


def _cut(columns: list[Any], most_bytes: int) -> Iterator[tuple[list[Any], int]]:
    """The rows in slices of at most this size, or of one longer row, and the size of each."""
    n_rows = len(columns[0])
    if not n_rows:
        return
    ends = np.sum([_ends(column) for column in columns], axis=0)
    first, start = 0, 0
    while first < n_rows:
        end = max(first + 1, int(np.searchsorted(ends, start + most_bytes, side="right")))
        yield [column.slice(first, end - first) for column in columns], int(ends[end - 1]) - start
        first, start = end, int(ends[end - 1])


def _ends(column: Any) -> npt.NDArray[np.int64]:
    """For each row, the bytes of the texts up to its end, and 8 for each row."""
    offsets: npt.NDArray[np.int64] = _offsets(column).astype(np.int64)
    ends: npt.NDArray[np.int64] = offsets[1:] - offsets[0] + 8 * np.arange(1, len(offsets))
    return ends


def _offsets(column: Any) -> npt.NDArray[np.int32] | npt.NDArray[np.int64]:
    """Where the texts of a column that has some begin and end in its data."""
    import pyarrow as pa

    if pa.types.is_large_string(column.type):
        return np.frombuffer(column.buffers()[1], np.int64, len(column) + 1, column.offset * 8)
    return np.frombuffer(column.buffers()[1], np.int32, len(column) + 1, column.offset * 4)
