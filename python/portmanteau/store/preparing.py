"""``prepare``: from raw files to a token store, by any number of processes, and on from wherever one was killed.

The text is cut into shards by the files alone: by their order, their sizes and their row groups. So any process can
make any shard, and makes the same bytes. A shard is complete when its record is there; the record is written after the
files that it describes. The manifest is written by the process that finds the last record in its place.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from portmanteau import reading
from portmanteau._rust import __version__
from portmanteau.errors import EncodingError, FileError
from portmanteau.files import file_error, read_bytes
from portmanteau.reading.formats import format_of
from portmanteau.store import format as store_format
from portmanteau.store.ahead import ahead
from portmanteau.store.dataset import Dataset
from portmanteau.store.encoding import DocumentEncoder
from portmanteau.store.format import Manifest, ShardRecord, Source, SourcePart
from portmanteau.store.writing import ShardWriter, record_path, remove_partial
from portmanteau.threads import thread_count

if TYPE_CHECKING:
    import os

    from portmanteau.tokenizer import Tokenizer

__all__ = ["prepare"]

BATCH_BYTES = 16 << 20
_UNITS = {"JSON Lines": "byte", "Parquet": "row group", "Arrow": "record batch"}

NullText = Literal["error", "empty"]


def prepare(
    inputs: reading.Paths,
    tokenizer: Tokenizer,
    out: str | os.PathLike[str],
    *,
    text_column: str | Sequence[str] = "text",
    special: str | Collection[str] = "text",
    errors: Literal["error", "replace"] = "error",
    null_text: Literal["error", "empty"] = "error",
    byte_offsets: bool = False,
    shard_bytes: int = 256 << 20,
    num_shards: int = 1,
    shard_index: int = 0,
    threads: int | None = None,
    progress: bool = True,
) -> Dataset | None:
    r"""Encodes text files into a dataset: a folder of token shards that are mapped into memory.

    Every row is a document, in the order of the inputs. What was made before a kill, a full disk or an error is kept:
    call it again with the same arguments, and it makes what is missing. The bytes of the result depend on the inputs,
    the tokenizer and the options alone.

    Args:
        inputs: Paths, patterns and addresses (``s3://…``) of Parquet, JSON Lines, CSV, Arrow and text files, compressed
            or not, and folders of Hugging Face datasets. Patterns are sorted.
        tokenizer: The tokenizer; a copy lies in the dataset.
        out: The folder to write, on a local disk. It is made.
        text_column: The column that holds the text. With several, a document is what they make one after the other,
            and ``column`` in the dataset says which one a token is of, for losses on answers alone.
        special: As for :meth:`Tokenizer.encode`.
        errors: ``"error"`` raises where text is not UTF-8; ``"replace"`` puts U+FFFD there.
        null_text: ``"error"`` raises where a text is null; ``"empty"`` makes it an empty document.
        byte_offsets: Whether to keep where in its text every token begins, for a byte a token.
        shard_bytes: About how much input makes a shard. Compressed JSON Lines and CSV files are not cut.
        num_shards: Into how many jobs the work is divided, for a scheduler that runs them as an array.
        shard_index: Which of them this is, from 0 on. The last to end writes the manifest.
        threads: How many threads encode; all cores when ``None``.
        progress: Whether to show progress on a terminal.

    Returns:
        The dataset; ``None`` if other jobs have not made their shards yet.

    Raises:
        FileError: An input cannot be read, or changed since the work began; the output cannot be written; or ``out``
            has another dataset.
        EncodingError: A text cannot be encoded; ``path`` says where, and the message in which row.

    O(text); memory is that of a few batches of 16 MB, whatever the size of files.

    >>> from pathlib import Path
    >>> import portmanteau as pm
    >>> _ = Path("two.jsonl").write_text('{"text": "by the way"}\n{"text": "off we go"}\n')
    >>> dataset = pm.prepare("two.jsonl", pm.Tokenizer.load("o200k_base"), "dataset")
    >>> dataset.n_documents, dataset.n_tokens, dataset[1]
    (2, 6, array([2864,  581,  810], dtype=uint32))
    """
    columns = [text_column] if isinstance(text_column, str) else list(text_column)
    _check_arguments(columns, null_text, shard_bytes, num_shards, shard_index)
    n_threads = thread_count(threads, refuse=EncodingError)
    tokenizer.encode("", special=special)
    folder = Path(out)
    policy = reading.Policy(errors)
    encoder = DocumentEncoder(tokenizer, special, len(columns), byte_offsets, n_threads)
    options = {
        "text_columns": columns,
        "special": special if isinstance(special, str) else sorted(special),
        "errors": errors,
        "null_text": null_text,
        "shard_bytes": shard_bytes,
    }
    job = _begin(inputs, columns, encoder, options, folder)
    missing = [number for number in range(len(job.shards)) if job.record(number) is None]
    mine = [number for number in missing if number % num_shards == shard_index]
    if mine:
        with _Progress(job, mine, progress) as bar:
            for number in mine:
                _make_shard(job, number, encoder, columns, policy, null_text, bar)
    records = [job.record(number) for number in range(len(job.shards))]
    if None in records:
        return None
    manifest = job.manifest([record for record in records if record is not None])
    store_format.write_once(folder / store_format.MANIFEST, manifest.to_json())
    remove_partial(folder)
    remove_partial(job.shard_folder)
    return Dataset.open(folder)


def _check_arguments(
    columns: Sequence[str], null_text: str, shard_bytes: int, num_shards: int, shard_index: int
) -> None:
    problem = None
    if not columns or len(columns) > 256 or len(set(columns)) < len(columns):
        problem = f"text_column is {columns!r}; name between 1 and 256 different columns"
    elif null_text not in ("error", "empty"):
        problem = f"null_text is {null_text!r}; it must be 'error' or 'empty'"
    elif shard_bytes < 1:
        problem = f"shard_bytes is {shard_bytes}; it must be at least 1"
    elif not 0 <= shard_index < num_shards:
        problem = f"shard_index is {shard_index} of {num_shards} jobs; it must be from 0 to {num_shards - 1}"
    if problem:
        raise EncodingError(problem)


# ── the job: what is to be made, fixed before the first shard ───────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Job:
    """What all processes that make one dataset agree on."""

    folder: Path
    tokenizer: dict[str, Any]
    options: dict[str, Any]
    encoder: DocumentEncoder
    sources: list[tuple[str, int, int | None]]
    """Path, size in bytes and, where it is known, time of change in nanoseconds."""
    shards: list[list[tuple[int, reading.Part]]]
    """The parts of each shard, each with the number of its source."""

    @property
    def shard_folder(self) -> Path:
        return self.folder / store_format.SHARDS

    def name(self, number: int) -> str:
        return f"{number:05}"

    def record(self, number: int) -> ShardRecord | None:
        """The record of a shard, if the shard is complete."""
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
            "library": __version__,
            "tokenizer": self.tokenizer,
            "options": self.options,
            "byte_lengths": self.encoder.byte_lengths,
            "sources": [list(source) for source in self.sources],
            "shards": [[[source, part.first, part.end] for source, part in shard] for shard in self.shards],
        }
        return store_format.to_json(head)

    def manifest(self, records: Sequence[ShardRecord]) -> Manifest:
        return Manifest(
            tokenizer=self.tokenizer,
            options=self.options,
            ids=self.encoder.dtypes[store_format.IDS],
            channels=self.encoder.channels,
            byte_lengths=self.encoder.byte_lengths,
            sources=[Source(path, size) for path, size, _ in self.sources],
            shards=records,
        )


def _begin(
    inputs: reading.Paths,
    columns: Sequence[str],
    encoder: DocumentEncoder,
    options: dict[str, Any],
    folder: Path,
) -> _Job:
    """Makes the folder, and says in it what is to be made; or finds that it was begun, with the same arguments."""
    files = reading.expand(inputs)
    sources = [_state(path) for path in files]
    shards = _shards(files, columns, options["shard_bytes"])
    tokenizer, content = store_format.describe_tokenizer(encoder.tokenizer)
    job = _Job(folder, tokenizer, options, encoder, sources, shards)
    try:
        job.shard_folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise file_error(folder, "make the folder", error) from error
    path = folder / store_format.JOB
    if not path.exists():
        if (folder / store_format.MANIFEST).exists():
            raise _other_dataset(folder, "there is a dataset that prepare did not make")
        store_format.save_tokenizer(tokenizer, content, folder)
        store_format.write_once(path, job.to_json())
    if read_bytes(path) != job.to_json():
        raise _other_dataset(folder, _difference(path, job))
    store_format.save_tokenizer(tokenizer, content, folder)
    return job


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
        for part in reading.parts([file], columns=columns, part_bytes=shard_bytes):
            if size >= shard_bytes:
                shards.append([])
                size = 0
            shards[-1].append((number, part))
            size += part.n_bytes
    return shards


def _other_dataset(folder: Path, reason: str) -> FileError:
    message = f"{folder}: {reason}; write to another folder, or remove this one to begin anew"
    return FileError(message, path=folder)


def _difference(path: Path, job: _Job) -> str:
    """What the folder was begun with, where that is something else."""
    import json

    begun = store_format.read_json(
        path,
        store_format.JOB_FORMAT,
        store_format.VERSION,
        dict,
        "remove the folder, and prepare the dataset again",
    )
    asked = json.loads(job.to_json())
    for name in ("library", "tokenizer", "byte_lengths"):
        if begun.get(name) != asked[name]:
            return f"it was begun with another {name.replace('_', ' ')}"
    for name, value in asked["options"].items():
        if (before := begun["options"].get(name)) != value:
            return f"it was begun with {name} {before!r}, and now it is {value!r}"
    before_by_path = {source[0]: source[1:] for source in begun["sources"]}
    for source_path, *state in asked["sources"]:
        if source_path not in before_by_path:
            return f"it was begun without {source_path}"
        if before_by_path[source_path] != state:
            return f"{source_path} has changed since the work began"
    return "it was begun with other inputs, or in another order"


# ── one shard ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class _Rows:
    """Rows of several parts, on their way to the tokenizer."""

    columns: list[Any]
    """Chunked arrays of text, equally long."""
    origins: list[tuple[int, int, int]]
    """Of each run of rows: the number of its part in the shard, its first row in the part, how many rows."""
    text_bytes: int


def _make_shard(
    job: _Job,
    number: int,
    encoder: DocumentEncoder,
    columns: Sequence[str],
    policy: reading.Policy,
    null_text: NullText,
    bar: _Progress,
) -> None:
    parts = job.shards[number]
    n_rows = [0] * len(parts)
    text_bytes = 0
    with (
        ShardWriter(job.shard_folder, job.name(number), encoder.dtypes) as writer,
        closing(ahead(_batches(parts, columns, policy, null_text))) as batches,
        closing(ahead(_encoded(rows, encoder, parts) for rows in batches)) as encoded,
    ):
        for rows, offsets, arrays in encoded:
            writer.add(offsets, arrays)
            text_bytes += rows.text_bytes
            for part, _, n in rows.origins:
                n_rows[part] += n
            bar.update(rows.text_bytes, int(offsets[-1]))
        spans = [
            SourcePart(source, part.first, part.end, n)
            for (source, part), n in zip(parts, n_rows, strict=True)
        ]
        for source, path in {source: part.path for source, part in parts}.items():
            if _state(path) != job.sources[source]:
                raise _other_dataset(job.folder, f"{job.sources[source][0]} has changed since the work began")
        writer.finish(text_bytes, spans)
    bar.shard_done(number)


def _encoded(
    rows: _Rows, encoder: DocumentEncoder, parts: Sequence[tuple[int, reading.Part]]
) -> tuple[_Rows, Any, Any]:
    """What a batch of rows makes, beside it."""
    try:
        return rows, *encoder.encode(rows.columns)
    except EncodingError as error:
        raise _placed(error, rows, parts) from error


def _batches(
    parts: Sequence[tuple[int, reading.Part]],
    columns: Sequence[str],
    policy: reading.Policy,
    null_text: NullText,
) -> Iterator[_Rows]:
    """The rows of all parts, in batches of about one size: small files are read together."""
    import pyarrow.compute as pc

    chunks: list[list[Any]] = [[] for _ in columns]
    origins: list[tuple[int, int, int]] = []
    size = 0

    def rows() -> _Rows:
        return _Rows([_chunked(each) for each in chunks], origins, size)

    for number, (_, part) in enumerate(parts):
        for batch in reading.columns_of(
            part, columns=columns, policy=policy, null_text=null_text, batch_bytes=BATCH_BYTES
        ):
            for column, each in zip(batch.columns, chunks, strict=True):
                each.append(column)
                size += pc.sum(pc.binary_length(column)).as_py() or 0
            origins.append((number, batch.first_row, len(batch.columns[0])))
            if size >= BATCH_BYTES:
                yield rows()
                chunks, origins, size = [[] for _ in columns], [], 0
    if origins:
        yield rows()


def _chunked(chunks: Sequence[Any]) -> Any:
    """Arrays one after the other; files may have strings of either kind."""
    import pyarrow as pa

    if len({chunk.type for chunk in chunks}) > 1:
        chunks = [chunk.cast(pa.large_string()) for chunk in chunks]
    return pa.chunked_array(chunks)


def _placed(error: EncodingError, rows: _Rows, parts: Sequence[tuple[int, reading.Part]]) -> EncodingError:
    """The error of a document of a batch, with its file and row."""
    document = error.document
    if document is None:
        return error
    for number, first_row, n in rows.origins:
        if document < n:
            part = parts[number][1]
            place = f"row {first_row + document}"
            if part.first:
                place += f" of the part from {_UNITS[format_of(part.path).kind]} {part.first} on"
            message = f"{part.path}, {place}: {str(error).partition(': ')[2]}"
            return EncodingError(message, path=part.path, offset=error.offset)
        document -= n
    return error


class _Progress:
    """A progress bar in bytes of input, with MB of text and tokens a second."""

    def __init__(self, job: _Job, numbers: Sequence[int], wanted: bool) -> None:
        from tqdm import tqdm

        self._sizes = {number: sum(part.n_bytes for _, part in job.shards[number]) for number in numbers}
        self._text_bytes = self._tokens = self._done = 0
        self._start = time.monotonic()
        hidden = not (wanted and sys.stderr is not None and sys.stderr.isatty())
        self._bar = tqdm(
            desc="preparing", total=sum(self._sizes.values()), unit="B", unit_scale=True, disable=hidden
        )

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def update(self, text_bytes: int, tokens: int) -> None:
        """So much text was encoded."""
        self._text_bytes += text_bytes
        self._tokens += tokens
        seconds = max(time.monotonic() - self._start, 1e-3)
        speed = f"{self._text_bytes / seconds / 1e6:.1f} MB/s, {self._tokens / seconds / 1e6:.2f} M tokens/s"
        self._bar.set_postfix_str(speed, refresh=False)
        self._bar.update(text_bytes)

    def shard_done(self, number: int) -> None:
        """Sizes before reading are estimates; at the end of a shard, the bar stands where they say."""
        self._done += self._sizes[number]
        self._bar.n = self._done
        self._bar.refresh()
