"""Mixtures: shares by tokens, limits, weights that change, and the same steps however they are asked for."""

from __future__ import annotations

import json
import math
import pickle
from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import portmanteau as pm
from portmanteau.errors import PackingError
from portmanteau.store import DatasetPlan
from test_loading import equal, store

NAMES = ("books", "code", "web")


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, DatasetPlan]:
    """Three sources whose rows are full, half full and full by a tenth, of 8, 30 and 50 sequences."""
    folder = tmp_path_factory.mktemp("sources")
    lengths = {"books": [20] * 8, "code": [10, 11] * 15, "web": [2] * 50}
    options = {"max_documents_per_sequence": 1}
    return {
        name: store(folder / name, lengths[name], first_id=1000 * number).pack(20, **options)
        for number, name in enumerate(NAMES)
    }


def per_row(plan: DatasetPlan) -> Fraction:
    return Fraction(plan.n_tokens, plan.n_sequences)


def exact_steps(plans, weights_of, batch_size, limits, n_steps):
    """What steps take, as the definition says it, in exact numbers."""
    owed = dict.fromkeys(plans, Fraction(0))
    taken = dict.fromkeys(plans, 0)
    for step in range(n_steps):
        weights = {name: Fraction(weight) for name, weight in weights_of(step).items()}
        room = {
            name: min(batch_size, limits.get(name, math.inf) - taken[name]) if weights[name] else 0
            for name in plans
        }
        share = {name: weights[name] / per_row(plan) if room[name] else 0 for name, plan in plans.items()}
        n_rows = min(batch_size, sum(room.values()))
        still, left = {name for name in plans if room[name]}, n_rows
        due = dict.fromkeys(plans, Fraction(0))
        while still:
            new = left - sum(owed[name] for name in still)
            for name in still:
                due[name] = owed[name] + new * share[name] / sum(share[each] for each in still)
            ending = {name for name in still if due[name] >= room[name] < batch_size}
            if not ending:
                break
            for name in ending:
                due[name] = Fraction(room[name])
            left -= sum(room[name] for name in ending)
            still -= ending
        owed = due
        count = {name: max(0, min(math.floor(owed[name]), room[name])) for name in plans}
        while sum(count.values()) < n_rows:
            able = [name for name in plans if count[name] < room[name]]
            count[max(able, key=lambda name: owed[name] - count[name])] += 1
        while sum(count.values()) > n_rows:
            able = [name for name in plans if count[name]]
            count[min(able, key=lambda name: owed[name] - count[name])] -= 1
        for name in plans:
            owed[name] -= count[name]
        yield taken.copy(), count
        taken = {name: taken[name] + count[name] for name in plans}


def steps_of(mixture, steps):
    """How many samples of each source were taken before each step, and how many it takes."""
    for step in steps:
        count = dict.fromkeys(mixture.names, 0)
        for share in mixture.shares(step):
            name = mixture.names[share.plan]
            count[name] = share.size
            assert share.first == mixture.samples_before(step)[share.plan]
        yield dict(zip(mixture.names, mixture.samples_before(step), strict=True)), count


# Weights with few bits, and rows of lengths that are no powers of two: ties are rare, and equal in both.
some_weights = st.fixed_dictionaries(dict.fromkeys(NAMES, st.integers(0, 50))).filter(
    lambda weights: any(weights.values())
)


@given(some_weights, st.integers(1, 12), st.dictionaries(st.sampled_from(NAMES), st.integers(1, 3)))
def test_steps_are_those_of_exact_numbers(plans, weights, batch_size, epochs):
    mixture = pm.Mixture(plans, weights, batch_size, epochs=epochs)
    limits = {name: epochs[name] * plans[name].n_sequences for name in epochs}
    n_steps = 60 if mixture.n_steps is None else min(60, mixture.n_steps)
    expected = list(exact_steps(plans, lambda _: weights, batch_size, limits, n_steps))
    found = list(steps_of(mixture, range(n_steps)))
    # Where two sources are behind by the same, floating-point numbers may say that one of them is by a hair more.
    for (before, _), (other_before, _) in zip(found, expected, strict=True):
        assert all(abs(before[name] - other_before[name]) <= 1 for name in NAMES)
    total = Fraction(sum(Fraction(weights[name]) / per_row(plans[name]) for name in NAMES))
    for step, (before, count) in enumerate(found):
        assert sum(count.values()) == batch_size or step == n_steps - 1
        if not epochs:
            for name in NAMES:
                due = step * batch_size * Fraction(weights[name]) / per_row(plans[name]) / total
                assert abs(before[name] - due) < 2


@given(some_weights, st.integers(1, 12), st.lists(st.integers(1, 3), min_size=3, max_size=3))
def test_limits_are_kept_exactly(plans, weights, batch_size, epochs):
    epochs = dict(zip(NAMES, epochs, strict=True))
    mixture = pm.Mixture(plans, weights, batch_size, epochs=epochs)
    loader = pm.Loader(mixture, seed=batch_size)
    times = Counter()
    for step in range(len(loader)):
        rows = loader.sequences_at(step)
        assert len(rows) == batch_size or step == len(loader) - 1
        times.update(rows)
    assert times == {
        (number, sequence): epochs[name]
        for number, name in enumerate(NAMES)
        if weights[name]
        for sequence in range(plans[name].n_sequences)
    }
    with pytest.raises(IndexError, match="has a sequence left"):
        loader.batch_at(len(loader))
    expected = [epochs[name] * plans[name].n_tokens if weights[name] else 0 for name in NAMES]
    assert loader.tokens_seen(len(loader)) == expected


def test_a_source_that_ends_leaves_its_rows_to_the_others_by_their_weights(plans):
    mixture = pm.Mixture(plans, {"books": 100, "code": 9 * 10.5, "web": 2}, 500, epochs={"books": 10.5})
    # In rows, books have 5 parts, code 9 and web 1; of the 167 rows of their share of a step, books have 84.
    counts = [count for _, count in steps_of(mixture, range(4))]
    n_books = sum(count["books"] for count in counts)
    assert n_books == 84
    after = {name: sum(count[name] for count in counts) for name in ("code", "web")}
    assert abs(after["code"] - 9 * after["web"]) <= 9


def test_shares_are_of_tokens(plans):
    loader = pm.Loader(pm.Mixture(plans, {"books": 5, "code": 3, "web": 2}, 16))
    seen = loader.tokens_seen(500)
    assert [round(tokens / sum(seen), 3) for tokens in seen] == [0.5, 0.3, 0.2]


@given(st.lists(st.integers(0, 3000), max_size=12))
@settings(max_examples=20)
def test_steps_may_be_asked_for_in_any_order(plans, steps):
    phases = [(0, {"books": 1, "code": 2, "web": 3}), (700, {"books": 3, "code": 2, "web": 0.1})]
    in_order = SEQUENTIAL.setdefault("shares", {})
    if not in_order:
        mixture = pm.Mixture(plans, phases, 7, epochs={"books": 20})
        in_order.update({step: mixture.shares(step) for step in range(3001)})
    mixture = pm.Mixture(plans, phases, 7, epochs={"books": 20})
    for step in steps:
        assert mixture.shares(step) == in_order[step]


SEQUENTIAL: dict[str, dict] = {}


def test_a_step_far_off_is_reached_from_the_nearest_that_is_known(plans):
    asked = []

    def weights(step):
        asked.append(step)
        return dict.fromkeys(NAMES, 1)

    mixture = pm.Mixture(plans, weights, 4)
    mixture.shares(5000)
    mixture.shares(0)
    asked.clear()
    mixture.shares(4999)
    assert len(asked) < 1100


def test_new_weights_change_later_steps_alone(plans):
    def mixture():
        return pm.Mixture(plans, {"books": 1, "code": 1, "web": 1}, 8)

    plain, changed = mixture(), mixture()
    changed.shares(3000)
    changed.set_weights({"books": 0, "code": 1, "web": 9}, from_step=2500)
    shares = [plain.shares(step) for step in range(2600)]
    assert [changed.shares(step) for step in range(2500)] == shares[:2500]
    assert [changed.shares(step) for step in range(2500, 2600)] != shares[2500:]
    assert all(share.plan != 0 for share in changed.shares(2500))
    assert changed.weights(2499) == dict.fromkeys(NAMES, 1 / 3)
    assert changed.weights(2500) == {"books": 0, "code": 0.1, "web": 0.9}
    given_at_once = pm.Mixture(
        plans, [(0, dict.fromkeys(NAMES, 1)), (2500, {"books": 0, "code": 1, "web": 9})], 8
    )
    assert [given_at_once.shares(step) for step in range(2400, 2600)] == [
        changed.shares(step) for step in range(2400, 2600)
    ]
    changed.set_weights({"books": 1, "code": 0, "web": 0}, from_step=2500)
    assert changed.shares(2500)[0].size == 8
    with pytest.raises(PackingError, match="a phase begins with step 2500, after 2400"):
        changed.set_weights({"books": 1, "code": 0, "web": 0}, from_step=2400)
    with pytest.raises(PackingError, match="are a function"):
        pm.Mixture(plans, lambda _: dict.fromkeys(NAMES, 1), 8).set_weights(
            dict.fromkeys(NAMES, 1), from_step=1
        )


@given(st.integers(0, 2000), st.integers(0, 100))
@settings(max_examples=10)
def test_a_state_goes_on_with_the_weights_that_it_had(plans, step, more):
    def loader(**options):
        mixture = pm.Mixture(plans, dict.fromkeys(NAMES, 1), 8, epochs={"code": 100})
        return pm.Loader(mixture, seed=2, **options)

    whole = loader()
    whole.feed.set_weights({"books": 3, "code": 2, "web": 1}, from_step=step // 2)
    whole.step = step
    state = json.loads(json.dumps(whole.state_dict()))
    for rank in range(2):
        other = loader(rank=rank, world_size=2)
        other.load_state_dict(state)
        assert other.step == step
        for later in (step, step + more, step + 1, step // 3):
            assert other.sequences_at(later) == whole.sequences_at(later)[rank * 4 : rank * 4 + 4]
        assert other.state_dict() == state
        assert other.tokens_seen(step + 5) == whole.tokens_seen(step + 5)


def test_the_sources_are_those_of_a_function(plans):
    by_function = pm.Mixture(plans, lambda step: {"books": 1, "code": 1 + step, "web": 1}, 6)
    by_phases = pm.Mixture(plans, [(step, {"books": 1, "code": 1 + step, "web": 1}) for step in range(50)], 6)
    assert [by_function.shares(step) for step in range(50)] == [by_phases.shares(step) for step in range(50)]
    assert by_function.fingerprint() != by_phases.fingerprint()
    with pytest.raises(PackingError, match="another dataset"):
        pm.Loader(by_phases).load_state_dict(pm.Loader(by_function).state_dict())


def test_batches_have_rows_of_all_sources_everywhere(plans):
    mixture = pm.Mixture(plans, {"books": 4, "code": 2, "web": 0.4}, 12)
    whole = pm.Loader(mixture, seed=9)
    ranks = [pm.Loader(mixture, seed=9, rank=rank, world_size=4) for rank in range(4)]
    mixed = 0
    for step in range(20):
        batches = [loader.batch_at(step) for loader in ranks]
        together = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
        assert equal(together, whole.batch_at(step))
        rows = whole.sequences_at(step)
        sources = (together["input_ids"][:, 0] // 1000).tolist()
        assert sources == [source for source, _ in rows]
        mixed += sources != sorted(sources)
        for (source, sequence), row in zip(rows, together["input_ids"], strict=True):
            assert np.array_equal(list(plans.values())[source].apply([sequence]).input_ids[0], row)
    assert mixed > 15


def test_rows_of_one_source_stand_as_in_the_batch(plans):
    """The few rows of a rank may all be of one source, in the order that was drawn for the step."""
    loader = pm.Loader(pm.Mixture(plans, {"books": 30, "code": 1, "web": 0}, 8), seed=9)
    loaders = [pm.Loader(loader.feed, seed=9, rank=rank, world_size=2) for rank in range(2)]
    checked = 0
    for step in range(30):
        for of_rank in loaders:
            if len({source for source, _ in of_rank.sequences_at(step)}) == 1:
                expected = of_rank.batch_at(step)["input_ids"]
                assert np.array_equal(of_rank.packed_at(step).input_ids, expected)
                checked += len(loader.feed.shares(step)) > 1
            else:
                with pytest.raises(PackingError, match="takes sequences of 2 datasets"):
                    of_rank.packed_at(step)
    assert checked


def test_it_pickles(plans):
    mixture = pm.Mixture(plans, {"books": 1, "code": 1, "web": 1}, 5)
    mixture.shares(100)
    assert pickle.loads(pickle.dumps(mixture)).shares(77) == mixture.shares(77)


def test_extreme_weights(plans):
    huge = pm.Mixture(plans, {"books": 1e308, "code": 1e308, "web": 5e-324}, 4)
    assert huge.samples_before(300)[2] == 0
    assert (
        huge.samples_before(300)[:2]
        == pm.Mixture(plans, {"books": np.float32(2), "code": Fraction(2), "web": 0}, 4).samples_before(300)[
            :2
        ]
    )


def test_sources_of_zero_weight_are_taken_up_again(plans):
    phases = [(0, {"books": 1, "code": 0, "web": 0}), (2, {"books": 0, "code": 1, "web": 1})]
    mixture = pm.Mixture(plans, phases, 8, epochs={"books": 2})
    assert mixture.n_steps is None
    assert [[share.plan for share in mixture.shares(step)] for step in range(4)] == [[0], [0], [1, 2], [1, 2]]


@pytest.mark.parametrize(
    ("weights", "options", "message"),
    [
        ({"books": 1, "code": 1}, {}, "weights and sources differ in 'web'"),
        ({"books": 1, "code": 1, "web": 1, "x": 1}, {}, "weights and sources differ in 'x'"),
        ({"books": -1, "code": 1, "web": 1}, {}, "the weight of 'books' is -1"),
        ({"books": math.nan, "code": 1, "web": 1}, {}, "the weight of 'books' is nan"),
        ({"books": math.inf, "code": 1, "web": 1}, {}, "the weight of 'books' is inf"),
        ({"books": "1", "code": 1, "web": 1}, {}, "the weight of 'books' is '1'"),
        ({"books": 0, "code": 0, "web": 0}, {}, "all weights are 0"),
        ([(1, {"books": 1, "code": 1, "web": 1})], {}, "must begin with step 0"),
        ([], {}, "must begin with step 0"),
        ({"books": 1, "code": 1, "web": 1}, {"epochs": {"x": 1}}, "epochs names 'x'"),
        ({"books": 1, "code": 1, "web": 1}, {"epochs": {"web": 0}}, "epochs is 0"),
    ],
)
def test_what_a_mixture_cannot_be(plans, weights, options, message):
    with pytest.raises(PackingError, match=message):
        pm.Mixture(plans, weights, 4, **options)


def test_sources_must_be_alike(tmp_path: Path, plans):
    with pytest.raises(PackingError, match="needs a source"):
        pm.Mixture({}, {}, 4)
    wider = store(tmp_path / "wider").pack(21)
    with pytest.raises(PackingError, match="'wider' and 'books' differ in capacity"):
        pm.Mixture({"books": plans["books"], "wider": wider}, {"books": 1, "wider": 1}, 4)
    foreign = store(tmp_path / "foreign", name="cl100k_base").pack(20)
    with pytest.raises(PackingError, match="'foreign' and 'books' are of different tokenizers"):
        pm.Mixture({"books": plans["books"], "foreign": foreign}, {"books": 1, "foreign": 1}, 4)
