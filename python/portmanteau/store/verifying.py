"""Proves that a dataset is what was written: the digest of every file, and what the files must be to each other."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from portmanteau.errors import FileError, PackingError
from portmanteau.files import file_error, read_bytes
from portmanteau.packing import PackPlan
from portmanteau.progress import is_shown
from portmanteau.store import format as store_format
from portmanteau.store import plans
from portmanteau.store.format import BYTE_LENGTHS, IDS, LONG, LONG_BYTE_LENGTHS, OFFSETS, ShardRecord
from portmanteau.store.writing import record_path

if TYPE_CHECKING:
    from portmanteau.store.dataset import Dataset
    from portmanteau.tokenizer import Tokenizer

_COPY_AGAIN = "copy the dataset again, or prepare it again"


def verify(dataset: Dataset, tokenizer: Tokenizer | None, progress: bool) -> None:
    """See :meth:`Dataset.verify`."""
    from tqdm import tqdm

    manifest = dataset.manifest
    if tokenizer is not None and tokenizer.fingerprint != manifest.tokenizer["fingerprint"]:
        raise _damaged(
            dataset.path,
            f"its ids were made with the tokenizer {manifest.tokenizer['fingerprint'][:12]}…, and not with "
            f"{tokenizer.fingerprint[:12]}…",
            "use the tokenizer that lies in the dataset",
        )
    vocab_size = _verify_tokenizer(dataset)
    _verify_names(dataset)
    hidden = not is_shown(progress)
    n_bytes = sum(of_file.bytes for shard in manifest.shards for of_file in shard.files.values())
    with tqdm(desc="verifying", total=n_bytes, unit="B", unit_scale=True, disable=hidden) as bar:
        for number, record in enumerate(manifest.shards):
            _verify_shard(dataset, number, record, vocab_size)
            bar.update(sum(of_file.bytes for of_file in record.files.values()))
    for name in plans.names(dataset):
        _verify_plan(dataset, name)


def _verify_tokenizer(dataset: Dataset) -> int:
    """Proves the tokenizer beside the manifest, and gives the size of its vocabulary."""
    said = dataset.manifest.tokenizer
    if "name" not in said:
        path = dataset.path / said["file"]
        if _digest(path) != said["sha256"]:
            raise _damaged(path, "its SHA-256 is not the one that the manifest says")
    vocab_size = store_format.load_tokenizer(said, dataset.path).vocab_size
    if vocab_size != said["vocab_size"]:
        path = dataset.path / store_format.MANIFEST
        raise _damaged(
            path, f"says that there are {said['vocab_size']} ids, and the tokenizer has {vocab_size}"
        )
    return vocab_size


def _verify_names(dataset: Dataset) -> None:
    """Proves that no file lies there which the dataset knows nothing of; those being written are let alone."""
    known = {
        f"{record.name}.{ending}" for record in dataset.manifest.shards for ending in (*record.files, "json")
    }
    _refuse_others(dataset.path / store_format.SHARDS, known)
    names = plans.names(dataset)
    _refuse_others(
        dataset.path / store_format.PLANS,
        {f"{name}.{ending}" for name in names for ending in ("arrow", "json")},
    )
    job = dataset.path / store_format.JOB
    if job.exists():
        store_format.read_json(job, store_format.JOB_FORMAT, store_format.VERSION, dict, _COPY_AGAIN)


def _refuse_others(folder: Path, known: Container[str]) -> None:
    for path in sorted(folder.glob("[!.]*")):
        if path.name not in known:
            raise _damaged(path, "is no file of this dataset", "remove it")


def _verify_shard(dataset: Dataset, number: int, record: ShardRecord, vocab_size: int) -> None:
    folder = dataset.path / store_format.SHARDS
    for ending, of_file in record.files.items():
        path = folder / f"{record.name}.{ending}"
        if _digest(path) != of_file.sha256:
            raise _damaged(path, "its SHA-256 is not the one that the manifest says")
    path = record_path(folder, record.name)
    if read_bytes(path) != store_format.record_content(record):
        raise _damaged(path, "does not say what the manifest says")
    array = dataset._shards.array
    offsets, ids = array(number, OFFSETS), array(number, IDS)
    path = folder / f"{record.name}.{OFFSETS}"
    counts = len(offsets) - 1, int(offsets[-1]) if len(offsets) else 0, sum(p.documents for p in record.parts)
    if counts != (record.documents, record.tokens, record.documents) or len(ids) != record.tokens:
        raise _damaged(path, "its numbers of documents and tokens are not those that the manifest says")
    if offsets[0] != 0 or np.any(np.diff(offsets) < 0):
        raise _damaged(path, "its offsets do not ascend from 0")
    if len(ids) and (most := int(ids.max())) >= vocab_size:
        place = int(ids.argmax())
        document = int(np.searchsorted(offsets, place, "right")) - 1
        first = int(dataset._shards.first_documents[number])
        reason = f"document {first + document} has the id {most}, and ids are below {vocab_size}"
        raise _damaged(folder / f"{record.name}.{IDS}", reason)
    for channel in dataset.manifest.channels:
        if len(array(number, channel)) != record.tokens:
            raise _damaged(folder / f"{record.name}.{channel}", "it has not one value for each token")
    if dataset.manifest.byte_lengths:
        lengths, long = array(number, BYTE_LENGTHS), array(number, LONG_BYTE_LENGTHS)
        n_bytes = int(lengths[lengths != LONG].sum(dtype=np.uint64)) + int(long.sum(dtype=np.uint64))
        is_complete = len(lengths) == record.tokens and len(long) == np.count_nonzero(lengths == LONG)
        if not is_complete or n_bytes > record.text_bytes:
            raise _damaged(folder / f"{record.name}.{BYTE_LENGTHS}", "its lengths are not those of the text")


def _verify_plan(dataset: Dataset, name: str) -> None:
    said = plans.read_description(dataset, name)
    path = dataset.path / store_format.PLANS / f"{name}.arrow"
    if _digest(path) != said["sha256"]:
        raise _damaged(path, f"its SHA-256 is not the one that {name}.json says", "pack with replace=True")
    plan = PackPlan.load(path)
    try:
        plan.verify(dataset.lengths)
    except PackingError as error:
        raise _damaged(path, str(error), "pack with replace=True") from error


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return plans.file_digest(stream)
    except OSError as error:
        raise file_error(path, "read the file", error) from error


def _damaged(path: Path, reason: str, remedy: str = _COPY_AGAIN) -> FileError:
    return FileError(f"{path}: {reason}; {remedy}", path=path)
