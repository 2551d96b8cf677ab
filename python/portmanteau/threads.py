"""How many threads work."""

from __future__ import annotations

import os

from portmanteau.errors import Error

__all__ = ["thread_count"]

_MOST = 1024
"""More than any machine makes use of, and few enough to be started."""


def thread_count(threads: int | None, refuse: type[Error]) -> int:
    """The number asked for, but no more than 1,024; for ``None``, that of the cores that this process may run on.

    Raises:
        Error: The number is below 1; of the class ``refuse``.

    >>> thread_count(3, refuse=Error)
    3
    """
    if threads is None:
        affinity = getattr(os, "sched_getaffinity", None)
        return len(affinity(0)) if affinity else os.cpu_count() or 1
    if threads < 1:
        raise refuse(f"threads is {threads}; it must be at least 1")
    return min(threads, _MOST)
