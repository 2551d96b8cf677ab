"""Counting a part of a corpus, so that several machines count it and one trains."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from portmanteau import count_folders, reading, training
from portmanteau.checkpoints import Checkpoint
from portmanteau.errors import TrainingError
from portmanteau.threads import thread_count
from portmanteau.training_progress import ProgressBar

__all__ = ["count_units"]


def count_units(
    files: reading.Paths | None = None,
    *,
    texts: Iterable[str | bytes] | Any | None = None,
    out: str | os.PathLike[str],
    pretokenizer: str = "o200k",
    superword_pretokenizer: str | None = None,
    digits: Literal["single", "from_left", "from_right"] | None = None,
    unit: Literal["line", "document"] = "line",
    text_column: str = "text",
    weights: Mapping[str, float] | None = None,
    byte_limit: int | str | None = None,
    document_byte_limit: int | str | None = None,
    seed: int = 0,
    errors: Literal["error", "replace"] = "error",
    memory_limit: int | str | None = None,
    temporary_folder: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    progress: bool = True,
) -> Path:
    """Counts the pretokens of a part of a corpus into a folder, to train on several parts together.

    Any number of parts, counted anywhere, make the tokenizer that all their text at once makes, with
    ``counts=["part-0", "part-1"]`` of :func:`train_bpe` or :func:`train_superbpe`, and with the pretokenizers, the
    ``digits`` and the ``unit`` that were counted with.

    Args:
        files: As for :func:`train_bpe`, and so are all arguments that are not described here.
        texts: As for :func:`train_bpe`.
        out: The folder to write. It is made if it is not there, and may not have counts.
        pretokenizer: The first stage's. ``"superbpe"`` counts for both stages of :func:`train_superbpe`.
        superword_pretokenizer: The second stage's, to train SuperBPE.
        digits: As for :func:`train_bpe`.
        unit: As for :func:`train_bpe`.
        text_column: As for :func:`train_bpe`.
        weights: As for :func:`train_bpe`. Parts may have other weights.
        byte_limit: As for :func:`train_bpe`; of this part.
        document_byte_limit: As for :func:`train_bpe`.
        seed: As for :func:`train_bpe`.
        errors: As for :func:`train_bpe`.
        memory_limit: As for :func:`train_bpe`.
        temporary_folder: As for :func:`train_bpe`.
        threads: As for :func:`train_bpe`.
        progress: As for :func:`train_bpe`.

    Returns:
        The folder.

    Raises:
        TrainingError: Options contradict each other.
        PatternError: The regular expression does not compile.
        FileError, EncodingError: The text cannot be read, or the folder cannot be written or has counts already.

    >>> import portmanteau as pm
    >>> texts = ["low low lower", "newest low"]
    >>> parts = [pm.count_units(texts=[text], out=f"part-{number}") for number, text in enumerate(texts)]
    >>> from_parts = pm.train_bpe(counts=parts, vocab_size=258)
    >>> from_parts.fingerprint == pm.train_bpe(texts=texts, vocab_size=258).fingerprint
    True
    """
    if pretokenizer == "superbpe":
        pretokenizer = "superbpe_stage1"
        superword_pretokenizer = superword_pretokenizer or "superbpe_stage2"
    arguments = dict(locals()) | {"report": None}
    del arguments["out"]
    asked = training._Asked(vocab_size=0, min_frequency=0, max_token_bytes=None, **arguments)
    asked.check()
    n_threads = thread_count(threads, refuse=TrainingError)
    trainer, source = asked.trainer(), asked.source()
    folder = count_folders.prepare(out)
    with ProgressBar(progress) as bar:
        n_bytes = training._count(source, trainer, n_threads, bar, Checkpoint(None))
    facts = {
        "pretokenizer": pretokenizer,
        "superword_pretokenizer": superword_pretokenizer,
        "digits": digits,
        "unit": unit,
        "scale": source.scale,
        "documents": trainer.n_documents(),
        "text_bytes": n_bytes,
    }
    count_folders.write(folder, trainer, asked.n_stages, facts)
    if n_replaced := source.policy.n_replaced:
        warnings.warn(reading.what_was_replaced(n_replaced), UserWarning, stacklevel=2)
    return folder
