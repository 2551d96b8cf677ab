"""Encoding of files, in batches of bounded size: ``Tokenizer.encode_files``."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from portmanteau import reading
from portmanteau.errors import EncodingError
from portmanteau.threads import thread_count

if TYPE_CHECKING:
    from portmanteau.batch import TokenBatch
    from portmanteau.tokenizer import Tokenizer

__all__ = ["encode_files"]

Start = tuple[int, str, int]
"""Where documents of a file start in a batch: the place in the batch, the path, the number in the file."""


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
    batches: Iterator[tuple[list[str], list[Start]]],
    special: str | Collection[str],
    threads: int,
    progress: bool,
) -> Iterator[TokenBatch]:
    from tqdm import tqdm

    hidden = not (progress and sys.stderr is not None and sys.stderr.isatty())
    with tqdm(desc="encoding", unit=" documents", unit_scale=True, disable=hidden) as bar:
        for texts, starts in batches:
            try:
                batch = tokenizer.encode_batch(texts, special=special, threads=threads)
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
    error.path, error.document = path, error.document - before + number
    error.args = (f"{path}, document {error.document}{message}",)


def _batches(files: list[str], text_column: str, batch_bytes: int) -> Iterator[tuple[list[str], list[Start]]]:
    texts: list[str] = []
    starts: list[Start] = []
    size = 0
    for path in files:
        number = 0
        for part in reading.documents([path], text_column=text_column):
            starts.append((len(texts), path, number))
            texts += part
            number += len(part)
            size += sum(map(len, part))
            if size >= batch_bytes:
                yield texts, starts
                texts, starts, size = [], [], 0
    if texts:
        yield texts, starts
