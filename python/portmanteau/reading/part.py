"""``Part``: what can be read alone, by any process, in any order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Part", "joined_parts"]


@dataclass(frozen=True)
class Part:
    """A part of a file. Its first and its last are row groups, record batches or bytes, as its format has them."""

    path: str
    first: int
    """The row group (Parquet), the record batch (Arrow) or the byte (JSON Lines) with which it begins."""
    end: int
    """The one after its last. Lines belong to the part in which they begin. Other files are read whole."""
    n_bytes: int
    """About how much text it has; to balance work, and for nothing else."""
    n_rows: int | None
    """How many rows it has, where the file says that without being read."""


def joined_parts(path: str, sizes: Sequence[tuple[int | None, int]], part_bytes: int) -> Iterator[Part]:
    """The parts of a file of units that can be read alone; those that follow each other join up to ``part_bytes``.

    Args:
        path: The file.
        sizes: The rows, if they are known, and the bytes of each unit.
        part_bytes: The most bytes of a part that has several units.

    >>> [(part.first, part.end) for part in joined_parts("a.parquet", [(1, 5), (1, 5), (1, 20), (1, 5)], 10)]
    [(0, 2), (2, 3), (3, 4)]
    """
    first, n_bytes = 0, 0
    n_rows: int | None = 0
    for number, (unit_rows, unit_bytes) in enumerate(sizes):
        if number > first and n_bytes + unit_bytes > part_bytes:
            yield Part(path, first, number, n_bytes, n_rows)
            first, n_rows, n_bytes = number, 0, 0
        n_rows = None if n_rows is None or unit_rows is None else n_rows + unit_rows
        n_bytes += unit_bytes
    if sizes:
        yield Part(path, first, len(sizes), n_bytes, n_rows)
