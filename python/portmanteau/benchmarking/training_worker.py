"""One sample of training: a fresh process that trains with one library and times it.

The comparison starts it. It prints one JSON object: seconds of processor time and of the wall clock, the memory of the
process before and at most, the number of merges and a digest of them, or ``error``.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import sys
import warnings
from pathlib import Path
from typing import Any

from portmanteau.benchmarking import merges, process
from portmanteau.benchmarking.measuring import peak_memory, timed
from portmanteau.benchmarking.trainers import OURS, PEERS, Task, Trainer

__all__ = ["main", "sample"]


def sample(trainer: Trainer, task: Task, threads: int) -> tuple[dict[str, Any], list[str]]:
    """Trains with a library.

    Returns:
        The sample: ``version``, ``cpu_seconds`` and ``wall_seconds``; the memory of the process, in 10^6 bytes, before
        the library is imported, before it trains and at most, as ``bare_megabytes``, ``before_megabytes`` and
        ``peak_megabytes``, ``None`` where the system does not say; ``n_merges`` and ``digest``. And the merges.
    """
    bare = peak_memory(start_anew=True)
    module, *_ = [importlib.import_module(name) for name in trainer.modules]
    before = peak_memory(start_anew=True)
    answer, seconds = timed(lambda: trainer.train(module, task, threads))
    peak = peak_memory()
    lines = trainer.merges(answer)
    outcome = {
        "version": importlib.metadata.version(trainer.distribution),
        **seconds,
        "bare_megabytes": None if bare is None else round(bare, 1),
        "before_megabytes": None if before is None else round(before, 1),
        "peak_megabytes": None if peak is None else round(peak, 1),
        "n_merges": len(lines),
        "digest": merges.digest(lines),
    }
    return outcome, lines


def _run(options: argparse.Namespace, trainer: Trainer) -> dict[str, Any]:
    process.set_up(options)
    # A text with too few merges is no fault here: what each library makes of it is compared.
    warnings.simplefilter("ignore", UserWarning)
    outcome, lines = sample(trainer, Task.open(Path(options.task)), options.threads)
    Path(options.merges).write_bytes(merges.as_lines(lines))
    return outcome


def main() -> int:
    """Reads the arguments, takes the sample and prints it."""
    parser = argparse.ArgumentParser(
        prog="python -m portmanteau.benchmarking.training_worker",
        description="Takes one sample of training with one library.",
    )
    parser.add_argument("library", choices=[OURS.name, *PEERS])
    parser.add_argument("task", help="what a comparison asks for, as a file")
    parser.add_argument("merges", help="the file of merges to write")
    process.add_options(parser)
    options = parser.parse_args()
    trainer = PEERS.get(options.library, OURS)
    return process.answer(lambda: _run(options, trainer), trainer.distribution)


if __name__ == "__main__":
    sys.exit(main())
