"""Sequences of a plan as rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from portmanteau.packing.consumers import IGNORED
from portmanteau.store.exporting.rows import (
    CHUNK_POSITIONS,
    INPUT_IDS,
    LABELS,
    Chunk,
    Rows,
    Segments,
    channel_dtypes,
    padding_of,
    values_around,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    from portmanteau.packing.sequences import PackedSequences
    from portmanteau.store.plans import DatasetPlan


def sequence_rows(
    plan: DatasetPlan,
    padded: bool,
    channels: Sequence[str] | None,
    around: Mapping[str, float] | None,
) -> Rows:
    """The sequences of a plan, padded to the capacity, or without the padding behind their last segment.

    Labels are there if they are not the ids of the row: if segments are padded, or overlap, or the dataset has a
    channel of labels. They are not shifted, and -100 on the first token of every piece.

    Raises:
        UnsupportedError: A channel cannot be exported.
    """
    dataset, form = plan.dataset, plan.plan.format
    dtypes = channel_dtypes(dataset, channels)
    beside = values_around(dtypes, around)
    has_labels = form.align > 1 or form.overlap > 0 or LABELS in dtypes
    special = [plan.pad_id, plan.bos_id, plan.eos_id]
    described = json.dumps([dataset.fingerprint, plan.fingerprint, special, padded, dtypes, beside])
    exported = {INPUT_IDS: dataset.manifest.ids, **({LABELS: "int64"} if has_labels else {})}
    exported |= {name: dtype for name, dtype in dtypes.items() if name != LABELS}
    return Rows(
        n_rows=plan.n_sequences,
        are_sequences=True,
        n_positions=plan.n_sequences * plan.capacity if padded else plan.n_tokens,
        width=plan.capacity if padded else None,
        vocab_size=int(dataset.manifest.tokenizer["vocab_size"]),
        dtypes=exported,
        fingerprint=hashlib.sha256(described.encode()).hexdigest(),
        chunks=partial(_chunks, plan, padded, exported, beside),
    )


def _chunks(
    plan: DatasetPlan, padded: bool, dtypes: Mapping[str, str], around: Mapping[str, float]
) -> Iterator[Chunk]:
    step = max(1, CHUNK_POSITIONS // plan.capacity)
    for first in range(0, plan.n_sequences, step):
        packed = plan.apply(np.arange(first, min(first + step, plan.n_sequences), dtype=np.int64))
        widths = np.diff(packed.for_flash_attention()["cu_seqlens_q"])
        lengths = packed.pieces.sums(widths.astype(np.int64))
        arrays = {
            name: _array(plan, packed, name, around).astype(dtypes[name], copy=False) for name in dtypes
        }
        if padded:
            lengths = np.full(len(packed), packed.width, np.int64)
            arrays = {name: array.reshape(-1) for name, array in arrays.items()}
        else:
            taken = np.arange(packed.width) < lengths[:, np.newaxis]
            arrays = {name: array[taken] for name, array in arrays.items()}
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        yield Chunk(first, offsets, arrays, Segments(widths.astype(np.uint32), packed.sequence_offsets))


def _array(
    plan: DatasetPlan, packed: PackedSequences, name: str, around: Mapping[str, float]
) -> npt.NDArray[Any]:
    """What the positions of sequences have, ``[rows, width]``."""
    if name == INPUT_IDS:
        return packed.input_ids
    if name != LABELS:
        return plan.channel(packed, name, around=around[name], pad=padding_of(name))
    labels = packed.labels()
    if LABELS in around:
        given = plan.channel(packed, LABELS, around=around[LABELS], pad=IGNORED)
        return np.where(labels == IGNORED, labels, given)
    return labels
