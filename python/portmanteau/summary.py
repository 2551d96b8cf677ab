"""What the demonstration found out, in the lines that it prints."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from portmanteau.demo import Demo

__all__ = ["cards", "checks", "compression", "lines", "next_commands", "packings"]

Row = list[str]


def lines(demo: Demo) -> Iterator[str]:
    """The printed report, after the steps: tables, superwords, a sequence, checks, files and what to do next."""
    yield "\nBytes per token of held-out text, which neither tokenizer was trained on (more is better)"
    yield from _table(*compression(demo))
    yield f"\nTen longest of {len(demo.superwords):,} superwords (tokens that reach across a space)"
    yield "  " + "  ".join(map(repr, demo.longest_superwords))
    yield "Ten most used in the held-out text"
    yield "  " + "  ".join(f"{text!r} {count}" for text, count in demo.most_used_superwords)
    plan = demo.superbpe.plan
    yield f"\nPacking all {plan.n_documents:,} documents of the sample into sequences of {plan.capacity:,} tokens"
    yield from _table(*packings(demo))
    sequence, segments = demo.example
    yield f"\nSequence {sequence} of the SuperBPE plan has {len(segments)} segments"
    header = ["positions", "language", "begins with"]
    yield from _table(
        header,
        [
            [
                f"{part.start}–{part.start + part.length - 1}",
                part.document["language"],
                excerpt(part.text, 60),
            ]
            for part in segments
        ],
        n_left=3,
    )
    yield "\nChecked"
    for check in checks(demo):
        yield f"  {check}"
    yield "\nFiles"
    for path in demo.files:
        yield f"  {path}"
    yield "\nGo on with"
    for command in next_commands(demo):
        yield f"  {command}"


def compression(demo: Demo) -> tuple[Row, list[Row]]:
    """The table of bytes per token: its header and its rows, all held-out text last."""
    rows = []
    for name, documents in [*demo.held_out.items(), ("all held-out text", demo.all_held_out)]:
        bpe, superbpe = (demo.bytes_per_token(packed, documents) for packed in (demo.bpe, demo.superbpe))
        n_bytes = sum(demo.text_bytes[index] for index in documents)
        rows.append(
            [name, f"{n_bytes:,}", f"{bpe:.2f}", f"{superbpe:.2f}", f"{100 * (superbpe / bpe - 1):+.1f} %"]
        )
    return ["language", "bytes", "BPE", "SuperBPE", "change"], rows


def packings(demo: Demo) -> tuple[Row, list[Row]]:
    """The table of plans: its header and its rows."""
    rows = [
        [
            f"{packed.name}, {plan.strategy.replace('_', ' ')}",
            f"{plan.n_tokens:,}",
            f"{plan.n_sequences:,}",
            f"{plan.lower_bound:,}",
            f"{100 * plan.efficiency:.2f} %",
            f"{plan.documents_cut:,}",
            f"{plan.documents_cut - packed.documents_too_long:,}",
        ]
        for packed in (demo.bpe, demo.superbpe)
        for plan in (packed.plan, packed.concatenated)
    ]
    return [
        "plan",
        "tokens",
        "sequences",
        "lower bound",
        "full",
        "documents cut",
        "of these needlessly",
    ], rows


def cards(demo: Demo) -> list[tuple[str, str]]:
    """The four numbers that matter most, and what they mean."""
    plan, concatenated = demo.superbpe.plan, demo.superbpe.concatenated
    documents = demo.held_out.get("English", demo.all_held_out)
    bpe, superbpe = (demo.bytes_per_token(packed, documents) for packed in (demo.bpe, demo.superbpe))
    needless = concatenated.documents_cut - demo.superbpe.documents_too_long
    avoided = plan.documents_cut - demo.superbpe.documents_too_long
    return [
        (f"{100 * (superbpe / bpe - 1):+.1f} %", "bytes per token on held-out English, SuperBPE over BPE"),
        (
            f"{plan.n_sequences:,}",
            f"sequences hold everything; no plan needs fewer than {plan.lower_bound:,}",
        ),
        (f"{100 * plan.efficiency:.2f} %", "of all positions hold a token, not padding"),
        (f"{avoided:,} / {needless:,}", "documents cut needlessly: best fit / concatenation"),
    ]


def checks(demo: Demo) -> list[str]:
    """What was proved; :func:`portmanteau.demo.run` raises if it is not so."""
    return [
        f"decode(encode(text)) == text for {len(demo.documents):,} documents, with both tokenizers",
        "every token is in each plan exactly once, and no sequence is too long (plan.verify)",
        "the packed sequences, read back piece by piece, hold the same tokens",
        "the files read back as they were written",
    ]


def next_commands(demo: Demo) -> list[str]:
    """What a newcomer may try now."""
    tokenizer, tokens = (
        shlex.quote(str(demo.folder / f"superbpe{end}")) for end in (".json", ".tokens.arrow")
    )
    return [
        f"portmanteau inspect {tokenizer}",
        f"portmanteau pack {tokens} --capacity 4096 --eos",
        "portmanteau train-superbpe corpus/*.jsonl --vocab-size 32000 --transition-size 26000 -o tokenizer.json",
    ]


def excerpt(text: str, most: int) -> str:
    """The beginning of a text, in one line."""
    joined = " ".join(text[: 4 * most].split())
    return joined if len(joined) <= most else joined[: most - 1] + "…"


def _table(header: Row, rows: list[Row], n_left: int = 1) -> Iterator[str]:
    """Lines of aligned columns, the first ones to the left, the others to the right."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    for row in [header, *rows]:
        cells = [
            cell.ljust(width) if column < n_left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield ("  " + "  ".join(cells)).rstrip()
