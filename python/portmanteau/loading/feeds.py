"""Feeds: which sequences of which plans every step of a training takes.

A feed is a function of the step. A plan is an endless list of samples: sample k of a plan of n sequences stands at
place ``k % n`` in the order of epoch ``k // n``. A feed says for every step how many samples it takes of each plan, and
with which they begin; a loader lays them out.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import numbers
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from portmanteau import _rust
from portmanteau.errors import PackingError
from portmanteau.packing.arguments import integer

if TYPE_CHECKING:
    from portmanteau.packing.arguments import Int64Array
    from portmanteau.store import DatasetPlan

__all__ = ["Curriculum", "Epochs", "Feed", "Share", "sequences_of"]

MOST_STEPS = 2**62


class Share(NamedTuple):
    """What a step takes of one plan."""

    plan: int
    """Its number among the plans of the feed."""
    first: int
    """The first sample."""
    size: int
    """How many samples."""


class Feed(Protocol):
    """What a :class:`Loader` follows."""

    plans: Sequence[DatasetPlan]
    """All plans that it takes samples of."""
    batch_sizes: frozenset[int]
    """All that :meth:`batch_size` may say."""

    @property
    def changes(self) -> int:
        """How often its steps were given other shares; what was made ahead of them by then does not hold."""

    @property
    def n_steps(self) -> int | None:
        """How many steps there are; ``None`` if they do not end."""

    def batch_size(self, step: int) -> int:
        """How many rows a step has in all ranks together. Where its shares are fewer, the rest of the rows is empty."""

    def shares(self, step: int) -> list[Share]:
        """What a step takes, of each plan once at most, in the order of plans.

        Raises:
            IndexError: There is no such step.
        """

    def samples_before(self, step: int) -> list[int]:
        """How many samples of each plan all steps before this one took."""

    def fingerprint(self) -> str:
        """SHA-256 of what the feed was made of, in 64 hexadecimal digits."""

    def state(self, step: int) -> dict[str, Any]:
        """What the steps from this one on depend on, beside what the feed was made of."""

    def load_state(self, state: dict[str, Any]) -> None:
        """Goes on where another feed of this fingerprint was."""


def sequences_of(plan: DatasetPlan, first: int, count: int, seed: int, shuffle: bool) -> Int64Array:
    """The sequences that samples ``first``, ``first + 1``, … of a plan are, int64 ``[count]``. O(count).

    The order of an epoch is drawn with the seed, the fingerprint of the plan and the number of the epoch.
    """
    n = plan.n_sequences
    key = seed ^ int(plan.fingerprint[:16], 16)
    found = []
    while count:
        epoch, place = divmod(first, n)
        taken = min(count, n - place)
        places = np.arange(place, place + taken, dtype=np.int64)
        found.append(_rust.permute(places, n, key, epoch) if shuffle else places)
        first, count = first + taken, count - taken
    return np.concatenate(found) if found else np.empty(0, np.int64)


def identity(plan: DatasetPlan) -> tuple[object, ...]:
    """What decides the ids of every sequence of a plan. Plans of one fingerprint may be of different text."""
    return plan.dataset.fingerprint, plan.fingerprint, plan.pad_id, plan.bos_id, plan.eos_id


def digest(*parts: object) -> str:
    """SHA-256 over what parts say of themselves, in 64 hexadecimal digits."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def real(value: Any) -> float:
    """A real number of any type as a float; NaN if it is none, which no comparison holds for."""
    return float(value) if not isinstance(value, bool) and isinstance(value, numbers.Real) else math.nan


def checked_step(step: int, n_steps: int | None) -> int:
    """The step, if there is one of this number.

    Raises:
        IndexError: There is none.
    """
    if step < 0 or (n_steps is not None and step >= n_steps):
        last = "without end" if n_steps is None else f"{n_steps} of them"
        raise IndexError(f"there is no step {step}; steps count from 0 on, {last}")
    return step


class Epochs:
    """One plan, epoch after epoch, in another order each time.

    A batch may reach from one epoch into the next, so that all batches are of one size and nothing is left out.

    >>> import portmanteau as pm
    >>> tokenizer = pm.Tokenizer.load("o200k_base")
    >>> batch = tokenizer.encode_batch(["one", "two", "three", "four", "five"])
    >>> plan = pm.write_dataset(batch, "numbers", tokenizer).pack(2)
    >>> plan.n_sequences, [Epochs(plan, 2, epochs=2).shares(step) for step in (0, 1, 2)]
    (3, [[Share(plan=0, first=0, size=2)], [Share(plan=0, first=2, size=2)], [Share(plan=0, first=4, size=2)]])
    """

    def __init__(self, plan: DatasetPlan, batch_size: int, *, epochs: float | None = None) -> None:
        """A feed of a plan.

        Args:
            plan: The plan.
            batch_size: How many sequences a step takes, in all ranks together.
            epochs: How often every sequence is taken. If it is no whole number, the last time some are, to the nearest
                sequence. Without end if ``None``.

        Raises:
            PackingError: A number cannot be, or the plan has no sequences.
        """
        self.plans: Sequence[DatasetPlan] = [plan]
        self._batch_size = integer("batch_size", batch_size, 1, 2**31)
        self.batch_sizes = frozenset([self._batch_size])
        self._n_samples = sample_limit(plan, epochs)

    @property
    def changes(self) -> int:
        """None: steps stay what they are."""
        return 0

    @property
    def n_steps(self) -> int | None:
        """How many steps there are; ``None`` if they do not end."""
        return None if self._n_samples is None else -(-self._n_samples // self._batch_size)

    def batch_size(self, step: int) -> int:  # noqa: ARG002 - other feeds need it
        """How many rows a step has, in all ranks together."""
        return self._batch_size

    def shares(self, step: int) -> list[Share]:
        """What a step takes; see :class:`Feed`."""
        first = checked_step(step, self.n_steps) * self._batch_size
        left = self._batch_size if self._n_samples is None else self._n_samples - first
        return [Share(0, first, min(self._batch_size, left))]

    def samples_before(self, step: int) -> list[int]:
        """How many samples all steps before this one took."""
        samples = step * self._batch_size
        return [samples if self._n_samples is None else min(samples, self._n_samples)]

    def fingerprint(self) -> str:
        """SHA-256 of the plan and the numbers."""
        return digest("epochs", identity(self.plans[0]), self._batch_size, self._n_samples)

    def state(self, step: int) -> dict[str, Any]:  # noqa: ARG002 - other feeds need it
        """Nothing: all follows from the step."""
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Nothing to do."""


def sample_limit(plan: DatasetPlan, epochs: float | None) -> int | None:
    """How many samples so many epochs of a plan are: the nearest whole number above 0.

    Raises:
        PackingError: The plan has no sequences, or the number cannot be.
    """
    if plan.n_sequences == 0:
        raise PackingError(f"{plan!r} has no sequences; pack documents that are not empty")
    if epochs is None:
        return None
    if not 0 < real(epochs) < 1e9:
        raise PackingError(f"epochs is {epochs!r}; it must be a number above 0, or None for no end")
    return max(1, round(real(epochs) * plan.n_sequences))


class Curriculum:
    """Feeds one after the other, each for a number of steps: sequences that grow, or cycle through lengths.

    A feed that comes again goes on where it stopped; another feed of the same plan begins with its first sample. So
    GrowLength is a list of plans of growing capacity, and the cycles of Dataset Decomposition are the list of their
    buckets, several times over. Steps of a feed, such as those of the phases of a :class:`Mixture`, are those that it
    gives.

    Source: Jin et al., GrowLength, arXiv 2310.00576; Pouransari et al., Dataset Decomposition, arXiv 2405.13226.

    >>> import portmanteau as pm
    >>> tokenizer = pm.Tokenizer.load("o200k_base")
    >>> dataset = pm.write_dataset(tokenizer.encode_batch(["by the way"] * 8), "curriculum", tokenizer)
    >>> short, long = Epochs(dataset.pack(3), 4), Epochs(dataset.pack(6), 2)
    >>> curriculum = Curriculum([(short, 2), (long, 1), (short, 1)])
    >>> [curriculum.shares(step)[0] for step in range(curriculum.n_steps)]
    [Share(plan=0, first=0, size=4), Share(plan=0, first=4, size=4), Share(plan=1, first=0, size=2),
     Share(plan=0, first=8, size=4)]
    """

    def __init__(self, stages: Sequence[tuple[Feed, int]]) -> None:
        """A feed of feeds.

        Args:
            stages: Feeds, each with how many steps it is followed.

        Raises:
            PackingError: There is no stage, or a feed has fewer steps than it is to give.
        """
        self._feeds: list[Feed] = list({id(feed): feed for feed, _ in stages}.values())
        numbers = {id(feed): number for number, feed in enumerate(self._feeds)}
        self._stages = [(numbers[id(feed)], integer("steps", steps, 1, MOST_STEPS)) for feed, steps in stages]
        if not self._stages:
            raise PackingError("a curriculum needs a stage; give pairs of a feed and its number of steps")
        self.plans: Sequence[DatasetPlan] = [plan for feed in self._feeds for plan in feed.plans]
        self.batch_sizes = frozenset().union(*(feed.batch_sizes for feed in self._feeds))
        self._first_plans = list(itertools.accumulate((len(feed.plans) for feed in self._feeds), initial=0))
        for number, feed in enumerate(self._feeds):
            asked = sum(steps for of_stage, steps in self._stages if of_stage == number)
            if feed.n_steps is not None and asked > feed.n_steps:
                message = (
                    f"feed {number} is to give {asked} steps and has {feed.n_steps}; give it more epochs"
                )
                raise PackingError(message)

    @property
    def changes(self) -> int:
        """Those of all feeds."""
        return sum(feed.changes for feed in self._feeds)

    @property
    def n_steps(self) -> int:
        """The sum of those of the stages."""
        return sum(steps for _, steps in self._stages)

    def _locate(self, step: int) -> tuple[int, list[int]]:
        """The feed of a step, and how many steps each feed gave before it."""
        before = [0] * len(self._feeds)
        for number, steps in self._stages:
            if step < steps:
                before[number] += step
                return number, before
            before[number] += steps
            step -= steps
        return self._stages[-1][0], before

    def batch_size(self, step: int) -> int:
        """How many rows a step has, in all ranks together."""
        number, before = self._locate(step)
        return self._feeds[number].batch_size(before[number])

    def shares(self, step: int) -> list[Share]:
        """What a step takes; see :class:`Feed`."""
        number, before = self._locate(checked_step(step, self.n_steps))
        first_plan = self._first_plans[number]
        shares = self._feeds[number].shares(before[number])
        return [Share(first_plan + share.plan, share.first, share.size) for share in shares]

    def samples_before(self, step: int) -> list[int]:
        """How many samples of each plan all steps before this one took."""
        _, before = self._locate(step)
        samples = [feed.samples_before(steps) for feed, steps in zip(self._feeds, before, strict=True)]
        return [count for of_feed in samples for count in of_feed]

    def fingerprint(self) -> str:
        """SHA-256 of the feeds and the stages."""
        return digest("curriculum", [feed.fingerprint() for feed in self._feeds], self._stages)

    def state(self, step: int) -> dict[str, Any]:
        """The states of the feeds."""
        _, before = self._locate(step)
        return {"feeds": [feed.state(steps) for feed, steps in zip(self._feeds, before, strict=True)]}

    def load_state(self, state: dict[str, Any]) -> None:
        """Goes on where another curriculum of this fingerprint was."""
        for feed, of_feed in zip(self._feeds, state["feeds"], strict=True):
            feed.load_state(of_feed)
