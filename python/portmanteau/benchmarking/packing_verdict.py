"""What the figures of packers say: how much more time and memory others take than ours."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

__all__ = ["median", "memory", "on_packers"]


def median(library: dict[str, Any], figure: str) -> float | None:
    """The median of the samples of a library, ``None`` where the system told none."""
    figures = [one for one in library[figure] if one is not None]
    return statistics.median(figures) if figures else None


def memory(library: dict[str, Any]) -> float | None:
    """The median of the memory that packing added to the process, in 10^6 bytes."""
    samples = zip(library["peak_megabytes"], library["before_megabytes"], strict=True)
    added = [peak - before for peak, before in samples if peak is not None and before is not None]
    return statistics.median(added) if added else None


def on_packers(libraries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the fastest peer takes over what our plan takes; nothing where either has no answer.

    >>> ours = {"name": "portmanteau", "what": "", "n_sequences": 9, "cpu_seconds": [0.5]}
    >>> ours |= {"before_megabytes": [9.0], "peak_megabytes": [11.0]}
    >>> peer = ours | {"name": "peer", "version": "1", "cpu_seconds": [1.5], "peak_megabytes": [10.0]}
    >>> [(claim["claim"], claim["ratio"]) for claim in on_packers([ours, peer])]
    [('CPU time of the fastest peer, peer 1 / ours', 3.0), ('memory of the fastest peer, peer 1 / ours', 0.5)]
    """
    ours, *others = libraries
    peers = [one for one in others if "n_sequences" in one and one["name"] != ours["name"]]
    if "n_sequences" not in ours or not peers:
        return []
    best = min(peers, key=lambda peer: median(peer, "cpu_seconds") or 0.0)
    ratios = {
        "CPU time": (median(best, "cpu_seconds"), median(ours, "cpu_seconds")),
        "memory": (memory(best), memory(ours)),
    }
    return [
        {
            "claim": f"{what} of the fastest peer, {best['name']} {best['version']} / ours",
            "ratio": round(theirs / own, 3),
        }
        for what, (theirs, own) in ratios.items()
        if theirs is not None and own
    ]
