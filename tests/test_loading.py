"""Loaders of plans: their order from its definition, steps and ranks, curricula, states, and what must never change."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import portmanteau as pm
from portmanteau import _rust
from portmanteau.errors import FileError, PackingError
from portmanteau.loading.feeds import sequences_of
from portmanteau.store import DatasetPlan

MASK = 2**64 - 1
LENGTHS = [3, 9, 1, 14, 6, 2, 8, 5, 5, 11, 4, 7, 1, 13, 2, 6, 10, 3, 8, 4, 12, 5, 1, 9]


def store(
    folder: Path, lengths: list[int] = LENGTHS, name: str = "r50k_base", first_id: int = 0
) -> pm.Dataset:
    """A dataset in which every token has another id, so that ids say where they are from."""
    offsets = np.cumsum([0, *lengths])
    batch = pm.TokenBatch(np.arange(first_id, first_id + offsets[-1], dtype=np.uint32), offsets)
    return pm.write_dataset(batch, folder, pm.Tokenizer.load(name))


@pytest.fixture
def plan(tmp_path: Path) -> DatasetPlan:
    return store(tmp_path / "store").pack(16)


def equal(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype and np.array_equal(one[name], other[name]) for name in one
    )


# ── the order, from its definition ──────────────────────────────────────────────────────────────────────────────────


def mixed(value: int) -> int:
    """The finalizer of SplitMix64, after adding its constant."""
    value = (value + 0x9E3779B97F4A7C15) & MASK
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB & MASK
    return value ^ (value >> 31)


def permuted(place: int, n: int, seed: int, epoch: int) -> int:
    """A Feistel network of eight rounds on as few bits as n needs, walked until an item below n comes out."""
    bits = max(n - 1, 0).bit_length()
    low_bits = (bits + 1) // 2
    key = mixed(mixed(seed) ^ epoch)
    while True:
        high, low = place >> low_bits, place % (1 << low_bits)
        for number in range(8):
            hashed = mixed(mixed((key + number) & MASK) ^ (high if number % 2 else low))
            if number % 2:
                low ^= hashed % (1 << low_bits)
            else:
                high ^= hashed % (1 << (bits - low_bits))
        place = high << low_bits | low
        if place < n:
            return place


@given(st.integers(1, 10**6) | st.integers(1, 2**62), st.integers(0, MASK), st.integers(0, 2**40), st.data())
def test_the_permutation_is_the_one_that_is_described(n, seed, epoch, data):
    places = data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=5))
    expected = [permuted(place, n, seed, epoch) for place in places]
    assert _rust.permute(np.array(places), n, seed, epoch).tolist() == expected


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, MASK), st.booleans())
def test_samples_are_epochs_one_after_the_other(plan_of_many, first, count, seed, shuffle):
    n = plan_of_many.n_sequences
    key = seed ^ int(plan_of_many.fingerprint[:16], 16)
    expected = [
        permuted(sample % n, n, key, sample // n) if shuffle else sample % n
        for sample in range(first, first + count)
    ]
    assert sequences_of(plan_of_many, first, count, seed, shuffle).tolist() == expected


@pytest.fixture(scope="module")
def plan_of_many(tmp_path_factory: pytest.TempPathFactory) -> DatasetPlan:
    return store(tmp_path_factory.mktemp("many") / "store").pack(16)


@given(
    n_ranks=st.integers(1, 6),
    per_rank=st.integers(1, 4),
    epochs=st.floats(0.05, 3) | st.integers(1, 3),
    shuffle=st.booleans(),
    seed=st.integers(0, 5),
)
def test_ranks_have_one_list_that_is_cut_into_steps(plan_of_many, n_ranks, per_rank, epochs, shuffle, seed):
    batch_size = n_ranks * per_rank
    loaders = [
        pm.Loader(
            plan_of_many,
            batch_size=batch_size,
            epochs=epochs,
            shuffle=shuffle,
            seed=seed,
            rank=rank,
            world_size=n_ranks,
        )
        for rank in range(n_ranks)
    ]
    n_samples = max(1, round(epochs * plan_of_many.n_sequences))
    expected = sequences_of(plan_of_many, 0, n_samples, seed, shuffle).tolist()
    found = []
    for step in range(len(loaders[0])):
        for loader in loaders:
            rows = [sequence for _, sequence in loader.sequences_at(step)]
            batch = loader.batch_at(step)
            assert {len(array) for array in batch.values()} == {per_rank}
            packed = plan_of_many.apply(rows, dtype="int64")
            assert np.array_equal(batch["input_ids"][: len(rows)], packed.input_ids)
            assert np.array_equal(batch["labels"][: len(rows)], packed.labels())
            assert np.array_equal(batch["position_ids"][: len(rows)], packed.position_ids)
            assert not batch["input_ids"][len(rows) :].any()
            assert not batch["position_ids"][len(rows) :].any()
            assert (batch["labels"][len(rows) :] == -100).all()
            assert np.array_equal(loader.packed_at(step).input_ids, packed.input_ids)
            found += rows
    assert found == expected
    assert len(found) > batch_size * (len(loaders[0]) - 1)
    with pytest.raises(IndexError, match="there is no step"):
        loaders[0].batch_at(len(loaders[0]))
    with pytest.raises(IndexError, match="there is no step -1"):
        loaders[0].batch_at(-1)


def test_a_batch_may_hold_several_epochs(plan_of_many):
    n = plan_of_many.n_sequences
    loader = pm.Loader(plan_of_many, batch_size=3 * n + 1, epochs=2)
    rows = [sequence for _, sequence in loader.sequences_at(0)]
    assert len(loader) == 1
    assert len(rows) == 2 * n
    assert sorted(rows[:n]) == sorted(rows[n:]) == list(range(n))
    assert rows[:n] != rows[n:]
    endless = pm.Loader(plan_of_many, batch_size=3 * n + 1)
    assert len(endless.batch_at(10**12)["input_ids"]) == 3 * n + 1
    with pytest.raises(TypeError, match="no end"):
        len(endless)


# ── what never changes ──────────────────────────────────────────────────────────────────────────────────────────────


def test_the_order_is_that_of_every_version(tmp_path):
    """Checkpoints of earlier versions go on only if these numbers stay."""
    dataset = store(tmp_path / "store")
    plan = dataset.pack(16, eos_id=50256)
    loader = pm.Loader(plan, batch_size=4, seed=7)
    assert [sequence for step in range(5) for _, sequence in loader.sequences_at(step)] == GOLDEN_SEQUENCES
    assert loader.batch_at(3)["input_ids"][0].tolist() == GOLDEN_ROW
    other = store(tmp_path / "other", [5] * 30, first_id=1000).pack(16, eos_id=50256)
    mixture = pm.Mixture({"one": plan, "other": other}, {"one": 1, "other": 2}, batch_size=6)
    assert pm.Loader(mixture, seed=7).sequences_at(2) == GOLDEN_MIXTURE


GOLDEN_SEQUENCES = [5, 9, 10, 4, 8, 2, 7, 0, 6, 3, 1, 8, 0, 4, 3, 7, 9, 10, 6, 1]
GOLDEN_ROW = [13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 50256, 0]
GOLDEN_MIXTURE = [(0, 8), (1, 8), (1, 5), (1, 10), (0, 4), (1, 3)]


# ── arrays ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["r50k_base", "o200k_base"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"eos_id": 5, "bos_id": 6, "pad_id": 7},
        {"eos_id": 5, "bos_id": 6, "bos": "sequence", "eos": "sequence"},
        {"overlap": 3},
        {"align": 4, "pad_id": 9},
        {"strategy": "concat"},
        {"long_documents": "truncate"},
    ],
)
def test_batches_are_what_the_plan_makes(tmp_path, name, options):
    plan = store(tmp_path / "store", name=name).pack(7 if "overlap" in options else 8, **options)
    names = ("labels", "segment_ids", "input_ids", "position_ids")
    for dtype in ("uint32", "int32", "int64"):
        loader = pm.Loader(plan, batch_size=5, epochs=1, arrays=names, dtype=dtype)
        for step in range(len(loader)):
            rows = [sequence for _, sequence in loader.sequences_at(step)]
            packed = plan.apply(rows, dtype=dtype)
            batch = loader.batch_at(step)
            assert list(batch) == list(names)
            assert batch["input_ids"].dtype == dtype
            for array in names:
                expected = packed.labels() if array == "labels" else getattr(packed, array)
                assert batch[array].dtype == expected.dtype
                assert np.array_equal(batch[array][: len(rows)], expected)
                padding = {"labels": -100, "input_ids": plan.pad_id}.get(array, 0)
                assert (batch[array][len(rows) :] == padding).all()
    alone = pm.Loader(plan, batch_size=5, epochs=1, arrays=["labels"]).batch_at(0)
    assert list(alone) == ["labels"]
    assert np.array_equal(alone["labels"], loader.batch_at(0)["labels"])


def test_channels_stay_beside_their_ids(tmp_path):
    tokenizer = pm.Tokenizer.load("r50k_base")
    offsets = np.cumsum([0, *LENGTHS])
    ids = np.arange(1, offsets[-1] + 1, dtype=np.uint32)
    channels = {"half": ids / 2, "number": ids.astype(np.uint16)}
    channels["half"] = channels["half"].astype(np.float32)
    dtypes = {"half": "float32", "number": "uint16"}
    batch = [(pm.TokenBatch(ids, offsets), channels)]
    plan = pm.write_dataset(batch, tmp_path / "store", tokenizer, channels=dtypes).pack(16, eos_id=0)
    loader = pm.Loader(plan, batch_size=4, epochs=1, channels=["number", "half"])
    for found in loader:
        assert np.array_equal(found["number"], found["input_ids"])
        assert np.array_equal(found["half"], found["input_ids"] / 2)
        assert (found["half"].dtype, found["number"].dtype) == (np.float32, np.uint16)
    with pytest.raises(PackingError, match="no channel 'weight'"):
        pm.Loader(plan, batch_size=4, channels=["weight"])
    others = {"half": "float64", "number": "uint16"}
    wide = pm.write_dataset(batch, tmp_path / "wide", tokenizer, channels=others).pack(16, eos_id=0)
    mixture = pm.Mixture({"one": plan, "wide": wide}, {"one": 1, "wide": 1}, 4)
    with pytest.raises(PackingError, match=r"'half' is float32 in .* and float64 in"):
        pm.Loader(mixture, channels=["half"])
    taken = pm.write_dataset(
        [(pm.TokenBatch(ids, offsets), {"labels": ids})],
        tmp_path / "taken",
        tokenizer,
        channels={"labels": "uint32"},
    )
    with pytest.raises(PackingError, match="has the name 'labels'"):
        pm.Loader(taken.pack(16), batch_size=4, channels=["labels"])


def test_losses_on_columns(tmp_path):
    source = tmp_path / "pairs.jsonl"
    pairs = [{"ask": f"question {number}? ", "answer": "yes" * (number % 4)} for number in range(30)]
    source.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    tokenizer = pm.Tokenizer.load("r50k_base")
    dataset = pm.prepare(source, tokenizer, tmp_path / "store", text_column=["ask", "answer"])
    plan = dataset.pack(32, eos_id=50256, strategy="next_fit")

    def learnt(loss_on):
        batches = list(pm.Loader(plan, batch_size=4, epochs=1, shuffle=False, loss_on=loss_on))
        return "".join(
            tokenizer.decode(row[row >= 0].astype(np.uint32)) for batch in batches for row in batch["labels"]
        )

    assert learnt("answer").replace("<|endoftext|>", "") == "".join(pair["answer"] for pair in pairs)
    assert learnt("answer").count("<|endoftext|>") == 30
    # The first token of a document has no label.
    assert learnt("ask") == "".join(pair["ask"].removeprefix("question") for pair in pairs)
    assert learnt(["ask", "answer"]) == learnt(None)
    with pytest.raises(PackingError, match="the columns of the dataset are ask, answer"):
        pm.Loader(plan, batch_size=4, loss_on="text")
    with pytest.raises(PackingError, match="arrays have no labels"):
        pm.Loader(plan, batch_size=4, loss_on="ask", arrays=["input_ids"])


# ── curricula ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_curriculum_gives_steps_of_its_feeds(tmp_path):
    dataset = store(tmp_path / "store")
    short, long = dataset.pack(8), dataset.pack(16)
    feeds = [pm.Epochs(short, 4), pm.Epochs(long, 2, epochs=1), pm.Epochs(short, 8)]
    stages = [(feeds[0], 3), (feeds[1], 2), (feeds[0], 1), (feeds[2], 2), (feeds[1], 3)]
    curriculum = pm.Curriculum(stages)
    loader = pm.Loader(curriculum, seed=3, world_size=2, rank=1)
    given = {id(feed): 0 for feed in feeds}
    step = 0
    for feed, n_steps in stages:
        alone = pm.Loader(feed, seed=3, world_size=2, rank=1)
        for _ in range(n_steps):
            assert equal(loader.batch_at(step), alone.batch_at(given[id(feed)]))
            assert loader.rows_per_rank(step) == feed.batch_size(0) // 2
            given[id(feed)] += 1
            step += 1
    assert len(loader) == step == 11
    assert curriculum.samples_before(6) == [16, 4, 0]
    for wrong in (-1, 11):
        with pytest.raises(IndexError):
            loader.batch_at(wrong)


def test_a_rank_without_rows_has_rows_of_the_width_of_the_step(tmp_path):
    dataset = store(tmp_path / "store")
    long = dataset.pack(16, pad_id=3)
    curriculum = pm.Curriculum([(pm.Epochs(dataset.pack(8), 8), 1), (pm.Epochs(long, 8, epochs=0.05), 1)])
    last = pm.Loader(curriculum, world_size=8, rank=7)
    assert last.sequences_at(1) == []
    assert last.batch_at(1)["input_ids"].tolist() == [[3] * 16]
    assert last.batch_at(1)["labels"].tolist() == [[-100] * 16]
    assert len(last.packed_at(1)) == 0


def test_buckets_as_stages(tmp_path):
    dataset = store(tmp_path / "store")
    plan = dataset.pack(8, strategy="buckets")
    buckets = plan.buckets
    assert list(buckets) == [8, 4, 2, 1]
    stages = [(pm.Epochs(bucket, 32 // width), 2) for width, bucket in buckets.items()]
    loader = pm.Loader(pm.Curriculum(stages * 2))
    shapes = [batch["input_ids"].shape for batch in loader]
    assert shapes == [(32 // width, width) for width in buckets for _ in range(2)] * 2
    seen = np.zeros(sum(LENGTHS), np.int64)
    once = pm.Curriculum(
        [(pm.Epochs(bucket, 1, epochs=1), bucket.n_sequences) for bucket in buckets.values()]
    )
    for batch in pm.Loader(once):
        seen[batch["input_ids"]] += 1
    assert (seen == 1).all()
    with pytest.raises(PackingError, match="differ in capacity"):
        pm.Mixture({str(width): bucket for width, bucket in buckets.items()}, dict.fromkeys("8421", 1), 4)
    whole = pm.Loader(plan, batch_size=4, epochs=1)
    assert whole.batch_at(0)["input_ids"].shape == (4, 8)


def test_what_a_curriculum_cannot_be(plan):
    with pytest.raises(PackingError, match="needs a stage"):
        pm.Curriculum([])
    with pytest.raises(PackingError, match="steps is 0"):
        pm.Curriculum([(pm.Epochs(plan, 2), 0)])
    ends = pm.Epochs(plan, plan.n_sequences, epochs=1)
    with pytest.raises(PackingError, match="feed 0 is to give 2 steps and has 1"):
        pm.Curriculum([(ends, 1), (ends, 1)])
    with pytest.raises(PackingError, match="batches of 3 rows cannot be shared by 2 ranks"):
        pm.Loader(pm.Curriculum([(pm.Epochs(plan, 2), 1), (pm.Epochs(plan, 3), 1)]), world_size=2)


# ── states ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.lists(st.tuples(st.integers(0, 7), st.sampled_from([1, 2, 4, 8])), min_size=1, max_size=5))
@settings(max_examples=20)
def test_any_number_of_ranks_goes_on(plan_of_many, runs):
    whole = pm.Loader(plan_of_many, batch_size=8, seed=1)
    step, state = 0, json.loads(json.dumps(whole.state_dict()))
    assert len(json.dumps(state)) < 200
    for n_steps, n_ranks in runs:
        loaders = [
            pm.Loader(plan_of_many, batch_size=8, seed=1, rank=rank, world_size=n_ranks)
            for rank in range(n_ranks)
        ]
        for loader in loaders:
            loader.load_state_dict(state)
        for batches in zip(*(iter(loader) for loader in loaders), range(n_steps), strict=False):
            together = {name: np.concatenate([batch[name] for batch in batches[:-1]]) for name in batches[0]}
            assert equal(together, whole.batch_at(step))
            step += 1
        # `zip` asked the ranks for a batch more before it saw that `range` had ended.
        for loader in loaders:
            loader.step = step
        assert len({json.dumps(loader.state_dict()) for loader in loaders}) == 1
        state = json.loads(json.dumps(loaders[-1].state_dict()))


def test_foreign_states_are_refused(tmp_path, plan):
    loader = pm.Loader(plan, batch_size=4, seed=1)
    state = loader.state_dict()
    other_ids = store(tmp_path / "other", first_id=500).pack(16)
    assert other_ids.fingerprint == plan.fingerprint
    dataset = store(tmp_path / "padded")
    for other in (
        pm.Loader(plan, batch_size=8, seed=1),
        pm.Loader(plan, batch_size=4, seed=2),
        pm.Loader(plan, batch_size=4, seed=1, shuffle=False),
        pm.Loader(plan, batch_size=4, seed=1, epochs=2),
        pm.Loader(plan.dataset.pack(8), batch_size=4, seed=1),
        pm.Loader(other_ids, batch_size=4, seed=1),
        pm.Loader(dataset.pack(16, pad_id=1), batch_size=4, seed=1),
    ):
        with pytest.raises(PackingError, match="another dataset, plan, batch_size, seed or shuffle"):
            other.load_state_dict(state)
    damaged = [{}, None, {**state, "step": "x"}, {"version": 1}, [1], {**state, "version": None}]
    for wrong in damaged:
        with pytest.raises(PackingError, match="this is no state of a Loader"):
            loader.load_state_dict(wrong)
    with pytest.raises(PackingError, match="the state is of version 9"):
        loader.load_state_dict({**state, "version": 9})
    mixture = pm.Loader(pm.Mixture({"one": plan}, {"one": 1}, 4))
    with pytest.raises(PackingError, match="this is no state of a Loader"):
        mixture.load_state_dict({**mixture.state_dict(), "feed": {"step": 3}})
    loader.load_state_dict(state)


def test_an_error_does_not_skip_a_step(tmp_path):
    lengths = [8] * 40
    offsets = np.cumsum([0, *lengths])
    ids = np.arange(offsets[-1], dtype=np.uint32)
    batches = [pm.TokenBatch(ids[first * 8 : (first + 10) * 8], offsets[:11]) for first in range(0, 40, 10)]
    dataset = pm.write_dataset(batches, tmp_path / "store", pm.Tokenizer.load("r50k_base"), shard_tokens=80)
    dataset.pack(8)
    (tmp_path / "store" / "shards" / "00002.ids").rename(tmp_path / "away")
    loader = pm.Loader(pm.Dataset.open(tmp_path / "store").plan(), batch_size=4, shuffle=False, epochs=1)
    for _ in range(2):
        with pytest.raises(FileError, match=r"00002\.ids"):
            list(loader)
        assert loader.step == loader.state_dict()["step"] == 5
    (tmp_path / "away").rename(tmp_path / "store" / "shards" / "00002.ids")
    rest = np.concatenate([batch["input_ids"] for batch in loader])
    assert np.array_equal(rest.reshape(-1), ids[5 * 4 * 8 :])


def test_a_loader_pickles_where_it_is(plan):
    loader = pm.Loader(plan, batch_size=2, seed=5, rank=1, world_size=2)
    next(iter(loader))
    copy = pickle.loads(pickle.dumps(loader))
    assert copy.step == 1
    assert copy.fingerprint == loader.fingerprint
    assert equal(copy.batch_at(9), loader.batch_at(9))


@given(st.integers(0, 60), st.booleans())
def test_tokens_are_counted(plan_of_many, step, shuffle):
    loader = pm.Loader(plan_of_many, batch_size=3, epochs=5, shuffle=shuffle)
    step = min(step, len(loader))
    rows = [sequence for earlier in range(step) for _, sequence in loader.sequences_at(earlier)]
    assert loader.tokens_seen(step) == [int(plan_of_many.tokens_of(np.array(rows, np.int64)).sum())]
    assert loader.tokens_seen(len(loader)) == [5 * sum(LENGTHS)]
    assert loader.tokens_seen() == [0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "batch_size is missing"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"batch_size": 3, "world_size": 2}, "batches of 3 rows cannot be shared by 2 ranks"),
        ({"batch_size": 2, "world_size": 2, "rank": 2}, "rank is 2"),
        ({"batch_size": 2, "seed": -1}, "seed is -1"),
        ({"batch_size": 2, "epochs": 0}, "epochs is 0"),
        ({"batch_size": 2, "epochs": True}, "epochs is True"),
        ({"batch_size": 2, "epochs": float("nan")}, "epochs is nan"),
        ({"batch_size": 2, "arrays": []}, "arrays are"),
        ({"batch_size": 2, "arrays": ["width"]}, "choose from input_ids"),
        ({"batch_size": 2, "dtype": "int16"}, "dtype is 'int16'"),
    ],
)
def test_what_a_loader_cannot_be(plan, options, message):
    with pytest.raises(PackingError, match=message):
        pm.Loader(plan, **options)


def test_a_feed_has_its_own_numbers(tmp_path, plan):
    with pytest.raises(PackingError, match="are those of the feed"):
        pm.Loader(pm.Epochs(plan, 2), batch_size=2)
    nothing = store(tmp_path / "nothing", [0, 0]).pack(4)
    with pytest.raises(PackingError, match="has no sequences"):
        pm.Loader(nothing, batch_size=1)
