"""Lanes: text that is encoded and packed as it goes, cut into streams that depend on nothing else.

The text is cut into parts by its files alone, and every part is packed for itself. In each epoch the parts stand in
another drawn order, and lane *i* of *n* takes parts *i*, *i + n*, *i + 2n*, … of it. So what a lane gives depends on no
other lane, on no rank and no worker; where it is, two numbers say: how many parts it has given whole, and how many rows
of the next. To go on from there, it packs that part again and leaves these rows out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from portmanteau import _rust, reading
from portmanteau.errors import EncodingError, PackingError
from portmanteau.loading.feeds import digest
from portmanteau.packing import StreamPacker
from portmanteau.store.encoding import DocumentEncoder, placed
from portmanteau.store.format import IDS

if TYPE_CHECKING:
    from portmanteau.loading.rows import RowFormat
    from portmanteau.packing import PackedSequences
    from portmanteau.packing.arguments import Int64Array

#: How much text is encoded together: the rows that it makes wait in the lane.
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
    row_format: RowFormat
    seed: int
    shuffle: bool
    n_lanes: int
    without_rows: set[int] = field(default_factory=set)
    """The parts that have turned out to make no sequence."""

    def rows(self, part_number: int, epoch: int) -> Iterator[Rows]:
        """The sequences of a part, some at a time. Their order is drawn anew in every epoch."""
        part = self.parts[part_number]
        seed = int(digest("part", self.seed, epoch, part_number)[:16], 16) if self.shuffle else None
        packer = StreamPacker(self.capacity, seed=seed, dtype=self.row_format.dtype, **self.packing)
        for batch in reading.columns_of(
            part,
            columns=self.columns,
            policy=self.policy,
            null_text=self.null_text,
            batch_bytes=BATCH_BYTES,
        ):
            try:
                offsets, arrays = self.encoder.encode(batch.columns)
            except EncodingError as error:
                if error.document is None:
                    raise
                raise placed(error, part, batch.first_row + error.document) from error
            yield Rows(packer.push(_Documents(arrays[IDS], offsets)))
        yield Rows(packer.finish())

    def part_of(self, lane: int, number: int) -> tuple[int, int]:
        """The part that a lane gives after so many others, and in which epoch."""
        n_parts = len(self.parts)
        epoch, place = divmod(number, len(range(lane, n_parts, self.n_lanes)))
        place = lane + place * self.n_lanes
        if self.shuffle:
            place = int(_rust.permute(np.array([place]), n_parts, self.seed, epoch)[0])
        return place, epoch

    def parts_in_epochs(self, lane: int, epochs: int) -> int:
        """How many parts a lane gives in so many epochs."""
        return epochs * len(range(lane, len(self.parts), self.n_lanes))

    def may_have_rows(self, lane: int) -> bool:
        """Whether a lane without end can ever give a row: not if all parts that it comes to make no sequence."""
        if self.shuffle:
            return len(self.without_rows) < len(self.parts)
        return any(part not in self.without_rows for part in range(lane, len(self.parts), self.n_lanes))


@dataclass(frozen=True)
class _Documents:
    """A batch as packers take it."""

    ids: Any
    offsets: Int64Array


class Rows:
    """Packed sequences whose arrays are made once for all, when the first row is asked for."""

    def __init__(self, packed: PackedSequences) -> None:
        self._packed = packed

    def __len__(self) -> int:
        return len(self._packed)

    def write(self, first: int, end: int, batch: dict[str, Any], place: int) -> None:
        """Copies rows into the arrays of a batch, from a place on."""
        for name, out in batch.items():
            out[place : place + end - first] = self._array(name)[first:end]

    def _array(self, name: str) -> Any:
        if name != "labels":
            return getattr(self._packed, name)
        if not hasattr(self, "_labels"):
            self._labels = self._packed.labels()
        return self._labels


class Lane:
    """A stream of rows. It pickles and copies as where it is.

    Attributes:
        number: Which lane it is.
        parts_done: How many parts it has given whole.
        rows_done: How many rows of the next.
    """

    def __init__(self, text: LaneText, number: int, epochs: int | None) -> None:
        """A lane at its beginning.

        Args:
            text: What all lanes share.
            number: Which lane this is.
            epochs: How often it gives its parts; without end if ``None``.
        """
        self.number = number
        self._text = text
        self._n_parts = None if epochs is None else text.parts_in_epochs(number, epochs)
        self.seek(0, 0)

    def __getstate__(self) -> tuple[LaneText, int, int | None, int, int]:
        return self._text, self.number, self._n_parts, self.parts_done, self.rows_done

    def __setstate__(self, state: tuple[LaneText, int, int | None, int, int]) -> None:
        self._text, self.number, self._n_parts, parts_done, rows_done = state
        self.seek(parts_done, rows_done)

    def seek(self, parts_done: int, rows_done: int) -> None:
        """Goes on from where a lane of this number was."""
        self.parts_done, self.rows_done = parts_done, rows_done
        self._to_leave_out = rows_done
        self._rows: Rows | None = None
        self._next_row = 0
        self._coming: Iterator[Rows] | None = None

    def write(self, batch: dict[str, Any], rows: range) -> int:
        """Writes the next rows into these of a batch, and says how many: fewer than there is room for at the end.

        Raises:
            PackingError: It has no end, and none of its parts makes a sequence.
        """
        place = rows.start
        while place < rows.stop and self._advance():
            assert self._rows is not None
            end = min(self._next_row + rows.stop - place, len(self._rows))
            self._rows.write(self._next_row, end, batch, place)
            place += end - self._next_row
            self.rows_done += end - self._next_row
            self._next_row = end
        return place - rows.start

    def _advance(self) -> bool:
        """Whether there is a row; packs until there is."""
        while self._rows is None or self._next_row == len(self._rows):
            if self._coming is None and not self._begin():
                return False
            assert self._coming is not None
            self._rows, self._next_row = next(self._coming, None), 0
            if self._rows is None:
                self._end()
            else:
                self._next_row = min(self._to_leave_out, len(self._rows))
                self._to_leave_out -= self._next_row
        return True

    def _begin(self) -> bool:
        """Begins the next part that may have rows, if there is one."""
        while self._n_parts is None or self.parts_done < self._n_parts:
            part, epoch = self._text.part_of(self.number, self.parts_done)
            if part not in self._text.without_rows:
                self._coming = self._text.rows(part, epoch)
                return True
            if self._n_parts is None and not self._text.may_have_rows(self.number):
                raise PackingError(
                    f"lane {self.number} would read without end and find no sequence: its parts of the text are empty, "
                    "or all of their documents are left out as too long"
                )
            self._go_on()
        return False

    def _end(self) -> None:
        """Ends the part at hand."""
        self._coming = None
        if self.rows_done == 0:
            part, _ = self._text.part_of(self.number, self.parts_done)
            self._text.without_rows.add(part)
        self._go_on()

    def _go_on(self) -> None:
        self.parts_done += 1
        self.rows_done = self._to_leave_out = 0
