"""Work is shared out evenly, each item once, and the same everywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import portmanteau as pm


@given(
    costs=st.lists(st.integers(0, 1000), max_size=60),
    n_ranks=st.integers(1, 9),
    method=st.sampled_from(["karmarkar_karp", "longest_first"]),
    equal_counts=st.booleans(),
)
def test_every_item_has_a_rank(costs: list[int], n_ranks: int, method: Any, equal_counts: bool) -> None:
    ranks = pm.balance(costs, n_ranks, method=method, equal_counts=equal_counts)
    assert ranks.dtype == np.uint32
    assert len(ranks) == len(costs)
    loads = np.bincount(ranks, weights=costs, minlength=n_ranks) if costs else np.zeros(n_ranks)
    assert len(loads) == n_ranks
    if equal_counts:
        counts = np.bincount(ranks, minlength=n_ranks)
        assert counts.max() - counts.min() <= 1
    else:
        # A rank has more than the mean by less than the costliest item.
        assert loads.max() <= loads.mean() + max(costs, default=0)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (([1.0], 0), "n_ranks is 0"),
        (([1.0], 2.5), "n_ranks is 2.5"),
        (([1.0, -1.0], 2), "document 1: costs -1"),
        (([float("nan")], 2), "document 0: costs NaN"),
        ((["a"], 2), "numbers"),
        (([[1.0], [1.0, 2.0]], 2), "costs must be"),
    ],
)
def test_what_cannot_be_shared_out(arguments: Any, says: str) -> None:
    with pytest.raises(pm.PackingError, match=says):
        pm.balance(*arguments)
    with pytest.raises(pm.PackingError, match=r"method .*best.* is unknown"):
        pm.balance([1.0], 1, method="best")  # type: ignore[arg-type]


@given(
    lengths=st.lists(st.integers(0, 30), max_size=80),
    n_ranks=st.integers(1, 5),
    per_rank=st.integers(1, 3),
    window=st.none() | st.integers(1, 4),
    seed=st.integers(0, 2**64 - 1),
    cost=st.sampled_from(["attention", "tokens"]),
)
def test_every_sequence_is_in_one_step(
    lengths: list[int], n_ranks: int, per_rank: int, window: int | None, seed: int, cost: Any
) -> None:
    plan = pm.pack(lengths, 16)
    steps = plan.steps(n_ranks, sequences_per_rank=per_rank, window=window, seed=seed, cost=cost)
    assert steps.dtype == np.int64
    assert steps.shape == (-(-plan.n_sequences // (n_ranks * per_rank)), n_ranks, per_rank)
    assert sorted(steps[steps >= 0].tolist()) == list(range(plan.n_sequences))
    assert (steps[:-1] >= 0).all()
    again = plan.steps(n_ranks, sequences_per_rank=per_rank, window=window, seed=seed, cost=cost)
    assert np.array_equal(steps, again)


def test_steps_are_even() -> None:
    """Lengths as those of code: a median of 914, a mean of 2,400. By chance, a step takes several times its mean."""
    generator = np.random.default_rng(1)
    lengths = np.exp(np.log(914) + 1.39 * generator.standard_normal(300_000)).astype(np.int64)
    plan = pm.pack(lengths, 131_072)
    costs = np.add.reduceat(plan.pieces.length.astype(float) ** 2, plan.sequence_offsets[:-1])

    def unevenness(steps: Any) -> float:
        loads = costs[steps].sum(axis=2)
        return float((loads.max(axis=1) / loads.mean(axis=1)).mean())

    by_chance = generator.permutation(plan.n_sequences)[: plan.n_sequences // 64 * 64].reshape(-1, 64, 1)
    assert unevenness(by_chance) > 3
    assert unevenness(plan.steps(64)[:-1]) < 1.1
    assert unevenness(plan.steps(64, sequences_per_rank=4)[:-1]) < 1.05
    given = plan.steps(64, cost=costs)
    assert np.array_equal(given, plan.steps(64))


def drawn(seed: int, number: int) -> int:
    """The hash that `docs/design/packing.md` defines."""
    mixed = (number * 0x9E3779B97F4A7C15 + seed * 0xD1B54A32D192ED03) % 2**64
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ mixed >> shift) * factor % 2**64
    return mixed ^ mixed >> 31


@pytest.mark.parametrize(("n_ranks", "window", "seed"), [(3, 2, 0), (2, None, 7), (5, 1, 2**64 - 1)])
def test_steps_are_as_defined(n_ranks: int, window: int | None, seed: int) -> None:
    plan = pm.pack([7 * number % 31 + 1 for number in range(150)], 32)
    costs = [0] * plan.n_sequences
    for sequence, length in zip(plan.pieces.sequence.tolist(), plan.pieces.length.tolist(), strict=True):
        costs[sequence] += length**2
    order = sorted(range(plan.n_sequences), key=lambda sequence: drawn(seed, sequence))
    size = plan.n_sequences if window is None else window * n_ranks
    windows = [order[start : start + size] for start in range(0, len(order), size)]
    order = [sequence for one in windows for sequence in sorted(one, key=lambda sequence: -costs[sequence])]
    steps = [order[start : start + n_ranks] for start in range(0, len(order), n_ranks)]
    rest = [steps.pop()] if len(order) % n_ranks else []
    shuffled = sorted(range(len(steps)), key=lambda step: drawn((seed + 1) % 2**64, step))
    expected = [steps[step] for step in shuffled] + [one + [-1] * (n_ranks - len(one)) for one in rest]
    assert plan.steps(n_ranks, window=window, seed=seed)[:, :, 0].tolist() == expected


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"n_ranks": 0}, "n_ranks is 0"),
        ({"n_ranks": 1, "sequences_per_rank": 0}, "sequences_per_rank is 0"),
        ({"n_ranks": 1, "window": 0}, "window is 0"),
        ({"n_ranks": 1, "seed": -1}, "seed is -1"),
        ({"n_ranks": 1, "cost": "time"}, "cost is 'time'"),
        ({"n_ranks": 1, "cost": [1.0]}, "1 costs, and 2 sequences"),
    ],
)
def test_steps_that_cannot_be(options: Any, says: str) -> None:
    with pytest.raises(pm.PackingError, match=says):
        pm.pack([8, 8], 8).steps(**options)
