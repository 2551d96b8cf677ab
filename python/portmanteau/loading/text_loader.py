"""``TextLoader``: batches straight from text files, with exact resume and no store."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from portmanteau import reading
from portmanteau.errors import PackingError
from portmanteau.loading.feeds import digest
from portmanteau.loading.lanes import Lane, LaneText
from portmanteau.loading.rows import RowFormat, write_nothing
from portmanteau.packing import StreamPacker
from portmanteau.packing.arguments import integer
from portmanteau.store.encoding import DocumentEncoder
from portmanteau.threads import thread_count

if TYPE_CHECKING:
    import numpy.typing as npt

    from portmanteau.tokenizer import Tokenizer

    Batch = dict[str, npt.NDArray[Any]]

__all__ = ["TextLoader"]

_STATE_VERSION = 1
MOST_LANES = 64


class TextLoader:
    r"""Batches of packed sequences from text files, encoded and packed while they are read.

    The rows of a step come from *lanes*: row j of a batch comes from lane ``j * n_lanes // batch_size``, and what a
    lane gives depends on the text, the options and the seed alone. Every rank has a run of lanes, and so the rows of a
    step are the same whatever the number of ranks and workers.

    >>> from pathlib import Path
    >>> import portmanteau as pm
    >>> _ = Path("text.jsonl").write_text('{"text": "by the way"}\n{"text": "off we go"}\n')
    >>> loader = pm.TextLoader("text.jsonl", pm.Tokenizer.load("o200k_base"), 4, batch_size=2, n_lanes=1, epochs=1)
    >>> [batch["input_ids"].tolist() for batch in loader]
    [[[2864, 581, 810, 0], [2345, 290, 2006, 0]]]
    """

    def __init__(
        self,
        inputs: reading.Paths,
        tokenizer: Tokenizer,
        capacity: int,
        *,
        batch_size: int,
        n_lanes: int | None = None,
        part_bytes: int = 16 << 20,
        epochs: int | None = None,
        seed: int = 0,
        shuffle: bool = True,
        rank: int = 0,
        world_size: int = 1,
        text_column: str = "text",
        special: str | Collection[str] = "text",
        errors: Literal["error", "replace"] = "error",
        null_text: Literal["error", "empty"] = "error",
        arrays: Sequence[str] = ("input_ids", "position_ids", "labels"),
        dtype: Literal["uint32", "int32", "int64"] = "int64",
        threads: int | None = 1,
        **packing: Any,
    ) -> None:
        """A loader of text.

        Args:
            inputs: As for :func:`portmanteau.prepare`.
            tokenizer: The tokenizer.
            capacity: The most tokens in a sequence.
            batch_size: How many sequences a step takes, in all ranks together.
            n_lanes: How many lanes there are: a divisor of ``batch_size`` and a multiple of the number of ranks, now
                and whenever the training goes on with another. By default the largest divisor of ``batch_size`` up to
                64 and the number of parts of the text. A lane keeps a few times ``window`` × ``capacity`` ids, or the
                ids of a part if these are fewer.
            part_bytes: About how much text is packed together. A resumed lane packs up to so much again.
            epochs: How often the text comes, for one rank only, since lanes end after different numbers of rows;
                without end if ``None``.
            seed: Of the order of parts, and of sequences within them.
            shuffle: Whether parts and sequences come in a drawn order.
            rank: Which rank this is, from 0 on.
            world_size: How many ranks there are.
            text_column: The column that holds the text.
            special: As for :meth:`Tokenizer.encode`.
            errors: As for :func:`portmanteau.prepare`.
            null_text: As for :func:`portmanteau.prepare`.
            arrays: As for :class:`Loader`.
            dtype: As for :class:`Loader`.
            threads: How many threads encode.
            packing: Further arguments of :class:`StreamPacker`: ``window``, ``pad_id``, ``bos_id``, ``eos_id``, ….

        Raises:
            PackingError: An argument cannot be, or the text has fewer parts than there are lanes.
            FileError: An input cannot be read.
        """
        self.batch_size = integer("batch_size", batch_size, 1, 2**31)
        """How many rows a step has, in all ranks together."""
        parts = list(reading.parts(inputs, columns=[text_column], part_bytes=part_bytes))
        if n_lanes is None:
            most = max(1, min(MOST_LANES, batch_size, len(parts)))
            n_lanes = max(n for n in range(1, most + 1) if batch_size % n == 0)
        self.n_lanes = integer("n_lanes", n_lanes, 1, batch_size)
        """How many lanes there are."""
        self.world_size = integer("world_size", world_size, 1, 2**31)
        """How many ranks there are."""
        self.rank = integer("rank", rank, 0, world_size - 1)
        """Which of them this is."""
        if batch_size % n_lanes or n_lanes % world_size:
            raise PackingError(
                f"{batch_size} rows, {n_lanes} lanes and {world_size} ranks: n_lanes must be a divisor of batch_size, "
                "and a multiple of the number of ranks"
            )
        if epochs is not None:
            epochs = integer("epochs", epochs, 1, 2**31)
            if world_size > 1:
                raise PackingError(
                    "with several ranks, text ends at another step on each; leave epochs out, or prepare a dataset"
                )
        n_threads = thread_count(threads, refuse=PackingError)
        seed = integer("seed", seed, 0, 2**64 - 1)
        self._format = RowFormat(tuple(arrays), (), None, dtype)
        packer = StreamPacker(capacity, dtype=dtype, **packing)
        text = LaneText(
            parts=parts,
            columns=[text_column],
            policy=reading.Policy(errors),
            null_text=null_text,
            encoder=DocumentEncoder(tokenizer, special, 1, False, n_threads),
            capacity=capacity,
            packing=packing,
            row_format=self._format,
            seed=seed,
            shuffle=shuffle,
            n_lanes=n_lanes,
        )
        if len(parts) < n_lanes:
            raise PackingError(
                f"the text has {len(parts)} parts, and {n_lanes} lanes need as many; choose fewer lanes, a smaller "
                "part_bytes, or Parquet and uncompressed JSON Lines, which can be cut"
            )
        self.step = 0
        """The step that the iteration gives next."""
        self._pad_id = int(packing.get("pad_id", 0))
        self._width = capacity
        per_rank = n_lanes // world_size
        self._lanes = [Lane(text, number, epochs) for number in range(rank * per_rank, (rank + 1) * per_rank)]
        cuts = [(reading.without_secrets(part.path), part.first, part.end, part.n_bytes) for part in parts]
        kept = special if isinstance(special, str) else sorted(special)
        options = [batch_size, n_lanes, epochs, seed, shuffle, text_column, kept, errors, null_text]
        self.fingerprint = digest("text", tokenizer.fingerprint, cuts, options, packer._all_options())
        """SHA-256 over all that decides the rows of every step: the options, the tokenizer, and the paths and the sizes
        of files, but not what they hold."""

    def of_worker(self, worker: int, n_workers: int) -> TextLoader:
        """The loader of a worker, from where this one is: it gives the rows of every ``n_workers``-th lane.

        Raises:
            PackingError: There is no such worker.
        """
        n_workers = integer("n_workers", n_workers, 1, 2**31)
        worker = integer("worker", worker, 0, n_workers - 1)
        of_worker = copy.copy(self)
        of_worker._lanes = [copy.copy(lane) for lane in self._lanes[worker::n_workers]]
        return of_worker

    @property
    def rows_per_lane(self) -> int:
        """How many rows of a step come from one lane."""
        return self.batch_size // self.n_lanes

    def __iter__(self) -> Iterator[Batch]:
        """The batches from :attr:`step` on: arrays as :meth:`Loader.batch_at` returns them.

        Where lanes end, their rows are empty; the iteration ends when all have.
        """
        while (batch := self.next_batch()) is not None:
            yield batch

    def next_batch(self) -> Batch | None:
        """The rows of the next step; ``None`` where all lanes have ended.

        Raises:
            FileError: A file cannot be read. Whatever is raised, the loader is where it was, and may be asked again.
            EncodingError: A text cannot be encoded.
            PackingError: The text has no tokens, and no end.
        """
        batch = self._new_batch()
        first_rows = range(0, self.rows_per_lane * len(self._lanes), self.rows_per_lane)
        places = [(lane.parts_done, lane.rows_done) for lane in self._lanes]
        try:
            written = [
                lane.write(batch, range(first, first + self.rows_per_lane))
                for first, lane in zip(first_rows, self._lanes, strict=True)
            ]
        except BaseException:
            for lane, place in zip(self._lanes, places, strict=True):
                lane.seek(*place)
            raise
        if not any(written):
            return None
        for first, n_rows in zip(first_rows, written, strict=True):
            if n_rows < self.rows_per_lane:
                write_nothing(batch, slice(first + n_rows, first + self.rows_per_lane), self._pad_id)
        self.step += 1
        return batch

    def no_batch(self) -> Batch:
        """A batch of empty rows, as stands for lanes that have ended beside others that have not."""
        batch = self._new_batch()
        write_nothing(batch, slice(None), self._pad_id)
        return batch

    def _new_batch(self) -> Batch:
        return self._format.new(self.rows_per_lane * len(self._lanes), self._width, {})

    # ── going on later ──────────────────────────────────────────────────────────────────────────────────────────────

    def state_dict(self) -> dict[str, Any]:
        """Where the iteration is: the step, and two numbers for each lane of this worker."""
        lanes = {str(lane.number): [lane.parts_done, lane.rows_done] for lane in self._lanes}
        return {
            "version": _STATE_VERSION,
            "fingerprint": self.fingerprint,
            "step": self.step,
            "lanes": lanes,
        }

    def load_state_dict(self, state: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
        """Goes on where others were.

        Args:
            state: What :meth:`state_dict` returned; or a list of what it returned on all ranks and workers, if these
                were other ones: every lane of this loader must be in one of them.

        Raises:
            PackingError: They are of another text or other options, of different steps, or a lane is missing.

        A lane packs the part that it was in again: O(part_bytes) for each, when its next row is asked for.
        """
        states: list[Any] = list(state) if isinstance(state, (list, tuple)) else [state]
        lanes: dict[int, tuple[int, int]] = {}
        steps = set()
        for each in states:
            try:
                version, fingerprint = int(each["version"]), each["fingerprint"]
                of_lanes = {
                    int(lane): (int(parts), int(rows)) for lane, (parts, rows) in each["lanes"].items()
                }
                step = int(each["step"])
            except (AttributeError, LookupError, TypeError, ValueError) as error:
                raise PackingError(
                    f"this is no state of a TextLoader ({error}); give what state_dict returned"
                ) from None
            if version != _STATE_VERSION:
                raise PackingError(
                    f"the state is of version {version}, and this library reads {_STATE_VERSION}"
                )
            if fingerprint != self.fingerprint:
                raise PackingError(
                    "the state is of another text, tokenizer or other options; make the loader with those that it had"
                )
            lanes |= of_lanes
            # A worker that has no lane, as more workers than lanes were, counts no steps.
            steps |= {step} if of_lanes else set()
        missing = [lane.number for lane in self._lanes if lane.number not in lanes]
        if missing:
            raise PackingError(
                f"the state has no lane {missing[0]}; give the states of all ranks, since their number has changed"
            )
        if len(steps) > 1:
            raise PackingError(
                f"the states are of different steps: {sorted(steps)}; save all ranks at one step"
            )
        for lane in self._lanes:
            lane.seek(*lanes[lane.number])
        self.step = steps.pop()
