"""``write_dataset``: a token store from ids that the caller has."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from portmanteau.batch import TokenBatch
from portmanteau.errors import EncodingError, FileError
from portmanteau.files import file_error
from portmanteau.store import format as store_format
from portmanteau.store.dataset import Dataset
from portmanteau.store.format import IDS, Manifest, ShardRecord, Source, SourcePart
from portmanteau.store.writing import ShardWriter

if TYPE_CHECKING:
    from portmanteau.tokenizer import Tokenizer

__all__ = ["write_dataset"]

Batches = TokenBatch | Iterable[TokenBatch | tuple[TokenBatch, Mapping[str, Any]]]


def write_dataset(
    batches: Batches,
    out: str | os.PathLike[str],
    tokenizer: Tokenizer,
    *,
    channels: Mapping[str, str] | None = None,
    source: str = "",
    shard_tokens: int = 1 << 26,
) -> Dataset:
    """Writes ids that were made elsewhere, with what lies beside them, as a dataset.

    Args:
        batches: A batch of documents or several; where there are channels, pairs of a batch and the arrays by name, one
            value for each id. Each is written before the next is asked for.
        out: The folder to write; it must not have a dataset.
        tokenizer: The one that made the ids.
        channels: What lies beside the ids: dtypes by name, such as ``{"loss_weight": "float32"}``.
        source: What :meth:`Dataset.origin` gives as the file; documents are its rows.
        shard_tokens: A shard ends with the batch in which it has so many.

    Raises:
        FileError: The folder has a dataset, or cannot be written.
        EncodingError: An id is not below the size of the vocabulary, or an array is missing or has another length.

    O(ids); memory is that of a batch. The manifest comes last: without it, there is no dataset.

    >>> import portmanteau as pm
    >>> tokenizer = pm.Tokenizer.load("o200k_base")
    >>> dataset = pm.write_dataset(tokenizer.encode_batch(["by the way", "off we go"]), "written", tokenizer)
    >>> dataset[1]
    array([2864,  581,  810], dtype=uint32)
    """
    folder, channels = Path(out), dict(channels or {})
    for name, dtype in channels.items():
        if not store_format.is_channel(name) or dtype not in store_format.CHANNEL_DTYPES:
            known = ", ".join(store_format.CHANNEL_DTYPES)
            raise EncodingError(f"channel {name!r} of {dtype!r} cannot be; dtypes are {known}")
    if (folder / store_format.MANIFEST).exists() or (folder / store_format.JOB).exists():
        raise FileError(f"{folder}: has a dataset; write to another folder, or remove it first", path=folder)
    try:
        (folder / store_format.SHARDS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise file_error(folder, "make the folder", error) from error
    said, content = store_format.describe_tokenizer(tokenizer)
    store_format.save_tokenizer(said, content, folder)
    ids = store_format.id_dtype(tokenizer.vocab_size)
    checked = _checked(batches, channels, tokenizer.vocab_size)
    records: list[ShardRecord] = []
    first = 0
    batch = next(checked, None)
    while batch is not None or not records:
        with ShardWriter(
            folder / store_format.SHARDS, f"{len(records):05}", {IDS: ids, **channels}
        ) as writer:
            n_documents = n_tokens = n_bytes = 0
            while batch is not None and n_tokens < shard_tokens:
                offsets, arrays = batch
                writer.add(offsets, arrays)
                n_documents += len(offsets) - 1
                n_tokens += int(offsets[-1])
                batch = next(checked, None)
            part = SourcePart(0, first, first + n_documents, n_documents)
            records.append(writer.finish(n_bytes, [part]))
            first += n_documents
    manifest = Manifest(
        tokenizer=said,
        options={"source": source},
        ids=ids,
        channels=channels,
        byte_lengths=False,
        sources=[Source(source, 0)],
        shards=records,
    )
    store_format.write_once(folder / store_format.MANIFEST, manifest.to_json())
    return Dataset.open(folder)


def _checked(
    batches: Batches, channels: Mapping[str, str], vocab_size: int
) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Offsets and arrays of each batch."""
    document = 0
    for item in [batches] if isinstance(batches, TokenBatch) else batches:
        batch, beside = (item, {}) if isinstance(item, TokenBatch) else item
        if len(batch.ids) and (most := int(batch.ids.max())) >= vocab_size:
            place = int(np.searchsorted(batch.offsets, int(batch.ids.argmax()), "right")) - 1
            message = f"document {document + place}: has the id {most}, and ids are below {vocab_size}"
            raise EncodingError(f"{message}; give the tokenizer that made the ids", document=document + place)
        if beside.keys() != channels.keys():
            raise EncodingError(
                f"the batch that begins with document {document} has {sorted(beside)} beside its ids, and channels= "
                f"says {sorted(channels)}; give an array for each",
                document=document,
            )
        arrays = {IDS: batch.ids}
        for name, values in beside.items():
            arrays[name] = np.asarray(values)
            if arrays[name].shape != batch.ids.shape:
                raise EncodingError(
                    f"{name} of the batch that begins with document {document} has the shape "
                    f"{list(arrays[name].shape)}, and there are {len(batch.ids)} ids; give a value for each id",
                    document=document,
                )
        yield batch.offsets, arrays
        document += len(batch)
