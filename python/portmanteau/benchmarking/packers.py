"""The packers that are compared, each with how it packs and where its answer says what stands in which sequence.

Each is asked in the fastest way that it offers to Python. What a figure times is ``pack``: from an array of lengths,
which it turns into what it takes, to its answer. ``prepare`` makes what else it asks for, and ``bins`` turns its answer
into flat arrays for the check; both are off the clock.
"""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from portmanteau.benchmarking import definitions, lengths

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["OURS", "PEERS", "Bins", "Packer", "Task"]


@dataclass(frozen=True)
class Task:
    """What a packer is asked to pack."""

    documents: lengths.Lengths
    """The lengths of the documents."""
    capacity: int

    @cached_property
    def pieces(self) -> npt.NDArray[np.int64]:
        """The lengths of their pieces, no longer than the capacity, for those that cut no documents."""
        return lengths.split(self.documents, self.capacity)

    def numbers(
        self, document: npt.NDArray[Any], start: npt.NDArray[Any], length: npt.NDArray[Any]
    ) -> npt.NDArray[np.int64]:
        """Which of the pieces those are that start there in these documents; -1 for what is none of them."""
        counts = -(-self.documents.astype(np.int64) // self.capacity)
        first = np.cumsum(counts) - counts
        part, rest = np.divmod(start.astype(np.int64), self.capacity)
        numbers = first[document] + part
        return np.where((rest == 0) & (self.pieces[numbers] == length), numbers, -1)


@dataclass(frozen=True)
class Bins:
    """What a packer put into its sequences."""

    values: npt.NDArray[np.int64]
    """One sequence after the other."""
    offsets: npt.NDArray[np.int64]
    """Values ``offsets[i]:offsets[i + 1]`` are in sequence ``i``."""
    are: Literal["pieces", "lengths"] = "pieces"
    """Whether values are the numbers of pieces or, where the answer has no numbers, their lengths."""

    @classmethod
    def of_lists(cls, bins: Sequence[Sequence[Any]], are: Literal["pieces", "lengths"] = "pieces") -> Bins:
        """The same from a list for each sequence.

        >>> Bins.of_lists([[3, 1], [0]]).offsets
        array([0, 2, 3])
        """
        counts = np.fromiter(map(len, bins), np.int64, len(bins))
        values = np.fromiter(itertools.chain.from_iterable(bins), np.int64, counts.sum())
        return cls(values, np.concatenate(([0], np.cumsum(counts))), are)


def _pieces(_module: Any, task: Task) -> Any:
    return task.pieces


@dataclass(frozen=True)
class Packer:
    """One library: what it is called, and its functions."""

    name: str
    """The name in the tables, and the argument of ``--peer``."""
    module: str
    """The package, by which one knows whether it is installed."""
    distribution: str
    """The name that pip knows."""
    call: str
    """How it is called."""
    pack: Callable[[Any, Any, int], Any]
    """From the module, what ``prepare`` made, and the capacity to an answer."""
    bins: Callable[[Any, Task], Bins]
    """From that answer to what is in the sequences."""
    prepare: Callable[[Any, Task], Any] = _pieces
    """From the module and the task to what is packed; the lengths of the pieces where nothing else is said."""
    what: str = ""
    """What it packs, where that is not a plan for all lengths at once."""
    most_documents: int | None = None
    """How many documents it is asked to pack at most, because it would take minutes for more."""
    parts: tuple[str, tuple[str, ...]] | None = None
    """The file and the definitions that are run where importing the package would bring a framework."""

    def load(self) -> ModuleType:
        """The module that ``pack`` takes."""
        if self.parts is None:
            return importlib.import_module(self.module)
        return definitions.load(self.module, *self.parts)


# ── Portmanteau ─────────────────────────────────────────────────────────────────────────────────────────────────

_BATCH = 1000
"""How many documents are pushed into a stream at a time."""


def _bins_of_plan(plan: Any, task: Task) -> Bins:
    pieces = plan.pieces
    return Bins(task.numbers(pieces.document, pieces.start, pieces.length), plan.sequence_offsets)


def _batches(_module: Any, task: Task) -> list[Any]:
    """Documents as they come from a tokenizer, a batch after the other; they share their ids, which are all 0."""
    starts = range(0, len(task.documents), _BATCH)
    offsets = [
        np.concatenate(([0], np.cumsum(task.documents[start : start + _BATCH], dtype=np.int64)))
        for start in starts
    ]
    ids = np.zeros(max(int(batch[-1]) for batch in offsets), np.uint32)
    return [SimpleNamespace(ids=ids[: batch[-1]], offsets=batch) for batch in offsets]


def _pack_a_stream(window: int) -> Callable[[Any, list[Any], int], list[Any]]:
    def pack(module: Any, batches: list[Any], capacity: int) -> list[Any]:
        packer = module.StreamPacker(capacity, window=window)
        answer = []

        def keep(packed: Any) -> None:
            # The ids of the sequences are for the trainer, and are not kept.
            if len(packed):
                pieces = packed.pieces
                answer.append((packed.document_numbers, pieces.start, pieces.length, pieces.sequence_offsets))

        for batch in batches:
            keep(packer.push(batch))
        keep(packer.finish())
        return answer

    return pack


def _bins_of_stream(answer: list[Any], task: Task) -> Bins:
    document, start, length = (
        np.concatenate(arrays) for arrays in zip(*(part[:3] for part in answer), strict=True)
    )
    counts = np.concatenate([np.diff(offsets) for *_, offsets in answer])
    return Bins(task.numbers(document, start, length), np.concatenate(([0], np.cumsum(counts))))


def _stream(window: int) -> Packer:
    return Packer(
        f"portmanteau-stream-{window}",
        "portmanteau",
        "portmanteau",
        f"StreamPacker(capacity, window={window}), {_BATCH} documents a push",
        _pack_a_stream(window),
        _bins_of_stream,
        _batches,
        what=f"stream, window {window:,}, with ids",
    )


OURS = {
    packer.name: packer
    for packer in (
        Packer(
            "portmanteau",
            "portmanteau",
            "portmanteau",
            "pack(lengths, capacity), which cuts long documents itself",
            lambda module, documents, capacity: module.pack(documents, capacity),
            _bins_of_plan,
            lambda _, task: task.documents,
        ),
        _stream(64),
        _stream(1024),
    )
}
"""Ours by name: the plan first."""

# ── the peers ───────────────────────────────────────────────────────────────────────────────────────────────────


def _bins_of_seqpacker(answer: Any, _task: Task) -> Bins:
    values, inner = answer
    return Bins(values, np.concatenate(([0], inner, [len(values)])).astype(np.int64))


def _table_of_ids(_module: Any, task: Task) -> Any:
    """A column of the ids of each piece, which are the number of the piece, so that the answer tells it."""
    import pyarrow as pa

    offsets = np.concatenate(([0], np.cumsum(task.pieces))).astype(np.int32)
    ids = np.repeat(np.arange(len(task.pieces), dtype=np.int32), task.pieces)
    return pa.table({"input_ids": pa.ListArray.from_arrays(pa.array(offsets), pa.array(ids))})


def _bins_of_trl(answer: Any, _task: Task) -> Bins:
    sequences, counts = (answer[name].combine_chunks() for name in ("input_ids", "seq_lengths"))
    lengths_of_pieces = counts.values.to_numpy()
    first = np.cumsum(lengths_of_pieces) - lengths_of_pieces
    return Bins(
        sequences.values.to_numpy()[first].astype(np.int64), counts.offsets.to_numpy().astype(np.int64)
    )


def _spans(_module: Any, task: Task) -> Any:
    ends = np.cumsum(task.pieces)
    return np.stack([ends - task.pieces, ends], axis=1)


def _bins_of_olmo(answer: Any, task: Task) -> Bins:
    # Its numbers are those of the spans in the order in which it has sorted them.
    bins, spans, _ = answer
    found = Bins.of_lists(bins)
    starts = np.cumsum(task.pieces) - task.pieces
    return Bins(np.searchsorted(starts, spans[:, 0])[found.values], found.offsets)


def _compiled_axolotl(module: Any, task: Task) -> Any:
    module.pack_group(np.ones(2, np.int32), 0, 2, 2, 2)
    return task.pieces.astype(np.int32)


def _pack_with_axolotl(module: Any, pieces: Any, capacity: int) -> Any:
    # As its sampler does: groups of 100,000. Its limit of documents in a sequence, 200 by default, is out of the way.
    bins: list[Any] = []
    for start in range(0, len(pieces), 100_000):
        group = pieces[start : start + 100_000]
        bins += module.pack_group(group, start, capacity, len(group), len(group))
    return bins


def _rows_for_grain(module: Any, task: Task) -> Any:
    importlib.import_module("grain.experimental")
    rows = [{"ids": np.full(length, number, np.int32)} for number, length in enumerate(task.pieces)]
    options = module.ReadOptions(num_threads=0, prefetch_buffer_size=0)
    return module.MapDataset.source(rows).to_iter_dataset(options)


def _pack_with_grain(module: Any, rows: Any, capacity: int) -> Any:
    packed = module.experimental.FirstFitPackIterDataset(
        rows, length_struct={"ids": capacity}, num_packing_bins=64, shuffle_bins=False
    )
    # A row of ids has the number of its piece at every position; where segments begin says which are in it.
    return [
        row["ids"][np.flatnonzero(np.diff(row["ids_segment_ids"], prepend=0) > 0)].tolist() for row in packed
    ]


PEERS = {
    packer.name: packer
    for packer in (
        Packer(
            "lightbinpack",
            "lightbinpack",
            "lightbinpack",
            "obfd(list, capacity)",
            lambda module, pieces, capacity: module.obfd(pieces.tolist(), capacity),
            lambda bins, _: Bins.of_lists(bins),
        ),
        Packer(
            "seqpacker",
            "seqpacker",
            "seqpacker",
            "Packer(capacity, 'obfd').pack_flat(array)",
            lambda module, pieces, capacity: module.Packer(capacity, "obfd").pack_flat(pieces),
            _bins_of_seqpacker,
        ),
        Packer(
            "seq-len-balance",
            "seq_len_balance",
            "seq-len-balance",
            "best_fit_decreasing_pack(list, capacity)",
            lambda module, pieces, capacity: module.best_fit_decreasing_pack(pieces.tolist(), capacity),
            lambda bins, _: Bins.of_lists(bins, "lengths"),
            most_documents=100_000,
        ),
        Packer(
            "trl",
            "trl",
            "trl",
            "_pack_bfd(table, capacity, 'split'), all rows at once",
            lambda module, table, capacity: module._pack_bfd(table, capacity, "split"),
            _bins_of_trl,
            _table_of_ids,
            what="with ids",
            most_documents=100_000,
            parts=("data_utils.py", ("_pack_bfd",)),
        ),
        Packer(
            "olmo-core",
            "olmo_core",
            "ai2-olmo-core",
            "InstancePacker(capacity).pack_documents(spans)",
            lambda module, spans, capacity: module.InstancePacker(capacity).pack_documents(spans),
            _bins_of_olmo,
            _spans,
            most_documents=100_000,
            parts=("data/utils.py", ("InstancePacker",)),
        ),
        Packer(
            "megatron-bridge",
            "megatron",
            "megatron-bridge",
            "first_fit_decreasing(list, capacity)",
            lambda module, pieces, capacity: module.first_fit_decreasing(pieces.tolist(), capacity),
            lambda bins, _: Bins.of_lists(bins, "lengths"),
            most_documents=100_000,
            parts=("bridge/data/packing/algorithms.py", ("first_fit_decreasing",)),
        ),
        Packer(
            "axolotl",
            "axolotl",
            "axolotl",
            "pack_group(array) of 100,000 at a time, compiled by numba before",
            _pack_with_axolotl,
            lambda bins, _: Bins.of_lists(bins),
            _compiled_axolotl,
            most_documents=100_000,
            parts=("utils/samplers/multipack.py", ("pack_group",)),
        ),
        Packer(
            "grain",
            "grain",
            "grain",
            "FirstFitPackIterDataset(num_packing_bins=64), no threads",
            _pack_with_grain,
            lambda bins, _: Bins.of_lists(bins),
            _rows_for_grain,
            what="stream, with ids",
            most_documents=10_000,
        ),
        Packer(
            "binpacking",
            "binpacking",
            "binpacking",
            "to_constant_volume(list of (number, length), capacity, weight_pos=1)",
            lambda module, pieces, capacity: module.to_constant_volume(
                list(enumerate(pieces.tolist())), capacity, weight_pos=1
            ),
            lambda bins, _: Bins.of_lists([[number for number, _ in one] for one in bins]),
            most_documents=10_000,
        ),
        Packer(
            "prtpy",
            "prtpy",
            "prtpy",
            "pack(packing.first_fit_decreasing, binsize=capacity, items=list)",
            lambda module, pieces, capacity: module.pack(
                algorithm=module.packing.first_fit_decreasing, binsize=capacity, items=pieces.tolist()
            ),
            lambda bins, _: Bins.of_lists(bins, "lengths"),
            most_documents=10_000,
        ),
    )
}
"""The peers by name."""
