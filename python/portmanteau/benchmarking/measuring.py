"""What one piece of work takes of a process: processor time, time on the wall, memory."""

from __future__ import annotations

import contextlib
import gc
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

__all__ = ["peak_memory", "timed"]

_Answer = TypeVar("_Answer")


def timed(work: Callable[[], _Answer]) -> tuple[_Answer, dict[str, float]]:
    """What work returns, and the seconds that all threads of this process and the clock on the wall took.

    Processor time includes that of processes which the work started and waited for.

    >>> answer, seconds = timed(lambda: "done")
    >>> answer, sorted(seconds)
    ('done', ['cpu_seconds', 'wall_seconds'])
    """
    gc.collect()
    wall, children, cpu = time.perf_counter(), _cpu_seconds_of_children(), time.process_time()
    answer = work()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    cpu += _cpu_seconds_of_children() - children
    return answer, {"cpu_seconds": round(cpu, 6), "wall_seconds": round(wall, 6)}


def _cpu_seconds_of_children() -> float:
    times = os.times()
    return times.children_user + times.children_system


def peak_memory(*, start_anew: bool = False) -> float | None:
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
