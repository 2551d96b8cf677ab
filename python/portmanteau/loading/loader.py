"""``Loader``: batches as a function of the step, for any number of ranks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from portmanteau import _rust
from portmanteau.errors import PackingError
from portmanteau.loading.feeds import Epochs, Feed, Share, digest, sequences_of
from portmanteau.loading.rows import RowFormat, gathered
from portmanteau.packing.arguments import integer
from portmanteau.store.plans import DatasetPlan

if TYPE_CHECKING:
    import numpy.typing as npt

    from portmanteau.packing import PackedSequences
    from portmanteau.packing.arguments import Int64Array

    Batch = dict[str, npt.NDArray[Any]]

__all__ = ["Loader"]

_STATE_VERSION = 1


class Loader:
    """Batches of packed sequences: a pure function of the feed, the seed, the step, the rank and the number of ranks.

    There is nothing to lose: any step can be asked for at any time, and the state of an iteration is the number of the
    step. The rows of a step are the same whatever the number of ranks; a rank has a run of them. So a training goes on
    exactly with other ranks, and with any number of workers.

    >>> import portmanteau as pm
    >>> tokenizer = pm.Tokenizer.load("o200k_base")
    >>> dataset = pm.write_dataset(tokenizer.encode_batch(["by the way", "off we go", "so", "on"]), "loaded", tokenizer)
    >>> loader = pm.Loader(dataset.pack(4), batch_size=2, epochs=1, shuffle=False)
    >>> for batch in loader:
    ...     print(batch["input_ids"].tolist(), batch["labels"].tolist())
    [[2345, 290, 2006, 263], [2864, 581, 810, 786]] [[-100, 290, 2006, -100], [-100, 581, 810, -100]]
    >>> len(loader), loader.state_dict()["step"]
    (1, 1)
    """

    def __init__(
        self,
        feed: DatasetPlan | Feed,
        *,
        batch_size: int | None = None,
        epochs: float | None = None,
        seed: int = 0,
        shuffle: bool = True,
        rank: int = 0,
        world_size: int = 1,
        arrays: Sequence[str] = ("input_ids", "position_ids", "labels"),
        channels: Sequence[str] = (),
        loss_on: str | Sequence[str] | None = None,
        dtype: Literal["uint32", "int32", "int64"] = "int64",
    ) -> None:
        """A loader.

        Args:
            feed: A plan, or an :class:`Epochs`, :class:`Mixture` or :class:`Curriculum` of plans.
            batch_size: For a plan: how many sequences a step takes, in all ranks together.
            epochs: For a plan: how often each sequence comes; without end if ``None``.
            seed: Of the order of every epoch, from 0 to 2**64 - 1.
            shuffle: Whether sequences come in a drawn order, another in every epoch.
            rank: Which rank this is, from 0 on.
            world_size: How many ranks there are; the size of a batch must be a multiple of it.
            arrays: What a batch has: ``input_ids``, ``position_ids``, ``segment_ids``, ``labels``.
            channels: What it has besides: channels of the datasets, by name; 0 where no token is.
            loss_on: Names of text columns: only their tokens have labels, and an EOS if the last column is among them.
            dtype: Of ``input_ids``.

        Raises:
            PackingError: An argument cannot be, or does not go with the feed.
        """
        if isinstance(feed, DatasetPlan):
            if batch_size is None:
                raise PackingError("batch_size is missing; say how many sequences a step takes")
            feed = Epochs(feed, batch_size, epochs=epochs)
        elif batch_size is not None or epochs is not None:
            raise PackingError("batch_size and epochs are those of the feed; leave them out")
        self.feed = feed
        """What the batches are of."""
        self.seed = integer("seed", seed, 0, 2**64 - 1)
        """Of the order of every epoch."""
        self.world_size = integer("world_size", world_size, 1, 2**31)
        """How many ranks there are."""
        self.rank = integer("rank", rank, 0, world_size - 1)
        """Which of them this is."""
        self.step = 0
        """The step that the iteration gives next."""
        self._shuffle = shuffle
        self._format = RowFormat(tuple(arrays), tuple(channels), loss_on, dtype)
        self._format.check(self.feed.plans)
        for size in sorted(self.feed.batch_sizes):
            if size % self.world_size:
                raise PackingError(
                    f"batches of {size} rows cannot be shared by {self.world_size} ranks; choose a multiple of the "
                    "number of ranks"
                )

    def rows_per_rank(self, step: int) -> int:
        """How many rows a batch of this step has."""
        return self.feed.batch_size(step) // self.world_size

    def __len__(self) -> int:
        """Number of steps, those before :attr:`step` included.

        Raises:
            TypeError: They do not end.
        """
        if (n_steps := self.feed.n_steps) is None:
            raise TypeError("the loader has no end, so it has no length; give epochs")
        return n_steps

    # ── batches ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def batch_at(self, step: int) -> Batch:
        """The batch of a step.

        Returns:
            Arrays ``[rows, width]`` by name: ``input_ids`` of the chosen dtype, ``position_ids`` and ``segment_ids``
            int32, ``labels`` int64 (not shifted, -100 where there is none), channels of theirs. The width is the
            capacity of the plan, or the width of the bucket. Where a feed ends within a step, the last rows are empty:
            padding without labels.

        Raises:
            IndexError: There is no such step.
            FileError: A shard is missing.

        O(positions of the batch), wherever the step is; a :class:`Mixture` goes there once, through the steps before.
        """
        runs, places = self._rows(step)
        of_plans = [(self.feed.plans[number], sequences) for number, sequences in runs]
        return gathered(of_plans, places, self.rows_per_rank(step), self._format)

    def packed_at(self, step: int) -> PackedSequences:
        """The batch of a step as sequences, for attention kernels: see ``for_flash_attention`` and others.

        Empty rows are left out. Its provenance names documents of the dataset; with several datasets it cannot.

        Raises:
            IndexError: There is no such step.
            PackingError: The step takes sequences of several datasets.
        """
        runs, places = self._rows(step)
        if len(runs) != 1:
            raise PackingError(f"step {step} takes sequences of {len(runs)} datasets; use batch_at")
        number, sequences = runs[0]
        sequences = sequences if places is None else sequences[places]
        return self.feed.plans[number].apply(sequences, dtype=self._format.dtype)

    def sequences_at(self, step: int) -> list[tuple[int, int]]:
        """The rows of a step that this rank has, in order: the number of the plan in the feed, and the sequence.

        Raises:
            IndexError: There is no such step.
        """
        runs, places = self._rows(step)
        rows = [(number, sequence) for number, of_run in runs for sequence in of_run.tolist()]
        return rows if places is None else [rows[place] for place in places.tolist()]

    def _rows(self, step: int) -> tuple[list[tuple[int, Int64Array]], Int64Array | None]:
        """What this rank has of a step: sequences of each plan, and the order of these rows where it is another.

        Plans of which it has none are left out, but where it has no row at all.
        """
        shares = self.feed.shares(step)
        n_rows, per_rank = sum(share.size for share in shares), self.rows_per_rank(step)
        first = min(self.rank * per_rank, n_rows)
        count = min(per_rank, n_rows - first)
        if len(shares) > 1 and count:
            return self._mixed_rows(shares, n_rows, first, count, step)
        number, first_sample, _ = shares[0]
        plan = self.feed.plans[number]
        return [(number, sequences_of(plan, first_sample + first, count, self.seed, self._shuffle))], None

    def _mixed_rows(
        self, shares: Sequence[Share], n_rows: int, first: int, count: int, step: int
    ) -> tuple[list[tuple[int, Int64Array]], Int64Array]:
        """Rows of a step that has several plans: which stands where is drawn, so that every rank has some of each."""
        places = _rust.permute(np.arange(first, first + count), n_rows, self.seed, step)
        order = np.argsort(places)
        runs, begin = [], 0
        for number, first_sample, size in shares:
            within = places[order] - begin
            within = within[(within >= 0) & (within < size)]
            if len(within):
                start, end = int(within[0]), int(within[-1]) + 1
                sequences = sequences_of(
                    self.feed.plans[number], first_sample + start, end - start, self.seed, self._shuffle
                )
                runs.append((number, sequences[within - start]))
            begin += size
        back = np.empty(count, np.int64)
        back[order] = np.arange(count)
        return runs, back

    def __iter__(self) -> Iterator[Batch]:
        """The batches from :attr:`step` on, which counts along."""
        while (n_steps := self.feed.n_steps) is None or self.step < n_steps:
            batch = self.batch_at(self.step)
            self.step += 1
            yield batch

    # ── accounting ──────────────────────────────────────────────────────────────────────────────────────────────────

    def tokens_seen(self, step: int | None = None) -> list[int]:
        """How many tokens of each plan of the feed all ranks together have seen before a step, BOS and EOS included.

        Args:
            step: The step; by default :attr:`step`.

        O(sequences of an epoch): what was seen of the epochs at hand is counted sequence by sequence.
        """
        samples = self.feed.samples_before(self.step if step is None else step)
        return [self._tokens_of(plan, count) for plan, count in zip(self.feed.plans, samples, strict=True)]

    def _tokens_of(self, plan: DatasetPlan, samples: int) -> int:
        epochs, rest = divmod(samples, plan.n_sequences)
        tokens = epochs * plan.n_tokens
        first = epochs * plan.n_sequences
        for start in range(first, first + rest, 1 << 16):
            count = min(1 << 16, first + rest - start)
            sequences = sequences_of(plan, start, count, self.seed, self._shuffle)
            tokens += int(plan.tokens_of(sequences).sum())
        return tokens

    # ── going on later ──────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def fingerprint(self) -> str:
        """SHA-256 over what decides the rows of every step: the feed, the seed, whether rows are shuffled.

        Weights of a :class:`Mixture` are part of the state instead.
        """
        return digest(self.feed.fingerprint(), self.seed, self._shuffle)

    def state_dict(self) -> dict[str, Any]:
        """Where the iteration is: a few numbers and the fingerprint, as JSON has them. The same on every rank."""
        return {
            "version": _STATE_VERSION,
            "fingerprint": self.fingerprint,
            "step": self.step,
            "feed": self.feed.state(self.step),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where another loader of the same feed and seed was, with any number of ranks.

        Raises:
            PackingError: It is the state of another feed, seed or version, or none.
        """
        try:
            version, fingerprint = int(state["version"]), str(state["fingerprint"])
            if version != _STATE_VERSION:
                raise PackingError(
                    f"the state is of version {version}, and this library reads {_STATE_VERSION}"
                )
            if fingerprint != self.fingerprint:
                raise PackingError(
                    "the state is of another dataset, plan, batch_size, seed or shuffle; make the loader with those "
                    "that it had"
                )
            step = int(state["step"])
            self.feed.load_state(state["feed"])
        except PackingError:
            raise
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise PackingError(
                f"this is no state of a Loader ({error!r}); give what state_dict returned"
            ) from None
        self.step = step
