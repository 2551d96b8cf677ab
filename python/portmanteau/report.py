"""The demonstration's report: one HTML file that needs neither the network nor other files."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from portmanteau import plots, summary
from portmanteau.errors import MissingDependencyError
from portmanteau.files import write_atomically

if TYPE_CHECKING:
    from portmanteau.demo import Demo, Segment

__all__ = ["write"]

_CSS = """
:root { --ink: #24292f; --soft: #5f6b76; --line: #dfe4e9; --tint: #f5f7f9; --blue: #0072b2; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: #fff; line-height: 1.55;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif; }
main { max-width: 820px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 8px; letter-spacing: -0.01em; }
h2 { font-size: 20px; margin: 48px 0 8px; padding-top: 16px; border-top: 1px solid var(--line); }
p { margin: 8px 0 16px; max-width: 68ch; }
.lead { font-size: 17px; color: var(--soft); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(165px, 1fr)); gap: 12px; margin: 24px 0; }
.card { background: var(--tint); border-radius: 8px; padding: 14px 16px; }
.card b { display: block; font-size: 24px; line-height: 1.3; color: var(--blue); }
.card span { font-size: 13px; line-height: 1.35; color: var(--soft); display: block; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: 8px 0 20px; font-size: 14px; }
th { text-align: right; font-weight: 600; color: var(--soft); border-bottom: 1px solid #c5ccd3; padding: 6px 8px; }
td { text-align: right; border-bottom: 1px solid var(--line); padding: 6px 8px; font-variant-numeric: tabular-nums; }
td { white-space: nowrap; }
.left td:nth-child(n+3) { white-space: normal; }
th:first-child, td:first-child, .left th, .left td { text-align: left; }
tr.total td { font-weight: 600; border-bottom: 0; }
figure { margin: 16px 0 20px; }
figure svg { display: block; width: 100%; height: auto; }
figure svg text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans",
  sans-serif !important; }
figcaption { font-size: 13px; color: var(--soft); margin-top: 4px; }
code { font: 13px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; background: var(--tint);
  border-radius: 4px; padding: 1px 5px; white-space: pre-wrap; }
pre { background: var(--tint); border-radius: 8px; padding: 12px 16px; overflow-x: auto; margin: 8px 0 16px; }
pre code { padding: 0; background: none; white-space: pre; }
.words { display: grid; grid-template-columns: 1fr 1fr; gap: 24px; }
.words h3 { font-size: 14px; margin: 8px 0; color: var(--soft); }
.words li { margin: 3px 0; }
.words small { color: var(--soft); }
.bar { display: flex; height: 34px; border-radius: 6px; overflow: hidden; margin: 12px 0;
  background: repeating-linear-gradient(45deg, #eef1f4 0 6px, #fff 6px 12px); }
.bar span { border-right: 2px solid #fff; min-width: 3px; color: #fff; font-size: 12px; line-height: 34px;
  text-align: center; overflow: hidden; }
.swatch { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 8px; }
.note { background: #fff7e0; border-radius: 8px; padding: 10px 16px; }
ul.checks { list-style: none; padding: 0; }
ul.checks li::before { content: "✓"; color: #00795a; font-weight: 700; margin-right: 8px; }
@media (max-width: 600px) { .words { grid-template-columns: 1fr; } }
"""

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
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Portmanteau: a demonstration</title>\n<style>{_CSS}</style>\n</head>\n"
        f"<body>\n<main>\n{''.join(body)}</main>\n</body>\n</html>\n"
    )


def _opening(demo: Demo, missing: str | None) -> str:
    n_train = sum(document["split"] == "train" for document in demo.documents)
    cards = "".join(
        f'<div class="card"><b>{escape(number)}</b><span>{escape(meaning)}</span></div>'
        for number, meaning in summary.cards(demo)
    )
    note = f'<p class="note">There are no plots: {escape(missing)}</p>' if missing else ""
    return f"""<h1>Two tokenizers, one sample, packed</h1>
<p class="lead">A BPE and a SuperBPE tokenizer of {demo.bpe.tokenizer.vocab_size:,} tokens each, trained on
{n_train:,} of the {len(demo.documents):,} documents that ship with Portmanteau ({sum(demo.text_bytes) / 1e6:.1f} MB),
compared on the {len(demo.all_held_out):,} others, and all documents packed into sequences of
{demo.superbpe.plan.capacity:,} tokens.</p>
<div class="cards">{cards}</div>
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
{_figure(drawn, "compression", "Bytes per token on text that neither tokenizer was trained on.")}
{_table(header, rows, total=True)}
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
{_figure(drawn, "token_lengths", "How much of the held-out text lies in short and in long tokens.")}
"""


def _packing(demo: Demo, drawn: dict[str, str]) -> str:
    header, rows = summary.packings(demo)
    return f"""<h2>Packing</h2>
<p>Documents, each with an end-of-text token, are laid into sequences. Concatenation fills every sequence but cuts
documents wherever one ends, so that a model sees beginnings without ends and ends without beginnings. Best fit
decreasing cuts only documents that are longer than a sequence ({demo.superbpe.documents_too_long:,} with the SuperBPE
tokens). No plan can have fewer sequences than the lower bound: all tokens, divided by the capacity, rounded up.</p>
{_figure(drawn, "sequences", "The same tokens in two plans. A row is a sequence, a block is a piece of a document.")}
{_table(header, rows)}
{_figure(drawn, "document_lengths", "How long the documents are, in SuperBPE tokens.")}
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
{_table(["step", "time"], steps)}
<h2>Files</h2>
<ul>{files}</ul>
<p>The tokenizers are <code>tokenizer.json</code> files, which Hugging Face loads too. Go on with</p>
<pre><code>{commands}</code></pre>
"""


def _figure(drawn: dict[str, str], name: str, caption: str) -> str:
    if name not in drawn:
        return ""
    return f"<figure>{drawn[name]}<figcaption>{escape(caption)}</figcaption></figure>"


def _table(header: list[str], rows: list[list[str]], total: bool = False) -> str:
    def line(cells: list[str], tag: str) -> str:
        return "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells)

    body = [f"<tr>{line(row, 'td')}</tr>" for row in rows]
    if total:
        body[-1] = body[-1].replace("<tr>", '<tr class="total">')
    return (
        f'<div class="wide"><table><thead><tr>{line(header, "th")}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )
