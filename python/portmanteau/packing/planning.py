"""Makes plans: of the lengths of documents, and of the plans of shards."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from portmanteau import _rust
from portmanteau.errors import PackingError
from portmanteau.packing.arguments import (
    MAX_LENGTH,
    groups_of,
    integer,
    lengths_of,
    mask_of,
    secondary_of,
    string,
)
from portmanteau.packing.format import SequenceFormat, SpecialToken
from portmanteau.packing.histogram import Histogram, HistogramPlan, pack_histogram
from portmanteau.packing.pieces import PieceTable
from portmanteau.packing.plan import PackPlan

if TYPE_CHECKING:
    import numpy.typing as npt

    from portmanteau.packing.arguments import Uint32Array

Strategy = Literal[
    "best_fit_decreasing",
    "first_fit_decreasing",
    "next_fit",
    "concat",
    "shortest_pack_first",
    "longest_pack_first",
    "nnls_histogram",
    "buckets",
]
LongDocuments = Literal["split", "power_of_two", "truncate", "truncate_left", "drop", "error"]


@overload
def pack(
    lengths: Histogram,
    capacity: int,
    *,
    strategy: Strategy = ...,
    max_documents_per_sequence: int | None = ...,
) -> HistogramPlan: ...
@overload
def pack(
    lengths: Any,
    capacity: int,
    *,
    strategy: Strategy = ...,
    cost: Literal["tokens", "attention"] = ...,
    long_documents: LongDocuments = ...,
    overlap: int = ...,
    may_cut_after: npt.ArrayLike | None = ...,
    max_documents_per_sequence: int | None = ...,
    bos: SpecialToken = ...,
    eos: SpecialToken = ...,
    align: int = ...,
    min_fill: float = ...,
    order: Literal["free", "window", "keep"] = ...,
    window: int = ...,
    together: npt.ArrayLike | None = ...,
    apart: npt.ArrayLike | None = ...,
    secondary: Mapping[str, tuple[npt.ArrayLike, int]] | None = ...,
) -> PackPlan: ...
def pack(
    lengths: Any,
    capacity: int,
    *,
    strategy: Strategy = "best_fit_decreasing",
    cost: Literal["tokens", "attention"] = "tokens",
    long_documents: LongDocuments = "split",
    overlap: int = 0,
    may_cut_after: npt.ArrayLike | None = None,
    max_documents_per_sequence: int | None = None,
    bos: SpecialToken = False,
    eos: SpecialToken = False,
    align: int = 1,
    min_fill: float = 0.0,
    order: Literal["free", "window", "keep"] = "free",
    window: int = 64,
    together: npt.ArrayLike | None = None,
    apart: npt.ArrayLike | None = None,
    secondary: Mapping[str, tuple[npt.ArrayLike, int]] | None = None,
) -> PackPlan | HistogramPlan:
    """Plans which tokens of documents stand in which sequence.

    The plan depends on the arguments alone: the same lengths and options give the same bytes, on every machine.

    Args:
        lengths: the number of ids in every document: a list, a NumPy or Arrow array of integers, or a ``TokenBatch``.
            An empty document has no piece. Or a :class:`Histogram`, which is packed as a whole (longest pack first or
            by one of the strategies of histograms, without any other option but ``max_documents_per_sequence``) into a
            :class:`HistogramPlan`.
        capacity: the most tokens in a sequence, from 1 to 2**31 - 1.
        strategy: ``"best_fit_decreasing"`` takes the longest piece first and puts it where the least room is left
            that still holds it; within a fraction of a percent of the lower bound on real documents.
            ``"first_fit_decreasing"`` puts it into the first sequence with room. ``"next_fit"`` takes documents in
            their order and opens a new sequence for each that the last one does not hold. ``"concat"`` lays documents
            one after the other and cuts them wherever a sequence is full. ``"shortest_pack_first"``,
            ``"longest_pack_first"`` and ``"nnls_histogram"`` (for capacities up to 2,048 and up to three documents a
            sequence) pack the histogram of lengths, and give sequences documents of these lengths in their order.
            ``"buckets"`` cuts every document into powers of two and makes each a sequence: :attr:`PackPlan.buckets`.
        cost: with best fit decreasing, ``"attention"`` opens as many sequences as best fit makes, and puts each piece,
            the longest first, into the one with the least sum of squared lengths so far that has room. So attention
            costs more nearly the same in all (:attr:`PlanStatistics.attention_cost_spread`); there are hardly more
            sequences, but for up to a percent where each has two or three pieces.
        long_documents: what becomes of documents longer than a sequence takes. ``"split"`` cuts them into pieces as
            long as may be and a rest, ``"power_of_two"`` into powers of two; nothing is lost. ``"truncate"`` keeps
            their first tokens, ``"truncate_left"`` their last, ``"drop"`` drops them whole; :attr:`PackPlan.dropped`
            lists what is lost. ``"error"`` raises. With ``"concat"``, this is done first, and ``"split"`` has nothing
            to do, since concatenation cuts every document that it must.
        overlap: how many tokens of a document that is split stand at the end of one piece and again at the beginning of
            the next; labels have them once.
        may_cut_after: for each id of all documents, whether a document that is split may be cut behind it: behind
            newlines, say, or sentences. A piece ends at the last such place, or, if it has none, where it is as long as
            may be.
        max_documents_per_sequence: the most pieces in a sequence; no limit if None.
        bos: whether to leave room for a token before every document that is not empty (True or ``"document"``), or
            before every ``"sequence"``.
        eos: whether to leave room for a token after every document that is not empty, or after every ``"sequence"``.
        align: every segment is padded to a multiple of this, as context parallelism (twice its size) and fp8 (16) need.
        min_fill: sequences of which a smaller share is filled are left out; their pieces are in
            :attr:`PackPlan.dropped`.
        order: ``"free"`` lets any documents share a sequence. ``"window"`` packs like a :class:`StreamPacker`:
            documents that share a sequence stood near each other. ``"keep"`` keeps the order: sequences hold documents
            that follow each other, and no plan that does has fewer (``strategy`` is then next fit, or ``"concat"``).
        window: for ``order="window"``, how many sequences' worth of tokens wait.
        together: a group for each document, -1 for none: documents of one group share a sequence.
        apart: a group for each document, -1 for none: no two pieces of documents of one group share a sequence.
        secondary: other capacities, by name: how much of it each document has, and how much a sequence takes, as
            ``{"image_patches": (patches, 4096)}``. Documents then come in order of the largest share that they take of
            any capacity.

    Returns:
        The plan. Where ``bos`` or ``eos`` are of documents, its pieces are runs of ``[BOS] + ids + [EOS]``.

    Raises:
        PackingError: for an option that cannot be, or does not go with another; a length that is no integer from 0 to
            2**31 - 1 (``document`` names it), a long document if ``long_documents="error"``, and a group that no
            sequence takes.

    Complexity:
        O(N + capacity) time for best fit up to a capacity of 2**22 and O(N log N) beyond, O(N log N) for first fit,
        O(N) for the others, N being documents plus cuts; about 8 bytes a document, and 4 for the lengths. With groups
        or secondary capacities, a piece asks one sequence after the other, so O(N) each at worst. The GIL is released.

    Source:
        Best and first fit decreasing: Johnson, Near-optimal bin packing algorithms, MIT 1973; for sequences: Ding et
        al., Fewer Truncations Improve Language Modeling, arXiv 2404.10830. Buckets: Pouransari et al., Dataset
        Decomposition, arXiv 2405.13226. Histograms: Krell et al., Efficient Sequence Packing without
        Cross-contamination, arXiv 2107.02027.

    >>> import portmanteau as pm
    >>> plan = pm.pack([10, 0, 2], capacity=4)
    >>> plan.n_sequences, plan.lower_bound, plan.n_empty_documents, plan.documents_cut
    (3, 3, 1, 1)
    >>> plan.pieces.start
    array([0, 4, 8, 0], dtype=uint32)
    >>> pm.pack([10], capacity=4, overlap=1).pieces.start
    array([0, 3, 6], dtype=uint32)
    >>> pm.pack([3, -1], capacity=4)
    Traceback (most recent call last):
    portmanteau.errors.PackingError: document 1: has length -1; lengths are integers from 0 to 2147483647
    """
    capacity = integer("capacity", capacity, 1, MAX_LENGTH)
    if max_documents_per_sequence is not None:
        max_documents_per_sequence = integer(
            "max_documents_per_sequence", max_documents_per_sequence, 1, 2**32 - 1
        )
    if isinstance(lengths, Histogram):
        others = (
            cost != "tokens",
            long_documents != "split",
            overlap,
            bos,
            eos,
            align != 1,
            min_fill,
            order != "free",
        )
        arrays_given = (may_cut_after, together, apart, secondary)
        if any(others) or any(array is not None for array in arrays_given):
            raise PackingError(
                "a histogram is packed whole: of the options, it takes strategy and "
                "max_documents_per_sequence; pack the lengths of the documents for the others"
            )
        return pack_histogram(lengths, capacity, string("strategy", strategy), max_documents_per_sequence)
    document_lengths = lengths_of(lengths)
    sequence_format = SequenceFormat.with_special_tokens(
        capacity,
        bos,
        eos,
        align=integer("align", align, 1, MAX_LENGTH),
        overlap=integer("overlap", overlap, 0, MAX_LENGTH),
    )
    if not (isinstance(min_fill, (int, float)) and 0 <= min_fill <= 1):
        raise PackingError(f"min_fill is {min_fill!r}; it must be a share from 0 to 1")
    strategy_in_order = _strategy(string("strategy", strategy), order)
    window = integer("window", window, 1, 2**32)
    amounts = secondary_of(secondary)
    arrays = _rust.pack_plan(
        document_lengths,
        {
            "format": sequence_format,
            "strategy": strategy_in_order,
            "cost": string("cost", cost),
            "long_documents": string("long_documents", long_documents),
            "max_documents_per_sequence": max_documents_per_sequence,
            "least_tokens": math.ceil(min_fill * capacity),
        },
        {
            "may_cut_after": mask_of(may_cut_after),
            "together": groups_of("together", together, len(document_lengths)),
            "apart": groups_of("apart", apart, len(document_lengths)),
            "secondary": amounts,
        },
        window * capacity if order == "window" else None,
    )
    n_sequences = len(arrays["sequence_offsets"]) - 1
    return _plan(
        arrays,
        # What the caller may write to is copied.
        document_lengths.copy() if document_lengths.flags.writeable else document_lengths,
        format=sequence_format,
        strategy=strategy,
        cost=cost,
        long_documents=long_documents,
        max_documents_per_sequence=max_documents_per_sequence,
        min_fill=float(min_fill),
        order=order,
        window=window if order == "window" else None,
        secondary_fill={
            name: _placed_amount(each, arrays["dropped"][0]) / (n_sequences * most)
            if n_sequences * most
            else 0.0
            for name, each, most in amounts
        },
    )


def merge_plans(plans: Sequence[PackPlan], *, repack_below: float = 0.99) -> PackPlan:
    """Makes one plan of the plans of shards: full sequences stay, and what is in the others is packed anew, together.

    So a corpus in shards is packed where the shards are, and one pass over what is left (a fraction of a percent to a
    few percent of the documents) makes the whole about as good as if all had been packed at once. The result depends on
    the plans and their order alone.

    Args:
        plans: the plans of the shards, in their order, all of the same format. Documents are numbered through.
        repack_below: sequences of which a smaller share is filled are packed anew by best fit decreasing; they come
            last.

    Returns:
        The plan of all documents, with the options of the first plan.

    Raises:
        PackingError: There is no plan, or plans differ in format, strategy or policy.

    O(N) for N pieces, and 16 bytes a piece.

    >>> import portmanteau as pm
    >>> shards = [pm.pack([5, 3, 6], capacity=8), pm.pack([8, 2], capacity=8)]
    >>> plan = pm.merge_plans(shards)
    >>> plan.n_sequences, plan.pieces.document.tolist(), plan.sequence_offsets.tolist()
    (3, [0, 1, 3, 2, 4], [0, 2, 3, 5])
    """
    plans = list(plans)
    if not (isinstance(repack_below, (int, float)) and 0 <= repack_below <= 1):
        raise PackingError(f"repack_below is {repack_below!r}; it must be a share from 0 to 1")
    for number, plan in enumerate(plans):
        if not isinstance(plan, PackPlan):
            raise PackingError(f"plan {number} is {type(plan).__name__}; merge_plans takes plans")
        if plan.options | {"secondary_fill": {}} != plans[0].options | {"secondary_fill": {}}:
            raise PackingError(f"plan {number} has other options than plan 0; pack all shards alike")
        if plan.strategy == "buckets" or plan.cost != "tokens" or plan.secondary_fill:
            raise PackingError(
                "plans of buckets, by attention and with secondary capacities cannot be merged; pack all at once"
            )
    first = plans[0] if plans else None
    arrays, document_lengths = _rust.pack_merge(
        [(plan, plan.dropped) for plan in plans],
        math.ceil(repack_below * first.capacity) if first else 0,
        first.max_documents_per_sequence if first else None,
    )
    assert first is not None  # without a plan, there was an error
    document_lengths.setflags(write=False)
    return _plan(
        arrays,
        document_lengths,
        format=first.format,
        strategy=first.strategy,
        cost=first.cost,
        long_documents=first.long_documents,
        max_documents_per_sequence=first.max_documents_per_sequence,
        min_fill=first.min_fill,
        order=first.order,
        window=first.window,
    )


def _strategy(strategy: str, order: str) -> str:
    """The strategy that keeps this order."""
    if order not in ("free", "window", "keep"):
        raise PackingError(f"order is {order!r}; it must be 'free', 'window' or 'keep'")
    if order == "window" and strategy != "best_fit_decreasing":
        raise PackingError(
            "order 'window' goes with best_fit_decreasing; choose that strategy, or another order"
        )
    if order == "keep" and strategy != "concat":
        if strategy not in ("best_fit_decreasing", "first_fit_decreasing", "next_fit"):
            raise PackingError(
                f"{strategy} does not keep an order; choose next_fit or concat, or order 'free'"
            )
        return "next_fit"
    return strategy


def _plan(arrays: Mapping[str, Any], document_lengths: Uint32Array, **options: Any) -> PackPlan:
    """The plan of arrays that Rust gave, which nobody may write to."""
    plan = PackPlan(
        document_lengths=document_lengths,
        piece_numbers=arrays["piece_numbers"],
        sequence_offsets=arrays["sequence_offsets"],
        cut_pieces=PieceTable(*arrays["cut_pieces"]),
        dropped=PieceTable(*arrays["dropped"]),
        **options,
    )
    for array in plan.arrays.values():
        array.setflags(write=False)
    return plan


def _placed_amount(amounts: Uint32Array, dropped: Uint32Array) -> int:
    """How much of a quantity the documents have that are in sequences."""
    return int(amounts.sum(dtype=np.int64)) - int(amounts[np.unique(dropped)].sum(dtype=np.int64))
