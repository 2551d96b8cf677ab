"""Packing of histograms: how many pieces have which length, and how many sequences hold which lengths."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from portmanteau import _rust
from portmanteau.errors import PackingError
from portmanteau.packing.arguments import lengths_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from portmanteau.packing.arguments import Int64Array, Uint32Array

#: What a histogram can be packed by. Best fit decreasing makes the sequences of longest pack first.
_STRATEGIES = {
    "best_fit_decreasing": "longest_pack_first",
    "longest_pack_first": "longest_pack_first",
    "shortest_pack_first": "shortest_pack_first",
    "nnls_histogram": "nnls_histogram",
}


class Histogram:
    """How many documents have which length; what :func:`pack` takes where the documents themselves are not at hand.

    Args:
        counts: how many documents have as many tokens as the index says; those of length 0 are ignored.

    Raises:
        PackingError: for counts that are not a flat array of integers from 0 on.

    >>> import portmanteau as pm
    >>> plan = pm.pack(pm.Histogram([0, 0, 1000, 2000, 0, 1000]), capacity=8)
    >>> plan
    HistogramPlan(1625 sequences of up to 8 tokens, 3 patterns, 100.00 % full, best_fit_decreasing)
    >>> [(lengths.tolist(), repeats) for lengths, repeats in plan]
    [([5, 3], 1000), ([3, 3, 2], 500), ([2, 2, 2, 2], 125)]
    """

    def __init__(self, counts: npt.ArrayLike) -> None:
        array = np.asarray(counts)
        if (
            array.ndim != 1
            or (array.size and array.dtype.kind not in "iu")
            or (array.size and array.min() < 0)
        ):
            raise PackingError(
                "counts must be a flat array of integers from 0 on: how many documents have each length"
            )
        self.counts: npt.NDArray[np.uint64] = array.astype(np.uint64)

    @classmethod
    def of(cls, lengths: Any) -> Histogram:
        """The histogram of the lengths of documents, as :func:`pack` takes them."""
        return cls(np.bincount(lengths_of(lengths)))

    def __repr__(self) -> str:
        longest = max(len(self.counts) - 1, 0)
        return f"Histogram({int(self.counts.sum())} documents of up to {longest} tokens)"


@dataclass(frozen=True, eq=False, repr=False)
class HistogramPlan:
    """Which lengths share a sequence, and how many sequences have them: a plan of a :class:`Histogram`.

    Patterns are different, and in descending order. Iteration gives the lengths of each and its number of sequences.
    """

    capacity: int
    """Most tokens in a sequence."""
    strategy: str
    """As given to :func:`pack`."""
    lengths: Uint32Array
    """The lengths of all patterns, one after the other, uint32; those of a pattern descend."""
    offsets: Int64Array
    """Pattern ``i`` is ``lengths[offsets[i]:offsets[i + 1]]``, int64 ``[patterns + 1]``."""
    repeats: npt.NDArray[np.uint64]
    """How many sequences have each pattern, uint64 ``[patterns]``."""

    def __len__(self) -> int:
        return len(self.repeats)

    def __iter__(self) -> Any:
        for pattern, repeats in enumerate(self.repeats.tolist()):
            yield self.lengths[self.offsets[pattern] : self.offsets[pattern + 1]], repeats

    def __repr__(self) -> str:
        return (
            f"HistogramPlan({self.n_sequences} sequences of up to {self.capacity} tokens, {len(self)} patterns, "
            f"{100 * self.efficiency:.2f} % full, {self.strategy})"
        )

    @cached_property
    def n_sequences(self) -> int:
        """Number of sequences."""
        return sum(self.repeats.tolist())

    @cached_property
    def n_tokens(self) -> int:
        """Number of tokens in all sequences."""
        return sum(int(lengths.sum(dtype=np.int64)) * repeats for lengths, repeats in self)

    @property
    def lower_bound(self) -> int:
        """No plan of these pieces can have fewer sequences."""
        return -(-self.n_tokens // self.capacity)

    @property
    def efficiency(self) -> float:
        """The share of all positions that hold a token, from 0 to 1; 1 if there are no sequences."""
        return self.n_tokens / (self.n_sequences * self.capacity) if self.n_sequences else 1.0


def pack_histogram(
    histogram: Histogram, capacity: int, strategy: str, max_documents_per_sequence: int | None
) -> HistogramPlan:
    """See :func:`pack`."""
    if strategy not in _STRATEGIES:
        raise PackingError(
            f"strategy {strategy!r} is not of histograms; use one of {', '.join(map(repr, _STRATEGIES))}"
        )
    arrays = _rust.pack_histogram(
        histogram.counts, capacity, _STRATEGIES[strategy], max_documents_per_sequence
    )
    for array in arrays:
        array.setflags(write=False)
    return HistogramPlan(capacity, strategy, *arrays)
