"""Packs documents while they come, in bounded memory, nearly as full as if all of them were known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from portmanteau import _rust
from portmanteau.errors import PackingError
from portmanteau.packing.arguments import MAX_LENGTH, Documents, documents_of, error_in, integer, string
from portmanteau.packing.format import SequenceFormat
from portmanteau.packing.held import HeldDocuments
from portmanteau.packing.pieces import Pieces
from portmanteau.packing.sequences import PackedSequences

if TYPE_CHECKING:
    import numpy.typing as npt

    from portmanteau.packing.planning import LongDocuments

__all__ = ["StreamPacker"]

_STATE_VERSION = 2


class StreamPacker:
    """Packs a stream of documents into sequences, which come out as soon as they are full.

    Ids of up to ``window`` sequences wait. Whenever so many do, a sequence comes out: the oldest pieces that wait fill
    an eighth of it, so that the delay of every document is bounded (by eight times the window, in sequences), and those
    that fit best fill the rest. A piece that fills a sequence alone comes out at once. Which sequences come out, and in
    which order, depends on the documents and the options, and not on how many are pushed at a time. The definition is
    in ``docs/design/packing.md``.

    >>> import numpy as np
    >>> import portmanteau as pm
    >>> packer = pm.StreamPacker(8, window=2, eos_id=9)
    >>> for length in (4, 6, 3, 2, 2):
    ...     packed = packer.push(np.full(length, length))
    ...     print(len(packed), packed.input_ids.tolist())
    0 []
    0 []
    1 [[4, 4, 4, 4, 9, 0, 0, 0]]
    0 []
    1 [[6, 6, 6, 6, 6, 6, 9, 0]]
    >>> packer.finish().input_ids.tolist()
    [[3, 3, 3, 9, 2, 2, 9, 0], [2, 2, 9, 0, 0, 0, 0, 0]]
    """

    def __init__(
        self,
        capacity: int,
        *,
        window: int = 64,
        seed: int | None = None,
        long_documents: LongDocuments = "split",
        overlap: int = 0,
        max_documents_per_sequence: int | None = None,
        align: int = 1,
        pad_id: int = 0,
        bos_id: int | None = None,
        bos: Literal["document", "sequence"] = "document",
        eos_id: int | None = None,
        eos: Literal["document", "sequence"] = "document",
        dtype: Literal["uint32", "int32", "int64"] = "uint32",
    ) -> None:
        """Begins a stream.

        Args:
            capacity: The most tokens in a sequence, from 1 to 2**31 - 1.
            window: How many sequences' worth of tokens may wait. With 64 of them, documents of 824 tokens on average
                fill 99.95 % at 2,048 and 99.99 % at 8,192 and above.
            seed: Sequences come out one by one if this is ``None``, and else a quarter of what may wait at a time, in
                an order that is drawn with it, from 0 to 2**64 - 1.
            long_documents: As for :func:`pack`.
            overlap: As for :func:`pack`.
            max_documents_per_sequence: As for :func:`pack`.
            align: As for :func:`pack`.
            pad_id: As for :meth:`PackPlan.apply`.
            bos_id: If given, a token before every document that is not empty, or before every sequence.
            bos: Which of both.
            eos_id: If given, a token after every document that is not empty, or after every sequence.
            eos: Which of both.
            dtype: Of ``input_ids``.

        Raises:
            PackingError: An option cannot be.
        """
        if dtype not in ("uint32", "int32", "int64"):
            raise PackingError(f"dtype is {dtype!r}; use 'uint32', 'int32' or 'int64'")
        most_id = 2**31 - 1 if dtype == "int32" else 2**32 - 1
        self._pad_id = integer("pad_id", pad_id, 0, most_id)
        self._bos_id = None if bos_id is None else integer("bos_id", bos_id, 0, most_id)
        self._eos_id = None if eos_id is None else integer("eos_id", eos_id, 0, most_id)
        self._dtype = dtype
        capacity = integer("capacity", capacity, 1, MAX_LENGTH)
        if (most := max_documents_per_sequence) is not None:
            most = integer("max_documents_per_sequence", most, 1, 2**32 - 1)
        self._format = SequenceFormat.with_special_tokens(
            capacity,
            bos if bos_id is not None else False,
            eos if eos_id is not None else False,
            align=integer("align", align, 1, MAX_LENGTH),
            overlap=integer("overlap", overlap, 0, MAX_LENGTH),
        )
        self._options: _rust.PackOptions = {
            "format": self._format,
            "strategy": "best_fit_decreasing",
            "cost": "tokens",
            "long_documents": string("long_documents", long_documents),
            "max_documents_per_sequence": most,
            "least_tokens": 0,
        }
        self._stream: _rust.StreamOptions = {
            "most_tokens": integer("window", window, 1, 2**32) * capacity,
            "seed": None if seed is None else integer("seed", seed, 0, 2**64 - 1),
        }
        self._core = _rust.StreamPacker(self._options, self._stream)
        self._n_sequences = 0
        self._n_dropped_tokens = 0
        # The documents that wait, and some that have left.
        self._held = HeldDocuments()

    def __repr__(self) -> str:
        return (
            f"StreamPacker({self.n_documents} documents came, {self.n_sequences} sequences of up to "
            f"{self._format.capacity} tokens left)"
        )

    @property
    def n_documents(self) -> int:
        """How many documents have come, empty ones included."""
        return self._core.n_documents()

    @property
    def n_sequences(self) -> int:
        """How many sequences have come out."""
        return self._n_sequences

    @property
    def n_dropped_tokens(self) -> int:
        """How many tokens of long documents are in no sequence, because ``long_documents`` says so."""
        return self._n_dropped_tokens

    def push(self, documents: Documents | Sequence[int] | npt.NDArray[Any]) -> PackedSequences:
        """Adds documents, and returns the sequences that come out: none, mostly, or several.

        Args:
            documents: A ``TokenBatch``, or anything with its ``ids`` and ``offsets``; or the ids of one document.

        Returns:
            Sequences as :meth:`PackPlan.apply` returns them. ``sequences`` counts those of the stream, and
            ``provenance`` has the number of each document in the stream, from 0 on.

        Raises:
            PackingError: An id does not fit ``dtype``, or a document is too long and ``long_documents="error"``
                (``document`` is its number in the stream). The stream is as before.

        Amortized O(1) a document, and O(log P) for a capacity above 2**22, P being the pieces that wait; an id is
        copied a few times.
        """
        ids, offsets = documents_of(_as_batch(documents))
        ids = ids[: offsets[-1]]
        lengths = np.diff(offsets)
        if np.any(lengths < 0):
            raise PackingError("the offsets of a batch must ascend")
        if self._dtype == "int32" and ids.size and ids.max() > MAX_LENGTH:
            raise PackingError(f"id {ids.max()} does not fit int32; choose another dtype")
        first = self.n_documents
        if lengths.size and lengths.max() > MAX_LENGTH:
            number = first + int(lengths.argmax())
            message = f"has {lengths.max()} ids; a document may have at most {MAX_LENGTH}"
            raise error_in(message, number)
        left = self._core.push(lengths.astype(np.uint32))

        def needed() -> npt.NDArray[np.uint64]:
            numbers = np.concatenate((left["document"], self._core.waiting()["document"]))
            return numbers[numbers < first]

        self._held.add(first, lengths, ids, needed)
        return self._packed(left)

    def finish(self) -> PackedSequences:
        """Returns all that waits. More documents may come after it."""
        return self._packed(self._core.finish())

    def _packed(self, left: Mapping[str, Any]) -> PackedSequences:
        """The sequences that left, as arrays; what they have is not kept."""
        self._n_dropped_tokens += int(left["dropped"]["length"].sum(dtype=np.int64))
        n_left = len(left["sequence_offsets"]) - 1
        held = self._held
        document = held.places(left["document"]).astype(np.uint32)
        packed = PackedSequences(
            format=self._format,
            pieces=Pieces(document, left["start"], left["length"], left["sequence_offsets"], self._format),
            sequences=np.arange(self._n_sequences, self._n_sequences + n_left, dtype=np.int64),
            document_lengths=held.lengths[document],
            input_ids=np.empty((n_left, self._format.capacity), self._dtype),
            document_numbers=left["document"],
        )
        if n_left:
            fill = self._pad_id, self._bos_id, self._eos_id
            _rust.fill_input_ids(packed, [(0, held.ids, held.offsets)], held.lengths, *fill, packed.input_ids)
            self._n_sequences += n_left
        return packed

    # ── going on later ──────────────────────────────────────────────────────────────────────────────────────────

    def state_dict(self) -> dict[str, Any]:
        """All that the rest of the stream depends on: options, numbers, and the ids that wait, as arrays.

        It is of plain numbers, strings and NumPy arrays, so it pickles. Its size is that of the ids of all documents of
        which a piece waits, 4 bytes each: about ``window`` × ``capacity``, and what has left of long documents.
        """
        waiting = self._core.waiting()
        held = self._held.only(waiting["document"])
        return {
            "version": _STATE_VERSION,
            "options": self._all_options(),
            "n_documents": self.n_documents,
            "n_sequences": self.n_sequences,
            "n_dropped_tokens": self.n_dropped_tokens,
            "waiting": waiting,
            "numbers": held.numbers,
            "lengths": held.lengths,
            "ids": held.ids,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where a packer with the same options was when it gave ``state``.

        Raises:
            PackingError: It is of another version, of other options, or no state. The stream is as before.

        >>> import numpy as np
        >>> import portmanteau as pm
        >>> packer = pm.StreamPacker(8, window=2)
        >>> _ = packer.push(np.arange(5))
        >>> other = pm.StreamPacker(8, window=2)
        >>> other.load_state_dict(packer.state_dict())
        >>> other.finish().input_ids.tolist()
        [[0, 1, 2, 3, 4, 0, 0, 0]]
        """
        try:
            version, options = state["version"], dict(state["options"])
            counts = [int(state[name]) for name in ("n_documents", "n_sequences", "n_dropped_tokens")]
            waiting = {
                name: np.ascontiguousarray(state["waiting"][name], dtype)
                for name, dtype in (
                    ("document", np.uint64),
                    ("start", np.uint32),
                    ("length", np.uint32),
                )
            }
            held = HeldDocuments.of(
                np.ascontiguousarray(state["numbers"], np.uint64),
                np.ascontiguousarray(state["lengths"], np.uint32),
                np.ascontiguousarray(state["ids"], np.uint32),
            )
        except (LookupError, TypeError, ValueError) as error:
            raise PackingError(
                f"this is no state of a StreamPacker ({error}); give what state_dict returned"
            ) from None
        if version != _STATE_VERSION:
            raise PackingError(f"the state is of version {version}, and this library reads {_STATE_VERSION}")
        own = self._all_options()
        for name in own:
            if own[name] != options.get(name):
                raise PackingError(
                    f"{name} was {options.get(name)!r} and is {own[name]!r}; a stream goes on with the options it had"
                )
        is_whole = len(held.numbers) == len(held.lengths) and held.offsets[-1] == len(held.ids)
        if not is_whole or not np.array_equal(np.unique(waiting["document"]), held.numbers):
            raise PackingError("the state is damaged: what waits and its ids do not belong together")
        ends = waiting["start"].astype(np.int64) + waiting["length"]
        framed = held.lengths.astype(np.int64) + self._format.tokens_around_document
        if np.any(ends > framed[held.places(waiting["document"])]):
            raise PackingError("the state is damaged: a piece that waits is longer than its document")
        self._core = _rust.StreamPacker(self._options, self._stream, counts[0], waiting)
        _, self._n_sequences, self._n_dropped_tokens = counts
        self._held = held

    def _all_options(self) -> dict[str, Any]:
        ids = {"pad_id": self._pad_id, "bos_id": self._bos_id, "eos_id": self._eos_id}
        options = {name: value for name, value in self._options.items() if name != "format"}
        return {**asdict(self._format), **options, **self._stream, **ids, "dtype": self._dtype}


def _as_batch(documents: Any) -> Documents:
    """What was pushed, as a batch: the ids of one document become one of one."""
    if hasattr(documents, "ids") and hasattr(documents, "offsets"):
        batch: Documents = documents
        return batch
    try:
        ids = np.asarray(documents)
    except ValueError:
        ids = np.empty((0, 0))
    if ids.ndim != 1 or (ids.size and ids.dtype.kind not in "iu"):
        raise PackingError("push takes a TokenBatch, or the ids of one document as a flat array of integers")
    return _OneDocument(ids if ids.size else np.empty(0, np.uint32))


class _OneDocument:
    """A batch of one document."""

    def __init__(self, ids: npt.NDArray[Any]) -> None:
        self.ids = ids
        self.offsets = np.array([0, len(ids)], np.int64)
