"""How full sequences are: golden numbers, so that no change makes more of them."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import portmanteau as pm
from conftest import REPOSITORY, tomllib, without_data
from portmanteau import reading
from portmanteau.benchmarking import lengths as length_sets
from references import SHARED


@cache
def lengths_of(name: str, n_documents: int | None) -> np.ndarray:
    if n_documents:
        return length_sets.SETS[name].draw(n_documents)
    tokenizer = pm.Tokenizer.load("cl100k_base")
    batches = reading.documents([str(SHARED / "corpus" / name)])
    return np.concatenate([tokenizer.count_batch(list(batch)) for batch in batches]).astype(np.uint32)


def n_sequences(lengths: np.ndarray, capacity: int, way: str) -> int:
    if way == "stream":
        packer = pm.StreamPacker(capacity)
        ids = np.zeros(1_000_000, np.uint32)
        for length in lengths:
            packer.push(ids[:length])
        packer.finish()
        return packer.n_sequences
    if way == "merged":
        return pm.merge_plans([pm.pack(shard, capacity) for shard in np.array_split(lengths, 20)]).n_sequences
    if way == "attention":
        return pm.pack(lengths, capacity, cost="attention").n_sequences
    return pm.pack(lengths, capacity, strategy=way).n_sequences


@pytest.mark.golden("packing_efficiency")
def test_golden(case):
    is_of_corpus = "n_documents" not in case
    if is_of_corpus and not (file := SHARED / "corpus" / case["lengths"]).exists():
        without_data(file)
    lengths = lengths_of(case["lengths"], case.get("n_documents"))
    assert length_sets.digest(lengths) == case["sha256"]
    plan = pm.pack(lengths, case["capacity"])
    assert plan.lower_bound == case["lower_bound"]
    found = {
        # A stream is the same as a plan in windows, which another test holds, and needs no ids.
        way: pm.pack(lengths, case["capacity"], order="window").n_sequences
        if way == "stream" and not is_of_corpus
        else n_sequences(lengths, case["capacity"], way)
        for way in case["n_sequences"]
    }
    assert found == case["n_sequences"]


def test_published_figures_of_histograms():
    """Of the Wikipedia of Krell et al.; `rust/pack/tests/histogram.rs` has them from the crate."""
    wikipedia = tomllib.loads(
        (REPOSITORY / "tests/cases/wikipedia_histogram.toml").read_text(encoding="utf-8")
    )
    histogram = pm.Histogram(wikipedia["counts"])
    for case in wikipedia["case"]:
        options = {"strategy": case["strategy"], "max_documents_per_sequence": case["max_pieces"]}
        plan = pm.pack(histogram, wikipedia["capacity"], **options)
        assert plan.n_sequences == case["n_sequences"]
        assert round(plan.efficiency, 6) >= case["published_efficiency"]
        assert sum(repeats * len(lengths) for lengths, repeats in plan) == wikipedia["n_pieces"]
