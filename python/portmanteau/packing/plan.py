"""Plans: which tokens of documents stand in which sequence."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from portmanteau import _rust
from portmanteau.errors import PackingError
from portmanteau.packing.arguments import (
    Documents,
    ShardedDocuments,
    documents_of,
    error_in,
    integer,
    is_sharded,
    lengths_of,
    rows_of,
)
from portmanteau.packing.format import SequenceFormat
from portmanteau.packing.pieces import Pieces, PieceTable
from portmanteau.packing.sequences import PackedSequences

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.figure import Figure

    from portmanteau.packing.arguments import Int64Array, Shard, Uint32Array
    from portmanteau.packing.statistics import PlanStatistics

#: Part of every fingerprint and plan file; another number whenever the same options would give another plan.
PLAN_VERSION = 2
#: What ``apply`` can write into arrays of the caller, and their dtypes; ids may be of any of three.
_OUT_DTYPES = {
    "input_ids": ("uint32", "int32", "int64"),
    "position_ids": ("int32",),
    "segment_ids": ("int32",),
    "labels": ("int64",),
}
#: The same as NumPy has them: the name of a dtype is made anew whenever it is asked for, which takes 6 µs.
_OUT_NUMPY_DTYPES = {name: tuple(map(np.dtype, dtypes)) for name, dtypes in _OUT_DTYPES.items()}


@dataclass(frozen=True, eq=False, repr=False)
class PackPlan:
    """Which tokens of documents stand in which sequence; made by :func:`pack`.

    A plan holds no ids, so one store of tokens may have several plans. It pickles, is saved to a file, and is equal to
    another plan if both have the same :attr:`fingerprint`. It is 4 bytes a document, 4 bytes a piece and 8 a sequence;
    the arrays of :attr:`pieces`, 12 bytes a piece, are made when they are asked for.
    """

    format: SequenceFormat
    """What sequences are made of: capacity, BOS and EOS, alignment, overlap."""
    strategy: str
    """As given to :func:`pack`."""
    cost: str
    """As given to :func:`pack`."""
    long_documents: str
    """As given to :func:`pack`."""
    max_documents_per_sequence: int | None
    """As given to :func:`pack`."""
    min_fill: float
    """As given to :func:`pack`."""
    order: str
    """As given to :func:`pack`."""
    window: int | None
    """As given to :func:`pack`; None unless ``order="window"``."""
    document_lengths: Uint32Array
    """The number of ids in every document, empty ones included, uint32 ``[documents]``."""
    piece_numbers: Uint32Array
    """The pieces by sequence and position, uint32 ``[pieces]``: below the number of documents, a piece is all of that
    document; from there on, it is a row of :attr:`cut_pieces`."""
    sequence_offsets: Int64Array
    """Pieces ``sequence_offsets[i]:sequence_offsets[i + 1]`` are in sequence ``i``, int64 ``[sequences + 1]``."""
    cut_pieces: PieceTable
    """The pieces of documents that are not one piece."""
    dropped: PieceTable
    """What is in no sequence: ``document``, ``start``, ``length``."""
    secondary_fill: Mapping[str, float] = field(default_factory=dict)
    """The share of each secondary capacity that is used, over all sequences."""

    def __repr__(self) -> str:
        return (
            f"PackPlan({self.n_sequences} sequences of up to {self.capacity} tokens, {self.n_documents} documents, "
            f"{100 * self.efficiency:.2f} % full, {self.strategy})"
        )

    def __eq__(self, other: object) -> bool:
        return self.fingerprint == other.fingerprint if isinstance(other, PackPlan) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    @property
    def capacity(self) -> int:
        """Most tokens in a sequence."""
        return self.format.capacity

    @property
    def n_documents(self) -> int:
        """Number of documents that were packed, empty ones included."""
        return len(self.document_lengths)

    @property
    def n_sequences(self) -> int:
        """Number of sequences."""
        return len(self.sequence_offsets) - 1

    @cached_property
    def pieces(self) -> Pieces:
        """The pieces in sequences: ``document``, ``start``, ``length``, ``sequence``, ``position``."""
        pieces = self._take(None)
        for array in (pieces.document, pieces.start, pieces.length, pieces.sequence_offsets):
            array.setflags(write=False)
        return pieces

    def _take(self, sequences: Int64Array | None) -> Pieces:
        """The pieces of these sequences, in this order, or of all."""
        table, offsets = _rust.pack_take(self, sequences)
        return Pieces(*table, offsets, self.format)

    @cached_property
    def n_tokens(self) -> int:
        """Number of tokens in sequences, BOS and EOS included; tokens of two pieces that overlap count twice."""
        lengths = self.document_lengths
        tokens = int(lengths.sum(dtype=np.int64))
        tokens += self.format.tokens_around_document * int(np.count_nonzero(lengths))
        tokens += self.format.overlap * int(np.count_nonzero(self.cut_pieces.start))
        tokens -= int(self.dropped.length.sum(dtype=np.int64))
        return tokens + self.n_sequences * self.format.tokens_around_sequence

    @cached_property
    def n_positions(self) -> int:
        """Number of positions in all sequences; where these are buckets, each has as many as its piece takes."""
        if self.strategy == "buckets":
            around = self.n_sequences * self.format.tokens_around_sequence
            return int(self.format.padded(self.pieces.length).sum()) + around
        return self.n_sequences * self.capacity

    @cached_property
    def lower_bound(self) -> int:
        """No plan of these pieces can have fewer sequences: what they take over what a sequence takes, rounded up."""
        if self.format.align == 1:
            taken = self.n_tokens - self.n_sequences * self.format.tokens_around_sequence
        else:
            taken = int(self.format.padded(self.pieces.length).sum())
        return -(-taken // self.format.room)

    @property
    def efficiency(self) -> float:
        """The share of all positions that hold a token, from 0 to 1; 1 if there are no sequences."""
        return self.n_tokens / self.n_positions if self.n_sequences else 1.0

    @cached_property
    def n_empty_documents(self) -> int:
        """Number of documents without ids; they have no piece."""
        return self.n_documents - int(np.count_nonzero(self.document_lengths))

    @cached_property
    def documents_cut(self) -> int:
        """Number of documents that lie in more than one piece."""
        _, counts = np.unique(self.cut_pieces.document, return_counts=True)
        return int(np.count_nonzero(counts > 1))

    @cached_property
    def buckets(self) -> dict[int, Int64Array]:
        """The sequences of every width, the widest first: what ``strategy="buckets"`` makes batches of.

        >>> import portmanteau as pm
        >>> plan = pm.pack([7, 4], capacity=4, strategy="buckets")
        >>> {width: sequences.tolist() for width, sequences in plan.buckets.items()}
        {4: [0, 1], 2: [2], 1: [3]}
        """
        widths = self.pieces.sums(self.format.padded(self.pieces.length)) + self.format.tokens_around_sequence
        return {int(width): np.flatnonzero(widths == width) for width in np.unique(widths)[::-1]}

    @property
    def stats(self) -> PlanStatistics:
        """What the plan costs: padding, what was cut, joined and lost, how evenly work is spread. O(pieces)."""
        from portmanteau.packing.statistics import statistics_of

        return statistics_of(self)

    def plot(self) -> Figure:
        """Draws the plan: sequences as rows of documents, how full they are, what attention costs in them.

        Raises:
            MissingDependencyError: Matplotlib is not installed; it comes with ``pip install 'portmanteau[report]'``.
        """
        from portmanteau.plots import plot_plan

        return plot_plan(self)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the options, the version of the format and all arrays, as 64 hexadecimal digits."""
        digest = hashlib.sha256(json.dumps(self.options, sort_keys=True).encode())
        for name, array in self.arrays.items():
            little_endian = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
            digest.update(f"{name} {len(array)}\n".encode())
            digest.update(little_endian.data)
        return digest.hexdigest()

    @property
    def options(self) -> dict[str, Any]:
        """All that is not an array, as plain numbers and strings."""
        names = (
            "strategy",
            "cost",
            "long_documents",
            "max_documents_per_sequence",
            "min_fill",
            "order",
            "window",
        )
        return {
            "version": PLAN_VERSION,
            "format": asdict(self.format),
            **{name: getattr(self, name) for name in names},
            "secondary_fill": dict(self.secondary_fill),
        }

    @property
    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All arrays, by name."""
        tables = {"cut": self.cut_pieces, "dropped": self.dropped}
        return {
            "document_lengths": self.document_lengths,
            "piece_numbers": self.piece_numbers,
            "sequence_offsets": self.sequence_offsets,
            **{
                f"{kind}_{name}": getattr(table, name)
                for kind, table in tables.items()
                for name in ("document", "start", "length")
            },
        }

    def verify(self, lengths: Any = None) -> None:
        """Proves that every token is in the plan exactly once and that no sequence is over capacity.

        The proof does not depend on how the plan was made: the pieces of every document, kept and dropped, must follow
        each other from its first token to its last, with no overlap but the one that was asked for. O(N log N).

        Args:
            lengths: the documents that the plan must hold, as :func:`pack` takes them. If None, those that the plan
                says it is for.

        Raises:
            PackingError: names the first document of which a token is missing or there twice.

        >>> import portmanteau as pm
        >>> pm.pack([3, 5], capacity=4).verify([3, 5])
        >>> pm.pack([3, 5], capacity=4).verify([3, 6])
        Traceback (most recent call last):
        portmanteau.errors.PackingError: document 1: has 6 tokens, but its pieces cover 5
        """
        lengths = self.document_lengths if lengths is None else lengths_of(lengths)
        _rust.pack_verify(self, self.dropped, lengths)

    def apply(
        self,
        batch: Documents | ShardedDocuments,
        *,
        pad_id: int = 0,
        bos_id: int | None = None,
        eos_id: int | None = None,
        dtype: Literal["uint32", "int32", "int64"] = "uint32",
        sequences: Sequence[int] | Int64Array | None = None,
        width: int | None = None,
        out: Mapping[str, npt.NDArray[Any]] | None = None,
    ) -> PackedSequences:
        """Lays the ids of documents out in sequences.

        Args:
            batch: the documents that were planned: a ``TokenBatch``, or any object with ``ids`` (uint32 or uint16) and
                ``offsets`` (int64 ``[documents + 1]``); or a :class:`portmanteau.Dataset`.
            pad_id: the id where no token is.
            bos_id: the id before every document or sequence; given if and only if the plan was made with ``bos``.
            eos_id: the id after every document or sequence; given if and only if the plan was made with ``eos``.
            dtype: of ``input_ids``: ``"uint32"``, ``"int32"`` or ``"int64"`` (what PyTorch embeds).
            sequences: the sequences to lay out, in this order; all of them if None. With a few at a time, memory is
                bounded by those few, whatever the size of the plan.
            width: how many positions a row has; the capacity if None. Rows of buckets are as wide as the bucket.
            out: arrays to write into instead of new ones, by the name of what they get: ``input_ids`` (and then
                ``dtype`` is theirs), ``position_ids``, ``segment_ids`` (int32) and ``labels`` (int64), C-contiguous,
                each ``[rows, width]``. Pinned memory, say, or a slice of a larger batch.

        Returns:
            One row for each sequence.

        Raises:
            PackingError: if a document has another length than was planned (``document`` names the first), if an id
                does not fit the dtype, if an id is given that the plan has no room for, or not given that it has; if a
                row is too narrow, or an array of ``out`` is not what it must be.

        O(positions), and with ``sequences`` independent of the size of the plan.

        >>> import numpy as np, types
        >>> import portmanteau as pm
        >>> batch = types.SimpleNamespace(ids=np.arange(10, 16, dtype=np.uint32), offsets=np.array([0, 4, 6]))
        >>> packed = pm.pack(batch, capacity=8, eos=True).apply(batch, eos_id=2)
        >>> packed.input_ids
        array([[10, 11, 12, 13,  2, 14, 15,  2]], dtype=uint32)
        >>> packed.position_ids
        array([[0, 1, 2, 3, 4, 0, 1, 2]], dtype=int32)
        >>> packed.labels()
        array([[-100,   11,   12,   13,    2, -100,   15,    2]])
        """
        if dtype not in _OUT_DTYPES["input_ids"]:
            raise PackingError(f"dtype is {dtype!r}; use 'uint32', 'int32' or 'int64'")
        if sequences is None:
            rows, pieces = np.arange(self.n_sequences, dtype=np.int64), self.pieces
        else:
            rows = rows_of(sequences)
            pieces = self._take(rows)
        shards = self._shards(batch, pieces.document, check_all=sequences is None)
        shape = len(rows), self.capacity if width is None else integer("width", width, 1, 2**31 - 1)
        arrays = _checked_out(out, shape) if out else {}
        packed = PackedSequences(
            format=self.format,
            pieces=pieces,
            sequences=rows,
            document_lengths=self.document_lengths[pieces.document],
            input_ids=arrays.pop("input_ids") if "input_ids" in arrays else np.empty(shape, dtype),
        )
        _rust.fill_input_ids(
            packed,
            shards,
            self.document_lengths,
            integer("pad_id", pad_id, 0, 2**32 - 1),
            None if bos_id is None else integer("bos_id", bos_id, 0, 2**32 - 1),
            None if eos_id is None else integer("eos_id", eos_id, 0, 2**32 - 1),
            packed.input_ids,
        )
        packed.fill(**arrays)
        return packed

    def _shards(
        self, batch: Documents | ShardedDocuments, documents: Uint32Array, check_all: bool
    ) -> list[Shard]:
        """Where the ids of documents are. The lengths of these documents are checked where their ids are taken."""
        if is_sharded(batch):
            if batch.n_documents != self.n_documents:
                raise PackingError(
                    f"the dataset has {batch.n_documents} documents, but the plan is for {self.n_documents}; apply a "
                    "plan to the dataset that it was made for"
                )
            return batch.shards_of(documents)
        ids, offsets = documents_of(batch)
        if check_all or len(offsets) - 1 != self.n_documents:
            self._check_documents(offsets)
        return [(0, ids, offsets)]

    def _check_documents(self, offsets: Int64Array) -> None:
        """Raises if the batch has other documents than were planned."""
        lengths, planned = np.diff(offsets), self.document_lengths
        common = min(len(lengths), len(planned))
        differs = np.flatnonzero(lengths[:common] != planned[:common])
        remedy = "apply a plan to the batch that it was made for, or pack this batch"
        if len(differs):
            first = int(differs[0])
            raise error_in(f"has {lengths[first]} ids, but the plan is for {planned[first]}; {remedy}", first)
        if len(lengths) != len(planned):
            message = f"the batch has {len(lengths)} documents, but the plan is for {len(planned)}; {remedy}"
            raise error_in(message, common)

    def steps(
        self,
        n_ranks: int,
        *,
        sequences_per_rank: int = 1,
        cost: Literal["attention", "tokens"] | npt.ArrayLike = "attention",
        window: int | None = 128,
        seed: int = 0,
    ) -> Int64Array:
        """Which sequences the ranks take in every global step, so that in each step all of them have about equal work.

        Args:
            n_ranks: The number of data-parallel ranks.
            sequences_per_rank: How many sequences a rank takes in a step.
            cost: What a sequence costs: ``"attention"`` is the sum of the squared lengths of its pieces, ``"tokens"``
                that of their lengths; or a number for each sequence.
            window: Sequences are drawn by chance into windows of so many steps, and in a window put into steps by their
                cost. A larger window makes steps more even, and what a step holds more alike. ``None`` is one window.
            seed: Of the draw, and of the order of the steps.

        Returns:
            Numbers of sequences, ``int64[steps, n_ranks, sequences_per_rank]``, each once. Where they do not fill the
            last step, the rest of it is -1.

        Raises:
            PackingError: A number is too small, or costs are not one for each sequence.

        O(S log S) for S sequences. Steps are the same on every machine.

        >>> import portmanteau as pm
        >>> plan = pm.pack([8, 4, 4, 8, 4, 4, 8], capacity=8)
        >>> plan.steps(2).tolist()
        [[[1], [3]], [[0], [2]], [[4], [-1]]]
        """
        from portmanteau.packing import balancing

        return balancing.steps_of(
            self,
            integer("n_ranks", n_ranks, 1, 2**31),
            integer("sequences_per_rank", sequences_per_rank, 1, 2**31),
            cost,
            None if window is None else integer("window", window, 1, 2**31),
            integer("seed", seed, 0, 2**64 - 1),
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the plan to one Arrow IPC file, which :meth:`load` reads.

        The file appears whole or not at all: it is written under another name in the same folder and renamed.

        Raises:
            FileError: if the file cannot be written; ``path`` names it.
        """
        from portmanteau.packing.plan_file import write_plan

        write_plan(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, memory_map: bool = False) -> PackPlan:
        """Reads a plan that :meth:`save` wrote, and checks its fingerprint.

        Args:
            path: the file.
            memory_map: whether the arrays stay in the file, and only what is used of them is read. The fingerprint is
                then the one that the file names, and not checked: :meth:`verify` proves that the plan holds.

        Raises:
            FileError: if the file cannot be read, is no plan, ends early or was changed; ``path`` names it.
        """
        from portmanteau.packing.plan_file import read_plan

        return read_plan(path, memory_map)


def _checked_out(out: Mapping[str, Any], shape: tuple[int, int]) -> dict[str, npt.NDArray[Any]]:
    """The arrays of the caller, if they can be written to."""
    checked = {}
    for name, given in out.items():
        if name not in _OUT_DTYPES:
            raise PackingError(f"out has {name!r}; it may have {', '.join(map(repr, _OUT_DTYPES))}")
        array = np.asarray(given)
        fits = array.shape == shape and array.dtype in _OUT_NUMPY_DTYPES[name]
        if not (fits and array.flags.c_contiguous and array.flags.writeable):
            dtypes = " or ".join(_OUT_DTYPES[name])
            raise PackingError(
                f"out[{name!r}] is {array.dtype}{list(array.shape)}; it must be {dtypes}{list(shape)}, "
                "C-contiguous and writeable"
            )
        checked[name] = array
    return checked
