"""Parquet: row groups are what can be read alone, and each is decoded in slices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from portmanteau.reading.asked import Asked, check_columns, checked_text
from portmanteau.reading.opening import BUFFER_BYTES, opened, wrong_file
from portmanteau.reading.part import Part, joined_parts

__all__ = ["batches", "parts"]

SLICE_ROWS = 1024
"""Rows decoded at once. A dictionary may say little of how long they become, so there are not many."""


@contextmanager
def _opened(path: str, columns: tuple[str, ...]) -> Iterator[Any]:
    import pyarrow.parquet as pq

    with (
        opened(path, "Parquet") as source,
        # A buffer, so that of a row group not the whole column is held.
        pq.ParquetFile(source, buffer_size=BUFFER_BYTES, pre_buffer=False) as file,
    ):
        check_columns(path, columns, file.schema_arrow)
        yield file


def _sizes(file: Any, columns: tuple[str, ...]) -> list[tuple[int, int]]:
    """The rows of each row group, and the bytes of these columns once decompressed."""
    metadata = file.metadata
    numbers = [number for number in range(metadata.num_columns) if file.schema.column(number).path in columns]
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    return [
        (group.num_rows, sum(group.column(number).total_uncompressed_size for number in numbers))
        for group in groups
    ]


def parts(path: str, columns: tuple[str, ...], part_bytes: int) -> Iterator[Part]:
    """The row groups of a file; those that follow each other join up to ``part_bytes``."""
    with _opened(path, columns) as file:
        sizes = _sizes(file, columns)
    return joined_parts(path, sizes, part_bytes)


def batches(part: Part, asked: Asked) -> Iterator[list[Any]]:
    """The texts of the row groups of a part."""
    with _opened(part.path, asked.columns) as file:
        sizes = _sizes(file, asked.columns)
        row = sum(n_rows for n_rows, _ in sizes[: part.first])
        for number in range(part.first, part.end):
            n_rows, n_bytes = sizes[number]
            batch_rows = max(1, min(SLICE_ROWS, n_rows * asked.batch_bytes // max(n_bytes, 1)))
            columns = list(dict.fromkeys(asked.columns))
            for batch in file.iter_batches(batch_rows, [number], columns, use_threads=False):
                yield [
                    checked_text(batch.column(name), path=part.path, name=name, first_row=row, asked=asked)
                    for name in asked.columns
                ]
                row += batch.num_rows
                n_rows -= batch.num_rows
            if n_rows:
                message = f"{n_rows} rows of row group {number} are missing; copy or download the file again"
                raise wrong_file(part.path, message)
