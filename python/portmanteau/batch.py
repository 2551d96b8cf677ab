"""``TokenBatch``: the ids of several documents in one flat array, with the offsets of the documents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow

__all__ = ["TokenBatch"]


class TokenBatch:
    """The ids of several documents, one after the other.

    Attributes:
        ids: ``uint32[n]``, the ids of all documents.
        offsets: ``int64[documents + 1]``; document ``i`` is ``ids[offsets[i]:offsets[i + 1]]``. The first is 0, none
            is smaller than the one before it, the last is ``n``.

    >>> import portmanteau as pm
    >>> batch = pm.Tokenizer.load("o200k_base").encode_batch(["by the way", "", "off we go"])
    >>> len(batch), batch.offsets.tolist()
    (3, [0, 3, 3, 6])
    >>> batch[2]
    array([2864,  581,  810], dtype=uint32)
    >>> batch.to_arrow().type
    LargeListType(large_list<item: uint32>)
    """

    __slots__ = ("ids", "offsets")

    ids: npt.NDArray[np.uint32]
    offsets: npt.NDArray[np.int64]

    def __init__(self, ids: npt.NDArray[np.uint32], offsets: npt.NDArray[np.int64]) -> None:
        """Takes the two arrays as they are, after a check. O(documents).

        Raises:
            ValueError: ``offsets`` do not start at 0, descend, or do not end at the number of ids.
        """
        ids = np.ascontiguousarray(ids, dtype=np.uint32)
        offsets = np.ascontiguousarray(offsets, dtype=np.int64)
        if offsets.ndim != 1 or ids.ndim != 1 or len(offsets) == 0:
            raise ValueError(
                "ids and offsets are one-dimensional, and offsets has one entry more than documents"
            )
        if offsets[0] != 0 or offsets[-1] != len(ids) or np.any(np.diff(offsets) < 0):
            raise ValueError(f"offsets must ascend from 0 to the number of ids, {len(ids)}")
        self.ids = ids
        self.offsets = offsets

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """``int64[documents]``: the number of ids of each document."""
        return np.diff(self.offsets)

    def __len__(self) -> int:
        """The number of documents."""
        return len(self.offsets) - 1

    def __getitem__(self, document: int) -> npt.NDArray[np.uint32]:
        """The ids of one document: a view, not a copy."""
        index = range(len(self))[document]
        return self.ids[self.offsets[index] : self.offsets[index + 1]]

    def __iter__(self) -> Iterator[npt.NDArray[np.uint32]]:
        """The ids of each document, in order."""
        return (self[document] for document in range(len(self)))

    def __eq__(self, other: object) -> bool:
        """Whether the documents and their ids are the same."""
        if not isinstance(other, TokenBatch):
            return NotImplemented
        return np.array_equal(self.offsets, other.offsets) and np.array_equal(self.ids, other.ids)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """One line: how many documents and ids."""
        return f"TokenBatch(documents={len(self)}, ids={len(self.ids)})"

    def __reduce__(self) -> tuple[type[TokenBatch], tuple[Any, ...]]:
        """Pickles as its two arrays."""
        return TokenBatch, (self.ids, self.offsets)

    def to_arrow(self) -> pyarrow.LargeListArray:
        """The documents as an Arrow ``large_list<uint32>`` array that shares the memory of this batch."""
        import pyarrow as pa

        offsets = pa.Array.from_buffers(pa.int64(), len(self.offsets), [None, pa.py_buffer(self.offsets)])
        values = pa.Array.from_buffers(pa.uint32(), len(self.ids), [None, pa.py_buffer(self.ids)])
        return pa.LargeListArray.from_arrays(offsets, values)

    @classmethod
    def from_arrow(cls, column: Any) -> TokenBatch:
        """A batch from an Arrow list column of integers (list or large_list, one or more chunks).

        Raises:
            ValueError: The column is not a list of integers, or holds a null.
        """
        import pyarrow as pa

        array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        if not (pa.types.is_list(array.type) or pa.types.is_large_list(array.type)) or array.null_count:
            raise ValueError(f"expected a list of integers without nulls, got {array.type}")
        offsets = array.offsets.to_numpy().astype(np.int64)
        values = array.values.slice(int(offsets[0]), int(offsets[-1] - offsets[0]))
        return cls(values.cast(pa.uint32()).to_numpy(), offsets - offsets[0])

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        """The Arrow PyCapsule protocol, so that polars, pyarrow, DuckDB and others take a batch as it is."""
        capsules: tuple[object, object] = self.to_arrow().__arrow_c_array__(requested_schema)
        return capsules
