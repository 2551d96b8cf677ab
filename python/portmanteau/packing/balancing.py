"""Shares work out among ranks, so that none waits for another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from portmanteau import _rust
from portmanteau.errors import PackingError

if TYPE_CHECKING:
    import numpy.typing as npt

    from portmanteau.packing.plan import PackPlan

__all__ = ["balance", "steps_of"]


def balance(
    costs: npt.ArrayLike,
    n_ranks: int,
    *,
    method: Literal["karmarkar_karp", "longest_first"] = "karmarkar_karp",
    equal_counts: bool = False,
) -> npt.NDArray[np.uint32]:
    """Shares items out among ranks, so that the sums of their costs are about equal.

    Args:
        costs: What each item costs: a list or array of numbers from 0 on.
        n_ranks: The number of ranks.
        method: ``"karmarkar_karp"`` comes closest; ``"longest_first"`` takes a fraction of the time with many ranks.
        equal_counts: Whether ranks get the same number of items, give or take one.

    Returns:
        The rank of every item, ``uint32[items]``. The same arguments give the same ranks on every machine.

    Raises:
        PackingError: There is no rank, or a cost is negative or no number (``document`` is the number of the item).

    O(n (log n + r log r)) for n items and r ranks, and O(n log n) for ``"longest_first"``.

    Source:
        Karmarkar and Karp, The Differencing Method of Set Partitioning, 1982; Graham, Bounds on Multiprocessing Timing
        Anomalies, 1969.

    >>> import numpy as np
    >>> import portmanteau as pm
    >>> costs = np.array([9, 8, 7, 6, 5, 4, 3, 2, 1])
    >>> ranks = pm.balance(costs, 3)
    >>> np.bincount(ranks, weights=costs).tolist()
    [15.0, 15.0, 15.0]
    """
    if not isinstance(method, str):
        raise PackingError(f"method is {method!r}; it must be a string")
    if isinstance(n_ranks, bool) or not isinstance(n_ranks, (int, np.integer)) or not 1 <= n_ranks < 2**32:
        raise PackingError(f"n_ranks is {n_ranks!r}; it must be an integer from 1 to {2**32 - 1}")
    return _rust.balance_items(_costs(costs), int(n_ranks), method, bool(equal_counts))


def steps_of(
    plan: PackPlan,
    n_ranks: int,
    sequences_per_rank: int,
    cost: str | npt.ArrayLike,
    window: int | None,
    seed: int,
) -> npt.NDArray[np.int64]:
    """See :meth:`PackPlan.steps`."""
    costs = _costs_of_sequences(plan, cost)
    n_sequences, step = len(costs), n_ranks * sequences_per_rank
    # By chance into windows, by cost within a window: a stable sort, so that equal costs stay in the order of chance.
    order = np.argsort(_drawn(seed, n_sequences), kind="stable")
    window_of = np.arange(n_sequences) // (n_sequences if window is None else window * step)
    order = order[np.lexsort((-costs[order], window_of))]
    n_steps = -(-n_sequences // step)
    numbers = np.full(n_steps * step, -1, np.int64)
    numbers[:n_sequences] = order
    rows = numbers.reshape(n_steps, step)
    if sequences_per_rank > 1 and n_steps:
        costs_of_rows = np.where(rows >= 0, costs[rows], 0.0)
        places = _rust.balance_rows(np.ascontiguousarray(costs_of_rows), n_ranks).reshape(rows.shape)
        rows = np.take_along_axis(rows, places, axis=1)
    # A step that is not full stays the last one.
    n_full = n_sequences // step
    shuffled = np.argsort(_drawn(seed + 1, n_full), kind="stable")
    rows = np.concatenate((rows[:n_full][shuffled], rows[n_full:]))
    return rows.reshape(n_steps, n_ranks, sequences_per_rank)


def _costs_of_sequences(plan: PackPlan, cost: str | npt.ArrayLike) -> npt.NDArray[np.float64]:
    if not isinstance(cost, str):
        costs = _costs(cost)
        if len(costs) != plan.n_sequences:
            raise PackingError(
                f"there are {len(costs)} costs, and {plan.n_sequences} sequences; give one for each"
            )
        return costs
    if cost not in ("attention", "tokens"):
        raise PackingError(
            f"cost is {cost!r}; it must be 'attention', 'tokens' or a number for each sequence"
        )
    pieces = plan.pieces
    of_plan = pieces.attention_cost if cost == "attention" else pieces.sums(pieces.length.astype(np.int64))
    return of_plan.astype(np.float64)


def _costs(costs: Any) -> npt.NDArray[np.float64]:
    try:
        array = np.asarray(costs)
    except ValueError as error:
        raise PackingError(f"costs must be a flat list or array of numbers: {error}") from None
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iuf"):
        raise PackingError("costs must be a flat list or array of numbers, one for each item")
    return np.ascontiguousarray(array, np.float64)


def _drawn(seed: int, n: int) -> npt.NDArray[np.uint64]:
    """A hash of the seed and of every number below n, by the finalizer of SplitMix64: the same for any NumPy."""
    with np.errstate(over="ignore"):
        numbers = np.arange(n, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        mixed = numbers + np.uint64(seed * 0xD1B54A32D192ED03 % 2**64)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        drawn: npt.NDArray[np.uint64] = mixed ^ (mixed >> np.uint64(31))
    return drawn
