"""What a record says of the machine: enough to judge a figure by, nothing that names the machine or its user."""

from __future__ import annotations

import os
import platform
from pathlib import Path

__all__ = ["allowed_cores", "facts"]


def facts() -> dict[str, str | int]:
    """Processor, number of cores that this process may use, system and Python.

    >>> sorted(facts())
    ['cores', 'processor', 'python', 'system']
    """
    return {
        "processor": _processor(),
        "cores": len(allowed_cores()),
        "system": f"{platform.system()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def allowed_cores() -> list[int]:
    """The numbers of the cores that this process may run on.

    >>> len(allowed_cores()) >= 1
    True
    """
    affinity = getattr(os, "sched_getaffinity", None)
    return sorted(affinity(0)) if affinity else list(range(os.cpu_count() or 1))


def _processor() -> str:
    """The model's name; of a virtual machine that hides it, what is left."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    pairs = (line.partition(":") for line in lines)
    known = {key.strip(): value.strip() for key, _, value in pairs}
    name = known.get("model name") or platform.processor() or platform.machine()
    numbers = [f"{key} {known[key]}" for key in ("cpu family", "model", "stepping") if key in known]
    return ", ".join([name, *numbers])
