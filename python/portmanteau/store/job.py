"""What is to be made of which files: fixed before the first shard, and the same for all processes that make them.

The text is cut into shards by the files alone: by their order, their sizes and their row groups. So any process can
make any shard, and makes the same bytes. A shard is complete when its record is there; the record is written after the
files that it describes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from portmanteau import reading
from portmanteau._rust import __version__
from portmanteau.errors import FileError
from portmanteau.files import file_error, read_bytes
from portmanteau.reading.batches import file_parts
from portmanteau.store import format as store_format
from portmanteau.store.encoding import DocumentEncoder
from portmanteau.store.format import Manifest, ShardRecord, Source
from portmanteau.store.writing import record_path


@dataclass(frozen=True)
class Job:
    """What all processes that make one dataset agree on."""

    folder: Path
    tokenizer: dict[str, Any]
    options: dict[str, Any]
    encoder: DocumentEncoder
    sources: list[tuple[str, int, int | None]]
    """Path, size in bytes and, where it is known, time of change in nanoseconds."""
    shards: list[list[tuple[int, reading.Part]]]
    """The parts of each shard, each with the number of its source."""
    library: str
    """The version that makes it."""

    @property
    def shard_folder(self) -> Path:
        """Where the files of shards are."""
        return self.folder / store_format.SHARDS

    def name(self, number: int) -> str:
        """What the names of the files of a shard begin with."""
        return f"{number:05}"

    def record(self, number: int) -> ShardRecord | None:
        """The record of a shard, if the shard is complete. What is damaged counts as not there, and is made again."""
        path = record_path(self.shard_folder, self.name(number))
        if not path.exists():
            return None
        try:
            record = store_format.read_record(path)
            sizes = {
                ending: (self.shard_folder / f"{record.name}.{ending}").stat().st_size
                for ending in record.files
            }
        except (FileError, OSError):
            return None
        if sizes != {ending: of_file.bytes for ending, of_file in record.files.items()}:
            return None
        return record

    def to_json(self) -> bytes:
        """What is written first, and must be the same for all processes."""
        head = {
            "format": store_format.JOB_FORMAT,
            "version": store_format.VERSION,
            "library": self.library,
            "tokenizer": self.tokenizer,
            "options": self.options,
            "byte_lengths": self.encoder.byte_lengths,
            "sources": [list(source) for source in self.sources],
            "shards": [[[source, part.first, part.end] for source, part in shard] for shard in self.shards],
        }
        return store_format.to_json(head)

    def check_sources(self, number: int) -> None:
        """Raises if a file that a shard is made of is not what it was when the work began.

        Raises:
            FileError: It is not.
        """
        for source, path in {source: part.path for source, part in self.shards[number]}.items():
            if _state(path) != self.sources[source]:
                raise _other_dataset(self.folder, _change(self.sources[source][0]))

    def manifest(self, records: Sequence[ShardRecord]) -> Manifest:
        """The manifest of the dataset that all shards make."""
        return Manifest(
            tokenizer=self.tokenizer,
            options=self.options,
            ids=self.encoder.dtypes[store_format.IDS],
            channels=self.encoder.channels,
            byte_lengths=self.encoder.byte_lengths,
            sources=[Source(path, size) for path, size, _ in self.sources],
            shards=records,
            library=self.library,
        )

    def is_complete(self) -> bool:
        """Whether there is nothing left to make."""
        is_there = all(self.record(number) is not None for number in range(len(self.shards)))
        return is_there and (self.folder / store_format.MANIFEST).exists()


def begin(
    inputs: reading.Paths,
    columns: Sequence[str],
    encoder: DocumentEncoder,
    options: dict[str, Any],
    folder: Path,
) -> Job:
    """Makes the folder, and says in it what is to be made; or finds that it was begun, with the same arguments.

    Args:
        inputs: The files.
        columns: Their columns of text.
        encoder: What makes ids of them.
        options: All else that the result depends on, with ``shard_bytes``.
        folder: The folder of the dataset.

    Raises:
        FileError: A file cannot be read, the folder cannot be written, or it was begun with other arguments.
    """
    files = reading.expand(inputs)
    sources = [_state(path) for path in files]
    shards = _shards(files, columns, options["shard_bytes"])
    tokenizer, content = store_format.describe_tokenizer(encoder.tokenizer)
    job = Job(folder, tokenizer, options, encoder, sources, shards, __version__)
    path = folder / store_format.JOB
    if not path.exists():
        if (folder / store_format.MANIFEST).exists():
            raise _other_dataset(folder, "there is a dataset that prepare did not make")
        _read_first_rows(job, columns)
        _make_folder(job.shard_folder)
        store_format.save_tokenizer(tokenizer, content, folder)
        store_format.write_once(path, job.to_json())
    if read_bytes(path) != job.to_json():
        begun = _begun(path)
        before = replace(job, library=begun["library"])
        if read_bytes(path) == before.to_json() and before.is_complete():
            return before  # of another version, and as good
        raise _other_dataset(folder, _difference(begun, job))
    _make_folder(job.shard_folder)
    store_format.save_tokenizer(tokenizer, content, folder)
    return job


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise file_error(folder, "make the folder", error) from error


def _state(path: str) -> tuple[str, int, int | None]:
    state = reading.file_state(path)
    return reading.without_secrets(path), state.n_bytes, state.modified_ns


def _shards(
    files: Sequence[str], columns: Sequence[str], shard_bytes: int
) -> list[list[tuple[int, reading.Part]]]:
    """Parts that follow one another, until they have so many bytes."""
    shards: list[list[tuple[int, reading.Part]]] = []
    size = shard_bytes
    for number, file in enumerate(files):
        for part in file_parts(file, columns=columns, part_bytes=shard_bytes):
            if size >= shard_bytes:
                shards.append([])
                size = 0
            shards[-1].append((number, part))
            size += part.n_bytes
    return shards


def _read_first_rows(job: Job, columns: Sequence[str]) -> None:
    """Raises what is wrong with the first rows before anything is written: most often, the column has another name."""
    if job.shards:
        _, part = job.shards[0][0]
        policy, null_text = reading.Policy(job.options["errors"]), job.options["null_text"]
        rows = reading.columns_of(
            part, columns=columns, policy=policy, null_text=null_text, batch_bytes=1 << 16
        )
        next(rows, None)


def _other_dataset(folder: Path, reason: str) -> FileError:
    message = f"{folder}: {reason}; write to another folder, or remove this one to begin anew"
    return FileError(message, path=folder)


def _change(path: str) -> str:
    return f"{path} has changed since the work began"


def _begun(path: Path) -> dict[str, Any]:
    """What the folder was begun with."""
    remedy = "remove the folder, and prepare the dataset again"
    return store_format.read_json(path, store_format.JOB_FORMAT, store_format.VERSION, dict, remedy)


def _difference(begun: Mapping[str, Any], job: Job) -> str:
    """What the folder was begun with, where that is something else."""
    asked = json.loads(job.to_json())
    if begun["library"] != __version__:
        return f"it was begun by version {begun['library']}, and this is {__version__}"
    if begun["tokenizer"] != asked["tokenizer"]:
        return "it was begun with another tokenizer"
    if begun["byte_lengths"] != asked["byte_lengths"]:
        return f"it was begun with byte_offsets {begun['byte_lengths']}"
    for name, value in asked["options"].items():
        if (before := begun["options"].get(name)) != value:
            return f"it was begun with {name} {before!r}, and now it is {value!r}"
    before_by_path = {source[0]: source[1:] for source in begun["sources"]}
    for source_path, *state in asked["sources"]:
        if source_path not in before_by_path:
            return f"it was begun without {source_path}"
        if before_by_path[source_path] != state:
            return _change(source_path)
    return "it was begun with other inputs, or in another order"
