"""Packs documents into training sequences of a fixed length, near the optimum and with nothing lost.

A *document* is a run of token ids. A *piece* is a run of tokens of one document. A *sequence* holds at most
``capacity`` tokens, in one piece or several. :func:`pack` looks at the lengths of documents only and makes a
:class:`PackPlan`; :meth:`PackPlan.apply` takes the ids and makes :class:`PackedSequences`, the arrays that models
and attention kernels take. The definitions of the strategies are in ``docs/design/packing.md``.

>>> import numpy as np
>>> import portmanteau as pm
>>> plan = pm.pack([3, 5, 2, 4], capacity=8)
>>> plan
PackPlan(2 sequences of up to 8 tokens, 4 documents, 87.50 % full, best_fit_decreasing)
>>> plan.pieces.document, plan.pieces.sequence
(array([0, 1, 2, 3], dtype=uint32), array([0, 0, 1, 1], dtype=uint32))
"""

from __future__ import annotations

import hashlib
import json
import operator
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from portmanteau import _rust
from portmanteau.errors import FileError, PackingError
from portmanteau.files import read_bytes, write_atomically

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

    Uint32Array = npt.NDArray[np.uint32]
    Int32Array = npt.NDArray[np.int32]
    Int64Array = npt.NDArray[np.int64]

__all__ = ["DroppedPieces", "PackPlan", "PackedSequences", "Pieces", "pack"]

Strategy = Literal["best_fit_decreasing", "first_fit_decreasing", "concat"]
LongDocuments = Literal["split", "truncate", "drop", "error"]

#: The longest document and the largest capacity, so that positions fit the int32 of attention kernels.
_MAX_LENGTH = 2**31 - 1
#: Part of every fingerprint and plan file; another number whenever the same options would give another plan.
_PLAN_VERSION = 1
_METADATA_KEY = b"portmanteau.pack_plan"


class Documents(Protocol):
    """Token ids of documents, one after the other: a ``TokenBatch``, or anything shaped like one."""

    @property
    def ids(self) -> Any:
        """The ids of all documents, uint32."""

    @property
    def offsets(self) -> Any:
        """Where documents start, and where the last one ends, int64 ``[documents + 1]``."""


def pack(
    lengths: Any,
    capacity: int,
    *,
    strategy: Strategy = "best_fit_decreasing",
    long_documents: LongDocuments = "split",
    max_documents_per_sequence: int | None = None,
    bos: bool = False,
    eos: bool = False,
) -> PackPlan:
    """Plans which tokens of documents stand in which sequence.

    The plan depends on the arguments alone: the same lengths and options give the same bytes, on every machine.

    Args:
        lengths: the number of ids in every document: a list, a NumPy or Arrow array of integers, or a ``TokenBatch``.
            An empty document has no piece.
        capacity: the most tokens in a sequence, from 1 to 2**31 - 1.
        strategy: ``"best_fit_decreasing"`` takes the longest piece first and puts it where the least room is left
            that still holds it; within a fraction of a percent of the lower bound on real documents.
            ``"first_fit_decreasing"`` puts it into the first sequence with room. ``"concat"`` lays documents one after
            the other and cuts them wherever a sequence is full.
        long_documents: what becomes of documents longer than the capacity. ``"split"`` cuts them into pieces of the
            capacity and a rest; nothing is lost. ``"truncate"`` keeps their first tokens, ``"drop"`` drops them whole;
            :attr:`PackPlan.dropped` lists what is lost. ``"error"`` raises. With ``"concat"``, this is done first, and
            ``"split"`` has nothing to do, since concatenation cuts every document that it must.
        max_documents_per_sequence: the most pieces in a sequence; no limit if None.
        bos: whether to leave room for a token before every document that is not empty.
        eos: whether to leave room for a token after every document that is not empty.

    Returns:
        The plan. Where ``bos`` or ``eos`` is set, its pieces are runs of ``[BOS] + ids + [EOS]``.

    Raises:
        PackingError: for an option that cannot be, a length that is no integer from 0 to 2**31 - 1 (``document`` names
            it), and a long document if ``long_documents="error"``.

    Complexity:
        O(N + capacity) time for best fit up to a capacity of 2**22 and O(N log N) beyond, O(N log N) for first fit,
        O(N) for concat, N being documents plus cuts; about 40 bytes a document. The GIL is released.

    Source:
        Best and first fit decreasing: Johnson, Near-optimal bin packing algorithms, MIT 1973; for sequences: Ding et
        al., Fewer Truncations Improve Language Modeling, arXiv 2404.10830.

    >>> import portmanteau as pm
    >>> plan = pm.pack([10, 0, 2], capacity=4)
    >>> plan.n_sequences, plan.lower_bound, plan.n_empty_documents, plan.documents_cut
    (3, 3, 1, 1)
    >>> plan.pieces.start
    array([0, 4, 8, 0], dtype=uint32)
    >>> pm.pack([3, -1], capacity=4)
    Traceback (most recent call last):
    portmanteau.errors.PackingError: document 1: has length -1; lengths are integers from 0 to 2147483647
    """
    lengths = _lengths(lengths)
    capacity = _integer("capacity", capacity, 1, _MAX_LENGTH)
    if max_documents_per_sequence is not None:
        max_documents_per_sequence = _integer(
            "max_documents_per_sequence", max_documents_per_sequence, 1, 2**32 - 1
        )
    for name, value in (("strategy", strategy), ("long_documents", long_documents)):
        if not isinstance(value, str):
            raise PackingError(f"{name} is {value!r}; it must be a string")
    arrays = _rust.pack_plan(
        lengths, capacity, strategy, long_documents, max_documents_per_sequence, bool(bos), bool(eos)
    )
    for array in arrays.values():
        array.setflags(write=False)
    return PackPlan(
        capacity=capacity,
        strategy=strategy,
        long_documents=long_documents,
        max_documents_per_sequence=max_documents_per_sequence,
        bos=bool(bos),
        eos=bool(eos),
        n_documents=len(lengths),
        pieces=Pieces(arrays["document"], arrays["start"], arrays["length"], arrays["sequence_offsets"]),
        dropped=DroppedPieces(arrays["dropped_document"], arrays["dropped_start"], arrays["dropped_length"]),
    )


@dataclass(frozen=True, eq=False)
class Pieces:
    """Runs of tokens of documents, laid out in sequences: element ``i`` of each array is piece ``i``.

    Pieces are ordered by sequence, then by position; within a sequence, that is the order of documents.
    """

    document: Uint32Array
    """Index of the document, uint32."""
    start: Uint32Array
    """First token of the piece within the document (with its BOS, if the plan has one), uint32."""
    length: Uint32Array
    """Number of tokens, at least 1, uint32."""
    sequence_offsets: Int64Array
    """Pieces ``sequence_offsets[i]:sequence_offsets[i + 1]`` are in sequence ``i``, int64 ``[sequences + 1]``."""

    def __len__(self) -> int:
        return len(self.document)

    @cached_property
    def sequence(self) -> Uint32Array:
        """Index of the sequence that the piece is in, uint32."""
        counts = np.diff(self.sequence_offsets)
        return np.repeat(np.arange(len(counts), dtype=np.uint32), counts)

    @cached_property
    def position(self) -> Uint32Array:
        """Position of the piece's first token in its sequence, uint32."""
        starts = np.cumsum(self.length, dtype=np.int64) - self.length
        first = np.repeat(starts[self.sequence_offsets[:-1]], np.diff(self.sequence_offsets))
        return (starts - first).astype(np.uint32)

    def _take(self, sequences: Int64Array) -> Pieces:
        """The pieces of these sequences, in this order."""
        first = self.sequence_offsets[sequences]
        counts = self.sequence_offsets[sequences + 1] - first
        offsets = np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))
        index = np.repeat(first - offsets[:-1], counts) + np.arange(offsets[-1])
        return Pieces(self.document[index], self.start[index], self.length[index], offsets)


@dataclass(frozen=True, eq=False)
class DroppedPieces:
    """Runs of tokens of long documents that are in no sequence, ordered by document."""

    document: Uint32Array
    """Index of the document, uint32."""
    start: Uint32Array
    """First token of the piece within the document (with its BOS, if the plan has one), uint32."""
    length: Uint32Array
    """Number of tokens, at least 1, uint32."""

    def __len__(self) -> int:
        return len(self.document)


@dataclass(frozen=True, eq=False, repr=False)
class PackPlan:
    """Which tokens of documents stand in which sequence; made by :func:`pack`.

    A plan holds no ids, so one store of tokens may have several plans. It pickles, is saved to a file, and is equal to
    another plan if both have the same :attr:`fingerprint`.
    """

    capacity: int
    """Most tokens in a sequence."""
    strategy: str
    """As given to :func:`pack`."""
    long_documents: str
    """As given to :func:`pack`."""
    max_documents_per_sequence: int | None
    """As given to :func:`pack`."""
    bos: bool
    """Whether there is room for a token before every document."""
    eos: bool
    """Whether there is room for a token after every document."""
    n_documents: int
    """Number of documents that were packed, empty ones included."""
    pieces: Pieces
    """The pieces in sequences: ``document``, ``start``, ``length``, ``sequence``, ``position``."""
    dropped: DroppedPieces
    """What is in no sequence: ``document``, ``start``, ``length``."""

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
    def sequence_offsets(self) -> Int64Array:
        """Pieces ``sequence_offsets[i]:sequence_offsets[i + 1]`` are in sequence ``i``, int64 ``[sequences + 1]``."""
        return self.pieces.sequence_offsets

    @property
    def n_sequences(self) -> int:
        """Number of sequences."""
        return len(self.sequence_offsets) - 1

    @cached_property
    def n_tokens(self) -> int:
        """Number of tokens in sequences, BOS and EOS included."""
        return int(self.pieces.length.sum(dtype=np.int64))

    @property
    def lower_bound(self) -> int:
        """No plan for these tokens can have fewer sequences: tokens, divided by the capacity, rounded up."""
        return -(-self.n_tokens // self.capacity)

    @property
    def efficiency(self) -> float:
        """The share of all positions that hold a token, from 0 to 1; 1 if there are no sequences."""
        return self.n_tokens / (self.n_sequences * self.capacity) if self.n_sequences else 1.0

    @cached_property
    def document_lengths(self) -> Uint32Array:
        """The number of ids in every document, as planned, uint32 ``[documents]``."""
        lengths: Uint32Array = _rust.pack_document_lengths(self, self.dropped, self.n_documents)
        return lengths

    @cached_property
    def n_empty_documents(self) -> int:
        """Number of documents without ids; they have no piece."""
        return self.n_documents - int(np.count_nonzero(self.document_lengths))

    @cached_property
    def documents_cut(self) -> int:
        """Number of documents that lie in more than one piece."""
        return int(np.count_nonzero(np.bincount(self.pieces.document) > 1))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the options, the version of the format and all arrays, as 64 hexadecimal digits."""
        digest = hashlib.sha256(json.dumps(self._options(), sort_keys=True).encode())
        for name, array in self._arrays().items():
            little_endian = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
            digest.update(f"{name} {len(array)}\n".encode())
            digest.update(little_endian.data)
        return digest.hexdigest()

    def _options(self) -> dict[str, Any]:
        names = (
            "capacity",
            "strategy",
            "long_documents",
            "max_documents_per_sequence",
            "bos",
            "eos",
            "n_documents",
        )
        return {"version": _PLAN_VERSION, **{name: getattr(self, name) for name in names}}

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {
            "document": self.pieces.document,
            "start": self.pieces.start,
            "length": self.pieces.length,
            "sequence_offsets": self.pieces.sequence_offsets,
            "dropped_document": self.dropped.document,
            "dropped_start": self.dropped.start,
            "dropped_length": self.dropped.length,
        }

    def verify(self, lengths: Any = None) -> None:
        """Proves that every token is in the plan exactly once and that no sequence is over capacity.

        The proof does not depend on how the plan was made: the pieces of every document, kept and dropped, must follow
        each other from its first token to its last. O(N log N).

        Args:
            lengths: the documents that the plan must hold, as :func:`pack` takes them. If None, the pieces of every
                document must have no gap and no overlap, but where the document ends is what the plan says.

        Raises:
            PackingError: names the first document of which a token is missing or there twice.

        >>> import portmanteau as pm
        >>> pm.pack([3, 5], capacity=4).verify([3, 5])
        >>> pm.pack([3, 5], capacity=4).verify([3, 6])
        Traceback (most recent call last):
        portmanteau.errors.PackingError: document 1: has 6 tokens, but its pieces cover 5
        """
        lengths = self.document_lengths if lengths is None else _lengths(lengths)
        _rust.pack_verify(self, self.dropped, self.n_documents, lengths)

    def apply(
        self,
        batch: Documents,
        *,
        pad_id: int = 0,
        bos_id: int | None = None,
        eos_id: int | None = None,
        dtype: Literal["uint32", "int32", "int64"] = "uint32",
        sequences: Sequence[int] | Int64Array | None = None,
    ) -> PackedSequences:
        """Lays the ids of documents out in sequences.

        Args:
            batch: the documents that were planned: a ``TokenBatch``, or any object with ``ids`` (uint32) and
                ``offsets`` (int64 ``[documents + 1]``).
            pad_id: the id behind the last piece of a sequence.
            bos_id: the id before every document; given if and only if the plan was made with ``bos=True``.
            eos_id: the id after every document; given if and only if the plan was made with ``eos=True``.
            dtype: of ``input_ids``: ``"uint32"``, ``"int32"`` or ``"int64"`` (what PyTorch embeds).
            sequences: the sequences to lay out, in this order; all of them if None. With a few at a time, memory is
                bounded by those few, whatever the size of the plan.

        Returns:
            One row for each sequence.

        Raises:
            PackingError: if a document has another length than was planned (``document`` names the first), if an id
                does not fit the dtype, or if an id is given that the plan has no room for, or not given that it has.

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
        if dtype not in ("uint32", "int32", "int64"):
            raise PackingError(f"dtype is {dtype!r}; use 'uint32', 'int32' or 'int64'")
        ids, offsets = _documents(batch)
        pieces, rows = self.pieces, np.arange(self.n_sequences, dtype=np.int64)
        documents: Int64Array = np.arange(self.n_documents, dtype=np.int64)
        if sequences is not None:
            rows = _rows(sequences, self.n_sequences)
            pieces = self.pieces._take(rows)
            documents = np.unique(pieces.document).astype(np.int64)
        self._check_documents(documents, offsets)
        packed = PackedSequences(
            capacity=self.capacity,
            bos=self.bos,
            eos=self.eos,
            pieces=pieces,
            sequences=rows,
            document_lengths=self.document_lengths[pieces.document],
            input_ids=np.empty((len(rows), self.capacity), dtype),
        )
        _rust.pack_input_ids(
            packed,
            ids,
            offsets,
            _integer("pad_id", pad_id, 0, 2**32 - 1),
            None if bos_id is None else _integer("bos_id", bos_id, 0, 2**32 - 1),
            None if eos_id is None else _integer("eos_id", eos_id, 0, 2**32 - 1),
            packed.input_ids,
        )
        return packed

    def _check_documents(self, documents: Int64Array, offsets: Int64Array) -> None:
        """Raises if one of these documents has another length in the batch than was planned."""
        n_documents = len(offsets) - 1
        documents = documents[documents < n_documents]
        lengths, planned = offsets[documents + 1] - offsets[documents], self.document_lengths[documents]
        differs = np.flatnonzero(lengths != planned)
        remedy = "apply a plan to the batch that it was made for, or pack this batch"
        if len(differs):
            first = differs[0]
            message = f"has {lengths[first]} ids, but the plan is for {planned[first]}; {remedy}"
            raise _error(message, int(documents[first]))
        if n_documents != self.n_documents:
            message = (
                f"the batch has {n_documents} documents, but the plan is for {self.n_documents}; {remedy}"
            )
            raise _error(message, min(n_documents, self.n_documents))

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
        from portmanteau import balancing

        return balancing.steps_of(
            self,
            _integer("n_ranks", n_ranks, 1, 2**31),
            _integer("sequences_per_rank", sequences_per_rank, 1, 2**31),
            cost,
            None if window is None else _integer("window", window, 1, 2**31),
            _integer("seed", seed, 0, 2**64 - 1),
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the plan to one Arrow IPC file, which :meth:`load` reads.

        The file appears whole or not at all: it is written under another name in the same folder and renamed.

        Raises:
            FileError: if the file cannot be written; ``path`` names it.
        """
        import pyarrow as pa

        columns = {
            name: pa.LargeListArray.from_arrays(pa.array([0, len(array)], pa.int64()), pa.array(array))
            for name, array in self._arrays().items()
        }
        header = {**self._options(), "fingerprint": self.fingerprint}
        schema = pa.schema([(name, column.type) for name, column in columns.items()])
        schema = schema.with_metadata({_METADATA_KEY: json.dumps(header).encode()})

        def write(stream: IO[bytes]) -> None:
            with pa.ipc.new_file(stream, schema) as writer:
                writer.write_batch(pa.record_batch(list(columns.values()), schema=schema))

        write_atomically(path, write)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> PackPlan:
        """Reads a plan that :meth:`save` wrote, and checks its fingerprint.

        Raises:
            FileError: if the file cannot be read, is no plan, ends early or was changed; ``path`` names it.
        """
        import pyarrow as pa

        content = read_bytes(path)
        try:
            reader = pa.ipc.open_file(pa.BufferReader(content))
            header = json.loads((reader.schema.metadata or {})[_METADATA_KEY])
            version, fingerprint = header.pop("version"), header.pop("fingerprint")
            if version == _PLAN_VERSION:
                batch = reader.get_batch(0)
                batch.validate(full=True)
                arrays = {name: batch.column(name).flatten().to_numpy() for name in batch.schema.names}
                dropped = DroppedPieces(
                    *(arrays.pop(f"dropped_{name}") for name in ("document", "start", "length"))
                )
                plan = cls(**header, pieces=Pieces(**arrays), dropped=dropped)
        except (pa.ArrowException, OSError, LookupError, TypeError, ValueError) as error:
            raise _load_error(path, f"is no plan, or was cut short ({error})") from error
        if version != _PLAN_VERSION:
            raise _load_error(path, f"holds a plan of version {version}, and this is version {_PLAN_VERSION}")
        if plan.fingerprint != fingerprint:
            raise _load_error(path, "was changed since it was written")
        return plan


@dataclass(frozen=True, eq=False, repr=False)
class PackedSequences:
    """Ids laid out in sequences, one a row, and what models and attention kernels want to know about them.

    Every piece is a segment of its own: positions restart in it, and its first token has no label, also where it
    continues a document that was split, since attention does not reach back into the other piece.
    """

    capacity: int
    """Number of positions in a row."""
    bos: bool
    """Whether documents have a token before them."""
    eos: bool
    """Whether documents have a token after them."""
    pieces: Pieces
    """The pieces of these rows; ``pieces.sequence`` is the row."""
    sequences: Int64Array
    """The number of every row's sequence in the plan, int64 ``[rows]``."""
    document_lengths: Uint32Array
    """The number of ids in every piece's document, uint32 ``[pieces]``."""
    input_ids: npt.NDArray[Any]
    """Ids, uint32, int32 or int64 ``[rows, capacity]``."""
    document_numbers: npt.NDArray[np.uint64] | None = None
    """Of sequences that a :class:`StreamPacker` gave: the number of every piece's document in the stream, uint64
    ``[pieces]``."""

    def __len__(self) -> int:
        return len(self.sequences)

    def __repr__(self) -> str:
        return (
            f"PackedSequences({len(self)} sequences of {self.capacity} positions, {len(self.pieces)} pieces)"
        )

    @property
    def sequence_offsets(self) -> Int64Array:
        """Pieces ``sequence_offsets[i]:sequence_offsets[i + 1]`` are in row ``i``, int64 ``[rows + 1]``."""
        return self.pieces.sequence_offsets

    @cached_property
    def position_ids(self) -> Int32Array:
        """Positions, from 0 on in every piece, 0 on padding, int32 ``[rows, capacity]``."""
        out = np.empty(self.input_ids.shape, np.int32)
        _rust.pack_position_ids(self, out)
        return out

    @cached_property
    def segment_ids(self) -> Int32Array:
        """1 on the first piece of a row, 2 on the second, …, 0 on padding, int32 ``[rows, capacity]``."""
        out = np.empty(self.input_ids.shape, np.int32)
        _rust.pack_segment_ids(self, out)
        return out

    def labels(self) -> Int64Array:
        """Labels: the ids, but -100 on padding and on the first token of every piece, int64 ``[rows, capacity]``.

        They are not shifted: the models of Hugging Face shift them. Where the loss does not, shift them by one.
        """
        out = np.empty(self.input_ids.shape, np.int64)
        _rust.pack_labels(self, self.input_ids, out)
        return out

    def _lengths_in(self, row: int) -> Uint32Array:
        row = range(len(self))[row]
        return self.pieces.length[self.sequence_offsets[row] : self.sequence_offsets[row + 1]]

    def cu_seqlens(self, row: int) -> Int32Array:
        """Where the pieces of a row start and where the last one ends, int32 ``[pieces + 1]``, for FlashAttention.

        Padding is no segment: the last entry is the number of real tokens ``n``, so that the kernel takes the first
        ``n`` positions of the row.

        >>> import numpy as np, types
        >>> import portmanteau as pm
        >>> batch = types.SimpleNamespace(ids=np.arange(6, dtype=np.uint32), offsets=np.array([0, 4, 6]))
        >>> packed = pm.pack(batch, capacity=8).apply(batch)
        >>> packed.cu_seqlens(0), packed.max_seqlen(0)
        (array([0, 4, 6], dtype=int32), 4)
        """
        return np.concatenate(([0], np.cumsum(self._lengths_in(row), dtype=np.int64))).astype(np.int32)

    def max_seqlen(self, row: int) -> int:
        """The length of the longest piece of a row, in tokens."""
        return int(self._lengths_in(row).max())

    @property
    def provenance(self) -> pa.Table:
        """Every piece back to its document: ``sequence``, ``position``, ``document``, ``token_start``, ``token_end``.

        ``sequence`` is the number in the plan; ``token_start`` and ``token_end`` count ids of the document, without BOS
        and EOS, so ``ids[offsets[document] + token_start : offsets[document] + token_end]`` are the ids of the piece.
        """
        import pyarrow as pa

        start = self.pieces.start.astype(np.int64) - self.bos
        end = np.minimum(start + self.pieces.length, self.document_lengths)
        start = np.minimum(np.maximum(start, 0), self.document_lengths)
        return pa.table(
            {
                "sequence": self.sequences[self.pieces.sequence],
                "position": self.pieces.position,
                "document": self.pieces.document if self.document_numbers is None else self.document_numbers,
                "token_start": start,
                "token_end": np.maximum(end, start),
            }
        )


def _error(message: str, document: int | None = None) -> PackingError:
    place = "" if document is None else f"document {document}: "
    return PackingError(f"{place}{message}", document=document)


def _load_error(path: str | os.PathLike[str], message: str) -> FileError:
    return FileError(f"{os.fspath(path)}: {message}; pack again and write it with PackPlan.save", path=path)


def _integer(name: str, value: Any, low: int, high: int) -> int:
    """An option as an int, or an error that says what it may be."""
    try:
        number = operator.index(value)
    except TypeError:
        number = low - 1
    if not low <= number <= high:
        raise PackingError(f"{name} is {value!r}; it must be an integer from {low} to {high}")
    return number


def _lengths(lengths: Any) -> Uint32Array:
    """Any lengths that :func:`pack` takes, checked, as a contiguous uint32 array."""
    if hasattr(lengths, "ids") and hasattr(lengths, "offsets"):
        lengths = np.diff(_documents(lengths)[1])
    elif hasattr(lengths, "__arrow_c_array__") or hasattr(lengths, "__arrow_c_stream__"):
        lengths = _arrow_lengths(lengths)
    try:
        array = np.asarray(lengths)
    except ValueError as error:
        raise PackingError(
            f"lengths must be a flat list or array, one integer a document: {error}"
        ) from error
    if array.ndim != 1:
        raise PackingError(
            f"lengths have {array.ndim} dimensions; pass a flat list or array, one integer a document"
        )
    if array.size == 0:
        return np.empty(0, np.uint32)
    if array.dtype.kind in "iu":
        wrong = (array < 0) | (array > _MAX_LENGTH)
    elif array.dtype.kind == "f":
        # A NaN fails both comparisons; columns with gaps become floats in pandas, and whole ones are lengths.
        wrong = ~((array >= 0) & (array <= _MAX_LENGTH)) | (array != np.floor(array))
    elif array.dtype.kind == "O":
        wrong = np.array([not _is_length(value) for value in array], dtype=bool)
    else:
        raise PackingError(f"lengths are of dtype {array.dtype}; pass one integer for each document")
    if wrong.any():
        document = int(wrong.argmax())
        message = f"has length {array[document]!s}; lengths are integers from 0 to {_MAX_LENGTH}"
        raise _error(message, document)
    return np.ascontiguousarray(array, dtype=np.uint32)


def _is_length(value: object) -> bool:
    """Whether an element of an array of objects is an integer in range."""
    try:
        return 0 <= operator.index(value) <= _MAX_LENGTH  # type: ignore[arg-type]
    except TypeError:
        return False


def _arrow_lengths(column: Any) -> npt.NDArray[Any]:
    """The lengths in an Arrow column of integers, in one chunk or several."""
    import pyarrow as pa

    try:
        is_stream = hasattr(column, "__arrow_c_stream__")
        chunked = pa.chunked_array(column) if is_stream else pa.chunked_array([pa.array(column)])
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise PackingError(f"lengths must be an Arrow column of integers: {error}") from error
    if not pa.types.is_integer(chunked.type):
        raise PackingError(
            f"lengths are an Arrow column of {chunked.type}; pass one integer for each document"
        )
    if chunked.null_count:
        document = int(chunked.is_null().to_numpy().argmax())
        raise _error("has a null for its length; fill it, or leave the document out", document)
    numbers: npt.NDArray[Any] = chunked.to_numpy()
    return numbers


def _documents(batch: Documents) -> tuple[Uint32Array, Int64Array]:
    """The two arrays of a batch, in the dtypes that Rust reads; a copy only where they have others."""
    try:
        ids, offsets = np.asarray(batch.ids), np.asarray(batch.offsets)
    except AttributeError as error:
        raise PackingError(f"{type(batch).__name__} has no ids and offsets; pass a TokenBatch") from error
    if ids.ndim != 1 or offsets.ndim != 1 or ids.dtype.kind not in "iu" or offsets.dtype.kind not in "iu":
        raise PackingError("the ids and the offsets of a batch must be flat arrays of integers")
    if len(offsets) == 0 or offsets[0] != 0 or offsets[-1] > len(ids):
        raise PackingError(f"the offsets of a batch must run from 0 to its number of ids, {len(ids)}")
    if not np.can_cast(ids.dtype, np.uint32) and ids.size and (ids.min() < 0 or ids.max() > 2**32 - 1):
        raise PackingError("the ids of a batch must be from 0 to 2**32 - 1")
    return np.ascontiguousarray(ids, np.uint32), np.ascontiguousarray(offsets, np.int64)


def _rows(sequences: Any, n_sequences: int) -> Int64Array:
    """The numbers of sequences to lay out, checked."""
    rows = np.asarray(sequences)
    if rows.size == 0:
        return np.empty(0, np.int64)
    if rows.ndim != 1 or rows.dtype.kind not in "iu" or rows.min() < 0 or rows.max() >= n_sequences:
        raise PackingError(f"sequences must be a flat list of integers from 0 to {n_sequences - 1}")
    return rows.astype(np.int64)
