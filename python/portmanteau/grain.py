"""Random access sources for grain (JAX): sequences of a plan, or whole batches of a loader.

Both have ``__len__`` and ``__getitem__``, which is what ``grain.MapDataset.source`` and ``grain.DataLoader`` take;
neither needs grain to be installed. Grain's own checkpoints then resume exactly, since an element depends on its number
alone.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from portmanteau.loading.rows import RowFormat, rows_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from portmanteau.loading import Loader
    from portmanteau.store import DatasetPlan

    Arrays = dict[str, npt.NDArray[Any]]

__all__ = ["PackedSource", "StepSource"]


class PackedSource:
    """The sequences of a plan by number.

    >>> import portmanteau as pm
    >>> tokenizer = pm.Tokenizer.load("o200k_base")
    >>> plan = pm.write_dataset(tokenizer.encode_batch(["by the way", "so"]), "grain", tokenizer).pack(4)
    >>> source = PackedSource(plan)
    >>> len(source), source[0]["input_ids"]
    (1, array([2345,  290, 2006,  786], dtype=int32))
    """

    def __init__(
        self,
        plan: DatasetPlan,
        *,
        arrays: Sequence[str] = ("input_ids", "position_ids", "segment_ids"),
        channels: Sequence[str] = (),
        loss_on: str | Sequence[str] | None = None,
        dtype: Literal["uint32", "int32", "int64"] = "int32",
    ) -> None:
        """The sequences of a plan; the arguments are those of :class:`portmanteau.Loader`.

        Raises:
            PackingError: An argument cannot be, or does not go with the plan.
        """
        self.plan = plan
        """What the sequences are of."""
        self._format = RowFormat(tuple(arrays), tuple(channels), loss_on, dtype)
        self._format.check([plan])

    def __len__(self) -> int:
        """Number of sequences."""
        return self.plan.n_sequences

    def __getitem__(self, record_key: int) -> Arrays:
        """A sequence: arrays ``[width]`` by name.

        Raises:
            IndexError: There is no such sequence.
        """
        index = range(len(self))[operator.index(record_key)]
        batch = rows_of(self.plan, np.array([index], np.int64), self._format)
        return {name: array[0] for name, array in batch.items()}

    def __repr__(self) -> str:
        """What grain tells sources apart by when it loads a checkpoint."""
        return f"PackedSource({self.plan.fingerprint})"


class StepSource:
    """The batches of a loader that ends, by step.

    >>> import portmanteau as pm
    >>> tokenizer = pm.Tokenizer.load("o200k_base")
    >>> plan = pm.write_dataset(tokenizer.encode_batch(["by the way", "so"]), "steps", tokenizer).pack(4)
    >>> source = StepSource(pm.Loader(plan, batch_size=1, epochs=2, dtype="int32"))
    >>> len(source), source[1]["input_ids"]
    (2, array([[2345,  290, 2006,  786]], dtype=int32))
    """

    def __init__(self, loader: Loader) -> None:
        """The batches of a loader.

        Raises:
            TypeError: The loader has no end.
        """
        self.loader = loader
        """What gives the batches."""
        self._n_steps = len(loader)

    def __len__(self) -> int:
        """Number of steps."""
        return self._n_steps

    def __getitem__(self, record_key: int) -> Arrays:
        """The batch of a step: arrays ``[rows, width]`` by name.

        Raises:
            IndexError: There is no such step.
        """
        return self.loader.batch_at(operator.index(record_key))

    def __repr__(self) -> str:
        """What grain tells sources apart by when it loads a checkpoint."""
        return f"StepSource({self.loader.fingerprint})"
