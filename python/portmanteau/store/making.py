"""Making shards: reading, encoding, writing, and putting on the disk go on at the same time.

Each has a thread, and is one batch ahead of the next; the last is one shard behind. So while the disk takes one shard,
the next is encoded.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from portmanteau import reading
from portmanteau.errors import EncodingError, FileError
from portmanteau.store.ahead import ahead
from portmanteau.store.encoding import DocumentEncoder, placed
from portmanteau.store.format import SourcePart
from portmanteau.store.job import Job
from portmanteau.store.writing import ShardWriter, remove_partial

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

#: About so much text is encoded at once: enough for each thread, and no more than all together need. A smaller batch
#: lies in the caches of processors while it goes from one stage to the next.
BATCH_BYTES_OF_THREAD = 2 << 20
MOST_BATCH_BYTES = 16 << 20

NullText = Literal["error", "empty"]


class Progress(Protocol):
    """Who wants to know how far the work is."""

    def update(self, text_bytes: int, tokens: int) -> None:
        """So much text was encoded, to so many tokens."""

    def shard_done(self, number: int) -> None:
        """All of a shard was encoded."""


def make_shards(
    job: Job,
    numbers: Sequence[int],
    encoder: DocumentEncoder,
    columns: Sequence[str],
    policy: reading.Policy,
    null_text: NullText,
    progress: Progress,
) -> None:
    """Makes these shards of a job, in this order.

    Raises:
        FileError: An input cannot be read, or has changed; or the output cannot be written. Shards made before stay.
        EncodingError: A text cannot be encoded.
    """
    batch_bytes = min(encoder.threads * BATCH_BYTES_OF_THREAD, MOST_BATCH_BYTES)
    with (
        closing(ahead(_rows_of_shards(job, numbers, columns, policy, null_text, batch_bytes))) as batches,
        closing(ahead(_encoded(job, rows, encoder) for rows in batches)) as encoded,
        ThreadPoolExecutor(1, "portmanteau-finish") as finisher,
    ):
        finishing: Future[None] | None = None
        for number, items in itertools.groupby(encoded, key=lambda item: item.rows.shard):
            with _without_traces(job, number), ExitStack() as stack:
                writer = stack.enter_context(ShardWriter(job.shard_folder, job.name(number), encoder.dtypes))
                n_rows = [0] * len(job.shards[number])
                text_bytes = 0
                for item in items:
                    writer.add(item.offsets, item.arrays)
                    text_bytes += item.rows.text_bytes
                    for part, _, n in item.rows.origins:
                        n_rows[part] += n
                    progress.update(item.rows.text_bytes, int(item.offsets[-1]))
                progress.shard_done(number)
                if finishing:
                    finishing.result()
                finishing = finisher.submit(_finish, job, number, writer, n_rows, text_bytes, stack.pop_all())
        if finishing:
            finishing.result()


@contextmanager
def _without_traces(job: Job, number: int) -> Iterator[None]:
    """Where a shard is given up, no half-written file stays: Ctrl-C may come between a file and what knows of it."""
    try:
        yield
    except BaseException:
        with suppress(FileError):
            remove_partial(job.shard_folder, f"{job.name(number)}.")
        raise


def _finish(
    job: Job, number: int, writer: ShardWriter, n_rows: Sequence[int], text_bytes: int, opened: ExitStack
) -> None:
    with opened:
        job.check_sources(number)
        spans = [
            SourcePart(source, part.first, part.end, n)
            for (source, part), n in zip(job.shards[number], n_rows, strict=True)
        ]
        writer.finish(text_bytes, spans)


# ── text ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class _Rows:
    """Rows of several parts of a shard, on their way to the tokenizer."""

    shard: int
    columns: list[list[Any]]
    """The arrays that make up each column of text; columns are equally long."""
    origins: list[tuple[int, int, int]] = field(default_factory=list)
    """Of each run of rows: the number of its part in the shard, its first row in the part, how many rows."""
    text_bytes: int = 0


def _rows_of_shards(
    job: Job,
    numbers: Sequence[int],
    columns: Sequence[str],
    policy: reading.Policy,
    null_text: NullText,
    batch_bytes: int,
) -> Iterator[_Rows]:
    """The rows of each shard in batches of about one size, one at least: small files are read together."""
    import pyarrow.compute as pc

    for shard in numbers:
        rows = _Rows(shard, [[] for _ in columns])
        for number, (_, part) in enumerate(job.shards[shard]):
            for batch in reading.columns_of(
                part, columns=columns, policy=policy, null_text=null_text, batch_bytes=batch_bytes
            ):
                for column, chunks in zip(batch.columns, rows.columns, strict=True):
                    chunks.append(column)
                    rows.text_bytes += pc.sum(pc.binary_length(column)).as_py() or 0
                rows.origins.append((number, batch.first_row, batch.n_rows))
                if rows.text_bytes >= batch_bytes:
                    yield rows
                    rows = _Rows(shard, [[] for _ in columns])
        yield rows


# ── ids ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class _Encoded:
    """What rows have become: documents, as :meth:`ShardWriter.add` takes them."""

    rows: _Rows
    offsets: npt.NDArray[np.int64]
    arrays: dict[str, npt.NDArray[Any]]


def _encoded(job: Job, rows: _Rows, encoder: DocumentEncoder) -> _Encoded:
    try:
        offsets, arrays = encoder.encode([_column(chunks) for chunks in rows.columns])
    except EncodingError as error:
        raise _placed(error, rows, job.shards[rows.shard]) from error
    rows.columns = []  # the text is not needed any more
    return _Encoded(rows, offsets, arrays)


def _column(chunks: Sequence[Any]) -> Any:
    """Arrays one after the other; files may have strings of either kind."""
    import pyarrow as pa

    wide = pa.large_string()
    if len({chunk.type for chunk in chunks}) == 1:
        return pa.chunked_array(chunks)
    return pa.chunked_array([chunk.cast(wide) for chunk in chunks], wide)


def _placed(error: EncodingError, rows: _Rows, parts: Sequence[tuple[int, reading.Part]]) -> EncodingError:
    """The error of a document of a batch, with its file and row."""
    document = error.document
    if document is None:
        return error
    for number, first_row, n in rows.origins:
        if document < n:
            return placed(error, parts[number][1], first_row + document)
        document -= n
    return error
