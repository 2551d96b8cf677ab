"""The page that says what happened in a training."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from portmanteau import page, plots
from portmanteau.errors import MissingDependencyError

if TYPE_CHECKING:
    from portmanteau.training_report import Facts

__all__ = ["page_of"]

_SHOWN_VETOED = 20


def page_of(facts: Facts) -> str:
    """The page: numbers, compression, vocabulary, text, time and memory, options, and all facts as JSON."""
    body = [
        _opening(facts),
        _compression(facts),
        _vocabulary(facts),
        _text(facts),
        _time(facts),
        _options(facts),
        # "<" is written otherwise, so that nothing in the text of a token ends the element.
        '<script type="application/json" id="facts">',
        facts.as_json().replace("<", "\\u003c"),
        "</script>\n",
    ]
    return page.whole("Portmanteau: a training", body)


def _opening(facts: Facts) -> str:
    text, time, total = facts.text, facts.time, facts.compression["total"]
    cards = []
    if total["after"] is not None:
        cards.append((f"{total['after']:.3f}", "bytes per token, on a sample of the text"))
    if total["before"] is not None and total["after"] is not None:
        gain = f"{100 * (total['after'] / total['before'] - 1):+.1f} %"
        cards.append((gain, f"bytes per token against {facts.compression['before']}"))
    cards.append(
        (_seconds(time["wall_seconds"]), f"of time, {_seconds(time['cpu_seconds'])} of the processor")
    )
    if time["peak_memory_bytes"] is not None:
        cards.append((_bytes(time["peak_memory_bytes"]), "of memory at most, the whole process"))
    return f"""<h1>A tokenizer of {facts.tokenizer["vocab_size"]:,} ids</h1>
<p class="lead">Trained with <code>{escape(facts.options["function"])}</code> on {_bytes(text["bytes"])} of text,
{_counted(text["documents"], "document")} from {_counted(len(text["sources"]), "source")}.</p>
{page.cards(cards)}
"""


def _compression(facts: Facts) -> str:
    found = facts.compression
    if not found["sources"]:
        return """<h2>Compression</h2>
<p>The text was counted before, and none of it was read in this training. <code>portmanteau inspect --curve</code>
measures bytes per token on any text.</p>
"""
    drawn, note = {}, ""
    if found["curve"] is not None:
        points = [(point["vocab_size"], point["bytes_per_token"]) for point in found["curve"]["points"]]
        try:
            first = found["curve"]["first_superword"]
            drawn["curve"] = plots.draw_curves({"sample": points}, first_superword=first).decode()
        except MissingDependencyError as error:
            note = f'<p class="note">There is no plot: {escape(str(error))}</p>'
    caption = "What the tokenizer with so many ids makes of the samples: with its first merges alone."
    header = ["source", "weight", "sample"]
    header += ["before", "after", "change"] if found["before"] else ["bytes per token"]
    rows = [
        [row["name"], f"{row['weight']:g}", _bytes(row["sample_bytes"]), *_ratios(row, bool(found["before"]))]
        for row in found["sources"]
    ]
    total = found["total"]
    rows.append(["all samples", "", _bytes(total["sample_bytes"]), *_ratios(total, bool(found["before"]))])
    before = f" <em>Before</em> is {escape(found['before'])}." if found["before"] else ""
    return f"""<h2>Compression</h2>
<p>Bytes per token of documents drawn from the text that the tokenizer was trained on, up to a megabyte of each source.
Text that it has not seen gets fewer.{before}</p>
{note}{page.figure(drawn, "curve", caption)}
{page.table(header, rows, total=True)}
"""


def _ratios(row: Mapping[str, Any], with_before: bool) -> list[str]:
    before, after = row["before"], row["after"]
    shown = ["" if ratio is None else f"{ratio:.3f}" for ratio in (before, after)]
    if not with_before:
        return shown[1:]
    return [*shown, "" if None in (before, after) else f"{100 * (after / before - 1):+.1f} %"]


def _vocabulary(facts: Facts) -> str:
    header = ["stage", "distinct units", "new tokens", "merges", "first count", "last count", "ids then"]
    rows = [
        [
            stage.name,
            *map(_number, (stage.distinct_units, stage.new_tokens, stage.merges)),
            *map(_number, (stage.first_count, stage.last_count, stage.vocab_size)),
        ]
        for stage in facts.stages
    ]
    parts = [
        f"""<h2>Vocabulary</h2>
<p>A merge joins the pair of tokens that stands side by side most often. The last count says what one more token is
worth: how often the last pair occurred, with weights.</p>
{page.table(header, rows)}
"""
    ]
    if facts.words_per_token:
        shares = [
            [str(row["words"]), f"{row['tokens']:,}", f"{100 * row['share']:.1f} %"]
            for row in facts.words_per_token
        ]
        parts.append("<p>The new tokens by the number of their words, which are parts between spaces:</p>\n")
        parts.append(page.table(["words", "tokens", "share"], shares))
    longest = [(token["text"], f"{token['bytes']:,} bytes") for token in facts.tokenizer["longest_tokens"]]
    vetoed = [(pair["text"], f"{_number(pair['count'])} times") for pair in facts.vetoed["most_frequent"]]
    columns = [_tokens("Longest tokens", longest)]
    if vetoed:
        title = "Vetoed: frequent enough, but not allowed"
        more = f"{facts.vetoed['pairs']:,} pairs in all, which would make {facts.vetoed['tokens']:,} tokens"
        columns.append(_tokens(title, vetoed[:_SHOWN_VETOED], more))
    parts.append(f'<div class="words">{"".join(columns)}</div>\n')
    return "".join(parts)


def _tokens(title: str, tokens: Sequence[tuple[str, str]], more: str = "") -> str:
    items = "".join(
        f"<li><code>{escape(json.dumps(text, ensure_ascii=False)[1:-1])}</code> <small>{escape(fact)}</small></li>"
        for text, fact in tokens
    )
    return f"<div><h3>{escape(title)}</h3><ol>{items}</ol><p><small>{escape(more)}</small></p></div>"


def _text(facts: Facts) -> str:
    text = facts.text
    rows = [
        [source["name"], f"{source['weight']:g}", f"{source['documents']:,}", f"{source['bytes']:,}"]
        for source in text["sources"]
    ]
    rows.append(["all", "", f"{text['documents']:,}", f"{text['bytes']:,}"])
    notes = []
    if text["documents_before"]:
        before = _counted(text["documents_before"], "document")
        notes.append(f"Training went on from a checkpoint, with {before} that are not in this table.")
    if text["replaced_places"]:
        notes.append(f"{_counted(text['replaced_places'], 'place')} not UTF-8, replaced by U+FFFD.")
    if text["documents_cut"]:
        cut = _counted(text["documents_cut"], "document")
        notes.append(
            f"{cut} longer than document_byte_limit, and {text['bytes_cut_off']:,} bytes lost by it."
        )
    note = f'<p class="note">{escape(" ".join(notes))}</p>' if notes else ""
    return f"""<h2>Text</h2>
{note}
{page.table(["source", "weight", "documents", "bytes"], rows, total=True)}
"""


def _time(facts: Facts) -> str:
    time = facts.time

    def row(name: str, values: Mapping[str, Any]) -> list[str]:
        memory = values["peak_memory_bytes"]
        return [
            name,
            _seconds(values["wall_seconds"]),
            _seconds(values["cpu_seconds"]),
            "" if memory is None else _bytes(memory),
        ]

    rows = [row(phase["name"], phase) for phase in time["phases"]]
    rows.append(row("all", time))
    return f"""<h2>Time and memory</h2>
<p>Phases in the order in which they began; memory is the most that the process held meanwhile, looked at about every
50 ms. The report itself is not in it.</p>
{page.table(["phase", "time", "processor", "memory"], rows, total=True)}
"""


def _options(facts: Facts) -> str:
    shown = {name: value for name, value in facts.options.items() if name != "function"}
    rows = [[name, json.dumps(value, ensure_ascii=False)] for name, value in shown.items()]
    rows += [[name, version] for name, version in facts.versions.items()]
    rows.append(["fingerprint", facts.tokenizer["fingerprint"]])
    body = "".join(
        f"<tr><td>{escape(name)}</td><td><code>{escape(value)}</code></td></tr>" for name, value in rows
    )
    return f"""<h2>Options and versions</h2>
<div class="wide"><table class="left options"><tbody>{body}</tbody></table></div>
"""


def _counted(number: int, name: str) -> str:
    return f"{number:,} {name}" + ("" if number == 1 else "s")


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}".rstrip("0").rstrip(".")


def _seconds(seconds: float) -> str:
    return f"{seconds:,.2f} s" if seconds < 100 else f"{seconds:,.0f} s"


def _bytes(n_bytes: int) -> str:
    """In units of powers of ten.

    >>> _bytes(999), _bytes(1_500_000)
    ('999 bytes', '1.5 MB')
    """
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {unit}"
    return f"{n_bytes:,} bytes"
