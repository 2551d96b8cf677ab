"""What attention kernels and frameworks take, from packed sequences; names, dtypes and shapes are theirs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from portmanteau.errors import PackingError

if TYPE_CHECKING:
    import numpy.typing as npt

    from portmanteau.packing.arguments import Int64Array
    from portmanteau.packing.sequences import PackedSequences

    Int32Array = npt.NDArray[np.int32]

#: The label that no loss is taken of.
IGNORED = -100
_LARGEST = np.iinfo(np.int32).max


@dataclass(frozen=True)
class _Segments:
    """The segments of all rows, one after the other; with padding, that of a row is one more segment behind its own."""

    number: Int64Array
    """From 0 in every row, int64 ``[segments]``."""
    length: Int64Array
    """Tokens, 0 in the padding of a row, int64 ``[segments]``."""
    width: Int64Array
    """Positions, at least 1, int64 ``[segments]``."""
    positions_of_row: Int64Array
    """Positions of all segments of a row, int64 ``[rows]``."""

    @property
    def starts(self) -> Int64Array:
        """Where segments start in the rows laid end to end, int64 ``[segments]``."""
        return np.cumsum(self.width) - self.width

    @property
    def positions(self) -> Int64Array:
        """Positions, from 0 on in every segment, on its padding too, int64 ``[positions of all segments]``."""
        return np.arange(self.width.sum()) - np.repeat(self.starts, self.width)

    @property
    def longest(self) -> int:
        """The most positions of a segment that has tokens; 0 if there is none."""
        return int(self.width.max(initial=0, where=self.length > 0))


def flash_attention(packed: PackedSequences, row: int | None, padding: bool) -> dict[str, Any]:
    """See :meth:`PackedSequences.for_flash_attention`."""
    widths = _segments_of(_only(packed, row), padding).width
    offsets, longest = cumulated(widths), int(widths.max(initial=0))
    return {
        "cu_seqlens_q": offsets,
        "cu_seqlens_k": offsets,
        "max_seqlen_q": longest,
        "max_seqlen_k": longest,
    }


def flex_attention(packed: PackedSequences) -> Int32Array:
    """See :meth:`PackedSequences.for_flex_attention`."""
    segments = _segments_of(packed, padding=True)
    return np.repeat(segments.number.astype(np.int32), segments.width).reshape(packed.input_ids.shape)


def transformers(
    packed: PackedSequences, row: int | None, padding: bool, flash_attention: bool, seq_idx: bool
) -> dict[str, Any]:
    """See :meth:`PackedSequences.for_transformers`."""
    packed = _only(packed, row)
    segments = _segments_of(packed, padding)
    taken = np.arange(packed.width) < segments.positions_of_row[:, np.newaxis]
    batch: dict[str, Any] = {
        "input_ids": packed.input_ids[taken].astype(np.int64)[np.newaxis],
        "labels": packed.labels()[taken][np.newaxis],
        "position_ids": segments.positions[np.newaxis],
    }
    if seq_idx:
        numbers = np.arange(len(segments.width), dtype=np.int32)
        batch["seq_idx"] = np.repeat(numbers, segments.width)[np.newaxis]
    if flash_attention:
        offsets, longest = cumulated(segments.width), int(segments.width.max(initial=0))
        batch |= {"cu_seq_lens_q": offsets, "cu_seq_lens_k": offsets}
        batch |= {"max_length_q": longest, "max_length_k": longest}
    return batch


def transformer_engine(packed: PackedSequences, row: int | None, padding: bool) -> dict[str, Any]:
    """See :meth:`PackedSequences.for_transformer_engine`."""
    segments = _segments_of(_only(packed, row), padding)
    tokens, places = cumulated(segments.length), cumulated(segments.width)
    return {
        "cu_seqlens_q": tokens,
        "cu_seqlens_kv": tokens,
        "cu_seqlens_q_padded": places,
        "cu_seqlens_kv_padded": places,
        "max_seqlen_q": segments.longest,
        "max_seqlen_kv": segments.longest,
    }


def megatron(packed: PackedSequences, row: int | None) -> dict[str, npt.NDArray[Any]]:
    """See :meth:`PackedSequences.for_megatron`."""
    packed = _only(packed, row)
    segments = _segments_of(packed, padding=True)
    targets, has_target = _targets(packed)
    rows = segments.starts // packed.width
    offsets = np.full((len(packed), packed.width + 1), packed.width, np.int32)
    offsets[rows, segments.number] = segments.starts % packed.width
    samples: dict[str, npt.NDArray[Any]] = {
        "tokens": packed.input_ids.astype(np.int64),
        "labels": targets,
        "loss_mask": has_target.astype(np.float32),
        "position_ids": segments.positions.reshape(packed.input_ids.shape),
        "cu_seqlens": offsets,
        "max_seqlen": np.diff(offsets, axis=1).max(axis=1),
    }
    # The ellipsis keeps `max_seqlen` of one row an array, of no dimensions.
    return samples if row is None else {name: array[0, ...] for name, array in samples.items()}


def maxtext(packed: PackedSequences) -> dict[str, Int32Array]:
    """See :meth:`PackedSequences.for_maxtext`."""
    if packed.input_ids.max(initial=0) > _LARGEST:
        raise PackingError("an id or pad_id does not fit into int32, which MaxText takes")
    segments, positions = np.empty((2, *packed.input_ids.shape), np.int32)
    packed.fill(segment_ids=segments, position_ids=positions)
    targets, has_target = _targets(packed)
    return {
        "inputs": packed.input_ids.astype(np.int32),
        "inputs_segmentation": segments,
        "inputs_position": positions,
        "targets": targets.astype(np.int32),
        "targets_segmentation": segments * has_target,
        "targets_position": positions.copy(),
    }


def cumulated(lengths: Int64Array) -> Int32Array:
    """From 0 to the sum of all, int32 ``[lengths + 1]``.

    Raises:
        PackingError: The sum does not fit into int32.
    """
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    if offsets[-1] > _LARGEST:
        raise PackingError(f"{offsets[-1]} positions are too many for offsets of int32; take fewer rows")
    return offsets.astype(np.int32)


def _only(packed: PackedSequences, row: int | None) -> PackedSequences:
    """The sequences with this row alone, or as they are."""
    if row is None:
        return packed
    row = range(len(packed))[row]
    offsets, pieces = packed.sequence_offsets[row : row + 2], packed.pieces
    of_row = slice(*offsets)
    numbers = packed.document_numbers
    return replace(
        packed,
        pieces=replace(
            pieces,
            document=pieces.document[of_row],
            start=pieces.start[of_row],
            length=pieces.length[of_row],
            sequence_offsets=offsets - offsets[0],
        ),
        sequences=packed.sequences[row : row + 1],
        document_lengths=packed.document_lengths[of_row],
        input_ids=packed.input_ids[row : row + 1],
        document_numbers=None if numbers is None else numbers[of_row],
    )


def _segments_of(packed: PackedSequences, padding: bool) -> _Segments:
    """The segments of all rows, and where there is padding behind them and it is asked for, that too."""
    offsets, form = packed.sequence_offsets, packed.format
    starts, ends, counts = offsets[:-1], offsets[1:], np.diff(offsets)
    length = packed.pieces.length.astype(np.int64)
    length[starts] += form.sequence_bos
    length[ends - 1] += form.sequence_eos
    width = form.padded(length)
    number = np.arange(len(length)) - np.repeat(starts, counts)
    positions_of_row = packed.pieces.sums(width)
    if not padding:
        return _Segments(number, length, width, positions_of_row)
    rest = packed.width - positions_of_row
    width = np.insert(width, ends, rest)
    there = width > 0
    return _Segments(
        number=np.insert(number, ends, counts)[there],
        length=np.insert(length, ends, 0)[there],
        width=width[there],
        positions_of_row=positions_of_row + rest,
    )


def _targets(packed: PackedSequences) -> tuple[Int64Array, npt.NDArray[np.bool_]]:
    """The token to predict at every position, 0 where there is none, and where there is one, each ``[rows, width]``."""
    labels = packed.labels()
    targets = np.full_like(labels, IGNORED)
    targets[:, :-1] = labels[:, 1:]
    has_target = targets != IGNORED
    targets[~has_target] = 0
    return targets, has_target
