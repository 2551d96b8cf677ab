"""grain: its loaders and checkpoints over sequences of plans and over batches of loaders."""

from __future__ import annotations

import json

import numpy as np
import pytest

import portmanteau as pm
from libraries import library
from portmanteau.grain import PackedSource, StepSource
from test_loading import equal, store

grain = library("grain.python")


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory):
    lengths = np.random.default_rng(1).integers(1, 30, 120).tolist()
    return store(tmp_path_factory.mktemp("plan") / "store", lengths).pack(16, eos_id=50256)


def test_sources_are_what_grain_takes(plan):
    sequences = PackedSource(plan, channels=(), arrays=["input_ids", "segment_ids", "labels"])
    steps = StepSource(pm.Loader(plan, batch_size=8, epochs=2, dtype="int32"))
    for source in (sequences, steps):
        assert isinstance(source, grain.RandomAccessDataSource)
        with pytest.raises(IndexError):
            source[len(source)]
    packed = plan.apply(np.arange(plan.n_sequences), dtype="int32")
    for index in (0, np.int64(3), plan.n_sequences - 1):
        row = sequences[index]
        assert row["input_ids"].dtype == np.int32
        assert np.array_equal(row["input_ids"], packed.input_ids[index])
        assert np.array_equal(row["labels"], packed.labels()[index])
        assert np.array_equal(row["segment_ids"], packed.segment_ids[index])
    assert all(equal(steps[step], steps.loader.batch_at(step)) for step in range(len(steps)))
    with pytest.raises(TypeError, match="no end"):
        StepSource(pm.Loader(plan, batch_size=8))


def test_names_tell_sources_apart(plan):
    loader = pm.Loader(plan, batch_size=8, epochs=2)
    other = pm.Loader(plan, batch_size=8, epochs=2, seed=1)
    assert repr(StepSource(loader)) != repr(StepSource(other))
    assert repr(PackedSource(plan)) != repr(PackedSource(plan.dataset.pack(20)))


def test_a_map_dataset_shuffles_and_batches_sequences(plan):
    data = grain.MapDataset.source(PackedSource(plan)).seed(1).shuffle().batch(4)
    rows = np.concatenate([data[index]["input_ids"] for index in range(len(data))])
    packed = plan.apply(np.arange(plan.n_sequences), dtype="int32").input_ids
    assert sorted(map(bytes, rows)) == sorted(map(bytes, packed))


@pytest.mark.parametrize("stop", [0, 1, 5])
def test_a_checkpoint_of_a_dataset_goes_on(plan, stop):
    loader = pm.Loader(plan, batch_size=8, epochs=2, seed=3)

    def new():
        return iter(grain.MapDataset.source(StepSource(loader)).to_iter_dataset())

    iterator = new()
    for step in range(stop):
        assert equal(next(iterator), loader.batch_at(step))
    state = json.loads(json.dumps(iterator.get_state()))
    other = new()
    other.set_state(state)
    rest = list(other)
    assert len(rest) == len(loader) - stop
    assert all(equal(batch, loader.batch_at(step)) for step, batch in enumerate(rest, stop))


@pytest.mark.parametrize("n_workers", [0, 2])
def test_a_loader_of_grain_gives_steps_in_order(plan, n_workers):
    # As `absl.app.run` does; without it, grain starts no workers.
    library("absl.flags").FLAGS.mark_as_parsed()
    loader = pm.Loader(plan, batch_size=8, epochs=1, seed=3)

    def new():
        sampler = grain.SequentialSampler(len(loader), grain.NoSharding())
        return iter(grain.DataLoader(data_source=StepSource(loader), sampler=sampler, worker_count=n_workers))

    iterator = new()
    for step in range(3):
        assert equal(next(iterator), loader.batch_at(step))
    state = iterator.get_state()
    other = new()
    other.set_state(state)
    rest = list(other)
    assert len(rest) == len(loader) - 3
    assert all(equal(batch, loader.batch_at(step)) for step, batch in enumerate(rest, 3))


def test_batches_go_to_jax(plan):
    jax = library("jax")
    loader = pm.Loader(plan, batch_size=8, epochs=1, dtype="int32")
    batch = jax.tree.map(jax.numpy.asarray, StepSource(loader)[0])
    assert np.array_equal(batch["input_ids"], loader.batch_at(0)["input_ids"])
