"""One sample of packing: a fresh process that packs with one library, times it and checks the answer.

The comparison starts it. It prints one JSON object: seconds of processor time and of the wall clock, the memory of the
process before and at most, and the number of sequences; or ``error``, or ``wrong`` with what is wrong with the answer.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import sys
import warnings
from typing import Any

import numpy as np

from portmanteau.benchmarking import process
from portmanteau.benchmarking.measuring import peak_memory, timed
from portmanteau.benchmarking.packers import OURS, PEERS, Packer, Task
from portmanteau.benchmarking.packing_check import fault

__all__ = ["main", "sample"]


def sample(packer: Packer, task: Task) -> dict[str, Any]:
    """Packs with a library.

    Returns:
        ``version``, ``cpu_seconds`` and ``wall_seconds``; the memory of the process, in 10^6 bytes, with all that is
        given to the library and at most, as ``before_megabytes`` and ``peak_megabytes``, ``None`` where the system does
        not say; ``n_sequences``; and ``wrong``, only where the answer is.
    """
    module = packer.load()
    given = packer.prepare(module, task)
    before = peak_memory(start_anew=True)
    answer, seconds = timed(lambda: packer.pack(module, given, task.capacity))
    peak = peak_memory()
    bins = packer.bins(answer, task)
    outcome = {
        "version": importlib.metadata.version(packer.distribution),
        **seconds,
        "before_megabytes": None if before is None else round(before, 1),
        "peak_megabytes": None if peak is None else round(peak, 1),
        "n_sequences": len(bins.offsets) - 1,
    }
    wrong = fault(bins, task)
    return outcome if wrong is None else {**outcome, "wrong": wrong}


def _run(options: argparse.Namespace, packer: Packer) -> dict[str, Any]:
    process.set_up(options)
    warnings.simplefilter("ignore")  # what a library says of its own use of NumPy is no fault of its answer
    documents = np.load(options.lengths)[: options.documents]
    return sample(packer, Task(documents, options.capacity))


def main() -> int:
    """Reads the arguments, takes the sample and prints it."""
    parser = argparse.ArgumentParser(
        prog="python -m portmanteau.benchmarking.packing_worker",
        description="Takes one sample of packing with one library.",
    )
    parser.add_argument("library", choices=[*OURS, *PEERS])
    parser.add_argument("lengths", help="the lengths of documents, as a file")
    parser.add_argument("documents", type=int, help="how many of them to pack")
    parser.add_argument("capacity", type=int)
    process.add_options(parser)
    options = parser.parse_args()
    packer = {**OURS, **PEERS}[options.library]
    return process.answer(lambda: _run(options, packer), packer.distribution)


if __name__ == "__main__":
    sys.exit(main())
