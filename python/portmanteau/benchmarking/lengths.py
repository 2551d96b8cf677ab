"""Lengths of documents to pack: three sets that are the same on every machine, or those of a file.

The lengths of a set are log-normal: ``ceil(median * exp(sigma * z))``, where the z are normal by Box and Muller,
``z = sqrt(-2 * log(1 - u)) * cos(2 * pi * v)``, and u, v, u, v, … are numbers of 53 bits from PCG64 with seed 0, each
divided by 2**53. A record has the SHA-256 of the lengths as little-endian 32-bit integers, which tells two apart.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from portmanteau.errors import FileError, PackingError
from portmanteau.files import file_error

if TYPE_CHECKING:
    import numpy.typing as npt

    Lengths = npt.NDArray[np.uint32]
    Column = npt.NDArray[np.generic]

__all__ = ["SETS", "LengthSet", "digest", "read", "split", "total"]

_MAX_LENGTH = 2**31 - 1


@dataclass(frozen=True)
class LengthSet:
    """Log-normal lengths: half of them are above the median; sigma says how far they spread."""

    median: int
    sigma: float
    what: str
    """What has such lengths."""

    def draw(self, n_documents: int) -> Lengths:
        """The first lengths of the set.

        >>> SETS["lognormal"].draw(4)
        array([ 371,  618, 2513,  372], dtype=uint32)
        """
        raw = np.random.PCG64(0).random_raw(2 * n_documents) >> np.uint64(11)
        uniform = raw.astype(np.float64).reshape(-1, 2) / 2**53
        normal = np.sqrt(-2 * np.log(1 - uniform[:, 0])) * np.cos(2 * np.pi * uniform[:, 1])
        lengths: Lengths = np.ceil(self.median * np.exp(self.sigma * normal)).astype(np.uint32)
        return lengths


SETS = {
    "lognormal": LengthSet(450, 1.1, "web text: mean 824"),
    "commits": LengthSet(12, 1.72, "short records such as commit messages: mean 53"),
    "code": LengthSet(914, 1.39, "source files: mean 2,400"),
}
"""The sets by name. The last two have the median and the mean of the messages and sources that they stand for."""


def read(source: str, n_documents: int, column: str = "length") -> Lengths:
    """The first lengths of a set, or of a file.

    Args:
        source: A name of :data:`SETS`, or an ``.npy`` or ``.parquet`` file.
        n_documents: How many, at most.
        column: Of a Parquet file, the column.

    Raises:
        FileError: The file cannot be read, or holds no lengths.
    """
    if source in SETS:
        return SETS[source].draw(n_documents)
    ending = Path(source).suffix.lower()
    if ending not in (".npy", ".parquet"):
        message = f"{source}: lengths are {', '.join(SETS)}, or a file that ends in .npy or .parquet"
        raise FileError(message, path=source)
    try:
        content = np.load(source) if ending == ".npy" else _read_parquet(source, column)
    except OSError as error:
        raise file_error(source, "read the file", error) from error
    except (EOFError, ValueError, KeyError) as error:
        raise FileError(f"{source}: holds no lengths ({error})", path=source) from error
    numbers = np.asarray(content)[:n_documents]
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu" or not numbers.size:
        message = f"{source}: has {numbers.dtype} in {numbers.ndim} dimensions; lengths are a flat array of integers"
        raise FileError(message, path=source)
    if numbers.min() < 1 or numbers.max() > _MAX_LENGTH:
        raise FileError(f"{source}: lengths to compare with are from 1 to {_MAX_LENGTH}", path=source)
    return numbers.astype(np.uint32)


def _read_parquet(path: str, column: str) -> Column:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        numbers: Column = pq.read_table(path, columns=[column])[column].to_numpy()
    except pa.ArrowException as error:
        raise ValueError(error) from error
    return numbers


def split(lengths: Lengths, capacity: int) -> npt.NDArray[np.int64]:
    """The lengths of the pieces: documents longer than the capacity are cut into pieces of it and a rest.

    >>> split(np.array([3, 10, 8], np.uint32), 4)
    array([3, 4, 4, 2, 4, 4])
    """
    if not 1 <= capacity <= _MAX_LENGTH:
        raise PackingError(f"capacity is {capacity}; it must be from 1 to {_MAX_LENGTH}")
    long = lengths.astype(np.int64)
    counts = -(-long // capacity)
    pieces = np.full(counts.sum(), capacity, np.int64)
    pieces[np.cumsum(counts) - 1] = long - (counts - 1) * capacity
    return pieces


def digest(lengths: Lengths) -> str:
    """The SHA-256 of the lengths."""
    return hashlib.sha256(lengths.astype("<u4").tobytes()).hexdigest()


def total(lengths: Lengths) -> int:
    """The tokens of all documents."""
    return int(np.sum(lengths, dtype=np.int64))
