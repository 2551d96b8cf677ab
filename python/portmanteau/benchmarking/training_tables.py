"""The tables of a record of training, for a terminal and for Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from portmanteau.benchmarking import tables
from portmanteau.benchmarking.train import METHOD, METHOD_OF_SUPERBPE
from portmanteau.benchmarking.trainers import OURS
from portmanteau.benchmarking.training_verdict import clock, median, memory

__all__ = ["HEADER", "claims", "label", "method", "notes", "reference", "report", "rows", "text", "title"]

HEADER = ["", "merges", "CPU s", "wall s", "time / ours", "peak MB", "adds MB", "memory / ours"]


def report(record: dict[str, Any]) -> str:
    """Everything that ``portmanteau bench train`` prints of a record."""
    results = (
        "\n".join(
            [
                f"{title(result)} ({reference(result)})",
                "",
                tables.as_text(HEADER, rows(result, record["threads"])),
                *notes(result),
                *claims(result["verdict"]),
            ]
        )
        for result in record["results"]
    )
    parts = [tables.conditions(record), text(record), method([record], 110), *results]
    return "\n\n".join([*parts, *claims(record["verdict"])])


def method(records: Sequence[dict[str, Any]], width: int) -> str:
    """How the figures of these records come about, in lines of this width."""
    results = (result for record in records for result in record["results"])
    has_superbpe = any(result["transition_size"] is not None for result in results)
    paragraphs = [METHOD, METHOD_OF_SUPERBPE] if has_superbpe else [METHOD]
    return "\n\n".join(textwrap.fill(paragraph, width) for paragraph in paragraphs)


def text(record: dict[str, Any]) -> str:
    """What was trained on.

    >>> text({"text": {"names": ["a", "b"], "megabytes": 2, "documents": 30, "lines": 4000, "records": "line"}})
    'a, b: 2 MB, 30 documents, 4,000 lines; a record is a line'
    """
    facts = record["text"]
    return (
        f"{', '.join(facts['names'])}: {facts['megabytes']:.4g} MB, {facts['documents']:,} documents, "
        f"{facts['lines']:,} lines; a record is a {facts['records']}"
    )


def title(result: dict[str, Any]) -> str:
    """What was trained."""
    size, first = f"{result['vocab_size']:,} ids", result["transition_size"]
    if first is None:
        return f"BPE, {size}, pretokenizer {result['pretokenizer']}"
    return f"SuperBPE, {size}, {first:,} after the first stage, pretokenizer {result['pretokenizer']}"


def reference(result: dict[str, Any]) -> str:
    """Whose merges the others were compared with."""
    name = result["reference"]
    if name is None:
        return "no merges"
    if result["transition_size"] is None or name.startswith(OURS.name):
        return f"merges compared with {name}"
    return f"merges of the first stage compared with {name}, and all with ours"


def rows(result: dict[str, Any], threads: int = 1) -> list[list[str]]:
    """One row for each library that trained, ours first, the others by time."""
    figure = clock(threads)
    ours, *others = [library for library in result["libraries"] if "digest" in library] or [None]
    if ours is None:
        return []
    others.sort(key=lambda library: median(library, figure) or 0.0)
    return [_row(library, ours, figure) for library in (ours, *others)]


def label(library: dict[str, Any]) -> str:
    """The library, its version and, where that is not the whole, what it trained."""
    name = " ".join(filter(None, (library["name"], library.get("version"))))
    return f"{name}, {library['what']}" if library["what"] else name


def notes(result: dict[str, Any]) -> list[str]:
    """Which libraries trained nothing, and where the merges of others leave the reference."""
    lines = []
    for library in result["libraries"]:
        if "error" in library:
            lines.append(f"{label(library)} gives no merges: {library['error']}")
        elif difference := library.get("other_merges"):
            given, right = (difference[key] or "none" for key in ("given", "reference"))
            lines.append(
                f"† {label(library)} gives OTHER MERGES (first difference at merge {difference['at']:,}: {given}, and "
                f"not {right})"
            )
    return lines


def claims(verdict: list[dict[str, Any]]) -> list[str]:
    """Ratios and, where there is one, the target of each.

    >>> claims([{"claim": "time of a peer / ours", "ratio": 1.42, "at_least": 1.3, "met": True}])
    ['time of a peer / ours: 1.42 × (target: at least 1.3 ×, met)']
    """
    lines = []
    for claim in verdict:
        line = f"{claim['claim']}: {claim['ratio']:.2f} ×"
        for key, words in (("at_least", "at least"), ("at_most", "at most")):
            if key in claim:
                line += f" (target: {words} {claim[key]:g} ×, {'met' if claim['met'] else 'not met'})"
        lines.append(line)
    return lines


def _row(library: dict[str, Any], ours: dict[str, Any], figure: str) -> list[str]:
    mark = " †" if "other_merges" in library else ""
    times = [
        f"{median(library, seconds):.3g} ({min(library[seconds]):.3g}){mark}"
        for seconds in ("cpu_seconds", "wall_seconds")
    ]
    peak, added = median(library, "peak_megabytes"), memory(library)
    return [
        label(library),
        f"{library['n_merges']:,}{mark}",
        *times,
        _ratio(median(library, figure), median(ours, figure), mark),
        "" if peak is None else f"{peak:.0f}",
        "" if added is None else f"{added:.0f}{mark}",
        _ratio(added, memory(ours), mark),
    ]


def _ratio(figure: float | None, of_ours: float | None, mark: str) -> str:
    return f"{figure / of_ours:.2f} ×{mark}" if figure is not None and of_ours else ""
