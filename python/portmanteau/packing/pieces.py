"""Runs of tokens of documents, as flat arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from portmanteau.packing.format import SequenceFormat

if TYPE_CHECKING:
    from portmanteau.packing.arguments import Int64Array, Uint32Array


@dataclass(frozen=True, eq=False)
class PieceTable:
    """Runs of tokens of documents, ordered by document and start: element ``i`` of each array is piece ``i``."""

    document: Uint32Array
    """Index of the document, uint32."""
    start: Uint32Array
    """First token of the piece within the document (with its BOS, if documents have one), uint32."""
    length: Uint32Array
    """Number of tokens, at least 1, uint32."""

    def __len__(self) -> int:
        return len(self.document)


@dataclass(frozen=True, eq=False)
class Pieces:
    """Runs of tokens of documents, laid out in sequences: element ``i`` of each array is piece ``i``.

    Pieces are ordered by sequence, then by position; within a sequence, that is the order of documents.
    """

    document: Uint32Array
    """Index of the document, uint32."""
    start: Uint32Array
    """First token of the piece within the document (with its BOS, if documents have one), uint32."""
    length: Uint32Array
    """Number of tokens, at least 1, uint32."""
    sequence_offsets: Int64Array
    """Pieces ``sequence_offsets[i]:sequence_offsets[i + 1]`` are in sequence ``i``, int64 ``[sequences + 1]``."""
    format: SequenceFormat
    """What sequences are made of."""

    def __len__(self) -> int:
        return len(self.document)

    @cached_property
    def sequence(self) -> Uint32Array:
        """Index of the sequence that the piece is in, uint32."""
        counts = np.diff(self.sequence_offsets)
        return np.repeat(np.arange(len(counts), dtype=np.uint32), counts)

    @cached_property
    def position(self) -> Uint32Array:
        """Position of the piece's first token in its sequence, uint32."""
        taken = self.format.padded(self.length)
        starts = np.cumsum(taken) - taken
        first = np.repeat(starts[self.sequence_offsets[:-1]], np.diff(self.sequence_offsets))
        return (starts - first + self.format.sequence_bos).astype(np.uint32)

    @property
    def attention_cost(self) -> Int64Array:
        """What attention within pieces costs, by sequence: the sum of the squared lengths, int64 ``[sequences]``."""
        return self.sums(self.length.astype(np.int64) ** 2)

    def sums(self, of_pieces: Int64Array) -> Int64Array:
        """The sum over the pieces of every sequence, ``[sequences]``."""
        # Every sequence has a piece, so that no two starts are equal.
        starts = self.sequence_offsets[:-1]
        total: Int64Array = (
            np.add.reduceat(of_pieces, starts) if len(starts) else np.empty(0, of_pieces.dtype)
        )
        return total
