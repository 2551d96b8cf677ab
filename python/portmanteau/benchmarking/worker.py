"""One sample: a fresh process that loads one library and times it on every part of a text.

The comparison starts it; by hand it measures one library without comparing anything::

    python -m portmanteau.benchmarking.worker portmanteau o200k_base corpus/*.jsonl.zst

It prints one JSON object: seconds of processor time and of the wall clock to load and for each measurement, the peak
memory, and a digest of the ids of each measurement, or ``error``.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import hashlib
import importlib
import importlib.metadata
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from portmanteau.benchmarking import texts, vocabularies
from portmanteau.benchmarking.peers import OURS, PEERS, Ids, Library
from portmanteau.benchmarking.texts import CELLS, Texts
from portmanteau.benchmarking.vocabularies import Vocabulary
from portmanteau.errors import UnsupportedError

__all__ = ["main", "sample"]

_Answer = TypeVar("_Answer")


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
    memory = _peak_memory(start_anew=True)
    encode, load = _timed(lambda: library.load(module, vocabulary, threads))
    cells = {}
    for cell in CELLS:
        part = parts[texts.of_cell(cell)]
        answer, seconds = _timed(lambda part=part: encode(part))  # type: ignore[misc]
        peak = _peak_memory()
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


def _timed(work: Callable[[], _Answer]) -> tuple[_Answer, dict[str, float]]:
    """What work returns, and the seconds that all threads of this process and the clock on the wall took."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    answer = work()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return answer, {"cpu_seconds": round(cpu, 6), "wall_seconds": round(wall, 6)}


def _digest(ids: Ids) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for array in ids:
        digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return digest.hexdigest()


def _peak_memory(*, start_anew: bool = False) -> float | None:
    """The most memory that this process has held, in 10^6 bytes; on Linux since it was last started anew."""
    status = Path("/proc/self/status")
    if status.exists():
        # On Linux the rusage of a process begins with the memory of the one that started it, so it is of no use.
        if start_anew:
            with contextlib.suppress(OSError):
                Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        return int(status.read_text(encoding="utf-8").partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # macOS counts bytes


def _run(options: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    os.environ["RAYON_NUM_THREADS"] = str(options.threads)
    if options.cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, options.cores)
    if options.folder:
        sys.path.insert(0, options.folder)
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


def _failure(library: Library, error: BaseException) -> dict[str, Any]:
    """The first line of what went wrong, and the version of the library if that can be found."""
    first_line = (str(error).splitlines() or [""])[0]
    is_told = isinstance(error, UnsupportedError)
    outcome = {"error": first_line if is_told else f"{type(error).__name__}: {first_line}"}
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        outcome["version"] = importlib.metadata.version(library.distribution)
    return outcome


def main() -> int:
    """Reads the arguments, takes the sample and prints it."""
    parser = argparse.ArgumentParser(
        prog="python -m portmanteau.benchmarking.worker", description="Takes one sample of one library."
    )
    parser.add_argument("library", choices=[OURS.name, *PEERS])
    parser.add_argument("vocabulary", help="a bundled name, a tokenizer file, or what a comparison prepared")
    parser.add_argument("texts", nargs="+", help="files of text, or the folder that a comparison prepared")
    parser.add_argument("--megabytes", type=float, help="how much of the text to use (default: 33)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cores", type=int, nargs="*", help="the cores to run on")
    parser.add_argument("--folder", help="import the library from this folder")
    parser.add_argument("--ids", help="write the ids of each measurement to this folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        try:
            outcome = _run(options, Path(scratch))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a panic of a Rust library is not an Exception
            outcome = _failure(PEERS.get(options.library, OURS), error)
    sys.stdout.write(json.dumps(outcome) + "\n")
    return "error" in outcome


if __name__ == "__main__":
    sys.exit(main())
