"""Encoding of files, in batches of bounded size: ``Tokenizer.encode_files``."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from portmanteau import reading
from portmanteau.errors import EncodingError
from portmanteau.progress import is_shown
from portmanteau.threads import thread_count

if TYPE_CHECKING:
    from portmanteau.batch import TokenBatch
    from portmanteau.tokenizer import Tokenizer

__all__ = ["encode_files"]

Start = tuple[int, str, int]
"""Where documents of a file start in a batch: the place in the batch, the path, the number in the file."""

READ_BYTES = 4 << 20


def encode_files(
    tokenizer: Tokenizer,
    paths: reading.Paths,
    *,
    special: str | Collection[str],
    text_column: str,
    batch_bytes: int,
    threads: int | None,
    progress: bool,
) -> Iterator[TokenBatch]:
    """See :meth:`portmanteau.Tokenizer.encode_files`. Wrong arguments raise at once, not at the first batch."""
    if batch_bytes < 1:
        raise EncodingError(f"batch_bytes is {batch_bytes}; it must be at least 1")
    n_threads = thread_count(threads, refuse=EncodingError)
    tokenizer.encode("", special=special)
    batches = _batches(reading.expand(paths), text_column, batch_bytes)
    return _encoded(tokenizer, batches, special, n_threads, progress)


def _encoded(
    tokenizer: Tokenizer,
    batches: Iterator[tuple[list[Any], list[Start]]],
    special: str | Collection[str],
    threads: int,
    progress: bool,
) -> Iterator[TokenBatch]:
    import pyarrow as pa
    from tqdm import tqdm

    hidden = not is_shown(progress)
    with tqdm(desc="encoding", unit=" documents", unit_scale=True, disable=hidden) as bar:
        for texts, starts in batches:
            try:
                batch = tokenizer.encode_batch(pa.chunked_array(texts), special=special, threads=threads)
            except EncodingError as error:
                _name_file(error, starts)
                raise
            bar.update(len(batch))
            yield batch


def _name_file(error: EncodingError, starts: list[Start]) -> None:
    """Says of a document of a batch in which file it is."""
    if error.document is None:
        return
    before, path, number = [start for start in starts if start[0] <= error.document][-1]
    message = str(error).removeprefix(f"document {error.document}")
    error.path, error.document = reading.without_secrets(path), error.document - before + number
    error.args = (f"{error.path}, document {error.document}{message}",)


def _batches(files: list[str], text_column: str, batch_bytes: int) -> Iterator[tuple[list[Any], list[Start]]]:
    import pyarrow as pa

    texts: list[Any] = []
    starts: list[Start] = []
    n_texts, n_bytes = 0, 0
    for path, batch in _read(files, text_column):
        starts.append((n_texts, path, batch.first_row))
        texts.append(batch.columns[0].cast(pa.large_string()))
        n_texts += batch.n_rows
        n_bytes += batch.n_bytes
        if n_bytes >= batch_bytes:
            yield texts, starts
            texts, starts, n_texts, n_bytes = [], [], 0, 0
    if texts:
        yield texts, starts


def _read(files: list[str], text_column: str) -> Iterator[tuple[str, reading.TextBatch]]:
    """Each file as one part, so that rows are numbered within the file."""
    columns = (text_column,)
    for path in files:
        for part in reading.file_parts(path, columns=columns, part_bytes=sys.maxsize):
            for batch in reading.columns_of(part, columns=columns, batch_bytes=READ_BYTES):
                yield path, batch
