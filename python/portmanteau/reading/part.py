"""``Part``: what can be read alone, by any process, in any order."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Part"]


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
