"""Packs documents into training sequences of a fixed length, near the optimum and with nothing lost.

A *document* is a run of token ids. A *piece* is a run of tokens of one document. A *sequence* holds at most
``capacity`` tokens, in one piece or several. :func:`pack` looks at the lengths of documents only and makes a
:class:`PackPlan`; :meth:`PackPlan.apply` takes the ids and makes :class:`PackedSequences`, the arrays that models
and attention kernels take. The definitions of the strategies are in ``docs/design/packing.md``.

>>> import numpy as np
>>> import portmanteau as pm
>>> plan = pm.pack([3, 5, 2, 4], capacity=8)
>>> plan
PackPlan(2 sequences of up to 8 tokens, 4 documents, 87.50 % full, best_fit_decreasing)
>>> plan.pieces.document, plan.pieces.sequence
(array([0, 1, 2, 3], dtype=uint32), array([0, 0, 1, 1], dtype=uint32))
"""

from portmanteau.packing.arguments import Documents
from portmanteau.packing.balancing import balance
from portmanteau.packing.format import SequenceFormat
from portmanteau.packing.histogram import Histogram, HistogramPlan
from portmanteau.packing.pieces import Pieces, PieceTable
from portmanteau.packing.plan import PackPlan
from portmanteau.packing.planning import merge_plans, pack
from portmanteau.packing.sequences import PackedSequences
from portmanteau.packing.statistics import PlanStatistics
from portmanteau.packing.stream import StreamPacker

__all__ = [
    "Documents",
    "Histogram",
    "HistogramPlan",
    "PackPlan",
    "PackedSequences",
    "PieceTable",
    "Pieces",
    "PlanStatistics",
    "SequenceFormat",
    "StreamPacker",
    "balance",
    "merge_plans",
    "pack",
]
