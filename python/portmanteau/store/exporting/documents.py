"""Documents of a dataset as rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from portmanteau.packing.arguments import integer
from portmanteau.store.exporting.rows import (
    CHUNK_POSITIONS,
    INPUT_IDS,
    Chunk,
    Rows,
    channel_dtypes,
    values_around,
)
from portmanteau.store.format import IDS, OFFSETS

if TYPE_CHECKING:
    import numpy.typing as npt

    from portmanteau.packing.arguments import Int64Array
    from portmanteau.store.dataset import Dataset


def document_rows(
    dataset: Dataset,
    bos_id: int | None,
    eos_id: int | None,
    channels: Sequence[str] | None,
    around: Mapping[str, float] | None,
) -> Rows:
    """The documents of a dataset, with a BOS or EOS around each that is not empty.

    Raises:
        PackingError: An id is not below the size of the vocabulary.
        UnsupportedError: A channel cannot be exported.
    """
    vocab_size = int(dataset.manifest.tokenizer["vocab_size"])
    special = {"bos_id": bos_id, "eos_id": eos_id}
    for name, token_id in special.items():
        if token_id is not None:
            integer(name, token_id, 0, vocab_size - 1)
    dtypes = channel_dtypes(dataset, channels)
    beside = values_around(dtypes, around)
    n_positions = dataset.n_tokens
    n_special = sum(token_id is not None for token_id in special.values())
    if n_special:
        n_positions += n_special * int(np.count_nonzero(dataset.lengths))
    described = json.dumps([dataset.fingerprint, special, dtypes, beside])
    before = None if bos_id is None else {INPUT_IDS: bos_id, **beside}
    after = None if eos_id is None else {INPUT_IDS: eos_id, **beside}
    return Rows(
        n_rows=dataset.n_documents,
        are_sequences=False,
        n_positions=n_positions,
        width=None,
        vocab_size=vocab_size,
        dtypes={INPUT_IDS: dataset.manifest.ids, **dtypes},
        fingerprint=hashlib.sha256(described.encode()).hexdigest(),
        chunks=partial(_chunks, dataset, list(dtypes), before, after),
    )


def _chunks(
    dataset: Dataset,
    channels: Sequence[str],
    before: Mapping[str, float] | None,
    after: Mapping[str, float] | None,
) -> Iterator[Chunk]:
    first_row = 0
    for shard in range(len(dataset.manifest.shards)):
        offsets: Int64Array = dataset._shards.array(shard, OFFSETS)
        values = {INPUT_IDS: dataset._shards.array(shard, IDS)}
        values |= {name: dataset._shards.array(shard, name) for name in channels}
        first, n_documents = 0, len(offsets) - 1
        while first < n_documents:
            end = int(np.searchsorted(offsets, offsets[first] + CHUNK_POSITIONS, "right")) - 1
            end = min(max(end, first + 1), first + CHUNK_POSITIONS)
            tokens = slice(int(offsets[first]), int(offsets[end]))
            of_chunk = {name: array[tokens] for name, array in values.items()}
            bounds = offsets[first : end + 1] - offsets[first]
            if before or after:
                bounds, of_chunk = _surrounded(bounds, of_chunk, before, after)
            yield Chunk(first_row, bounds, of_chunk, segments=None)
            first_row += end - first
            first = end


def _surrounded(
    offsets: Int64Array,
    arrays: Mapping[str, npt.NDArray[Any]],
    before: Mapping[str, float] | None,
    after: Mapping[str, float] | None,
) -> tuple[Int64Array, dict[str, npt.NDArray[Any]]]:
    """Documents with a value before, and one after, each that is not empty."""
    lengths = np.diff(offsets)
    there = lengths > 0
    starts, ends = offsets[:-1][there], offsets[1:][there]
    # Where one ends and the next starts, that which comes first here comes first there.
    placed = [(ends, after), (starts, before)]
    places = np.concatenate([at for at, values in placed if values])
    surrounded = {}
    for name, array in arrays.items():
        fill = [np.full(len(at), values[name], array.dtype) for at, values in placed if values]
        surrounded[name] = np.insert(array, places, np.concatenate(fill))
    longer = lengths + there * sum(values is not None for values in (before, after))
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(longer)]), surrounded
