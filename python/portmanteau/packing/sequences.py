"""Ids laid out in sequences, and the arrays that models and attention kernels take."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from portmanteau import _rust
from portmanteau.packing.format import SequenceFormat
from portmanteau.packing.pieces import Pieces

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

    from portmanteau.packing.arguments import Int64Array, Uint32Array

    Int32Array = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False, repr=False)
class PackedSequences:
    """Ids laid out in sequences, one a row, and what models and attention kernels want to know about them.

    Every piece is a segment of its own: positions restart in it, and its first token has no label, also where it
    continues a document that was split, since attention does not reach back into the other piece. A BOS of the sequence
    is in its first segment, an EOS in its last. Where segments are padded to a multiple, the padding comes behind the
    tokens.
    """

    format: SequenceFormat
    """What sequences are made of."""
    pieces: Pieces
    """The pieces of these rows; ``pieces.sequence`` is the row."""
    sequences: Int64Array
    """The number of every row's sequence in the plan, int64 ``[rows]``."""
    document_lengths: Uint32Array
    """The number of ids in every piece's document, uint32 ``[pieces]``."""
    input_ids: npt.NDArray[Any]
    """Ids, uint32, int32 or int64 ``[rows, width]``; the width is the capacity, if no other was asked for."""
    document_numbers: npt.NDArray[np.uint64] | None = None
    """Of sequences that a :class:`StreamPacker` gave: the number of every piece's document in the stream, uint64
    ``[pieces]``."""

    def __len__(self) -> int:
        return len(self.sequences)

    def __repr__(self) -> str:
        return f"PackedSequences({len(self)} sequences of {self.width} positions, {len(self.pieces)} pieces)"

    @property
    def width(self) -> int:
        """Number of positions in a row."""
        return int(self.input_ids.shape[1])

    @property
    def sequence_offsets(self) -> Int64Array:
        """Pieces ``sequence_offsets[i]:sequence_offsets[i + 1]`` are in row ``i``, int64 ``[rows + 1]``."""
        return self.pieces.sequence_offsets

    @cached_property
    def position_ids(self) -> Int32Array:
        """Positions, from 0 on in every piece, 0 on padding, int32 ``[rows, width]``."""
        out = np.empty(self.input_ids.shape, np.int32)
        self.fill(position_ids=out)
        return out

    @cached_property
    def segment_ids(self) -> Int32Array:
        """1 on the first piece of a row, 2 on the second, …, 0 on padding, int32 ``[rows, width]``."""
        out = np.empty(self.input_ids.shape, np.int32)
        self.fill(segment_ids=out)
        return out

    def labels(self) -> Int64Array:
        """Labels: the ids, but -100 on padding and on the first token of every piece, int64 ``[rows, width]``.

        Where pieces of a document overlap, tokens that an earlier piece has are -100 too, so that each is learnt once.
        They are not shifted: the models of Hugging Face shift them. Where the loss does not, shift them by one.
        """
        out = np.empty(self.input_ids.shape, np.int64)
        self.fill(labels=out)
        return out

    def fill(
        self,
        *,
        position_ids: npt.NDArray[Any] | None = None,
        segment_ids: npt.NDArray[Any] | None = None,
        labels: npt.NDArray[Any] | None = None,
    ) -> None:
        """Writes into C-contiguous arrays of the caller: positions and segments int32, labels int64 ``[rows, width]``.

        Raises:
            TypeError: An array has another dtype or number of dimensions.
            PackingError: An array has another shape.
        """
        if position_ids is not None:
            _rust.fill_position_ids(self, position_ids)
        if segment_ids is not None:
            _rust.fill_segment_ids(self, segment_ids)
        if labels is not None:
            _rust.fill_labels(self, self.input_ids, labels)

    def cu_seqlens(self, row: int) -> Int32Array:
        """Where the segments of a row start and where the last one ends, int32 ``[pieces + 1]``, for FlashAttention.

        The padding of the row is no segment: the last entry is where the last segment ends, so that the kernel takes
        that many positions of the row. Padding of segments belongs to them; it is behind their tokens, which do not see
        it.

        >>> import numpy as np, types
        >>> import portmanteau as pm
        >>> batch = types.SimpleNamespace(ids=np.arange(6, dtype=np.uint32), offsets=np.array([0, 4, 6]))
        >>> packed = pm.pack(batch, capacity=8).apply(batch)
        >>> packed.cu_seqlens(0), packed.max_seqlen(0)
        (array([0, 4, 6], dtype=int32), 4)
        """
        return _cumulated(self.segment_widths(row))

    def max_seqlen(self, row: int) -> int:
        """The length of the longest segment of a row, with its padding."""
        return int(self.segment_widths(row).max())

    def segment_lengths(self, row: int) -> Int64Array:
        """How many tokens each segment of a row has, int64 ``[pieces]``."""
        row = range(len(self))[row]
        pieces = slice(self.sequence_offsets[row], self.sequence_offsets[row + 1])
        lengths = self.pieces.length[pieces].astype(np.int64)
        lengths[0] += self.format.sequence_bos
        lengths[-1] += self.format.sequence_eos
        return lengths

    def segment_widths(self, row: int) -> Int64Array:
        """How many positions each segment of a row takes, its padding included, int64 ``[pieces]``."""
        return self.format.padded(self.segment_lengths(row))

    @property
    def provenance(self) -> pa.Table:
        """Every piece back to its document: ``sequence``, ``position``, ``document``, ``token_start``, ``token_end``.

        ``sequence`` is the number in the plan; ``token_start`` and ``token_end`` count ids of the document, without BOS
        and EOS, so ``ids[offsets[document] + token_start : offsets[document] + token_end]`` are the ids of the piece.
        """
        import pyarrow as pa

        start = self.pieces.start.astype(np.int64) - self.format.document_bos
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


def _cumulated(lengths: Int64Array) -> Int32Array:
    """From 0 to the sum of all."""
    return np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
