"""The table of export formats, and what is common to all of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from portmanteau.errors import UnsupportedError
from portmanteau.packing.arguments import MAX_LENGTH
from portmanteau.progress import is_shown
from portmanteau.store.exporting import hugging_face, mds, megatron, nanogpt, numpy_files
from portmanteau.store.exporting.documents import document_rows
from portmanteau.store.exporting.rows import Chunk, Rows, channel_dtypes
from portmanteau.store.exporting.sequences import sequence_rows

if TYPE_CHECKING:
    from portmanteau.store.dataset import Dataset
    from portmanteau.store.plans import DatasetPlan

ExportFormat = Literal["megatron", "arrow", "parquet", "numpy", "mds", "nanogpt"]


@dataclass(frozen=True)
class Format:
    """What a format is and what it can hold."""

    what: str
    """What is written, for users."""
    write: Callable[[Rows, Iterable[Chunk], Path, bool], None]
    """Writes rows to a path; the last argument is whether to replace what is there."""
    has_channels: bool = True
    """Whether it holds more than ids."""
    has_signed_ids: bool = False
    """Whether ids are int32, where they are not uint16."""
    has_sequences: bool = True
    """Whether sequences of a plan can be read back from it."""
    is_padded: bool = True
    """Whether all sequences have as many positions as the capacity."""


FORMATS: Mapping[str, Format] = {
    "megatron": Format(
        "PATH.bin and PATH.idx of Megatron's IndexedDataset",
        megatron.write,
        has_channels=False,
        has_signed_ids=True,
    ),
    "arrow": Format(
        "a folder for load_from_disk of Hugging Face datasets",
        hugging_face.write_arrow,
        has_signed_ids=True,
        is_padded=False,
    ),
    "parquet": Format(
        "a folder of Parquet files", hugging_face.write_parquet, has_signed_ids=True, is_padded=False
    ),
    "numpy": Format("a folder of .npy files", numpy_files.write),
    "mds": Format("a folder for StreamingDataset of MosaicML", mds.write),
    "nanogpt": Format(
        "one flat file of ids, as nanoGPT's train.bin", nanogpt.write, has_channels=False, has_sequences=False
    ),
}


def export_documents(
    dataset: Dataset,
    path: str | os.PathLike[str],
    name: str,
    bos_id: int | None,
    eos_id: int | None,
    channels: Sequence[str] | None,
    around: Mapping[str, float] | None,
    replace: bool,
    progress: bool,
) -> None:
    """See :meth:`Dataset.export`."""
    chosen = _format(name)
    channels = _held_channels(dataset, name, chosen, channels)
    longest = int(dataset.lengths.max(initial=0)) + (bos_id is not None) + (eos_id is not None)
    if longest > MAX_LENGTH and name not in ("numpy", "nanogpt"):
        document = int(dataset.lengths.argmax())
        raise UnsupportedError(
            f"document {document}: has {longest} tokens, and {name} takes at most {MAX_LENGTH}; export a plan",
            document=document,
        )
    _write(document_rows(dataset, bos_id, eos_id, channels, around), path, name, chosen, replace, progress)


def export_sequences(
    plan: DatasetPlan,
    path: str | os.PathLike[str],
    name: str,
    channels: Sequence[str] | None,
    around: Mapping[str, float] | None,
    replace: bool,
    progress: bool,
) -> None:
    """See :meth:`DatasetPlan.export`."""
    chosen = _format(name)
    if not chosen.has_sequences:
        raise UnsupportedError(
            f"{name} has no rows, so sequences cannot be read back from it; export the dataset, and let documents end "
            "with eos_id="
        )
    if chosen.is_padded and plan.plan.strategy == "buckets" and plan.width is None:
        raise UnsupportedError(
            f"the sequences of this plan have several widths, and {name} takes one; export each of plan.buckets, or "
            "all as arrow or parquet"
        )
    channels = _held_channels(plan.dataset, name, chosen, channels)
    rows = sequence_rows(plan, chosen.is_padded, channels, around)
    _write(rows, path, name, chosen, replace, progress)


def _format(name: str) -> Format:
    if name not in FORMATS:
        raise UnsupportedError(f"format is {name!r}; there are {', '.join(FORMATS)}")
    return FORMATS[name]


def _held_channels(
    dataset: Dataset, name: str, chosen: Format, channels: Sequence[str] | None
) -> Sequence[str] | None:
    """The channels to export, if the format holds them."""
    if chosen.has_channels or not channel_dtypes(dataset, channels):
        return channels
    raise UnsupportedError(
        f"{name} holds ids alone, and the dataset has {', '.join(dataset.channels)} beside them; leave that out with "
        "channels=[], or export as arrow, parquet, numpy or mds"
    )


def _write(
    rows: Rows, path: str | os.PathLike[str], name: str, chosen: Format, replace: bool, progress: bool
) -> None:
    if not rows.n_positions:
        raise UnsupportedError("there are no tokens to export")
    if chosen.has_signed_ids and rows.vocab_size - 1 > MAX_LENGTH:
        raise UnsupportedError(
            f"the vocabulary has ids up to {rows.vocab_size - 1}, and {name} takes ids up to {MAX_LENGTH}; export as "
            "numpy or mds"
        )
    with closing(_watched(rows, progress)) as chunks:
        chosen.write(rows, chunks, Path(path), replace)


def _watched(rows: Rows, progress: bool) -> Generator[Chunk, None, None]:
    """The chunks, with a progress bar on a terminal."""
    from tqdm import tqdm

    hidden = not is_shown(progress)
    with tqdm(
        desc="exporting", total=rows.n_positions, unit=" tokens", unit_scale=True, disable=hidden
    ) as bar:
        for chunk in rows.chunks():
            yield chunk
            bar.update(int(chunk.offsets[-1]))
