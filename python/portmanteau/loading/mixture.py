"""``Mixture``: batches of several datasets, by shares of tokens.

Weights are shares of *tokens*. A row of a plan has as many tokens as its sequences have on average, so in rows the
share of a source is proportional to its weight divided by that. Every source is owed rows. A step adds to that of each
its share of the batch, gives each the whole rows that it is owed, and the rows that are left to those with the largest
rest; what a source got is taken off that. So after any number of steps no source is more than a few rows from its
share, and a source that reaches its limit leaves its part to the others, by their weights. All sums are rounded once,
by ``math.fsum``: ``sum`` rounds otherwise in other versions of Python, and a row would go to another source.

A step depends on those before it through what is owed alone; that is kept for every 1,024th step that was reached.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from portmanteau.errors import PackingError
from portmanteau.loading.feeds import Share, checked_step, digest, identity, real, sample_limit
from portmanteau.packing.arguments import integer

if TYPE_CHECKING:
    from portmanteau.store import DatasetPlan

__all__ = ["Mixture", "Weights"]

Weights = Mapping[str, float]
Schedule = Weights | Sequence[tuple[int, Weights]] | Callable[[int], Weights]

SNAPSHOT_STEPS = 1024


@dataclass
class _State:
    """What a step depends on."""

    owed: list[float]
    samples: list[int]


class Mixture:
    """A feed of several plans, weighted by tokens.

    >>> import portmanteau as pm
    >>> tokenizer = pm.Tokenizer.load("o200k_base")
    >>> plans = {}
    >>> for name, text in (("prose", "by the way"), ("code", "int i = 0;")):
    ...     plans[name] = pm.write_dataset(tokenizer.encode_batch([text] * 30), name, tokenizer).pack(12)
    >>> mixture = Mixture(plans, {"prose": 3, "code": 1}, batch_size=4)
    >>> [share.size for share in mixture.shares(0)], mixture.samples_before(100)
    ([3, 1], [305, 95])
    """

    def __init__(
        self,
        plans: Mapping[str, DatasetPlan],
        weights: Schedule,
        batch_size: int,
        *,
        epochs: Mapping[str, float] | None = None,
    ) -> None:
        """A feed of sources.

        Args:
            plans: The plan of every source, by name. All must make sequences of one format.
            weights: The share of each source among all tokens, by name; they need not add up to 1. Or phases, as pairs
                of the step with which they begin (0 for the first) and their weights; or a function of the step, which
                must give the same whenever it is asked.
            batch_size: How many sequences a step takes, in all ranks together.
            epochs: How often the sequences of a source are taken at most, by name; a source that is not named comes
                again and again. The mixture ends when all sources have.

        Raises:
            PackingError: There is no source, weights are of others, or none is above 0; the plans differ in format or
                tokenizer.
        """
        if not plans:
            raise PackingError("a mixture needs a source; give plans by name")
        self._names = list(plans)
        self.plans: Sequence[DatasetPlan] = list(plans.values())
        for name, plan in plans.items():
            first = self.plans[0]
            if (plan.plan.format, plan.capacity) != (first.plan.format, first.capacity):
                raise PackingError(
                    f"the plans of {name!r} and {self._names[0]!r} differ in capacity, BOS and EOS or alignment; pack "
                    "all sources alike"
                )
            tokenizers = [each.dataset.manifest.tokenizer["fingerprint"] for each in (plan, first)]
            if tokenizers[0] != tokenizers[1]:
                raise PackingError(
                    f"the ids of {name!r} and {self._names[0]!r} are of different tokenizers; prepare both with one"
                )
        self._batch_size = integer("batch_size", batch_size, 1, 2**31)
        self.batch_sizes = frozenset([self._batch_size])
        self.changes = 0
        unknown = sorted(set(epochs or {}) - set(plans))
        if unknown:
            raise PackingError(f"epochs names {unknown[0]!r}; the sources are {', '.join(self._names)}")
        self._limits = [sample_limit(plan, (epochs or {}).get(name)) for name, plan in plans.items()]
        self._tokens_per_row = [plan.n_tokens / plan.n_sequences for plan in self.plans]
        self._function = weights if callable(weights) else None
        self._phases: list[tuple[int, list[float]]] = []
        if self._function is None:
            pairs = [(0, weights)] if isinstance(weights, Mapping) else list(weights)  # type: ignore[arg-type]
            for first_step, of_phase in pairs:
                self._add_phase(integer("the first step of a phase", first_step, 0, 2**62), of_phase)
            if not self._phases or self._phases[0][0] != 0:
                raise PackingError("the first phase must begin with step 0")
        self._snapshots: dict[int, _State] = {}
        self._latest: tuple[int, _State]
        self._n_steps: int | None
        self._forget(0)

    @property
    def names(self) -> Sequence[str]:
        """The names of the sources, in the order of :attr:`plans`."""
        return self._names

    def weights(self, step: int) -> dict[str, float]:
        """The weights of a step, as shares that add up to 1."""
        shares = self._weights(step)
        total = math.fsum(shares)
        return dict(zip(self._names, [share / total for share in shares], strict=True))

    def set_weights(self, weights: Weights, *, from_step: int) -> None:
        """Gives all steps from one on other weights; those before it stay as they were.

        The phases are part of the state of a loader, so a training that is resumed has them too. Call it on all ranks,
        with a step that none of them has taken yet, such as the ``step`` of a loader.

        Raises:
            PackingError: The weights cannot be; a phase begins later; or the weights are a function.
        """
        if self._function is not None:
            raise PackingError("the weights are a function of the step; let it give others")
        self._add_phase(integer("from_step", from_step, 0, 2**62), weights)
        self._forget(from_step)
        self.changes += 1

    def _add_phase(self, first_step: int, weights: Weights) -> None:
        if self._phases and first_step < self._phases[-1][0]:
            raise PackingError(
                f"a phase begins with step {self._phases[-1][0]}, after {first_step}; give phases in order"
            )
        checked = self._checked(weights)
        self._phases = [phase for phase in self._phases if phase[0] < first_step]
        self._phases.append((first_step, checked))

    def _checked(self, weights: Weights) -> list[float]:
        unknown = sorted(set(weights) ^ set(self._names))
        if unknown:
            raise PackingError(
                f"weights and sources differ in {unknown[0]!r}; give a weight for each of {', '.join(self._names)}"
            )
        values = [real(weights[name]) for name in self._names]
        for name, value in zip(self._names, values, strict=True):
            if not 0 <= value < math.inf:
                raise PackingError(
                    f"the weight of {name!r} is {weights[name]!r}; it must be a number from 0 on"
                )
        if not any(values):
            raise PackingError("all weights are 0; give a source a weight above it")
        # A power of two changes no share, and keeps their sum finite.
        _, exponent = math.frexp(max(values))
        return [math.ldexp(value, -exponent) for value in values]

    def _weights(self, step: int) -> list[float]:
        if self._function is not None:
            return self._checked(self._function(step))
        first_steps = [first_step for first_step, _ in self._phases]
        return self._phases[bisect.bisect_right(first_steps, step) - 1][1]

    # ── steps ───────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def n_steps(self) -> int | None:
        """How many steps there are; ``None`` if they do not end.

        They end where no source with a weight has a sequence left. The first time, all steps are gone through.
        """
        weights = self._phases[-1][1] if self._phases else [1.0] * len(self.plans)
        if any(limit is None and weight for limit, weight in zip(self._limits, weights, strict=True)):
            return None
        if self._n_steps is None:
            step = 0
            while any(self._counts_of(step)):
                step += 1
            self._n_steps = step
        return self._n_steps

    def batch_size(self, step: int) -> int:  # noqa: ARG002 - other feeds need it
        """How many rows a step has, in all ranks together."""
        return self._batch_size

    def shares(self, step: int) -> list[Share]:
        """What a step takes; see :class:`Feed`."""
        counts = self._counts_of(checked_step(step, None))
        if not any(counts):
            raise IndexError(
                f"there is no step {step}: no source with a weight has a sequence left; allow more epochs, "
                "or give others a weight"
            )
        return [
            Share(plan, first, count)
            for plan, (first, count) in enumerate(zip(self._before(step).samples, counts, strict=True))
            if count
        ]

    def samples_before(self, step: int) -> list[int]:
        """How many samples of each plan all steps before this one took."""
        return list(self._before(step).samples)

    def _counts_of(self, step: int) -> list[int]:
        state = self._before(step)
        return self._counts(step, list(state.owed), state.samples)

    def _before(self, step: int) -> _State:
        """The state before a step, from the last one before it that is known."""
        known, state = self._latest
        if not known <= step < known + SNAPSHOT_STEPS:
            reached = (pair for pair in (self._latest, *self._snapshots.items()) if pair[0] <= step)
            known, state = max(reached, key=lambda pair: pair[0])
        owed, samples = list(state.owed), list(state.samples)
        for earlier in range(known, step):
            if earlier % SNAPSHOT_STEPS == 0:
                self._snapshots[earlier] = _State(list(owed), list(samples))
            counts = self._counts(earlier, owed, samples)
            samples = [before + count for before, count in zip(samples, counts, strict=True)]
        self._latest = step, _State(owed, samples)
        return self._latest[1]

    def _counts(self, step: int, owed: list[float], samples: Sequence[int]) -> list[int]:
        """How many rows each source gets in a step, after ``samples``; what is owed becomes that after the step."""
        room = [
            self._batch_size if limit is None else min(limit - taken, self._batch_size)
            for limit, taken in zip(self._limits, samples, strict=True)
        ]
        # The share of each source in rows; one that has nothing left, or no weight, gets nothing.
        rows = [
            weight / tokens if left else 0.0
            for weight, tokens, left in zip(self._weights(step), self._tokens_per_row, room, strict=True)
        ]
        room = [left if share else 0 for left, share in zip(room, rows, strict=True)]
        n_rows = min(self._batch_size, sum(room))
        due = self._due(n_rows, rows, room, owed)
        counts = [max(0, min(math.floor(each), left)) for each, left in zip(due, room, strict=True)]
        while (given := sum(counts)) != n_rows:
            # To the source that is furthest behind its share, or from the one furthest ahead.
            rest = [each - count for each, count in zip(due, counts, strict=True)]
            if given < n_rows:
                able = (source for source, left in enumerate(room) if counts[source] < left)
                counts[max(able, key=lambda source: (rest[source], -source))] += 1
            else:
                able = (source for source, count in enumerate(counts) if count)
                counts[min(able, key=lambda source: (rest[source], source))] -= 1
        owed[:] = [each - count for each, count in zip(due, counts, strict=True)]
        return counts

    def _due(
        self, n_rows: int, rows: Sequence[float], room: Sequence[int], owed: Sequence[float]
    ) -> list[float]:
        """What the sources are owed with their shares of a step; all together, its rows.

        A source that reaches its limit is owed the rows that it has left. The others share the rest by their weights.
        """
        due = [0.0] * len(rows)
        open_sources = [source for source, left in enumerate(room) if left]
        while open_sources:
            new_rows = n_rows - math.fsum(owed[source] for source in open_sources)
            total = math.fsum(rows[source] for source in open_sources)
            for source in open_sources:
                due[source] = owed[source] + new_rows * rows[source] / total
            ending = [source for source in open_sources if due[source] >= room[source] < self._batch_size]
            if not ending:
                break
            for source in ending:
                due[source] = float(room[source])
                n_rows -= room[source]
                open_sources.remove(source)
        return due

    # ── going on later ──────────────────────────────────────────────────────────────────────────────────────────────

    def fingerprint(self) -> str:
        """SHA-256 of the plans, their limits and the size of a batch. Weights are part of the state."""
        plans = [(name, identity(plan)) for name, plan in zip(self._names, self.plans, strict=True)]
        return digest("mixture", plans, self._limits, self._batch_size, self._function is not None)

    def state(self, step: int) -> dict[str, Any]:
        """The phases, and what is owed before a step."""
        before = self._before(step)
        return {
            "step": step,
            "owed": list(before.owed),
            "samples": list(before.samples),
            "phases": [[first_step, list(weights)] for first_step, weights in self._phases],
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Goes on where another mixture of this fingerprint was, with the weights that it had."""
        reached = _State([float(each) for each in state["owed"]], [int(each) for each in state["samples"]])
        step = int(state["step"])
        self._phases = [(int(first), [float(each) for each in weights]) for first, weights in state["phases"]]
        self._forget(0)
        self._latest = step, reached
        self._snapshots[step] = reached
        self.changes += 1

    def _forget(self, step: int) -> None:
        """What was found for steps after this one does not hold any more."""
        kept = {reached: state for reached, state in self._snapshots.items() if reached <= step}
        self._snapshots = {0: _State([0.0] * len(self.plans), [0] * len(self.plans)), **kept}
        self._latest = 0, self._snapshots[0]
        self._n_steps = None
