"""The demonstration's report: one HTML file that needs neither the network nor other files."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from portmanteau import page, plots, summary
from portmanteau.errors import MissingDependencyError
from portmanteau.files import write_atomically

if TYPE_CHECKING:
    from portmanteau.demo import Demo, Segment

__all__ = ["write"]

_SEGMENT_COLORS = ("#0072B2", "#00795A", "#B04A00", "#8A4B78", "#4A5A6A", "#7A6200")
"""Dark enough for white text; neighbours differ in lightness and hue."""


def write(demo: Demo, path: Path) -> str | None:
    """Writes the report.

    Returns:
        Why it has no plots, or ``None`` if it has.

    Raises:
        FileError: The file cannot be written.
    """
    drawn: dict[str, str] = {}
    missing = None
    try:
        drawn = plots.draw(demo)
    except MissingDependencyError as error:
        missing = str(error)
    content = _page(demo, drawn, missing).encode()
    write_atomically(path, lambda stream: stream.write(content))
    return missing


def _page(demo: Demo, drawn: dict[str, str], missing: str | None) -> str:
    body = [
        _opening(demo, missing),
        _compression(demo, drawn),
        _superwords(demo, drawn),
        _packing(demo, drawn),
        _sequence(demo),
        _closing(demo),
    ]
    return page.whole("Portmanteau: a demonstration", body)


def _opening(demo: Demo, missing: str | None) -> str:
    n_train = sum(document["split"] == "train" for document in demo.documents)
    note = f'<p class="note">There are no plots: {escape(missing)}</p>' if missing else ""
    return f"""<h1>Two tokenizers, one sample, packed</h1>
<p class="lead">A BPE and a SuperBPE tokenizer of {demo.bpe.tokenizer.vocab_size:,} tokens each, trained on
{n_train:,} of the {len(demo.documents):,} documents that ship with Portmanteau ({sum(demo.text_bytes) / 1e6:.1f} MB),
compared on the {len(demo.all_held_out):,} others, and all documents packed into sequences of
{demo.superbpe.plan.capacity:,} tokens.</p>
{page.cards(summary.cards(demo))}
{note}
"""


def _compression(demo: Demo, drawn: dict[str, str]) -> str:
    from portmanteau.demo import TRANSITION_SIZE

    header, rows = summary.compression(demo)
    return f"""<h2>Compression</h2>
<p>Both tokenizers are the same up to {TRANSITION_SIZE:,} tokens. From there on BPE goes on merging within words, while
SuperBPE may merge across spaces. The more bytes a token holds, the fewer tokens a model needs for a text. SuperBPE
gains where the sample has much running text, which is English. Of other languages it has a few pages, too little to
learn phrases from; there superwords only take the place of tokens within words, and SuperBPE may lose.</p>
{page.figure(drawn, "compression", "Bytes per token on text that neither tokenizer was trained on.")}
{page.table(header, rows, total=True)}
"""


def _superwords(demo: Demo, drawn: dict[str, str]) -> str:
    longest = "".join(f"<li><code>{escape(text)}</code></li>" for text in demo.longest_superwords)
    used = "".join(
        f"<li><code>{escape(text)}</code> <small>{count:,} times</small></li>"
        for text, count in demo.most_used_superwords
    )
    return f"""<h2>Superwords</h2>
<p>{len(demo.superwords):,} tokens of the SuperBPE vocabulary are superwords: they reach across a space.
BPE has none, because no token of it crosses from one word into the next.</p>
<div class="words"><div><h3>Longest</h3><ol>{longest}</ol></div>
<div><h3>Most used in the held-out text</h3><ol>{used}</ol></div></div>
{page.figure(drawn, "token_lengths", "How much of the held-out text lies in short and in long tokens.")}
"""


def _packing(demo: Demo, drawn: dict[str, str]) -> str:
    header, rows = summary.packings(demo)
    in_two_plans = "The same tokens in two plans. A row is a sequence, a block is a piece of a document."
    return f"""<h2>Packing</h2>
<p>Documents, each with an end-of-text token, are laid into sequences. Concatenation fills every sequence but cuts
documents wherever one ends, so that a model sees beginnings without ends and ends without beginnings. Best fit
decreasing cuts only documents that are longer than a sequence ({demo.superbpe.documents_too_long:,} with the SuperBPE
tokens). No plan can have fewer sequences than the lower bound: all tokens, divided by the capacity, rounded up.</p>
{page.figure(drawn, "sequences", in_two_plans)}
{page.table(header, rows)}
{page.figure(drawn, "document_lengths", "How long the documents are, in SuperBPE tokens.")}
"""


def _sequence(demo: Demo) -> str:
    sequence, segments = demo.example
    capacity = demo.superbpe.plan.capacity
    colors = [_SEGMENT_COLORS[index % len(_SEGMENT_COLORS)] for index in range(len(segments))]
    blocks = "".join(
        f'<span style="width:{100 * part.length / capacity:.3f}%;background:{color}">{index}</span>'
        for index, (part, color) in enumerate(zip(segments, colors, strict=True), start=1)
    )
    rows = "".join(
        _segment_row(index, part, color)
        for index, (part, color) in enumerate(zip(segments, colors, strict=True), 1)
    )
    return f"""<h2>One sequence</h2>
<p>Sequence {sequence} of the SuperBPE plan. Each document is a segment of its own: positions restart at 0 in it, and
with <code>cu_seqlens</code> or <code>segment_ids</code> attention stays within it. Padding, if any, is hatched.</p>
<div class="bar">{blocks}</div>
<div class="wide"><table class="left"><thead><tr><th>segment</th><th>positions</th><th>document</th><th>begins with</th>
</tr></thead><tbody>{rows}</tbody></table></div>
"""


def _segment_row(index: int, part: Segment, color: str) -> str:
    return (
        f'<tr><td><span class="swatch" style="background:{color}"></span>{index}</td>'
        f"<td>{part.start}–{part.start + part.length - 1}</td><td>{escape(part.document['id'])}</td>"
        f"<td>{escape(summary.excerpt(part.text, 70))}</td></tr>"
    )


def _closing(demo: Demo) -> str:
    checks = "".join(f"<li>{escape(check)}</li>" for check in summary.checks(demo))
    steps = [[step, f"{seconds:.2f} s"] for step, seconds in demo.seconds.items()]
    files = "".join(f"<li><code>{escape(path.name)}</code></li>" for path in demo.files)
    commands = escape("\n".join(summary.next_commands(demo)))
    return f"""<h2>Checked</h2>
<ul class="checks">{checks}</ul>
<h2>Time</h2>
{page.table(["step", "time"], steps)}
<h2>Files</h2>
<ul>{files}</ul>
<p>The tokenizers are <code>tokenizer.json</code> files, which Hugging Face loads too. Go on with</p>
<pre><code>{commands}</code></pre>
"""
