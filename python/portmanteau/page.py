"""The look of all reports, and their parts: one HTML file that needs neither the network nor other files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

__all__ = ["cards", "figure", "table", "whole"]

_STYLE = """
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
.left td:nth-child(n+3), .options td { white-space: normal; }
th:first-child, td:first-child, .left th, .left td { text-align: left; }
tr.total td { font-weight: 600; border-bottom: 0; }
figure { margin: 16px 0 20px; }
figure svg { display: block; width: 100%; height: auto; }
figure svg text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans",
  sans-serif !important; }
figcaption { font-size: 13px; color: var(--soft); margin-top: 4px; }
code { font: 13px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; background: var(--tint);
  border-radius: 4px; padding: 1px 5px; white-space: break-spaces; overflow-wrap: anywhere; }
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


def whole(title: str, body: Iterable[str]) -> str:
    """The page: its title, which the browser shows, and the parts of its body."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{''.join(body)}</main>\n</body>\n</html>\n"
    )


def cards(numbers: Iterable[tuple[str, str]]) -> str:
    """The numbers that matter most, and what each means."""
    shown = "".join(
        f'<div class="card"><b>{escape(number)}</b><span>{escape(meaning)}</span></div>'
        for number, meaning in numbers
    )
    return f'<div class="cards">{shown}</div>'


def figure(drawn: Mapping[str, str], name: str, caption: str) -> str:
    """The plot of this name with its caption, or nothing if there is none."""
    if name not in drawn:
        return ""
    return f"<figure>{drawn[name]}<figcaption>{escape(caption)}</figcaption></figure>"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], total: bool = False) -> str:
    """A table, whose last row may be the total of the others."""

    def line(cells: Sequence[str], tag: str) -> str:
        return "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells)

    body = [f"<tr>{line(row, 'td')}</tr>" for row in rows]
    if total and body:
        body[-1] = body[-1].replace("<tr>", '<tr class="total">')
    return (
        f'<div class="wide"><table><thead><tr>{line(header, "th")}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )
