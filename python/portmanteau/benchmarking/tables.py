"""The tables of a record, for a terminal and for Markdown."""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Sequence
from typing import Any

from portmanteau.benchmarking.encode import METHOD
from portmanteau.benchmarking.texts import CELLS

__all__ = ["HEADER", "as_markdown", "as_text", "conditions", "headline", "notes", "report", "rows"]

HEADER = ["", *CELLS, "load s", "peak MB"]


def report(record: dict[str, Any]) -> str:
    """Everything that ``portmanteau bench`` prints of a record."""
    results = (
        "\n".join([headline(result), "", as_text(HEADER, rows(result)), *notes(result)])
        for result in record["results"]
    )
    return "\n\n".join([conditions(record), "\n".join(textwrap.wrap(METHOD, 110)), *results])


def conditions(record: dict[str, Any]) -> str:
    """What the figures are in, and where they were measured."""
    machine = record["machine"]
    threads = "1 thread" if record["threads"] == 1 else f"{record['threads']} threads"
    rounds = "1 round" if record["rounds"] == 1 else f"{record['rounds']} rounds"
    return (
        f"{record['unit']}, {threads}, {rounds}; {machine['processor']}, {machine['cores']} cores, "
        f"{machine['system']}, {machine['python']}"
    )


def headline(result: dict[str, Any]) -> str:
    """The vocabulary and the text of a result, and what each measurement encodes."""
    sizes = ", ".join(
        f"{cell} {part['megabytes']:.3g} MB in {part['texts']:,}" for cell, part in result["parts"].items()
    )
    return f"{result['vocabulary']}, {result['text']} ({sizes}; ids checked against {result['reference']})"


def rows(result: dict[str, Any]) -> list[list[str]]:
    """One row a library that is right, ours first, the others by speed; then ours over the best peer, and the target.

    >>> ours = {"name": "portmanteau", "version": "1", "speeds": dict.fromkeys(CELLS, [20.0, 30.0])}
    >>> ours |= {"load_cpu_seconds": [0.1], "peak_megabytes": [50.0]}
    >>> rows({"libraries": [ours], "verdict": {}})
    [['portmanteau 1', '25 (30)', '25 (30)', '25 (30)', '25 (30)', '25 (30)', '0.10', '50']]
    """
    ours, *others = result["libraries"]
    right = [library for library in others if "speeds" in library]
    right.sort(key=lambda library: -statistics.median(library["speeds"]["first pass"]))
    table = [_row(library) for library in ([ours, *right] if "speeds" in ours else right)]
    verdict = result["verdict"]
    if verdict:
        cells = [verdict[cell] for cell in CELLS]
        table.append(["ours / best peer", *(f"{cell['ratio']:.2f} ×" for cell in cells), "", ""])
        marks = [f"{cell['target']:g} × {'met' if cell['met'] else 'not met'}" for cell in cells]
        table.append(["target", *marks, "", ""])
    return table


def notes(result: dict[str, Any]) -> list[str]:
    """What the table leaves out: libraries without figures, and documents that were not used."""
    lines = []
    for library in result["libraries"]:
        label = " ".join(filter(None, (library["name"], library.get("version"))))
        if "error" in library:
            lines.append(f"{label} gives no ids: {library['error']}")
        elif "wrong" in library:
            counts = ", ".join(f"{count:,} texts of {cell}" for cell, count in library["wrong"].items())
            lines.append(f"{label} is WRONG, and not timed: other ids in {counts}")
    if result["documents_left_out"]:
        lines.append(
            f"{result['documents_left_out']:,} documents spell out a special token and were left out"
        )
    return lines


def as_text(header: Sequence[str], table: Sequence[Sequence[str]]) -> str:
    """A table in columns.

    >>> print(as_text(["", "cold"], [["portmanteau", "25 (30)"]]))
                    cold
    portmanteau  25 (30)
    """
    widths = [max(map(len, column)) for column in zip(header, *table, strict=True)]
    lines = []
    for row in (header, *table):
        first, *rest = (
            cell.ljust(width) if not index else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join([first, *rest]).rstrip())
    return "\n".join(lines)


def as_markdown(header: Sequence[str], table: Sequence[Sequence[str]]) -> str:
    """A table in Markdown.

    >>> print(as_markdown(["", "cold"], [["portmanteau", "25 (30)"]]))
    |  | cold |
    |---|---|
    | portmanteau | 25 (30) |
    """
    lines = [list(header), ["---"] * len(header), *map(list, table)]
    return "\n".join(
        f"|{'|'.join(line)}|" if line[0] == "---" else f"| {' | '.join(line)} |" for line in lines
    )


def _row(library: dict[str, Any]) -> list[str]:
    speeds = [library["speeds"][cell] for cell in CELLS]
    peaks = [peak for peak in library["peak_megabytes"] if peak is not None]
    return [
        f"{library['name']} {library['version']}",
        *(f"{statistics.median(speed):.3g} ({max(speed):.3g})" for speed in speeds),
        f"{statistics.median(library['load_cpu_seconds']):.2f}",
        f"{statistics.median(peaks):.0f}" if peaks else "",
    ]
