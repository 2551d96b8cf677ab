"""Rows of sequences as the arrays of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from portmanteau.errors import PackingError
from portmanteau.store.encoding import COLUMN

if TYPE_CHECKING:
    import numpy.typing as npt

    from portmanteau.packing import PackedSequences
    from portmanteau.packing.arguments import Int64Array
    from portmanteau.store import DatasetPlan

    Batch = dict[str, npt.NDArray[Any]]

#: What a batch may have, and what stands in its empty rows; ``None`` is the pad id.
ARRAYS = {"input_ids": None, "position_ids": 0, "segment_ids": 0, "labels": -100}


@dataclass(frozen=True)
class RowFormat:
    """What rows are made into."""

    arrays: tuple[str, ...]
    channels: tuple[str, ...]
    loss_on: str | Sequence[str] | None
    dtype: Literal["uint32", "int32", "int64"]
    plans: Sequence[DatasetPlan]

    def __post_init__(self) -> None:
        """Raises PackingError for what a dataset does not have."""
        for plan in self.plans:
            missing = sorted(set(self.channels) - set(plan.dataset.channels))
            if missing:
                raise PackingError(
                    f"{plan.dataset!r} has no channel {missing[0]!r}; it has {sorted(plan.dataset.channels)}"
                )
            if self.loss_on is not None:
                loss_columns(plan, self.loss_on)

    @property
    def pad_id(self) -> int:
        """The id of empty rows."""
        return self.plans[0].pad_id


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
    packed = plan.apply(sequences, dtype=row_format.dtype)
    return arrays_of(packed, row_format, plan)


def arrays_of(packed: PackedSequences, row_format: RowFormat, plan: DatasetPlan | None) -> Batch:
    """Packed sequences as arrays by name; channels and losses on columns are those of a plan."""
    batch: Batch = {}
    for name in row_format.arrays:
        batch[name] = packed.labels() if name == "labels" else getattr(packed, name)
    if plan is not None:
        for name in row_format.channels:
            batch[name] = plan.channel(packed, name)
        if row_format.loss_on is not None and "labels" in batch:
            columns, last = loss_columns(plan, row_format.loss_on)
            of_tokens = plan.channel(packed, COLUMN, around=last)
            batch["labels"][~np.isin(of_tokens, columns)] = ARRAYS["labels"]
    return batch


def gathered(
    runs: Sequence[tuple[DatasetPlan, Int64Array]], places: Int64Array, row_format: RowFormat
) -> Batch:
    """Sequences of several plans as arrays by name; row ``i`` is row ``places[i]`` of all runs, one after the other."""
    batches = [rows_of(plan, sequences, row_format) for plan, sequences in runs]
    if len(batches) == 1 and np.array_equal(places, np.arange(len(places))):
        return batches[0]
    if not batches:
        return rows_of(row_format.plans[0], np.empty(0, np.int64), row_format)
    return {name: np.concatenate([batch[name] for batch in batches])[places] for name in batches[0]}


def empty_rows(batch: Batch, n_rows: int, pad_id: int) -> Batch:
    """The batch with rows added that hold nothing, so that it has ``n_rows``."""
    for name, array in batch.items():
        if len(array) < n_rows:
            fill = ARRAYS.get(name, 0)
            shape = n_rows - len(array), array.shape[1]
            rows = np.full(shape, pad_id if fill is None else fill, array.dtype)
            batch[name] = np.concatenate([array, rows])
    return batch
