"""The tables of benches/preparing.py and benches/loading.py."""

from __future__ import annotations

from typing import Any

from portmanteau.benchmarking import tables


def conditions(name: str, record: dict[str, Any]) -> str:
    machine = record["machine"]
    return f"{name[:10]}, {machine['processor']}, {machine['cores']} cores, {machine['system']}, {machine['python']}"


def preparing(records: dict[str, dict[str, Any]]) -> str:
    ((name, record),) = records.items()
    header = [
        "text",
        "input",
        "threads",
        "MB/s",
        "of the encoder's",
        "MB per CPU s",
        "of the encoder's",
        "peak MB",
    ]
    rows = [
        [
            f"{figure['text']}, {figure['megabytes']:.0f} MB",
            figure["what"],
            str(figure["threads"]),
            f"{figure['megabytes_per_second']:.0f}",
            f"{100 * figure['share_of_encoder']:.0f} %",
            f"{figure['megabytes_per_cpu_second']:.0f}",
            f"{100 * figure['share_of_encoder_by_cpu']:.0f} %",
            str(figure["peak_megabytes"]),
        ]
        for figure in record["figures"]
    ]
    return f"{conditions(name, record)}, {record['vocabulary']}\n\n{tables.as_markdown(header, rows)}"


def loading(records: dict[str, dict[str, Any]]) -> str:
    ((name, record),) = records.items()
    header = ["ids in files", "capacity", "rows", "arrays", "GB/s of ids", "GB/s written"]
    gathering = [
        [
            figure["ids"],
            f"{figure['capacity']:,}",
            str(figure["batch_size"]),
            ", ".join(figure["arrays"]),
            f"{figure['gigabytes_of_ids_per_second']:.1f}",
            f"{figure['gigabytes_written_per_second']:.1f}",
        ]
        for figure in record["gathering"]
    ]
    of_text = ["text", "input", "capacity", "reading", "encoding", "loading", "loading / encoding"]
    text = [
        [
            f"{figure['text']}, {figure['megabytes']:.0f} MB",
            figure["format"],
            f"{figure['capacity']:,}",
            *(
                f"{figure['megabytes_per_cpu_second'][what]:.0f}"
                for what in ("reading", "encoding", "loading")
            ),
            f"{100 * figure['loading_over_encoding']:.0f} %",
        ]
        for figure in record["text"]
    ]
    return "\n\n".join(
        [
            conditions(name, record),
            tables.as_markdown(header, gathering),
            "Text that is encoded and packed as it goes, MB per CPU second:",
            tables.as_markdown(of_text, text),
        ]
    )
