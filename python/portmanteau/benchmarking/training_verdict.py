"""What the figures of trainers say: how much more others take than ours, and which targets that reaches."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

__all__ = [
    "BOTH_STAGES",
    "DEFAULT_RULES",
    "FIRST_STAGE",
    "SECOND_STAGE",
    "TARGETS",
    "clock",
    "median",
    "memory",
    "on_growth",
    "on_peers",
]

TARGETS = {
    "time of gigabpe": 1.3,
    "memory of gigabpe": 1.0,
    "time of 128,000 ids": 1.5,
    "CPU time of the reference path": 20.0,
    "memory of the reference path": 8.0,
}
"""What we want to reach: how many times as much time and memory as ours others take, at least; and how many times as
long as for 32,000 ids ours takes for 128,000, at most."""

FIRST_STAGE, SECOND_STAGE, BOTH_STAGES = "first stage", "second stage", "both stages"
DEFAULT_RULES = "default rules"
"""What one trains of SuperBPE, where that is not both stages at once, without rules."""


def median(library: dict[str, Any], figure: str) -> float | None:
    """The median of the samples of a library, ``None`` where the system told none."""
    figures = [one for one in library[figure] if one is not None]
    return statistics.median(figures) if figures else None


def memory(library: dict[str, Any]) -> float | None:
    """The median of the memory that a library and its training added to the process, in 10^6 bytes."""
    samples = zip(library["peak_megabytes"], library["bare_megabytes"], strict=True)
    added = [peak - bare for peak, bare in samples if peak is not None]
    return statistics.median(added) if added else None


def clock(threads: int) -> str:
    """The figure that libraries are compared by: one thread, processor time; several, time on the wall."""
    return "cpu_seconds" if threads == 1 else "wall_seconds"


def on_peers(libraries: Sequence[dict[str, Any]], figure: str) -> list[dict[str, Any]]:
    """What others take over what ours takes, of those whose merges are right."""
    ours, *others = libraries
    right = [library for library in others if "digest" in library and "other_merges" not in library]
    if "digest" not in ours or "other_merges" in ours:
        return []
    claims = []
    whole = [library for library in right if not library["what"]]
    if whole:
        best = min(whole, key=lambda library: median(library, figure) or 0.0)
        claims += _over_ours(best, ours, figure, f"time of the fastest peer, {_named(best)}")
    for library in whole:
        if library["name"] == "gigabpe":
            claims += _over_ours(library, ours, figure, f"time of {_named(library)}", "time of gigabpe")
            claims += _over_ours(library, ours, "", f"memory of {_named(library)}", "memory of gigabpe")
    for library in right:
        name = f"{_named(library)}, {library['what']}"
        if library["what"] == SECOND_STAGE:
            claims += _over_ours(library, ours, "cpu_seconds", f"CPU time of {name}")
        elif library["what"] == BOTH_STAGES:
            claims += _over_ours(
                library, ours, "cpu_seconds", f"CPU time of {name}", "CPU time of the reference path"
            )
            claims += _over_ours(library, ours, "", f"memory of {name}", "memory of the reference path")
    return claims


def _named(library: dict[str, Any]) -> str:
    return f"{library['name']} {library['version']}"


def _over_ours(
    library: dict[str, Any], ours: dict[str, Any], figure: str, claim: str, target: str | None = None
) -> list[dict[str, Any]]:
    """The claim about a time, or about memory where no figure is named; none where a figure is missing."""
    theirs, own = (median(one, figure) if figure else memory(one) for one in (library, ours))
    if theirs is None or not own:
        return []
    return [_claim(f"{claim} / ours", theirs / own, at_least=TARGETS[target] if target else None)]


def on_growth(results: Sequence[dict[str, Any]], figure: str) -> list[dict[str, Any]]:
    """How much longer ours takes for the largest vocabulary than for the smallest, if the text has that many merges."""
    ours = {result["vocab_size"]: result["libraries"][0] for result in results}
    small, large = min(ours), max(ours)
    if small == large or not all("digest" in ours[size] for size in (small, large)):
        return []
    if ours[large]["n_merges"] - ours[small]["n_merges"] < large - small:
        return []
    shortest, longest = median(ours[small], figure), median(ours[large], figure)
    if not shortest or longest is None:
        return []
    target = TARGETS["time of 128,000 ids"] if (small, large) == (32_000, 128_000) else None
    return [_claim(f"our time for {large:,} ids / for {small:,} ids", longest / shortest, at_most=target)]


def _claim(
    claim: str, ratio: float, *, at_least: float | None = None, at_most: float | None = None
) -> dict[str, Any]:
    said: dict[str, Any] = {"claim": claim, "ratio": round(ratio, 3)}
    if at_least is not None:
        said |= {"at_least": at_least, "met": ratio >= at_least}
    if at_most is not None:
        said |= {"at_most": at_most, "met": ratio <= at_most}
    return said
