"""Whether an answer of a packer is one: every piece in one sequence, no sequence over its capacity."""

from __future__ import annotations

import numpy as np

from portmanteau.benchmarking.packers import Bins, Task

__all__ = ["fault"]


def fault(bins: Bins, task: Task) -> str | None:
    """What is wrong with an answer, ``None`` if nothing is.

    Where the answer has lengths and no numbers, there must be as many pieces of each length as there should.

    >>> task = Task(np.array([3, 5], np.uint32), 5)
    >>> fault(Bins.of_lists([[1], [0]]), task)
    >>> fault(Bins.of_lists([[1, 0]]), task)
    'sequence 0 holds 8 tokens'
    >>> fault(Bins.of_lists([[1], [1]]), task)
    'not every piece is in one sequence'
    """
    pieces = task.pieces
    given = np.sort(bins.values)
    wanted = np.arange(len(pieces)) if bins.are == "pieces" else np.sort(pieces)
    if not np.array_equal(given, wanted):
        return "not every piece is in one sequence"
    if np.any(np.diff(bins.offsets) < 1):
        return "a sequence is empty"
    lengths = pieces[bins.values] if bins.are == "pieces" else bins.values
    tokens = np.add.reduceat(lengths, bins.offsets[:-1])
    if tokens.max() > task.capacity:
        return f"sequence {tokens.argmax()} holds {tokens.max()} tokens"
    return None
