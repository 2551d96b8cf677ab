"""Lanes: text that is encoded and packed as it goes, cut into streams that depend on nothing else.

The text is cut into parts by its files alone, and every part is packed for itself. In each epoch the parts stand in
another drawn order, and lane *i* of *n* takes parts *i*, *i + n*, *i + 2n*, … of it. So what a lane gives depends on no
other lane, on no rank and no worker; where it is, two numbers say: how many parts it has given whole, and how many rows
of the next. To go on from there, it packs that part again and leaves these rows out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from portmanteau import _rust, reading
from portmanteau.packing import PackedSequences, StreamPacker
from portmanteau.packing.pieces import Pieces
from portmanteau.store.encoding import DocumentEncoder
from portmanteau.store.format import IDS

if TYPE_CHECKING:
    from portmanteau.packing.arguments import Int64Array

BATCH_BYTES = 1 << 20


@dataclass(frozen=True)
class LaneText:
    """What all lanes share: the parts of the text, and how they are encoded and packed."""

    parts: Sequence[reading.Part]
    columns: Sequence[str]
    policy: reading.Policy
    null_text: Any
    encoder: DocumentEncoder
    capacity: int
    packing: dict[str, Any]
    """Further arguments of :class:`StreamPacker`."""
    seed: int
    shuffle: bool
    n_lanes: int

    def sequences(self, part: reading.Part) -> Iterator[PackedSequences]:
        """The sequences of a part, some at a time."""
        packer = StreamPacker(self.capacity, seed=self.seed if self.shuffle else None, **self.packing)
        for batch in reading.columns_of(
            part,
            columns=self.columns,
            policy=self.policy,
            null_text=self.null_text,
            batch_bytes=BATCH_BYTES,
        ):
            offsets, arrays = self.encoder.encode(batch.columns)
            yield packer.push(_Documents(arrays[IDS], offsets))
        yield packer.finish()

    def part_of(self, lane: int, number: int) -> reading.Part:
        """The part with this number of those that a lane gives, epoch after epoch."""
        n_parts = len(self.parts)
        in_epoch = len(range(lane, n_parts, self.n_lanes))
        epoch, place = divmod(number, in_epoch)
        place = lane + place * self.n_lanes
        if self.shuffle:
            place = int(_rust.permute(np.array([place]), n_parts, self.seed, epoch)[0])
        return self.parts[place]

    def parts_in_epochs(self, lane: int, epochs: int) -> int:
        """How many parts a lane gives in so many epochs."""
        return epochs * len(range(lane, len(self.parts), self.n_lanes))


@dataclass(frozen=True)
class _Documents:
    """A batch as packers take it."""

    ids: Any
    offsets: Int64Array


class Lane:
    """A stream of rows.

    Attributes:
        parts_done: How many parts it has given whole.
        rows_done: How many rows of the next.
    """

    def __init__(self, text: LaneText, number: int, n_parts: int | None) -> None:
        """A lane at its beginning.

        Args:
            text: What all lanes share.
            number: Which lane this is.
            n_parts: How many parts it gives; without end if ``None``.
        """
        self._text, self._number, self._n_parts = text, number, n_parts
        self.seek(0, 0)

    def seek(self, parts_done: int, rows_done: int) -> None:
        """Goes on from where a lane of this number was."""
        self.parts_done, self.rows_done = parts_done, rows_done
        self._to_leave_out = rows_done
        self._packed: PackedSequences | None = None
        self._next_row = 0
        self._coming: Iterator[PackedSequences] | None = None

    def take(self, n: int) -> list[PackedSequences]:
        """The next rows: as many as asked for, in runs; fewer where the lane ends."""
        taken: list[PackedSequences] = []
        while n and self._advance():
            assert self._packed is not None
            end = min(self._next_row + n, len(self._packed))
            taken.append(rows_of(self._packed, self._next_row, end))
            n -= end - self._next_row
            self.rows_done += end - self._next_row
            self._next_row = end
        return taken

    def _advance(self) -> bool:
        """Whether there is a row; packs until there is."""
        while self._packed is None or self._next_row == len(self._packed):
            if self._coming is None:
                if self._n_parts is not None and self.parts_done >= self._n_parts:
                    return False
                self._coming = self._text.sequences(self._text.part_of(self._number, self.parts_done))
            self._packed = next(self._coming, None)
            self._next_row = 0
            if self._packed is None:
                self._coming = None
                self.parts_done += 1
                self.rows_done = self._to_leave_out = 0
                continue
            self._next_row = min(self._to_leave_out, len(self._packed))
            self._to_leave_out -= self._next_row
        return True


def rows_of(packed: PackedSequences, first: int, end: int) -> PackedSequences:
    """Rows that follow one another."""
    bounds = packed.sequence_offsets[first : end + 1]
    pieces = slice(int(bounds[0]), int(bounds[-1]))
    of_pieces = packed.pieces
    numbers = packed.document_numbers
    return PackedSequences(
        format=packed.format,
        pieces=Pieces(
            of_pieces.document[pieces],
            of_pieces.start[pieces],
            of_pieces.length[pieces],
            bounds - bounds[0],
            packed.format,
        ),
        sequences=packed.sequences[first:end],
        document_lengths=packed.document_lengths[pieces],
        input_ids=packed.input_ids[first:end],
        document_numbers=None if numbers is None else numbers[pieces],
    )


def joined(runs: Sequence[PackedSequences]) -> PackedSequences:
    """Rows of several, one after the other; at least one. Their documents are numbered as each had them."""
    if len(runs) == 1:
        return runs[0]
    counts = np.concatenate([np.diff(run.sequence_offsets) for run in runs])

    def column(name: str) -> Any:
        return np.concatenate([getattr(run.pieces, name) for run in runs])

    return PackedSequences(
        format=runs[0].format,
        pieces=Pieces(
            column("document"),
            column("start"),
            column("length"),
            np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]),
            runs[0].format,
        ),
        sequences=np.concatenate([run.sequences for run in runs]),
        document_lengths=np.concatenate([run.document_lengths for run in runs]),
        input_ids=np.concatenate([run.input_ids for run in runs]),
    )
