"""The ids of documents that wait in a stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from portmanteau import _rust

if TYPE_CHECKING:
    import numpy.typing as npt

    from portmanteau.packing.arguments import Int64Array, Uint32Array

    Uint64Array = npt.NDArray[np.uint64]


class HeldDocuments:
    """Documents by their numbers in the stream, which ascend: their lengths, and their ids one after the other.

    What is added is copied to the end of an array. When that is full, documents that nobody waits for are given up, and
    the array becomes twice as large as the others need. So an id is copied a few times at the most.
    """

    def __init__(self) -> None:
        self._ids = np.empty(0, np.uint32)
        self._numbers = np.empty(0, np.uint64)
        self._lengths = np.empty(0, np.uint32)
        self._offsets = np.zeros(1, np.int64)
        self._n_documents = 0

    @classmethod
    def of(cls, numbers: Uint64Array, lengths: Uint32Array, ids: Uint32Array) -> HeldDocuments:
        """These documents."""
        held = cls()
        held._set(numbers, lengths, ids)
        return held

    @property
    def numbers(self) -> Uint64Array:
        """uint64 ``[documents]``."""
        return self._numbers[: self._n_documents]

    @property
    def lengths(self) -> Uint32Array:
        """uint32 ``[documents]``."""
        return self._lengths[: self._n_documents]

    @property
    def offsets(self) -> Int64Array:
        """Where documents start among the ids, and where the last one ends, int64 ``[documents + 1]``."""
        return self._offsets[: self._n_documents + 1]

    @property
    def ids(self) -> Uint32Array:
        """uint32."""
        return self._ids[: self._offsets[self._n_documents]]

    def places(self, numbers: Uint64Array) -> Int64Array:
        """Where these documents are."""
        return np.searchsorted(self.numbers, numbers)

    def only(self, numbers: Uint64Array) -> HeldDocuments:
        """These documents, each of which may be named several times, alone."""
        numbers = np.unique(numbers)
        places = self.places(numbers)
        ids = _rust.take_documents(self._ids, self._offsets, places)
        return HeldDocuments.of(numbers, self._lengths[places], ids)

    def add(
        self,
        first_number: int,
        lengths: npt.NDArray[Any],
        ids: npt.NDArray[Any],
        needed: Callable[[], Uint64Array],
    ) -> None:
        """Adds documents with numbers that follow each other; ``needed`` tells which of the others are waited for."""
        if self._offsets[self._n_documents] + len(ids) > len(self._ids) or (
            self._n_documents + len(lengths) > len(self._numbers)
        ):
            kept = self.only(needed())
            self._set(kept.numbers, kept.lengths, kept.ids)
            n_ids, n_documents = len(kept.ids) + len(ids), len(kept.numbers) + len(lengths)
            self._ids = _grown(self._ids, n_ids)
            self._numbers = _grown(self._numbers, n_documents)
            self._lengths = _grown(self._lengths, n_documents)
            self._offsets = _grown(self._offsets, n_documents + 1)
        start, end = self._n_documents, self._n_documents + len(lengths)
        first_id = self._offsets[start]
        self._ids[first_id : first_id + len(ids)] = ids
        self._numbers[start:end] = np.arange(first_number, first_number + len(lengths), dtype=np.uint64)
        self._lengths[start:end] = lengths
        np.cumsum(lengths, dtype=np.int64, out=self._offsets[start + 1 : end + 1])
        self._offsets[start + 1 : end + 1] += first_id
        self._n_documents = end

    def _set(self, numbers: Uint64Array, lengths: Uint32Array, ids: Uint32Array) -> None:
        self._numbers, self._lengths, self._ids = numbers, lengths, ids
        self._offsets = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
        self._n_documents = len(numbers)


def _grown(array: npt.NDArray[Any], n_needed: int) -> npt.NDArray[Any]:
    """The array with room for twice as many elements as are needed."""
    grown = np.empty(2 * n_needed, array.dtype)
    grown[: len(array)] = array
    return grown
