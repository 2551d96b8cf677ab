"""Draws the tables of README.md and benches/README.md, and the plots, from the newest records.

python benches/draw.py [--check]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dataset_tables

from portmanteau.benchmarking import packing_tables, packing_verdict, tables, training_tables
from portmanteau.benchmarking.encode import METHOD
from portmanteau.benchmarking.texts import CELLS
from portmanteau.benchmarking.training_verdict import (
    DEFAULT_RULES,
    FIRST_STAGE,
    SECOND_STAGE,
    clock,
    median,
    memory,
)

HERE = Path(__file__).parent
PARTS_OF_SUPERBPE = (FIRST_STAGE, SECOND_STAGE, DEFAULT_RULES)
MARK = "<!-- drawn by benches/draw.py: {} of {} -->"


def newest_records(comparison: str) -> dict[str, dict[str, Any]]:
    """The records of a comparison of the latest day, by the name of the file."""
    paths = sorted((HERE / "record").glob("????-??-??-*.json"))
    records = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}
    ours = {name: record for name, record in records.items() if record.get("comparison") == comparison}
    return {name: record for name, record in ours.items() if name[:10] == max(ours)[:10]}


def section(name: str, record: dict[str, Any]) -> str:
    blocks = [
        f"{name[:10]}, {tables.conditions(record)}",
        f"![The medians of the tables below]({plot_path(name).relative_to(HERE).as_posix()})",
    ]
    for result in record["results"]:
        blocks.append(f"### {result['vocabulary']}, {result['text']}")
        blocks.append(tables.as_markdown(tables.HEADER, tables.rows(result)))
        if notes := tables.notes(result):
            blocks.append("\n".join(f"- {note}" for note in notes))
    return "\n\n".join(blocks)


def encoding(records: dict[str, dict[str, Any]]) -> str:
    method = "\n".join(textwrap.wrap(METHOD, 120))
    return "\n\n".join([method, *(section(name, record) for name, record in records.items())])


def training(records: dict[str, dict[str, Any]]) -> str:
    if not records:
        return "There is no record yet."
    method = training_tables.method(list(records.values()), 120)
    return "\n\n".join([method, *(training_section(name, record) for name, record in records.items())])


def training_section(name: str, record: dict[str, Any]) -> str:
    blocks = [
        f"{name[:10]}, {tables.conditions(record)}",
        training_tables.text(record),
        f"![The medians of the tables below]({plot_path(name).relative_to(HERE).as_posix()})",
    ]
    for result in record["results"]:
        rows = training_tables.rows(result, record["threads"])
        blocks.append(f"### {training_tables.title(result)}")
        blocks.append(tables.as_markdown(training_tables.HEADER, rows))
        lines = [
            training_tables.reference(result),
            *training_tables.notes(result),
            *training_tables.claims(result["verdict"]),
        ]
        blocks.append("\n".join(f"- {line}" for line in lines))
    blocks += training_tables.claims(record["verdict"])
    return "\n\n".join(blocks)


def packing(records: dict[str, dict[str, Any]]) -> str:
    if not records:
        return "There is no record yet."
    sections = [packing_section(name, record) for name, record in records.items()]
    return "\n\n".join([packing_tables.method(120), *sections])


def packing_section(name: str, record: dict[str, Any]) -> str:
    blocks = [
        f"{name[:10]}, {tables.conditions(record)}",
        f"![The medians of the tables below]({plot_path(name).relative_to(HERE).as_posix()})",
    ]
    for group in packing_tables.groups(record):
        blocks.append(f"### {packing_tables.title(group)}")
        blocks.append(tables.as_markdown(packing_tables.HEADER, packing_tables.rows(group)))
        lines = [*packing_tables.notes(group), *packing_tables.claims(group)]
        if lines:
            blocks.append("\n".join(f"- {line}" for line in lines))
    return "\n\n".join(blocks)


def peers(records: dict[str, dict[str, Any]]) -> str:
    """Training and packing: a column for each text."""
    header = [next(iter(records))[:10]]
    rows: dict[str, list[str]] = {}
    for name, record in records.items():
        (train,) = (line for line in record["results"] if line["name"].startswith("train"))
        (pack,) = (line for line in record["results"] if line["name"].startswith("pack"))
        header.append(f"{name[11:]}, {train['megabytes']:.1f} MB")
        rows.setdefault(f"{train['name']}, CPU s", []).append(f"{train['ours_cpu_seconds']:.2f}")
        rows.setdefault(f"{train['peer']} takes", []).append(f"{train['peer_over_ours']:.1f} ×")
        rows.setdefault(f"{pack['name']}, CPU s", []).append(f"{pack['ours_cpu_seconds']:.3f}")
        over = "sequences over the lower bound"
        rows.setdefault(over, []).append(str(pack["sequences_over_lower_bound"]))
    return tables.as_markdown(header, [[name, *cells] for name, cells in rows.items()])


def instructions(records: dict[str, dict[str, Any]]) -> str:
    ((name, record),) = records.items()
    counts = record["instructions"].items()
    table = [[step, f"{count / 1e6:.1f}", f"{count / record['bytes']:.1f}"] for step, count in counts]
    conditions = (
        f"{name[:10]}, {record['vocabulary']}, {record['bytes'] / 1e3:.0f} kB, {record['processor']}, "
        f"{record['compiler']}, {record['counter']}"
    )
    header = ["", "million instructions", "a byte"]
    return f"{conditions}\n\n{tables.as_markdown(header, table)}"


def summary(records: dict[str, dict[str, Any]]) -> str:
    """Encoding: a row for each vocabulary and text, our median and that of the fastest peer."""
    table = []
    for record in records.values():
        for result in record["results"]:
            cells = []
            for cell in CELLS:
                medians = medians_of(result, cell)
                ours = medians.pop("portmanteau")
                cells.append(f"{ours:.0f} : {max(medians.values()):.0f}")
            table.append([name_of(result), *cells])
    name, record = next(iter(records.items()))
    plot = plot_path(name).relative_to(HERE.parent).as_posix()
    conditions = f"{name[:10]}, {tables.conditions(record)}"
    return f"{conditions}\n\n{tables.as_markdown(['', *CELLS], table)}\n\n![The medians]({plot})"


def training_summary(records: dict[str, dict[str, Any]]) -> str:
    """Training: a row for each size, our time and memory and those of the fastest library with the same merges."""
    table = []
    for record in records.values():
        for result in record["results"]:
            rows = training_tables.rows(result, record["threads"])
            ours, *peers = (dict(zip(training_tables.HEADER, row, strict=True)) for row in rows)
            whole = [
                peer for peer in peers if not peer[""].endswith(PARTS_OF_SUPERBPE) and "†" not in peer[""]
            ]
            if whole:
                figures = (
                    f"{ours[name].split()[0]} : {whole[0][name].split()[0]}" for name in ("CPU s", "adds MB")
                )
                table.append(
                    [training_tables.title(result), record["text"]["records"], *figures, whole[0][""]]
                )
    record = next(iter(records.values()))
    header = ["", "record", "CPU s", "MB of memory added", "the fastest peer"]
    return f"{training_tables.text(record).split(';')[0]}; 1 thread\n\n{tables.as_markdown(header, table)}"


def packing_summary(records: dict[str, dict[str, Any]]) -> str:
    """Packing: a row for each set of lengths and capacity, our time and memory and those of the fastest packer."""
    table = []
    for record in records.values():
        most = max(result["documents"] for result in record["results"])
        for result in (result for result in record["results"] if result["documents"] == most):
            plans = [library for library in result["libraries"] if "with ids" not in library["what"]]
            timed = [plan for plan in plans if "n_sequences" in plan]
            ours, *peers = sorted(timed, key=lambda plan: plan["name"] != "portmanteau")
            if not peers:
                continue
            peer = min(peers, key=lambda plan: packing_verdict.median(plan, "cpu_seconds") or 0)
            time, memory = (
                [f"{figure(plan) or 0:.{digits}f}" for plan in (ours, peer)]
                for figure, digits in (
                    (lambda plan: packing_verdict.median(plan, "cpu_seconds"), 3),
                    (packing_verdict.memory, 0),
                )
            )
            table.append(
                [
                    f"{result['documents']:,}, {result['lengths']}, {result['capacity']:,}",
                    " : ".join(time),
                    " : ".join(memory),
                    str(ours["sequences_over_lower_bound"]),
                    f"{peer['name']} {peer['version']}",
                ]
            )
    header = [
        "documents, lengths, capacity",
        "CPU s",
        "MB added",
        "sequences over the bound",
        "the fastest peer",
    ]
    return tables.as_markdown(header, table)


# By file: what stands between its marks.
DRAWN = {
    HERE / "README.md": {
        "encode": encoding,
        "train": training,
        "pack": packing,
        "preparing": dataset_tables.preparing,
        "loading": dataset_tables.loading,
        "peers": peers,
        "instructions": instructions,
    },
    HERE.parent / "README.md": {"encode": summary, "train": training_summary, "pack": packing_summary},
}


def drawn(path: Path) -> str:
    """A file with what stands between the marks drawn anew."""
    content = path.read_text(encoding="utf-8")
    for comparison, draw in DRAWN[path].items():
        begin, end = MARK.format("begin", comparison), MARK.format("end", comparison)
        before, _, rest = content.partition(begin)
        _, _, after = rest.partition(end)
        content = f"{before}{begin}\n\n{draw(newest_records(comparison))}\n\n{end}{after}"
    return content


def name_of(result: dict[str, Any]) -> str:
    """The vocabulary, in short, and the text."""
    return f"{result['vocabulary'].removesuffix('/tokenizer.json')}, {result['text']}"


def medians_of(result: dict[str, Any], cell: str) -> dict[str, float]:
    """By library that is right, `portmanteau` or name and version of a peer: the median of its samples."""
    medians: dict[str, float] = {}
    for library in result["libraries"]:
        if "speeds" in library:
            is_ours = library["name"] == "portmanteau"
            name = library["name"] if is_ours else f"{library['name']} {library['version']}"
            medians[name] = statistics.median(library["speeds"][cell])
    return medians


def plot_path(name: str) -> Path:
    return HERE / "record" / f"{name}.svg"


def plot(record: dict[str, Any]) -> str:
    """A panel for each vocabulary (downwards) and text (to the right), a line of it for each measurement."""
    import matplotlib

    from portmanteau.plots import STYLE, as_svg, new_figure

    vocabularies = list(dict.fromkeys(result["vocabulary"] for result in record["results"]))
    texts = list(dict.fromkeys(result["text"] for result in record["results"]))
    with matplotlib.rc_context(STYLE):
        size = 1.2 + 2.4 * len(texts), 0.6 + 1.8 * len(vocabularies)
        figure, panels = new_figure(
            *size, len(texts), len(vocabularies), squeeze=False, sharex="col", sharey=True
        )
        for result in record["results"]:
            panel = panels[vocabularies.index(result["vocabulary"])][texts.index(result["text"])]
            draw_panel(panel, result)
        for panel in panels[-1]:  # columns share their axis
            panel.set_xlim(left=0)
            panel.set_xlabel(record["unit"])
        shown = {label: dot for dot, label in zip(*panels[0][0].get_legend_handles_labels(), strict=True)}
        figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=3)
        return as_svg(figure)


def draw_panel(panel: Any, result: dict[str, Any]) -> None:
    """A dot for the median of each library that is right: ours in blue, the fastest peer in orange, others in grey."""
    from portmanteau.plots import BLUE, GREY, ORANGE

    panel.set_title(name_of(result))
    panel.grid(axis="x")
    for row, cell in enumerate(CELLS):
        medians = medians_of(result, cell)
        ours = [medians.pop("portmanteau")]
        speeds = sorted(medians.values())
        panel.scatter(speeds[:-1], [row] * len(speeds[:-1]), s=14, color=GREY, label="other peers")
        panel.scatter(speeds[-1:], [row] * len(speeds[-1:]), s=40, color=ORANGE, label="the fastest peer")
        panel.scatter(ours, [row] * len(ours), s=40, color=BLUE, label="portmanteau")
    panel.set_yticks(range(len(CELLS)), CELLS)
    panel.tick_params(axis="y", length=0)
    panel.set_ylim(len(CELLS) - 0.5, -0.5)


def training_plot(record: dict[str, Any]) -> str:
    """A row for each size of the vocabulary: the time of each library to the left, its memory to the right."""
    import matplotlib

    from portmanteau.plots import STYLE, as_svg, new_figure

    results = record["results"]
    n_bars = max(len(result["libraries"]) for result in results)
    figure_of_time = clock(record["threads"])
    with matplotlib.rc_context(STYLE):
        figure, panels = new_figure(
            10.0, (0.9 + 0.3 * n_bars) * len(results), 2, len(results), squeeze=False, sharex="col"
        )
        for (left, right), result in zip(panels, results, strict=True):
            draw_bars(left, result, lambda library: median(library, figure_of_time))
            draw_bars(right, result, memory)
            size = f"{result['vocab_size']:,} ids"
            left.set_title(size if result["transition_size"] is None else f"SuperBPE, {size}")
            right.set_yticklabels([])
        panels[-1][0].set_xlabel(record["unit"])
        panels[-1][1].set_xlabel("MB of memory that the library adds")
        return as_svg(figure)


def draw_bars(panel: Any, result: dict[str, Any], figure: Callable[[dict[str, Any]], float | None]) -> None:
    """A bar for each library that trained: ours in blue, peers in orange, those with other merges in grey."""
    from portmanteau.plots import BLUE, GREY, ORANGE

    trained = [library for library in result["libraries"] if "digest" in library]
    names = []
    for row, library in enumerate(trained):
        is_ours, is_other = library["name"] == "portmanteau", "other_merges" in library
        panel.barh(row, figure(library) or 0.0, color=BLUE if is_ours else GREY if is_other else ORANGE)
        names.append(training_tables.label(library) + (" †" if is_other else ""))
    panel.set_yticks(range(len(trained)), names)
    panel.tick_params(axis="y", length=0)
    panel.set_ylim(len(trained) - 0.5, -0.5)
    panel.grid(axis="x")


def packing_plot(record: dict[str, Any]) -> str:
    """A panel for each set of lengths (downwards) and capacity (to the right): nanoseconds a document, by library."""
    import matplotlib

    from portmanteau.plots import BLUE, ORANGE, STYLE, as_svg, new_figure

    groups = packing_tables.groups(record)
    sets = list(dict.fromkeys(group[0]["lengths"] for group in groups))
    capacities = list(dict.fromkeys(group[0]["capacity"] for group in groups))
    with matplotlib.rc_context(STYLE):
        size = 2.5 + 2.5 * len(capacities), 0.6 + 3.0 * len(sets)
        figure, panels = new_figure(
            *size, len(capacities), len(sets), squeeze=False, sharex=True, sharey=True
        )
        names: list[str] = []
        for group in groups:
            panel = panels[sets.index(group[0]["lengths"])][capacities.index(group[0]["capacity"])]
            panel.set_title(f"{group[0]['lengths']}, {group[0]['capacity']:,}")
            panel.set_xscale("log")
            panel.grid(axis="x")
            for name, (cost, is_ours) in costs_of(group).items():
                names += [name] if name not in names else []
                panel.scatter([cost], [names.index(name)], s=40, color=BLUE if is_ours else ORANGE)
        panels[0][0].set_yticks(range(len(names)), names)
        panels[0][0].set_ylim(len(names) - 0.5, -0.5)
        for panel in panels[-1]:
            panel.set_xlabel("ns of CPU time a document")
        return as_svg(figure)


def costs_of(group: list[dict[str, Any]]) -> dict[str, tuple[float, bool]]:
    """By library that is right: nanoseconds a document, of as many as it was asked to pack; and whether it is ours."""
    costs: dict[str, tuple[float, bool]] = {}
    for result in group:
        for library in result["libraries"]:
            if "n_sequences" in library:
                cost = (packing_verdict.median(library, "cpu_seconds") or 0.0) / result["documents"] * 1e9
                costs.setdefault(packing_tables.label(library), (cost, library["name"] == "portmanteau"))
    return costs


PLOTTED = {"encode": plot, "train": training_plot, "pack": packing_plot}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail if a table is not up to date"
    )
    check = parser.parse_args().check
    stale = [path for path in DRAWN if drawn(path) != path.read_text(encoding="utf-8")]
    if check:
        for path in stale:
            print(f"{path.relative_to(HERE.parent)} is stale: run python benches/draw.py")
        return int(bool(stale))
    for path in stale:
        path.write_text(drawn(path), encoding="utf-8")
    for comparison, draw in PLOTTED.items():
        for name, record in newest_records(comparison).items():
            content = draw(record).replace("<svg", '<svg style="background:white"', 1)
            plot_path(name).write_text(content, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
