"""Datasets and loaders for PyTorch: batches that depend on no worker and no number of ranks, with exact resume.

``PackedDataset`` has the sequences of a plan by number, for samplers and trainers of their own. ``DataLoader`` runs a
:class:`portmanteau.Loader` or a :class:`StreamingDataset` in worker processes. ``StepDataset`` is what it runs: an
iterable dataset of whole batches with ``state_dict``, which ``torchdata``'s ``StatefulDataLoader`` takes too.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from portmanteau.errors import MissingDependencyError, PackingError
from portmanteau.loading import Loader, TextLoader
from portmanteau.loading.rows import RowFormat, rows_of

try:
    import torch
    from torch.utils import data
except ImportError as error:
    raise MissingDependencyError(
        "portmanteau.torch needs PyTorch; install it with pip install 'portmanteau[torch]'"
    ) from error

if TYPE_CHECKING:
    from portmanteau.store import DatasetPlan

__all__ = ["DataLoader", "PackedDataset", "StepDataset", "StreamingDataset", "collate"]

Tensors = dict[str, torch.Tensor]


def collate(rows: Sequence[Mapping[str, Any]]) -> Tensors:
    """Rows of one width as a batch: ``[width]`` arrays or tensors by name to tensors ``[rows, width]``.

    >>> import numpy as np
    >>> collate([{"input_ids": np.array([1, 2])}, {"input_ids": np.array([3, 4])}])
    {'input_ids': tensor([[1, 2],
            [3, 4]])}
    """
    return {name: torch.stack([torch.as_tensor(row[name]) for row in rows]) for name in rows[0]}


def tensors(batch: Mapping[str, Any]) -> Tensors:
    """The arrays of a batch as tensors that share their memory."""
    return {name: torch.from_numpy(array) for name, array in batch.items()}


class PackedDataset(data.Dataset[Tensors]):
    """The sequences of a plan by number: a map-style dataset for samplers, ``DataLoader`` and trainers.

    A batch of numbers is gathered at once, without Python work for each. It pickles as the path of the dataset, so that
    spawned workers map the files themselves.

    >>> import portmanteau as pm
    >>> tokenizer = pm.Tokenizer.load("o200k_base")
    >>> plan = pm.write_dataset(tokenizer.encode_batch(["by the way", "so"]), "torch", tokenizer).pack(4)
    >>> dataset = PackedDataset(plan)
    >>> len(dataset), dataset[0]["input_ids"]
    (1, tensor([2345,  290, 2006,  786]))
    """

    def __init__(
        self,
        plan: DatasetPlan,
        *,
        arrays: Sequence[str] = ("input_ids", "position_ids", "labels"),
        channels: Sequence[str] = (),
        loss_on: str | Sequence[str] | None = None,
        dtype: Literal["int32", "int64"] = "int64",
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

    def __getitem__(self, index: int) -> Tensors:
        """A sequence: tensors ``[width]`` by name.

        Raises:
            IndexError: There is no such sequence.
        """
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Tensors]:
        """Several sequences, gathered together; what ``DataLoader`` asks for where it makes a batch.

        Raises:
            IndexError: There is no such sequence.
        """
        numbers = range(len(self))
        batch = rows_of(self.plan, np.array([numbers[index] for index in indices], np.int64), self._format)
        columns = tensors(batch)
        return [{name: column[row] for name, column in columns.items()} for row in range(len(indices))]


class StepDataset(data.IterableDataset[Tensors]):
    """The batches of a :class:`portmanteau.Loader`, one after the other, shared out among workers.

    Worker i of n gives every n-th step, and a ``DataLoader`` with ``batch_size=None`` puts them back into order. The
    state is a few numbers. Made for ``torchdata``'s ``StatefulDataLoader``; :class:`DataLoader` resumes with any number
    of workers.
    """

    def __init__(self, loader: Loader) -> None:
        """The batches of a loader from its step on."""
        self.loader = loader
        """What gives the batches."""
        self._step: int | None = None

    def __iter__(self) -> Iterator[Tensors]:
        """The batches of this worker, from where the state that was loaded says on."""
        info = data.get_worker_info()
        worker, n_workers = (info.id, info.num_workers) if info else (0, 1)
        step = self.loader.step + worker if self._step is None else self._step
        n_steps = self.loader.feed.n_steps
        while n_steps is None or step < n_steps:
            self._step = step + n_workers
            yield tensors(self.loader.batch_at(step))
            step = self._step
        self._step = None

    def state_dict(self) -> dict[str, Any]:
        """The state of the loader, and which step this worker gives next."""
        return {"loader": self.loader.state_dict(), "next_step": self._step}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where another worker of the same number was, among as many.

        Raises:
            PackingError: It is the state of another feed, seed or version, or none.
        """
        self.loader.load_state_dict(state["loader"])
        self._step = state["next_step"]


class StreamingDataset(data.IterableDataset[Tensors]):
    """Text files, encoded and packed while they are read: see :class:`portmanteau.TextLoader`.

    Items are batches of this worker's rows, so a ``DataLoader`` around it has ``batch_size=None``. With several
    workers, each gives the rows of some of the rank's lanes: :class:`DataLoader` puts them together to the batch that
    one process would give. With ``StatefulDataLoader``, each is a batch of its own.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Takes what :class:`portmanteau.TextLoader` does, but for the workers.

        Raises:
            PackingError: As there.
            FileError: As there.
        """
        self._beginning = TextLoader(*arguments, **options)
        self._state: Any = None
        self._running: TextLoader | None = None

    @property
    def n_lanes(self) -> int:
        """How many lanes this rank has: so many workers are of use."""
        return self._beginning.n_lanes // self._beginning.world_size

    @property
    def rows_per_lane(self) -> int:
        """How many rows of a batch come from one lane."""
        return self._beginning.rows_per_lane

    def loader(self) -> TextLoader:
        """A loader of the rows of this worker, from where the state that was loaded says on.

        Raises:
            PackingError: As for :meth:`load_state_dict`.
        """
        info = data.get_worker_info()
        worker, n_workers = (info.id, info.num_workers) if info else (0, 1)
        loader = self._beginning.of_worker(worker, n_workers)
        if self._state is not None:
            loader.load_state_dict(self._state)
        return loader

    def __iter__(self) -> Iterator[Tensors]:
        """The batches of this worker. Where they have ended, the next iteration begins from the beginning."""
        self._running = self.loader()
        for batch in self._running:
            yield tensors(batch)
        self._running = self._state = None

    def state_dict(self) -> dict[str, Any]:
        """Where this worker is: the step, and two numbers for each of its lanes."""
        return (self._running or self.loader()).state_dict()

    def load_state_dict(self, state: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
        """Goes on where others were; a list of states where the number of ranks or workers has changed.

        Raises:
            PackingError: As for :meth:`portmanteau.TextLoader.load_state_dict`, at once or in the worker.
        """
        if isinstance(state, Mapping):
            self._state = dict(state)
        else:
            self._state = [dict(each) for each in state]
        self._running = None


class _Steps(data.Dataset[Tensors]):
    """The batches of a loader by step."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def __getitem__(self, step: int) -> Tensors:
        return tensors(self._loader.batch_at(step))


class _WithState(data.IterableDataset["_OfWorker"]):
    """The batches of a worker's lanes, without end: where the lanes have ended, of empty rows."""

    def __init__(self, dataset: StreamingDataset) -> None:
        self._dataset = dataset

    def __iter__(self) -> Iterator[_OfWorker]:
        loader = self._dataset.loader()
        for batch in loader:
            yield _OfWorker(tensors(batch), loader.state_dict(), False)
        while True:
            yield _OfWorker(tensors(loader.no_batch()), loader.state_dict(), True)


class _OfWorker(NamedTuple):
    """What a worker has of a step."""

    batch: Tensors
    state: dict[str, Any]
    """Where its lanes are behind the batch."""
    has_ended: bool


class DataLoader:
    """Runs a loader in worker processes; batches come in the order of steps, as from the loader itself.

    The state is that of the batches that were given, whatever the workers have made ahead; it loads with any number of
    workers and, for a :class:`portmanteau.Loader`, of ranks. For a :class:`StreamingDataset`, whose state is that of
    the lanes of its rank, give the states of all ranks where their number has changed.

    >>> import portmanteau as pm
    >>> tokenizer = pm.Tokenizer.load("o200k_base")
    >>> plan = pm.write_dataset(tokenizer.encode_batch(["by the way", "so", "on"]), "workers", tokenizer).pack(4)
    >>> batches = DataLoader(pm.Loader(plan, batch_size=1, epochs=1, shuffle=False))
    >>> [batch["input_ids"].tolist() for batch in batches], batches.state_dict()["step"]
    ([[[2345, 290, 2006, 786]], [[263, 0, 0, 0]]], 2)
    """

    def __init__(
        self,
        source: Loader | StreamingDataset,
        *,
        num_workers: int = 0,
        pin_memory: bool = False,
        prefetch_factor: int | None = None,
        multiprocessing_context: str | None = None,
        worker_init_fn: Callable[[int], None] | None = None,
    ) -> None:
        """A loader with workers.

        Args:
            source: What gives the batches.
            num_workers: How many processes make them; none but this one if 0.
            pin_memory: Whether tensors lie in pinned memory, from which they go to a GPU while it works. Without a GPU,
                they do not.
            prefetch_factor: How many batches each worker makes ahead; 2 by default.
            multiprocessing_context: ``"fork"``, ``"spawn"`` or ``"forkserver"``; that of Python by default.
            worker_init_fn: Called in each worker with its number.

        Raises:
            PackingError: The source is neither of both.
        """
        if not isinstance(source, (Loader, StreamingDataset)):
            raise PackingError(
                f"{type(source).__name__} cannot be loaded; give a portmanteau.Loader or a StreamingDataset"
            )
        self._source = source
        self._pin_memory = pin_memory
        self._options: dict[str, Any] = {"batch_size": None, "worker_init_fn": worker_init_fn}
        if isinstance(source, StreamingDataset):
            num_workers = min(num_workers, source.n_lanes)
            self._state = source.loader().state_dict()
        if num_workers:
            self._options |= {
                "prefetch_factor": prefetch_factor,
                "multiprocessing_context": multiprocessing_context,
            }
        self._n_workers = num_workers

    def __len__(self) -> int:
        """Number of steps, those before the one at hand included.

        Raises:
            TypeError: They do not end, or nobody knows.
        """
        if isinstance(self._source, Loader):
            return len(self._source)
        raise TypeError("how many batches text makes is known when it is packed; it has no length")

    def __iter__(self) -> Iterator[Tensors]:
        """The batches from the step at hand on."""
        return (
            self._of_loader(self._source)
            if isinstance(self._source, Loader)
            else self._of_lanes(self._source)
        )

    def _of_loader(self, loader: Loader) -> Iterator[Tensors]:
        changes = None
        while (n_steps := loader.feed.n_steps) is None or loader.step < n_steps:
            step, changes = loader.step, loader.feed.changes
            steps = itertools.count(step) if n_steps is None else range(step, n_steps)
            for batch in data.DataLoader(
                _Steps(loader),
                sampler=_Endless(steps),
                num_workers=self._n_workers,
                pin_memory=self._pin_memory,
                **self._options,
            ):
                step += 1
                loader.step = step
                yield batch
                if (loader.step, loader.feed.changes) != (step, changes):
                    # The caller went to another step or changed weights: what workers have made ahead does not hold.
                    break

    def _of_lanes(self, dataset: StreamingDataset) -> Iterator[Tensors]:
        n_workers = max(self._n_workers, 1)
        dataset.load_state_dict([self._state])
        items = iter(data.DataLoader(_WithState(dataset), num_workers=self._n_workers, **self._options))
        while True:
            of_step = list(itertools.islice(items, n_workers))
            if all(each.has_ended for each in of_step):
                return
            lanes: dict[str, Any] = {}
            for each in of_step:
                lanes |= each.state["lanes"]
            self._state = {**self._state, "step": self._state["step"] + 1, "lanes": lanes}
            yield self._together([each.batch for each in of_step], dataset)

    def _together(self, of_workers: Sequence[Tensors], dataset: StreamingDataset) -> Tensors:
        """The rows of all workers: lane i of the rank is that of worker ``i % n``, at place ``i // n``."""
        n_workers, rows = len(of_workers), dataset.rows_per_lane
        pinned = self._pin_memory and torch.cuda.is_available()
        if n_workers == 1 and not pinned:
            return of_workers[0]
        together = {}
        for name, of_first in of_workers[0].items():
            shape = dataset.n_lanes * rows, of_first.shape[1]
            batch = torch.empty(shape, dtype=of_first.dtype, pin_memory=pinned)
            of_lanes = batch.view(dataset.n_lanes, rows, -1)
            for worker, of_worker in enumerate(of_workers):
                of_lanes[worker::n_workers] = of_worker[name].view(-1, rows, shape[1])
            together[name] = batch
        return together

    def state_dict(self) -> dict[str, Any]:
        """Where the batches that were given end."""
        return self._source.state_dict() if isinstance(self._source, Loader) else dict(self._state)

    def load_state_dict(self, state: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
        """Goes on where others were.

        Args:
            state: What :meth:`state_dict` returned; of a :class:`StreamingDataset`, a list of the states of all ranks
                where their number has changed.

        Raises:
            PackingError: It is the state of something else, or none.
        """
        if isinstance(self._source, Loader):
            self._source.load_state_dict(state)  # type: ignore[arg-type]
            return
        self._source.load_state_dict(state)
        self._state = self._source.loader().state_dict()


class _Endless(data.Sampler[int]):
    """Steps as a sampler, which need not end."""

    def __init__(self, steps: range | itertools.count[int]) -> None:
        self._steps = steps

    def __iter__(self) -> Iterator[int]:
        return iter(self._steps)
