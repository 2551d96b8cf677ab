"""Ids laid out in sequences, and the arrays that models and attention kernels take."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from portmanteau import _rust
from portmanteau.packing import consumers
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
        return consumers.cumulated(self.segment_widths(row))

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

    def for_flash_attention(self, row: int | None = None, *, padding: bool = False) -> dict[str, Any]:
        """The arguments of FlashAttention's varlen functions, for one row, or for all rows as one stream.

        The stream is that of :meth:`for_transformers`: the segments of all rows, one after the other, so ``q``, ``k``
        and ``v`` are ``(total, heads, dim)`` with the last entry of ``cu_seqlens_q`` as the total. Padding of segments
        belongs to them; it is behind their tokens, which do not see it.

        Args:
            row: the row; all of them if None.
            padding: whether the padding of rows is in the stream, as one more segment of each row. The total is then
                rows × width, and the stream the rows laid end to end.

        Returns:
            ``cu_seqlens_q`` and ``cu_seqlens_k``, int32 ``[segments + 1]``; ``max_seqlen_q`` and ``max_seqlen_k``, int.

        Raises:
            IndexError: There is no such row.
            PackingError: The total does not fit into int32.

        >>> import numpy as np
        >>> import portmanteau as pm
        >>> batch = pm.TokenBatch(np.array([5, 6, 7, 8, 9, 3, 4], np.uint32), np.array([0, 3, 5, 7]))
        >>> packed = pm.pack(batch, capacity=6).apply(batch)
        >>> packed.for_flash_attention(0)
        {'cu_seqlens_q': array([0, 3, 5], dtype=int32), 'cu_seqlens_k': array([0, 3, 5], dtype=int32),
        'max_seqlen_q': 3, 'max_seqlen_k': 3}
        >>> packed.for_flash_attention()["cu_seqlens_q"]
        array([0, 3, 5, 7], dtype=int32)
        """
        return consumers.flash_attention(self, row, padding)

    def for_flex_attention(self) -> Int32Array:
        """Document ids for a mask of FlexAttention: equal in a segment, and different in all others of the row.

        They are 0, 1, … in the segments of a row, padding of segments included, and on the padding of the row the
        number of its segments. So padding attends to padding alone, and no position attends to nothing, which would
        give NaN. With ``ids`` on the device, the mask is

        ``def mask_mod(b, h, q, k): return (ids[b, q] == ids[b, k]) & (q >= k)``

        Returns:
            int32 ``[rows, width]``.

        >>> import numpy as np
        >>> import portmanteau as pm
        >>> batch = pm.TokenBatch(np.array([5, 6, 7, 8, 9, 3, 4], np.uint32), np.array([0, 3, 5, 7]))
        >>> pm.pack(batch, capacity=6).apply(batch).for_flex_attention()
        array([[0, 0, 0, 1, 1, 2],
               [0, 0, 1, 1, 1, 1]], dtype=int32)
        """
        return consumers.flex_attention(self)

    def for_transformers(
        self,
        row: int | None = None,
        *,
        padding: bool = False,
        flash_attention: bool = True,
        seq_idx: bool = False,
    ) -> dict[str, Any]:
        """A batch for models of Hugging Face, as their ``DataCollatorWithFlattening`` makes it: all in one sequence.

        There is no ``attention_mask``, by intent: without one, the models find segments where positions start again;
        with one, or with ``use_cache=True``, which is the default where no ``Trainer`` runs them, they take the
        sequence for one document. Positions count on in the padding of segments, which belongs to them.

        Args:
            row: the row; all of them, one after the other, if None.
            padding: whether the padding of rows stays, as one more segment of each row, so that all batches of as many
                rows have one shape.
            flash_attention: whether to give ``cu_seq_lens_q`` and what goes with it, which FlashAttention takes.
            seq_idx: whether to give ``seq_idx``, which layers of Mamba take.

        Returns:
            ``input_ids``, ``labels`` (not shifted, -100 on the first token of every segment and on padding) and
            ``position_ids``, int64 ``[1, T]``; ``cu_seq_lens_q`` and ``cu_seq_lens_k``, int32 ``[segments + 1]``;
            ``max_length_q`` and ``max_length_k``, int; ``seq_idx``, the segment of every position, from 0 on, int32
            ``[1, T]``.

        Raises:
            IndexError: There is no such row.
            PackingError: T does not fit into int32.

        >>> import numpy as np
        >>> import portmanteau as pm
        >>> batch = pm.TokenBatch(np.array([5, 6, 7, 8, 9, 3, 4], np.uint32), np.array([0, 3, 5, 7]))
        >>> packed = pm.pack(batch, capacity=6).apply(batch)
        >>> for name, value in packed.for_transformers(seq_idx=True).items():
        ...     print(name, value)
        input_ids [[5 6 7 8 9 3 4]]
        labels [[-100    6    7 -100    9 -100    4]]
        position_ids [[0 1 2 0 1 0 1]]
        seq_idx [[0 0 0 1 1 2 2]]
        cu_seq_lens_q [0 3 5 7]
        cu_seq_lens_k [0 3 5 7]
        max_length_q 3
        max_length_k 3
        """
        return consumers.transformers(self, row, padding, flash_attention, seq_idx)

    def for_megatron(self, row: int | None = None) -> dict[str, npt.NDArray[Any]]:
        """A sample as Megatron-LM's GPT dataset gives it with masking between documents; for all rows, their batch.

        Labels are shifted: each is the next token. Where that is another segment or padding, the label is 0 and
        ``loss_mask`` too; Megatron's own dataset takes the loss of the first token of the next document, if it runs
        without ``eod_mask_loss``. The padding of the row is a segment, its last. Megatron reads ``cu_seqlens`` up to
        the first entry that is L.

        Args:
            row: the row; all of them if None, and then every array has a first dimension ``rows``, as collated.

        Returns:
            ``tokens``, ``labels`` and ``position_ids``, int64 ``[L]``; ``loss_mask``, float32 ``[L]``; ``cu_seqlens``,
            filled up with L, int32 ``[L + 1]``; ``max_seqlen``, int32 ``[]``. L is the width.

        Raises:
            IndexError: There is no such row.

        >>> import numpy as np
        >>> import portmanteau as pm
        >>> batch = pm.TokenBatch(np.array([5, 6, 7, 8, 9, 3, 4], np.uint32), np.array([0, 3, 5, 7]))
        >>> packed = pm.pack(batch, capacity=6).apply(batch)
        >>> for name, value in packed.for_megatron(0).items():
        ...     print(name, value)
        tokens [5 6 7 8 9 0]
        labels [6 7 0 9 0 0]
        loss_mask [1. 1. 0. 1. 0. 0.]
        position_ids [0 1 2 0 1 0]
        cu_seqlens [0 3 5 6 6 6 6]
        max_seqlen 3
        """
        return consumers.megatron(self, row)

    def for_transformer_engine(self, row: int | None = None, *, padding: bool = False) -> dict[str, Any]:
        """The arguments of Transformer Engine's attention with ``qkv_format="thd"``; also of ``PackedSeqParams``.

        Segment ``i`` has ``cu_seqlens_q[i + 1] - cu_seqlens_q[i]`` tokens, from place ``cu_seqlens_q_padded[i]`` on in
        the stream of :meth:`for_transformers`. With a plan of ``align=2 * n``, context parallelism over n ranks can
        split every segment.

        Args:
            row: the row; all of them if None.
            padding: whether the padding of rows is in the stream, as one more segment of each row, without tokens.

        Returns:
            ``cu_seqlens_q`` and ``cu_seqlens_kv``, ``cu_seqlens_q_padded`` and ``cu_seqlens_kv_padded``, int32
            ``[segments + 1]``; ``max_seqlen_q`` and ``max_seqlen_kv``, int: the most positions of a segment that has
            tokens.

        Raises:
            IndexError: There is no such row.
            PackingError: The positions do not fit into int32.

        >>> import numpy as np
        >>> import portmanteau as pm
        >>> batch = pm.TokenBatch(np.array([5, 6, 7, 8, 9, 3, 4], np.uint32), np.array([0, 3, 5, 7]))
        >>> arguments = pm.pack(batch, capacity=8, align=4).apply(batch).for_transformer_engine()
        >>> arguments["cu_seqlens_q"], arguments["cu_seqlens_q_padded"], arguments["max_seqlen_q"]
        (array([0, 3, 5, 7], dtype=int32), array([ 0,  4,  8, 12], dtype=int32), 4)
        """
        return consumers.transformer_engine(self, row, padding)

    def for_maxtext(self) -> dict[str, Int32Array]:
        """A batch for MaxText, as its input pipeline gives it after packing and shifting.

        Targets are shifted: each is the next token. Where that is another segment or padding, the target is 0 and
        ``targets_segmentation`` too, where MaxText takes no loss; its own pipeline takes the loss of the first token of
        the next document, if that is no BOS. Segments count from 1 in a row and are 0 on padding.

        Returns:
            ``inputs``, ``inputs_segmentation``, ``inputs_position``, ``targets``, ``targets_segmentation`` and
            ``targets_position`` (that of the input, as MaxText has it), int32 ``[rows, width]``, all new arrays.

        Raises:
            PackingError: An id does not fit into int32.

        >>> import numpy as np
        >>> import portmanteau as pm
        >>> batch = pm.TokenBatch(np.array([5, 6, 7, 8, 9, 3, 4], np.uint32), np.array([0, 3, 5, 7]))
        >>> for name, value in pm.pack(batch, capacity=6).apply(batch).for_maxtext().items():
        ...     print(name, value[0])
        inputs [5 6 7 8 9 0]
        inputs_segmentation [1 1 1 2 2 0]
        inputs_position [0 1 2 0 1 0]
        targets [6 7 0 9 0 0]
        targets_segmentation [1 1 0 2 0 0]
        targets_position [0 1 2 0 1 0]
        """
        return consumers.maxtext(self)

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
