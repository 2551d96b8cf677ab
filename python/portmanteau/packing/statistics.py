"""What a plan costs, in figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from portmanteau.packing.plan import PackPlan


@dataclass(frozen=True)
class PlanStatistics:
    """What a plan costs. Ratios are from 0 to 1, and 0 is best; a plan without sequences has zeros."""

    n_documents: int
    """Documents, empty ones included."""
    n_sequences: int
    """Sequences."""
    n_pieces: int
    """Pieces."""
    n_tokens: int
    """Tokens in sequences, BOS and EOS included."""
    n_dropped_tokens: int
    """Tokens in no sequence."""
    lower_bound: int
    """No plan of these pieces can have fewer sequences."""
    excess: float
    """Sequences above the lower bound, as a share of it."""
    padding_ratio: float
    """The share of all positions that hold no token."""
    truncation_ratio: float
    """The share of all tokens that are in no sequence."""
    cut_ratio: float
    """The share of the documents that are not empty that lie in more than one piece."""
    concatenation_ratio: float
    """The share of sequences with pieces of more than one document."""
    pieces_per_sequence: float
    """Mean."""
    most_pieces_per_sequence: int
    """Of any sequence."""
    attention_cost: float
    """The sum of the squared lengths of pieces, mean over sequences."""
    attention_cost_spread: float
    """Its standard deviation over its mean."""
    most_attention_cost: float
    """That of the costliest sequence over the mean."""
    secondary_fill: Mapping[str, float]
    """The share of each secondary capacity that is used."""

    def to_dict(self) -> dict[str, Any]:
        """All figures by name, as plain numbers."""
        return asdict(self)


def statistics_of(plan: PackPlan) -> PlanStatistics:
    """See :attr:`PackPlan.stats`."""
    pieces = plan.pieces
    n_sequences, n_dropped = plan.n_sequences, int(plan.dropped.length.sum(dtype=np.int64))
    counts = np.diff(plan.sequence_offsets)
    # Pieces of a sequence are in order of document, so that it has several if the first and the last differ.
    several = pieces.document[plan.sequence_offsets[:-1]] != pieces.document[plan.sequence_offsets[1:] - 1]
    cost = pieces.attention_cost.astype(np.float64)
    mean_cost = float(cost.mean()) if n_sequences else 0.0
    n_full_documents = plan.n_documents - plan.n_empty_documents
    return PlanStatistics(
        n_documents=plan.n_documents,
        n_sequences=n_sequences,
        n_pieces=len(pieces),
        n_tokens=plan.n_tokens,
        n_dropped_tokens=n_dropped,
        lower_bound=plan.lower_bound,
        excess=_ratio(n_sequences - plan.lower_bound, plan.lower_bound),
        padding_ratio=_ratio(plan.n_positions - plan.n_tokens, plan.n_positions),
        truncation_ratio=_ratio(n_dropped, n_dropped + plan.n_tokens),
        cut_ratio=_ratio(plan.documents_cut, n_full_documents),
        concatenation_ratio=_ratio(int(np.count_nonzero(several)), n_sequences),
        pieces_per_sequence=_ratio(len(pieces), n_sequences),
        most_pieces_per_sequence=int(counts.max(initial=0)),
        attention_cost=mean_cost,
        attention_cost_spread=_ratio(float(cost.std()) if n_sequences else 0.0, mean_cost),
        most_attention_cost=_ratio(float(cost.max(initial=0.0)), mean_cost),
        secondary_fill=dict(plan.secondary_fill),
    )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
