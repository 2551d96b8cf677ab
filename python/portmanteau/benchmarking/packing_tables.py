"""The tables of a record of packing, for a terminal and for Markdown."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Sequence
from typing import Any

from portmanteau.benchmarking import tables
from portmanteau.benchmarking.pack import METHOD
from portmanteau.benchmarking.packers import OURS
from portmanteau.benchmarking.packing_verdict import median, memory

__all__ = ["HEADER", "claims", "groups", "label", "method", "notes", "report", "rows", "title"]

HEADER = ["", "documents", "CPU s", "wall s", "time / ours", "adds MB", "over the bound", "full"]


def report(record: dict[str, Any]) -> str:
    """Everything that ``portmanteau bench pack`` prints of a record."""
    parts = [
        "\n".join([title(group), "", tables.as_text(HEADER, rows(group)), *notes(group), *claims(group)])
        for group in groups(record)
    ]
    return "\n\n".join([tables.conditions(record), method(110), *parts])


def method(width: int) -> str:
    """How the figures come about, in lines of this width."""
    return textwrap.fill(METHOD, width)


def groups(record: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """The results of one set of lengths and one capacity together, those of most documents first."""
    by_task = itertools.groupby(record["results"], lambda result: (result["lengths"], result["capacity"]))
    return [list(group) for _, group in by_task]


def title(group: Sequence[dict[str, Any]]) -> str:
    """What was packed.

    >>> title([{"lengths": "commits", "capacity": 2048, "documents": 1000, "tokens": 53000}])
    'commits (mean 53), capacity 2,048'
    """
    first = group[0]
    return f"{first['lengths']} (mean {first['tokens'] / first['documents']:,.0f}), capacity {first['capacity']:,}"


def rows(group: Sequence[dict[str, Any]]) -> list[list[str]]:
    """One row for each library with a right answer: for each number of documents ours first, the others by time."""
    table = []
    for result in group:
        right = [library for library in result["libraries"] if "n_sequences" in library]
        plans = [library for library in right if library["name"] in OURS and not library["what"]]
        right.sort(key=lambda library: (library["name"] not in OURS, median(library, "cpu_seconds") or 0.0))
        own = median(plans[0], "cpu_seconds") if plans else None
        table += [_row(library, own, result["documents"]) for library in right]
    return table


def label(library: dict[str, Any]) -> str:
    """The library, its version and, where that is not a plan of all lengths, what it packs."""
    name = " ".join(filter(None, (library["name"], library.get("version"))))
    return f"{name}, {library['what']}" if library["what"] else name


def notes(group: Sequence[dict[str, Any]]) -> list[str]:
    """Which libraries have no figures, and why."""
    lines = []
    for result in group:
        for library in result["libraries"]:
            if "error" in library:
                lines.append(f"{label(library)} gives no sequences: {library['error']}")
            elif "wrong" in library:
                lines.append(f"{label(library)} is WRONG, and not timed: {library['wrong']}")
    return lines


def claims(group: Sequence[dict[str, Any]]) -> list[str]:
    """Ratios, of those that packed all documents."""
    return [f"{claim['claim']}: {claim['ratio']:.2f} ×" for claim in group[0]["verdict"]]


def _row(library: dict[str, Any], own: float | None, n_documents: int) -> list[str]:
    times = [
        f"{median(library, seconds):.3g} ({min(library[seconds]):.3g})"
        for seconds in ("cpu_seconds", "wall_seconds")
    ]
    theirs, added = median(library, "cpu_seconds"), memory(library)
    return [
        label(library),
        f"{n_documents:,}",
        *times,
        f"{theirs / own:.2f} ×" if theirs is not None and own else "",
        "" if added is None else f"{added:.1f}",
        f"{library['sequences_over_lower_bound']:,}",
        f"{100 * library['efficiency']:.3f} %",
    ]
