"""Rows of sequences as the arrays of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from portmanteau.errors import PackingError
from portmanteau.store.encoding import COLUMN

if TYPE_CHECKING:
    import numpy.typing as npt

    from portmanteau.packing.arguments import Int64Array
    from portmanteau.store import DatasetPlan

    Batch = dict[str, npt.NDArray[Any]]

#: What a batch may have beside ids: dtypes, and what stands where no token is.
_DTYPES = {"position_ids": "int32", "segment_ids": "int32", "labels": "int64"}
_PADDING = {"position_ids": 0, "segment_ids": 0, "labels": -100}
_NAMES = ("input_ids", *_DTYPES)


@dataclass(frozen=True)
class RowFormat:
    """What rows are made into."""

    arrays: tuple[str, ...]
    channels: tuple[str, ...]
    loss_on: str | Sequence[str] | None
    dtype: Literal["uint32", "int32", "int64"]

    def __post_init__(self) -> None:
        """Raises PackingError for what cannot be."""
        if not self.arrays or not set(self.arrays) <= set(_NAMES):
            raise PackingError(f"arrays are {list(self.arrays)}; choose from {', '.join(_NAMES)}")
        if self.dtype not in ("uint32", "int32", "int64"):
            raise PackingError(f"dtype is {self.dtype!r}; use 'uint32', 'int32' or 'int64'")
        taken = sorted(set(self.channels) & set(_NAMES))
        if taken:
            raise PackingError(
                f"a channel has the name {taken[0]!r}, which is that of an array of every batch"
            )
        if self.loss_on is not None and "labels" not in self.arrays:
            raise PackingError(f"loss_on is {self.loss_on!r}, and arrays have no labels; add them")

    def check(self, plans: Sequence[DatasetPlan]) -> None:
        """Raises PackingError for what the datasets of plans do not have."""
        for plan in plans:
            of_dataset, of_first = plan.dataset.channels, plans[0].dataset.channels
            for name in self.channels:
                if name not in of_dataset:
                    raise PackingError(
                        f"{plan.dataset!r} has no channel {name!r}; it has {sorted(of_dataset)}"
                    )
                if of_dataset[name] != of_first[name]:
                    raise PackingError(
                        f"channel {name!r} is {of_first[name]} in {plans[0].dataset!r} and {of_dataset[name]} in "
                        f"{plan.dataset!r}; write both alike"
                    )
            if self.loss_on is not None:
                loss_columns(plan, self.loss_on)

    def new(self, n_rows: int, width: int, channels: Mapping[str, str]) -> Batch:
        """Arrays ``[rows, width]`` by name, with nothing in them; the channels are those of a dataset, with dtypes."""
        dtypes = {"input_ids": self.dtype, **_DTYPES}
        dtypes = {name: dtypes[name] for name in self.arrays} | {
            name: channels[name] for name in self.channels
        }
        return {name: np.empty((n_rows, width), dtype) for name, dtype in dtypes.items()}


def loss_columns(plan: DatasetPlan, loss_on: str | Sequence[str]) -> tuple[list[int], int]:
    """The numbers of text columns whose tokens have labels, and that of the last column.

    Raises:
        PackingError: The dataset has no such columns, or was made of one column.
    """
    columns = plan.dataset.manifest.options.get("text_columns", [])
    names = [loss_on] if isinstance(loss_on, str) else list(loss_on)
    if COLUMN not in plan.dataset.channels:
        raise PackingError(f"loss_on is {names}; prepare the dataset with several columns as text_column")
    unknown = sorted(set(names) - set(columns))
    if unknown or not names:
        raise PackingError(f"loss_on is {names}; the columns of the dataset are {', '.join(columns)}")
    return [columns.index(name) for name in names], len(columns) - 1


def rows_of(plan: DatasetPlan, sequences: Int64Array, row_format: RowFormat) -> Batch:
    """Sequences of one plan as arrays ``[rows, width]`` by name. O(positions)."""
    batch = row_format.new(len(sequences), plan.capacity, plan.dataset.channels)
    write_rows(plan, sequences, row_format, batch)
    return batch


def write_rows(plan: DatasetPlan, sequences: Int64Array, row_format: RowFormat, batch: Batch) -> None:
    """Writes sequences of one plan into arrays ``[rows, width]``. O(positions)."""
    out = {name: batch[name] for name in row_format.arrays}
    packed = plan.apply(sequences, dtype=row_format.dtype, out=out)
    for name in row_format.channels:
        batch[name][:] = plan.channel(packed, name)
    if row_format.loss_on is not None:
        columns, last = loss_columns(plan, row_format.loss_on)
        of_tokens = plan.channel(packed, COLUMN, around=last)
        batch["labels"][~np.isin(of_tokens, columns)] = _PADDING["labels"]


def gathered(
    runs: Sequence[tuple[DatasetPlan, Int64Array]],
    places: Int64Array | None,
    n_rows: int,
    row_format: RowFormat,
) -> Batch:
    """Sequences of several plans of one width as arrays by name, and rows that hold nothing behind them.

    Row ``i`` is row ``places[i]`` of all runs, one after the other, or row ``i`` without places. There must be a run;
    it may have no sequences.
    """
    plan = runs[0][0]
    batch = row_format.new(n_rows, plan.capacity, plan.dataset.channels)
    end = 0
    for of_run, sequences in runs:
        rows = slice(end, end + len(sequences))
        write_rows(of_run, sequences, row_format, {name: array[rows] for name, array in batch.items()})
        end = rows.stop
    if places is not None:
        for array in batch.values():
            array[:end] = array[places]
    if end < n_rows:
        write_nothing(batch, slice(end, n_rows), plan.pad_id)
    return batch


def write_nothing(batch: Batch, rows: slice, pad_id: int) -> None:
    """Makes rows of a batch empty: padding without labels."""
    for name, array in batch.items():
        array[rows] = pad_id if name == "input_ids" else _PADDING.get(name, 0)
