"""A stream that is packed loses nothing, is the same however it is pushed, and goes on from any state."""

from __future__ import annotations

import itertools
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import portmanteau as pm

Rows = list[tuple[int, list[int], list[tuple[int, int, int]]]]


def batch_of(lengths: Any, first: int = 0) -> pm.TokenBatch:
    """Documents of these lengths; every id is another, and says where it is from."""
    offsets = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
    numbers = np.repeat(np.arange(first, first + len(lengths)), lengths)
    places = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
    return pm.TokenBatch((10 + 1000 * numbers + places).astype(np.uint32), offsets)


def rows_of(packed: pm.PackedSequences) -> Rows:
    """Number, ids and (document, start, end) of each sequence."""
    table = packed.provenance.to_pydict()
    pieces = list(
        zip(table["sequence"], table["document"], table["token_start"], table["token_end"], strict=True)
    )
    return [
        (int(number), ids.tolist(), [piece[1:] for piece in pieces if piece[0] == number])
        for number, ids in zip(packed.sequences, packed.input_ids, strict=True)
    ]


lengths = st.lists(st.integers(0, 9) | st.integers(0, 60), max_size=60)


@given(
    lengths=lengths,
    capacity=st.integers(4, 40),
    window=st.integers(1, 6),
    cuts=st.lists(st.integers(0, 60), max_size=4),
    options=st.fixed_dictionaries(
        {
            "seed": st.none() | st.integers(0, 2**64 - 1),
            "bos_id": st.none() | st.just(1),
            "eos_id": st.none() | st.just(2),
            "long_documents": st.sampled_from(["split", "truncate", "drop"]),
            "max_documents_per_sequence": st.none() | st.integers(1, 4),
        }
    ),
)
def test_nothing_is_lost_and_pushing_and_resuming_change_nothing(lengths, capacity, window, cuts, options):
    packer = pm.StreamPacker(capacity, window=window, **options)
    at_once = rows_of(packer.push(batch_of(lengths))) + rows_of(packer.finish())

    parts: Rows = []
    other = pm.StreamPacker(capacity, window=window, **options)
    bounds = sorted({0, len(lengths), *(min(cut, len(lengths)) for cut in cuts)})
    for start, end in itertools.pairwise(bounds):
        if end == start + 1:
            parts += rows_of(other.push(batch_of(lengths[start:end], start).ids))
        else:
            parts += rows_of(other.push(batch_of(lengths[start:end], start)))
        state = pickle.loads(pickle.dumps(other.state_dict()))
        assert len(state["ids"]) <= (window + 1) * capacity + max(lengths, default=0) + 60 * capacity
        other = pm.StreamPacker(capacity, window=window, **options)
        other.load_state_dict(state)
    assert parts + rows_of(other.finish()) == at_once
    assert other.n_dropped_tokens == packer.n_dropped_tokens

    assert [number for number, _, _ in at_once] == list(range(len(at_once)))
    seen: dict[int, list[tuple[int, int]]] = {}
    n_framed = 0
    for _, ids, pieces in at_once:
        content = [
            10 + 1000 * document + place for document, start, end in pieces for place in range(start, end)
        ]
        assert [token for token in ids if token >= 10] == content
        n_framed += sum(token in (1, 2) for token in ids)
        assert len(ids) == capacity
        for document, start, end in pieces:
            seen.setdefault(document, []).append((start, end))
    for document, length in enumerate(lengths):
        pieces = sorted(piece for piece in seen.get(document, []) if piece[0] < piece[1])
        framed = length + (options["bos_id"] is not None) + (options["eos_id"] is not None)
        if options["long_documents"] == "split" or framed <= capacity:
            assert [place for piece in pieces for place in range(*piece)] == list(range(length))
        elif options["long_documents"] == "drop":
            assert pieces == []
    if options["long_documents"] == "split":
        assert packer.n_dropped_tokens == 0
        n_framing = (options["bos_id"] is not None) + (options["eos_id"] is not None)
        assert n_framed == n_framing * sum(length > 0 for length in lengths)


@pytest.mark.parametrize(("capacity", "least"), [(2048, 0.999), (8192, 0.9995), (131_072, 0.999)])
def test_sequences_are_full(capacity: int, least: float) -> None:
    """Documents as the web has them, 64 sequences waiting; what comes last has nothing to be filled up with."""
    generator = np.random.default_rng(5)
    n_documents = 40_000 if capacity < 100_000 else 200_000
    lengths = np.maximum(np.exp(np.log(450) + 1.1 * generator.standard_normal(n_documents)), 1).astype(
        np.int64
    )
    packer = pm.StreamPacker(capacity)
    n_tokens = n_sequences = 0
    for start in range(0, n_documents, 5000):
        batch = pm.TokenBatch(
            np.zeros(int(lengths[start : start + 5000].sum()), np.uint32),
            np.concatenate(([0], np.cumsum(lengths[start : start + 5000]))),
        )
        packed = packer.push(batch)
        n_tokens += int(packed.pieces.length.sum(dtype=np.int64))
        n_sequences += len(packed)
    assert n_tokens / (n_sequences * capacity) >= least
    waiting = packer.state_dict()["waiting"]["length"].sum(dtype=np.int64)
    assert n_tokens + waiting == lengths.sum()
    assert waiting < 64 * capacity


def test_what_a_model_takes_of_a_stream() -> None:
    packer = pm.StreamPacker(8, window=1, eos_id=2, dtype="int64")
    assert len(packer.push(batch_of([3, 0, 2]))) == 0
    packed = packer.finish()
    assert packed.input_ids.dtype == np.int64
    assert packed.position_ids.tolist() == [[0, 1, 2, 3, 0, 1, 2, 0]]
    assert packed.input_ids.tolist() == [[10, 11, 12, 2, 2010, 2011, 2, 0]]
    assert packed.segment_ids.tolist() == [[1, 1, 1, 1, 2, 2, 2, 0]]
    assert packed.cu_seqlens(0).tolist() == [0, 4, 7]
    assert packed.labels().tolist() == [[-100, 11, 12, 2, -100, 2011, 2, -100]]
    assert packed.provenance["document"].to_pylist() == [0, 2]
    assert (packer.n_documents, packer.n_sequences) == (3, 1)
    assert len(packer.finish()) == 0
    assert repr(packer) == "StreamPacker(3 documents came, 1 sequences of up to 8 tokens left)"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"capacity": 0}, "capacity is 0"),
        ({"capacity": 8, "window": 0}, "window is 0"),
        ({"capacity": 8, "seed": -1}, "seed is -1"),
        ({"capacity": 8, "long_documents": "cut"}, "'?\"?cut"),
        ({"capacity": 8, "dtype": "int8"}, "dtype is 'int8'"),
        ({"capacity": 8, "eos_id": 2**31, "dtype": "int32"}, "eos_id is 2147483648"),
        ({"capacity": 8, "max_documents_per_sequence": 0}, "max_documents_per_sequence"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], says: str) -> None:
    with pytest.raises(pm.PackingError, match=says):
        pm.StreamPacker(**options)


@pytest.mark.parametrize(
    ("documents", "says"),
    [
        ("text", "ids of one document"),
        ([[1, 2], [3]], "ids of one document"),
        ([1.5], "ids of one document"),
        ([-1], "from 0 to"),
        ([2**32], "from 0 to"),
        (np.zeros((2, 2), int), "ids of one document"),
    ],
)
def test_what_is_no_document_changes_nothing(documents: Any, says: str) -> None:
    packer = pm.StreamPacker(8)
    packer.push([1, 2, 3])
    with pytest.raises(pm.PackingError, match=says):
        packer.push(documents)
    assert packer.n_documents == 1
    assert packer.finish().input_ids.tolist() == [[1, 2, 3, 0, 0, 0, 0, 0]]


def test_long_documents_are_named_by_their_number_in_the_stream() -> None:
    packer = pm.StreamPacker(8, long_documents="error")
    packer.push(batch_of([3, 4]))
    with pytest.raises(pm.PackingError, match="document 3: has 9 tokens") as caught:
        packer.push(batch_of([1, 9]))
    assert caught.value.document == 3
    assert packer.n_documents == 2


def test_states_that_do_not_belong_here() -> None:
    packer = pm.StreamPacker(8, window=2)
    packer.push([5, 6, 7])
    state = packer.state_dict()
    for wrong, says in (
        ({}, "no state"),
        (state | {"version": 9}, "version 9"),
        (state | {"options": state["options"] | {"capacity": 9}}, "capacity was 9 and is 8"),
        (state | {"ids": state["ids"][:2]}, "damaged"),
        (state | {"numbers": state["numbers"] + np.uint64(1)}, "damaged"),
        (state | {"n_documents": 0}, "cannot have waited"),
        (
            state | {"waiting": state["waiting"] | {"length": np.array([7], np.uint32)}},
            "longer than its document",
        ),
    ):
        other = pm.StreamPacker(8, window=2)
        with pytest.raises(pm.PackingError, match=says):
            other.load_state_dict(wrong)
        assert len(other.finish()) == 0
    packer.load_state_dict(state)
    assert packer.finish().input_ids.tolist() == [[5, 6, 7, 0, 0, 0, 0, 0]]
