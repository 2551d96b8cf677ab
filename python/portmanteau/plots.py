"""The style of all plots, and the plots of the demonstration's report, as SVG, drawn by matplotlib.

The colours are those of Okabe and Ito, which people with any kind of colour vision can tell apart.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from portmanteau.errors import MissingDependencyError
from portmanteau.vocabulary import ordinary_tokens

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from portmanteau.demo import Demo
    from portmanteau.packing import PackPlan

__all__ = [
    "BLUE",
    "GREY",
    "ORANGE",
    "STYLE",
    "as_bytes",
    "as_svg",
    "draw",
    "draw_curves",
    "new_figure",
    "plot_plan",
    "require_matplotlib",
]

BLUE, ORANGE, VERMILION, SKY, GREY = "#0072B2", "#E69F00", "#D55E00", "#8CC8EC", "#5f6b76"
_CURVE_COLORS = (BLUE, ORANGE, VERMILION, "#009E73", "#CC79A7", GREY)
STYLE = {
    "svg.fonttype": "none",  # text stays text, in the fonts of the browser, which has the glyphs
    "svg.hashsalt": "portmanteau",  # the same figure gives the same bytes
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": "#24292f",
    "axes.labelcolor": "#24292f",
    "axes.edgecolor": "#c5ccd3",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "xtick.color": GREY,
    "ytick.color": GREY,
    "ytick.labelcolor": "#24292f",
    "grid.color": "#e7ebef",
    "legend.frameon": False,
}
"""The settings of every plot, for ``matplotlib.rc_context``."""
_N_ROWS = 24


def draw(demo: Demo) -> dict[str, str]:
    """The plots by name: ``compression``, ``token_lengths``, ``document_lengths``, ``sequences``.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    with require_matplotlib().rc_context(STYLE):
        return {
            "compression": _compression(demo),
            "token_lengths": _token_lengths(demo),
            "document_lengths": _document_lengths(demo),
            "sequences": _sequences(demo),
        }


def draw_curves(
    curves: Mapping[str, Sequence[tuple[int, float]]],
    *,
    first_superword: int | None = None,
    file_format: str = "svg",
) -> bytes:
    """Bytes per token against the size of the vocabulary, as SVG or PNG.

    Without superwords sizes are on a logarithmic scale; superwords would be at the very end of it.

    Args:
        curves: (size, bytes per token), ascending, by what they are of; a single one needs no legend.
        first_superword: Where to draw the line between words and superwords.
        file_format: ``"svg"`` or ``"png"``.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    with require_matplotlib().rc_context(STYLE):
        figure, axes = new_figure(7.6, 3.4)
        for (label, points), color in zip(curves.items(), itertools.cycle(_CURVE_COLORS), strict=False):
            axes.plot(*zip(*points, strict=True), color=color, linewidth=2, label=label)
        axes.set_xscale("log" if first_superword is None else "linear")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.set_ylim(bottom=0)
        axes.grid(axis="y")
        axes.set_xlabel("ids in the vocabulary" + (" (logarithmic)" if first_superword is None else ""))
        axes.set_ylabel("bytes per token")
        if first_superword is not None:
            axes.axvline(first_superword, color=GREY, linewidth=1, linestyle=(0, (4, 3)))
            place = (first_superword, 0.03)
            axes.annotate(
                f"superwords from {first_superword:,} on ",
                place,
                xycoords=("data", "axes fraction"),
                color=GREY,
                ha="right",
            )
        if len(curves) > 1:
            axes.legend(loc="upper left")
        return as_bytes(figure, file_format)


def as_bytes(figure: Any, file_format: str) -> bytes:
    """The figure as ``"svg"`` or ``"png"``, the same bytes every time."""
    with require_matplotlib().rc_context(STYLE):
        if file_format == "svg":
            return as_svg(figure).encode()
        stream = io.BytesIO()
        figure.savefig(stream, format=file_format, dpi=160, metadata={"Software": None})
        return stream.getvalue()


def require_matplotlib() -> Any:
    """The package.

    Raises:
        MissingDependencyError: It is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        message = "matplotlib is not installed; get the plots with: pip install 'portmanteau[report]'"
        raise MissingDependencyError(message) from error
    return matplotlib


def new_figure(
    width: float, height: float, columns: int = 1, rows: int = 1, **options: Any
) -> tuple[Any, Any]:
    """A figure of so many inches, and its axes: one, or an array of them."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, **options)


def as_svg(figure: Any) -> str:
    """The figure as an ``<svg>`` element, the same bytes every time."""
    stream = io.StringIO()
    figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    content = stream.getvalue()
    return content[content.index("<svg") :]


def _compression(demo: Demo) -> str:
    groups = list(demo.held_out.items())[::-1]
    figure, axes = new_figure(7.6, 0.7 + 0.27 * len(groups))
    rows = np.arange(len(groups))
    bpe, superbpe = (
        np.array([demo.bytes_per_token(packed, documents) for _, documents in groups])
        for packed in (demo.bpe, demo.superbpe)
    )
    axes.hlines(rows, bpe, superbpe, color="#c5ccd3", linewidth=3, zorder=1)
    axes.scatter(bpe, rows, s=52, color=ORANGE, marker="D", label="BPE", zorder=2)
    axes.scatter(superbpe, rows, s=60, color=BLUE, label="SuperBPE", zorder=3)
    axes.set_yticks(rows, [name for name, _ in groups])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.set_xlim(0)
    axes.set_xlabel("bytes per token, held-out text")
    axes.legend(loc="upper left", ncols=2, bbox_to_anchor=(0, 1.0), borderaxespad=0)
    axes.set_ylim(-0.6, len(groups) + 0.6)
    return as_svg(figure)


def _token_lengths(demo: Demo) -> str:
    figure, axes = new_figure(7.6, 2.6)
    longest = 20
    for packed, color, shift in ((demo.bpe, ORANGE, -0.2), (demo.superbpe, BLUE, 0.2)):
        sizes = np.zeros(packed.tokenizer.vocab_size, np.int64)
        for token_id, token in ordinary_tokens(packed.tokenizer).items():
            sizes[token_id] = len(token)
        lengths = np.concatenate([sizes[packed.batch[index]] for index in demo.all_held_out])
        shares = np.bincount(np.minimum(lengths, longest), lengths, longest + 1) / lengths.sum()
        axes.bar(np.arange(longest + 1) + shift, 100 * shares, 0.4, color=color, label=packed.name)
    axes.set_xticks([1, 5, 10, 15, longest], ["1", "5", "10", "15", f"{longest} or more"])
    axes.set_xlim(0.4, longest + 0.6)
    axes.grid(axis="y")
    axes.set_xlabel("bytes of the token")
    axes.set_ylabel("% of held-out text")
    axes.legend(loc="upper right")
    return as_svg(figure)


def _document_lengths(demo: Demo) -> str:
    figure, axes = new_figure(7.6, 2.4)
    lengths = demo.superbpe.batch.lengths
    edges = np.geomspace(1, max(2, int(lengths.max())), 40)
    axes.hist(np.maximum(lengths, 1), bins=edges, color=BLUE, alpha=0.85)
    capacity = demo.superbpe.plan.capacity
    axes.axvline(capacity, color=VERMILION, linewidth=1.5)
    place = (capacity, axes.get_ylim()[1])
    label = f" one sequence: {capacity:,}"
    axes.annotate(label, place, color=VERMILION, va="top", xytext=(3, 0), textcoords="offset points")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.grid(axis="y")
    axes.set_xlabel("tokens of the document (logarithmic)")
    axes.set_ylabel("documents")
    return as_svg(figure)


def _sequences(demo: Demo) -> str:
    """Rows are sequences; what is not cut is blue, what no plan could leave whole is grey, the rest vermilion."""
    from matplotlib.patches import Patch

    figure, both = new_figure(7.6, 3.6, 2, sharey=True)
    plans = (demo.superbpe.plan, demo.superbpe.concatenated)
    for axes, plan, title in zip(both, plans, ("best fit decreasing", "concatenation"), strict=True):
        _draw_plan(axes, plan)
        axes.set_title(f"{title}: {plan.n_sequences} sequences")
        axes.set_xlabel("position")
    both[0].set_ylabel(f"{_N_ROWS} sequences, evenly chosen")
    kinds = (
        (SKY, "whole document"),
        ("#b9c2cb", "part of one longer than a sequence"),
        (VERMILION, "part of one cut needlessly"),
    )
    handles = [Patch(color=color, label=label) for color, label in kinds]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return as_svg(figure)


def plot_plan(plan: PackPlan) -> Figure:
    """Sequences as rows of documents, how full they are, and what attention within documents costs in them.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    with require_matplotlib().rc_context(STYLE):
        figure, (rows, fill, cost) = new_figure(10.5, 3.6, 3)
        rows.set_xlabel("position")
        rows.set_title(f"{plan.n_sequences:,} sequences, {plan.efficiency:.2%} full")
        if plan.n_sequences:
            _draw_plan(rows, plan)
            tokens = (
                plan.pieces.sums(plan.pieces.length.astype(np.int64)) + plan.format.tokens_around_sequence
            )
            costs = plan.pieces.attention_cost / plan.capacity**2
            for axes, values, color in ((fill, 100 * tokens / plan.capacity, BLUE), (cost, costs, ORANGE)):
                axes.hist(values, bins=np.linspace(0, values.max(), 41), color=color, alpha=0.85)
                axes.set_yscale("log")
                axes.set_ylabel("sequences (logarithmic)")
                axes.grid(axis="y")
        fill.set_xlabel("% of the capacity filled")
        cost.set_xlabel("Σ length², over capacity²")
        fill.set_title("how full sequences are")
        cost.set_title("what attention costs")
        drawn: Figure = figure
        return drawn


def _draw_plan(axes: Any, plan: PackPlan) -> None:
    pieces = plan.pieces
    n_pieces = np.bincount(pieces.document, minlength=plan.n_documents)
    room = plan.document_lengths + plan.format.tokens_around_document
    chosen = np.unique(np.linspace(0, plan.n_sequences - 1, _N_ROWS).astype(int))
    for row, sequence in enumerate(chosen):
        for piece in range(plan.sequence_offsets[sequence], plan.sequence_offsets[sequence + 1]):
            document = pieces.document[piece]
            cut = n_pieces[document] > 1
            color = SKY if not cut else "#b9c2cb" if room[document] > plan.capacity else VERMILION
            span = [(int(pieces.position[piece]), int(pieces.length[piece]))]
            axes.broken_barh(span, (row - 0.4, 0.8), color=color, edgecolor="white", linewidth=0.5)
    axes.set_xlim(0, plan.capacity)
    axes.set_ylim(len(chosen) - 0.4, -0.6)
    axes.set_yticks([])
    axes.set_xticks([0, plan.capacity // 2, plan.capacity])
    axes.spines["left"].set_visible(False)
