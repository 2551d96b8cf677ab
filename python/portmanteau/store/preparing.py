"""``prepare``: from raw files to a token store, by any number of processes, and on from wherever one was killed.

``job.py`` fixes which shards there are, and ``making.py`` makes them. The manifest is written by the process that finds
the last record in its place.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from portmanteau import reading
from portmanteau.errors import EncodingError, FileError
from portmanteau.progress import is_shown
from portmanteau.sizes import bytes_of
from portmanteau.store import format as store_format
from portmanteau.store.dataset import Dataset
from portmanteau.store.encoding import DocumentEncoder
from portmanteau.store.job import Job, begin
from portmanteau.store.making import make_shards
from portmanteau.store.writing import remove_partial
from portmanteau.threads import thread_count

if TYPE_CHECKING:
    from portmanteau.tokenizer import Tokenizer

__all__ = ["prepare"]


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
    shard_bytes: int | str = "256 MiB",
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
        shard_bytes: About how much input makes a shard (an ``int``, or such as ``"1GB"``). Compressed JSON Lines and
            CSV files are not cut.
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

    O(text); memory is that of a few batches of up to 16 MB, whatever the size of files.

    >>> from pathlib import Path
    >>> import portmanteau as pm
    >>> _ = Path("two.jsonl").write_text('{"text": "by the way"}\n{"text": "off we go"}\n')
    >>> dataset = pm.prepare("two.jsonl", pm.Tokenizer.load("o200k_base"), "dataset")
    >>> dataset.n_documents, dataset.n_tokens, dataset[1]
    (2, 6, array([2864,  581,  810], dtype=uint32))
    """
    columns = [text_column] if isinstance(text_column, str) else list(text_column)
    _check_arguments(columns, errors, null_text, num_shards, shard_index)
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
        "shard_bytes": bytes_of("shard_bytes", shard_bytes, refuse=EncodingError),
    }
    job = begin(inputs, columns, encoder, options, folder)
    missing = [number for number in range(len(job.shards)) if job.record(number) is None]
    mine = [number for number in missing if number % num_shards == shard_index]
    if mine:
        with _Progress(job, mine, progress) as bar:
            make_shards(job, mine, encoder, columns, policy, null_text, bar)
    if policy.n_replaced:
        warnings.warn(reading.what_was_replaced(policy.n_replaced), UserWarning, stacklevel=2)
    records = [job.record(number) for number in range(len(job.shards))]
    if any(records[number] is None for number in mine):
        message = f"{folder}: files of shards were removed while others were made; run this again"
        raise FileError(message, path=folder)
    if None in records:
        return None
    manifest = job.manifest([record for record in records if record is not None])
    store_format.write_once(folder / store_format.MANIFEST, manifest.to_json())
    remove_partial(folder)
    remove_partial(job.shard_folder)
    return Dataset.open(folder)


def _check_arguments(
    columns: Sequence[str], errors: str, null_text: str, num_shards: int, shard_index: int
) -> None:
    problem = None
    if not columns or len(columns) > 256 or len(set(columns)) < len(columns):
        problem = f"text_column is {columns!r}; name between 1 and 256 different columns"
    elif errors not in ("error", "replace"):
        problem = f"errors is {errors!r}; it must be 'error' or 'replace'"
    elif null_text not in ("error", "empty"):
        problem = f"null_text is {null_text!r}; it must be 'error' or 'empty'"
    elif not 0 <= shard_index < num_shards:
        problem = f"shard_index is {shard_index} of {num_shards} jobs; it must be from 0 to {num_shards - 1}"
    if problem:
        raise EncodingError(problem)


class _Progress:
    """A progress bar in bytes of input, with MB of text and tokens a second."""

    def __init__(self, job: Job, numbers: Sequence[int], wanted: bool) -> None:
        from tqdm import tqdm

        self._sizes = {number: sum(part.n_bytes for _, part in job.shards[number]) for number in numbers}
        self._text_bytes = self._tokens = self._done = 0
        self._start = time.monotonic()
        hidden = not is_shown(wanted)
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
        """All of a shard was encoded: sizes before reading are estimates, so the bar is set right."""
        self._done += self._sizes[number]
        self._bar.n = self._done
        self._bar.refresh()
