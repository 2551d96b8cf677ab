"""CSV and TSV with a header row, as a stream.

A row may hold newlines within quotes, so no part of a file can be read alone. pyarrow reads blocks and cannot read a
row that is longer than one; then the file is read once more, in longer blocks. Blank lines are no rows. No text is
null: an empty cell is an empty text, and ``NULL`` is a text as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from portmanteau.reading.asked import Asked, check_columns, checked_text
from portmanteau.reading.opening import file_state, stream_of, wrong_file
from portmanteau.reading.part import Part

__all__ = ["DELIMITERS", "batches", "parts"]

DELIMITERS = {"CSV": ",", "TSV": "\t"}
BLOCK_BYTES = (4 << 20, 64 << 20, 1 << 30)
STRADDLES = "straddl"
WRONG_ROW = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+)")


def parts(path: str, compression: str | None) -> Iterator[Part]:
    """The file."""
    size = file_state(path).n_bytes
    yield Part(path, 0, size, 4 * size if compression else size, None)


def batches(part: Part, delimiter: str, compression: str | None, asked: Asked) -> Iterator[list[Any]]:
    """The texts of the rows of a file, a block at a time."""
    import pyarrow as pa

    path, row = part.path, 0
    for block_bytes in BLOCK_BYTES:
        _check_header(path, delimiter, compression, asked, block_bytes)
        with stream_of(path, "CSV", compression) as stream:
            try:
                for batch in _rows(stream, delimiter, block_bytes, asked.columns, n_skipped=row):
                    yield [
                        checked_text(batch.column(name), path=path, name=name, first_row=row, asked=asked)
                        for name in asked.columns
                    ]
                    row += batch.num_rows
            except pa.ArrowInvalid as error:
                if STRADDLES not in str(error):
                    _explain(path, error)
                    raise
            else:
                return
    raise wrong_file(
        path, f"after row {row} comes one longer than 1 GiB; look for a quote that is not closed"
    )


def _explain(path: str, error: Exception) -> None:
    found = WRONG_ROW.search(str(error))
    if found is not None:
        number, expected, got = map(int, found.groups())
        message = (
            f"row {number - 2} has {got} cells, and the header {expected}; quote cells that hold delimiters"
        )
        raise wrong_file(path, message) from None


def _check_header(path: str, delimiter: str, compression: str | None, asked: Asked, block_bytes: int) -> None:
    import pyarrow as pa

    with stream_of(path, "CSV", compression) as stream:
        try:
            with _reader(stream, delimiter, block_bytes, None) as reader:
                names = reader.schema.names
        except pa.ArrowInvalid as error:
            if STRADDLES in str(error):
                return
            if "Empty CSV file" in str(error):
                raise wrong_file(path, "there is no header row; name the columns in the first line") from None
            _explain(path, error)
            raise
    check_columns(path, asked.columns, pa.schema([(name, pa.string()) for name in names]))


def _rows(
    stream: Any, delimiter: str, block_bytes: int, columns: tuple[str, ...], n_skipped: int
) -> Iterator[Any]:
    """The rows after the first ``n_skipped``."""
    with _reader(stream, delimiter, block_bytes, columns) as reader:
        for batch in reader:
            n_out = min(n_skipped, batch.num_rows)
            n_skipped -= n_out
            if n_out < batch.num_rows:
                yield batch.slice(n_out)


def _reader(stream: Any, delimiter: str, block_bytes: int, columns: tuple[str, ...] | None) -> Any:
    import pyarrow as pa
    from pyarrow import csv

    names = list(dict.fromkeys(columns or ()))
    return csv.open_csv(
        stream,
        read_options=csv.ReadOptions(use_threads=False, block_size=block_bytes),
        parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        # As binaries, so that what is not UTF-8 is found row by row.
        convert_options=csv.ConvertOptions(
            include_columns=names,
            column_types=dict.fromkeys(names, pa.large_binary()),
            strings_can_be_null=False,
        ),
    )
