"""One sample: a fresh process that loads one library and times it on every part of a text.

The comparison starts it; by hand it measures one library without comparing anything::

    python -m portmanteau.benchmarking.worker portmanteau o200k_base corpus/*.jsonl.zst

It prints one JSON object: seconds of processor time and of the wall clock to load and for each measurement, the peak
memory, and a digest of the ids of each measurement, or ``error``.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import importlib.metadata
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from portmanteau.benchmarking import process, texts, vocabularies
from portmanteau.benchmarking.measuring import peak_memory, timed
from portmanteau.benchmarking.peers import OURS, PEERS, Ids, Library
from portmanteau.benchmarking.texts import CELLS, Texts
from portmanteau.benchmarking.vocabularies import Vocabulary

__all__ = ["main", "sample"]


def sample(
    library: Library, vocabulary: Vocabulary, parts: Texts, threads: int, ids_folder: Path | None = None
) -> dict[str, Any]:
    """Loads a library and encodes each part in turn.

    Returns:
        ``version``; ``load`` and each of ``cells`` with ``cpu_seconds`` and ``wall_seconds``, a cell also with
        ``megabytes``, ``texts`` and ``digest``; ``peak_megabytes``, by which loading and encoding raised the largest
        memory of the process, ``None`` where the system does not say.
    """
    module, *_ = [importlib.import_module(name) for name in library.modules]
    memory = peak_memory(start_anew=True)
    encode, load = timed(lambda: library.load(module, vocabulary, threads))
    cells = {}
    for cell in CELLS:
        part = parts[texts.of_cell(cell)]
        answer, seconds = timed(lambda part=part: encode(part))  # type: ignore[misc]
        peak = peak_memory()
        ids = library.ids(answer)
        if ids_folder is not None:
            np.savez(ids_folder / f"{cell}.npz", ids=ids[0], offsets=ids[1])
        megabytes = sum(len(text.encode()) for text in part) / 1e6
        cells[cell] = {"megabytes": megabytes, "texts": len(part), **seconds, "digest": _digest(ids)}
        del answer, ids
    return {
        "version": importlib.metadata.version(library.distribution),
        "load": load,
        "peak_megabytes": None if peak is None or memory is None else round(peak - memory, 1),
        "cells": cells,
    }


def _digest(ids: Ids) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for array in ids:
        digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return digest.hexdigest()


def _run(options: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    process.set_up(options)
    prepared = Path(options.vocabulary)
    if prepared.suffix == ".vocabulary":
        vocabulary = Vocabulary.open(prepared)
    else:
        vocabulary = vocabularies.prepare(options.vocabulary, scratch)
    if Path(options.texts[0]).is_dir():
        parts = texts.load(Path(options.texts[0]))
    else:
        parts, _ = texts.read(options.texts, megabytes=options.megabytes)
    library = PEERS.get(options.library, OURS)
    ids_folder = Path(options.ids) if options.ids else None
    return sample(library, vocabulary, parts, options.threads, ids_folder)


def main() -> int:
    """Reads the arguments, takes the sample and prints it."""
    parser = argparse.ArgumentParser(
        prog="python -m portmanteau.benchmarking.worker", description="Takes one sample of one library."
    )
    parser.add_argument("library", choices=[OURS.name, *PEERS])
    parser.add_argument("vocabulary", help="a bundled name, a tokenizer file, or what a comparison prepared")
    parser.add_argument("texts", nargs="+", help="files of text, or the folder that a comparison prepared")
    parser.add_argument("--megabytes", type=float, help="how much of the text to use (default: 33)")
    process.add_options(parser)
    parser.add_argument("--ids", help="write the ids of each measurement to this folder")
    options = parser.parse_args()
    distribution = PEERS.get(options.library, OURS).distribution
    with tempfile.TemporaryDirectory() as scratch:
        return process.answer(lambda: _run(options, Path(scratch)), distribution)


if __name__ == "__main__":
    sys.exit(main())
