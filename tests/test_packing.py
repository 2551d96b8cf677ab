"""Packing: golden cases, conservation, layouts, bad input, plan files."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portmanteau.errors import PackingError
from portmanteau.packing import PackPlan, pack

OPTIONS = (
    "strategy",
    "long_documents",
    "max_documents_per_sequence",
    "bos",
    "eos",
    "align",
    "overlap",
    "may_cut_after",
    "together",
    "apart",
)

some_lengths = st.lists(st.integers(0, 40), max_size=40)


@st.composite
def some_options(draw) -> dict:
    """Options that go together, for any lengths."""
    capacity = draw(st.integers(6, 48))
    strategy = draw(
        st.sampled_from(
            [
                "best_fit_decreasing",
                "first_fit_decreasing",
                "next_fit",
                "concat",
                "buckets",
                "shortest_pack_first",
                "longest_pack_first",
                "nnls_histogram",
            ]
        )
    )
    policies = ["split", "power_of_two", "truncate", "truncate_left", "drop"]
    long_documents = draw(st.sampled_from(policies[:2] if strategy == "buckets" else policies))
    can_overlap = long_documents == "split" and strategy not in ("concat", "buckets")
    special = st.sampled_from([False, True, "document", "sequence"])
    bos, eos = draw(special), draw(special)
    is_best_fit = strategy == "best_fit_decreasing"
    order = draw(st.sampled_from(["free", "window", "keep"])) if is_best_fit else "free"
    by_attention = is_best_fit and draw(st.booleans())
    most = draw(st.none() | st.integers(1, 3 if strategy == "nnls_histogram" else 4))
    return {
        "capacity": capacity,
        "strategy": strategy,
        "long_documents": long_documents,
        "max_documents_per_sequence": most,
        "bos": bos,
        "eos": eos,
        "align": 1 if "sequence" in (bos, eos) else draw(st.integers(1, 3)),
        "overlap": draw(st.integers(0, 2)) if can_overlap else 0,
        "order": "free" if by_attention else order,
        "cost": "attention" if by_attention else "tokens",
        "window": 2,
    }


def marks_of(options: dict) -> dict:
    """The ids that these options want."""
    return {"bos_id": 1 if options["bos"] else None, "eos_id": 2 if options["eos"] else None}


def batch_of(lengths) -> SimpleNamespace:
    """Documents of these lengths, with ids that count up from 1000."""
    offsets = np.concatenate(([0], np.cumsum(np.asarray(lengths, np.int64))))
    return SimpleNamespace(ids=np.arange(1000, 1000 + offsets[-1], dtype=np.uint32), offsets=offsets)


def sequences_of(plan: PackPlan) -> list[list[list[int]]]:
    pieces = np.stack([plan.pieces.document, plan.pieces.start, plan.pieces.length], axis=1).tolist()
    return [
        pieces[start:end]
        for start, end in zip(plan.sequence_offsets, plan.sequence_offsets[1:], strict=False)
    ]


def dropped_of(plan: PackPlan) -> list[list[int]]:
    return np.stack([plan.dropped.document, plan.dropped.start, plan.dropped.length], axis=1).tolist()


@pytest.mark.golden("pack")
def test_golden(case):
    options = {name: case[name] for name in OPTIONS if name in case}
    if "error_in_document" in case:
        with pytest.raises(PackingError) as caught:
            pack(case["lengths"], case["capacity"], **options)
        assert caught.value.document == case["error_in_document"]
        return
    plan = pack(case["lengths"], case["capacity"], **options)
    assert sequences_of(plan) == case["sequences"]
    assert dropped_of(plan) == case.get("dropped", [])
    plan.verify(case["lengths"])


def bos_and_eos(options: dict, place: str) -> tuple[list[int], list[int]]:
    """The ids that stand before and after every document, or every sequence."""
    is_there = [
        options[name] == place or (options[name] is True and place == "document") for name in ("bos", "eos")
    ]
    return [1] * is_there[0], [2] * is_there[1]


@given(some_lengths, some_options())
def test_every_token_is_there_once(lengths, options):
    plan = pack(lengths, **options)
    plan.verify()
    plan.verify(lengths)
    added = sum(map(len, bos_and_eos(options, "document")))
    spans = [*zip(plan.pieces.document, plan.pieces.start, plan.pieces.length, strict=True)]
    spans += zip(plan.dropped.document, plan.dropped.start, plan.dropped.length, strict=True)
    tokens = sorted(
        (int(d), int(s) + i) for d, s, n in spans for i in range(options["overlap"] if s else 0, int(n))
    )
    expected = [(d, i) for d, n in enumerate(lengths) if n for i in range(n + added)]
    assert tokens == expected
    assert plan.document_lengths.tolist() == lengths
    around = sum(map(len, bos_and_eos(options, "sequence")))
    assert plan.n_tokens == int(plan.pieces.length.sum()) + around * plan.n_sequences
    if options["strategy"] != "buckets":
        assert plan.n_sequences >= plan.lower_bound
    assert 0 < plan.efficiency <= 1
    assert plan.n_empty_documents == lengths.count(0)
    n_pieces = np.bincount([d for d, _, _ in spans], minlength=1)
    if options["long_documents"] in ("split", "power_of_two"):
        assert plan.documents_cut == np.count_nonzero(n_pieces > 1)
    most = options["max_documents_per_sequence"]
    assert most is None or np.diff(plan.sequence_offsets).max(initial=0) <= most


@given(some_lengths, some_options())
def test_layout_by_definition(lengths, options):
    batch = batch_of(lengths)
    plan = pack(batch, **options)
    packed = plan.apply(batch, pad_id=7, dtype="int64", **marks_of(options))
    assert packed.input_ids.shape == (len(packed), plan.capacity) == (plan.n_sequences, plan.capacity)
    labels = packed.labels()
    before, after = bos_and_eos(options, "document")
    for row in range(len(packed)):
        places, ends = [], [0]
        in_row = range(plan.sequence_offsets[row], plan.sequence_offsets[row + 1])
        for segment, piece in enumerate(in_row, start=1):
            document, start, length = (
                int(values[piece]) for values in (plan.pieces.document, plan.pieces.start, plan.pieces.length)
            )
            stream = (
                before + batch.ids[batch.offsets[document] : batch.offsets[document + 1]].tolist() + after
            )
            is_first, is_last = piece == in_row.start, piece == in_row.stop - 1
            head = bos_and_eos(options, "sequence")[0] if is_first else []
            tail = bos_and_eos(options, "sequence")[1] if is_last else []
            assert (plan.pieces.sequence[piece], plan.pieces.position[piece]) == (
                row,
                len(places) + len(head),
            )
            ids = head + stream[start : start + length] + tail
            again = len(head) + options["overlap"] if start else 0
            for position, token in enumerate(ids):
                label = token if position >= max(again, 1) else -100
                places.append((token, position, segment, label))
            places += [(7, 0, 0, -100)] * (-len(ids) % options["align"])
            ends.append(len(places))
        assert packed.cu_seqlens(row).tolist() == ends
        assert packed.max_seqlen(row) == max(np.diff(ends))
        places += [(7, 0, 0, -100)] * (plan.capacity - len(places))
        arrays = packed.input_ids, packed.position_ids, packed.segment_ids, labels
        assert [
            tuple(place) for place in np.stack([array[row] for array in arrays], axis=1).tolist()
        ] == places


@given(some_lengths, some_options())
def test_provenance_leads_back_to_the_ids(lengths, options):
    batch = batch_of(lengths)
    packed = pack(lengths, **options).apply(batch, **marks_of(options))
    found = []
    for piece, length in zip(packed.provenance.to_pylist(), packed.pieces.length, strict=True):
        row = packed.input_ids[piece["sequence"], piece["position"] : piece["position"] + int(length)]
        first = batch.offsets[piece["document"]]
        ids = batch.ids[first + piece["token_start"] : first + piece["token_end"]]
        assert [token for token in row.tolist() if token >= 1000] == ids.tolist()
        assert batch.offsets[piece["document"] + 1] >= first + piece["token_end"]
        found += ids.tolist()
    if options["long_documents"] in ("split", "power_of_two"):
        assert sorted(set(found)) == batch.ids.tolist()
        assert options["overlap"] or len(found) == len(batch.ids)


@given(some_lengths, some_options(), st.data())
def test_a_selection_is_those_rows(lengths, options, data):
    batch = batch_of(lengths)
    plan = pack(batch, **options)
    marks = marks_of(options)
    whole = plan.apply(batch, **marks)
    chosen = data.draw(st.lists(st.sampled_from(range(plan.n_sequences)))) if plan.n_sequences else []
    some = plan.apply(batch, sequences=chosen, **marks)
    assert some.sequences.tolist() == chosen
    for name in ("input_ids", "position_ids", "segment_ids"):
        np.testing.assert_array_equal(getattr(some, name), getattr(whole, name)[chosen])
    np.testing.assert_array_equal(some.labels(), whole.labels()[chosen])
    for row, sequence in enumerate(chosen):
        assert some.cu_seqlens(row).tolist() == whole.cu_seqlens(sequence).tolist()
    assert some.provenance["sequence"].to_pylist() == [
        sequence for sequence in chosen for _ in range(*plan.sequence_offsets[[sequence, sequence + 1]])
    ]


def attention(states: np.ndarray, positions: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """One head of causal attention whose keys depend on positions, in float64."""
    rotated = states * np.cos(positions)[:, None] + states[:, ::-1] * np.sin(positions)[:, None]
    scores = np.where(mask, rotated @ rotated.T, -np.inf)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True) @ states


def test_packed_attention_is_that_of_each_document():
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 24, 30)
    batch = batch_of(lengths)
    plan = pack(lengths, 32)
    packed = plan.apply(batch)
    embedding = rng.normal(size=(1000 + lengths.sum(), 8))
    checked = 0
    for row in range(len(packed)):
        segments, positions = packed.segment_ids[row], packed.position_ids[row]
        mask = (segments[:, None] == segments[None, :]) & np.tri(32, dtype=bool)
        out = attention(embedding[packed.input_ids[row]], positions, mask)
        bounds = packed.cu_seqlens(row)
        pieces = packed.pieces.document[slice(*packed.sequence_offsets[[row, row + 1]])]
        for start, end, document in zip(bounds, bounds[1:], pieces, strict=False):
            ids = batch.ids[batch.offsets[document] : batch.offsets[document + 1]]
            alone = attention(embedding[ids], np.arange(len(ids)), np.tri(len(ids), dtype=bool))
            np.testing.assert_allclose(out[start:end], alone, rtol=1e-12, atol=1e-12)
            checked += 1
    assert checked == 30


@pytest.mark.parametrize(
    ("lengths", "document"),
    [
        ([1, -1], 1),
        ([1.0, float("nan")], 1),
        ([1.0, float("inf")], 1),
        ([1.0, 2.5], 1),
        ([1, 2**31], 1),
        ([1, 2**63], 1),
        ([1, 2**70], 1),
        ([1, None], 1),
        ([1, Fraction(2)], 1),
        (np.array([1, -1], np.int8), 1),
        (np.array([1, 2**32 - 1], np.uint32), 1),
        (pa.array([1, None]), 1),
        (pa.chunked_array([[1], [2, None]]), 2),
        ([[1, 2], [3, 4]], None),
        ([[1, 2], [3]], None),
        (5, None),
        ("12", None),
        (["1", "2"], None),
        ([True, False], None),
        (pa.array(["1"]), None),
        (pa.array([[1]]), None),
        (pa.table({"lengths": [1]}), None),
        (None, None),
        (np.array(["2026-01-01"], "datetime64[D]"), None),
        ({1: 2}, None),
        (iter([1]), None),
    ],
)
def test_lengths_that_are_none(lengths, document):
    with pytest.raises(PackingError) as caught:
        pack(lengths, 8)
    assert caught.value.document == document
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "lengths",
    [
        [3, 0, 5],
        (3, 0, 5),
        np.array([3, 0, 5], np.uint8),
        np.array([3, 0, 5], ">i8"),
        np.array([3, 9, 0, 9, 5])[::2],
        np.array([3.0, 0.0, 5.0]),
        np.array([3, 0, 5], object),
        pa.array([3, 0, 5], pa.uint16()),
        pa.array([9, 3, 0, 5])[1:],
        pa.chunked_array([[3], [], [0, 5]]),
        batch_of([3, 0, 5]),
    ],
    ids=lambda lengths: f"{type(lengths).__name__}-{getattr(lengths, 'dtype', '')}",
)
def test_lengths_of_every_kind_make_one_plan(lengths):
    plan = pack(lengths, 6)
    assert plan == pack([3, 0, 5], 6)
    assert hash(plan) == hash(pack([3, 0, 5], 6))
    assert plan != pack([3, 0, 4], 6)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"capacity": 0}, "from 1 to 2147483647"),
        ({"capacity": -5}, "from 1 to 2147483647"),
        ({"capacity": 2**31}, "from 1 to 2147483647"),
        ({"capacity": 8.0}, "integer"),
        ({"capacity": None}, "integer"),
        ({"strategy": "best"}, '"best_fit_decreasing", "first_fit_decreasing", "next_fit", "concat"'),
        ({"strategy": None}, "string"),
        ({"long_documents": "keep"}, '"split", "power_of_two", "truncate", "truncate_left", "drop", "error"'),
        ({"max_documents_per_sequence": 0}, "max_documents_per_sequence"),
        ({"max_documents_per_sequence": "2"}, "max_documents_per_sequence"),
        ({"bos": "sentence"}, "'document' or 'sequence'"),
        ({"eos": 1}, "'document' or 'sequence'"),
        ({"capacity": 2, "bos": True, "eos": True}, "needs 3"),
        ({"align": 0}, "align is 0"),
        ({"align": 9}, "from 1 to the capacity"),
        ({"align": 2, "bos": "sequence"}, "around each document"),
        ({"overlap": -1}, "overlap is -1"),
        ({"overlap": 8}, "less than the 8 tokens"),
        ({"overlap": 1, "long_documents": "drop"}, "choose long_documents split"),
        ({"min_fill": 1.5}, "share from 0 to 1"),
        ({"min_fill": float("nan")}, "share from 0 to 1"),
        ({"min_fill": "1"}, "share from 0 to 1"),
        ({"cost": "money"}, '"tokens", "attention"'),
        ({"cost": "attention", "order": "keep"}, "choose that strategy"),
        ({"cost": "attention", "order": "window"}, "leave cost at tokens"),
        ({"order": "any"}, "'free', 'window' or 'keep'"),
        ({"order": "window", "strategy": "concat"}, "best_fit_decreasing"),
        ({"order": "window", "apart": [1]}, "order free or keep"),
        ({"order": "keep", "strategy": "buckets"}, "does not keep an order"),
        ({"window": 0, "order": "window"}, "window is 0"),
        ({"may_cut_after": [True, False]}, "has 2 elements"),
        ({"may_cut_after": [1]}, "booleans"),
        ({"together": [1, 2]}, "each of the 1 documents"),
        ({"together": [0.5]}, "integers"),
        ({"apart": [-2]}, "document 0: has group -2"),
        ({"apart": [1], "strategy": "concat"}, "groups and secondary"),
        ({"secondary": [1]}, "dict"),
        ({"secondary": {"patches": [1]}}, "pair"),
        ({"secondary": {"patches": ([1, 2], 3)}}, "patches has 2 elements"),
        ({"secondary": {"patches": ([1], -3)}}, "capacity of patches"),
        ({"secondary": {"patches": ([5], 3)}}, "document 0: has 5 of patches"),
    ],
    ids=str,
)
def test_options_that_cannot_be(options, says):
    with pytest.raises(PackingError, match=says):
        pack([1], **{"capacity": 8, **options})


def test_no_documents():
    plan = pack([], 8)
    assert (plan.n_sequences, plan.lower_bound, plan.efficiency, plan.documents_cut) == (0, 0, 1.0, 0)
    assert len(plan.pieces.position) == 0
    packed = plan.apply(batch_of([]))
    assert packed.input_ids.shape == packed.labels().shape == packed.segment_ids.shape == (0, 8)
    assert packed.provenance.num_rows == 0


def test_a_million_empty_documents():
    plan = pack(np.zeros(1_000_000, np.int64), 8, bos=True, eos=True)
    assert (plan.n_sequences, plan.n_empty_documents, plan.n_documents) == (0, 1_000_000, 1_000_000)
    plan.verify(np.zeros(1_000_000, np.int64))


def test_plan_for_another_batch():
    plan = pack([4, 6, 2], 8)
    assert plan.apply(batch_of([4, 6, 2])).input_ids.shape == (2, 8)
    for lengths, document in [([4, 5, 2], 1), ([4, 6], 2), ([4, 6, 2, 1], 3), ([9, 9], 0), ([], 0)]:
        with pytest.raises(PackingError, match="plan is for") as caught:
            plan.apply(batch_of(lengths))
        assert caught.value.document == document
        with pytest.raises(PackingError, match="plan is for"):
            plan.apply(batch_of(lengths), sequences=[0, 1])
        with pytest.raises(PackingError, match="document"):
            plan.verify(lengths)


def test_special_ids_and_dtypes():
    batch = batch_of([4, 2])
    plain, framed = pack(batch, 8), pack(batch, 8, bos=True, eos=True)
    with pytest.raises(PackingError, match="bos_id"):
        plain.apply(batch, bos_id=1)
    with pytest.raises(PackingError, match="eos_id"):
        framed.apply(batch, bos_id=1)
    with pytest.raises(PackingError, match="pad_id"):
        plain.apply(batch, pad_id=-1)
    with pytest.raises(PackingError, match="uint32"):
        plain.apply(batch, dtype="float32")
    with pytest.raises(PackingError, match="does not fit"):
        plain.apply(batch, pad_id=2**31, dtype="int32")
    with pytest.raises(PackingError, match="sequences"):
        plain.apply(batch, sequences=[1])
    with pytest.raises(PackingError, match="TokenBatch"):
        plain.apply([1, 2])
    with pytest.raises(PackingError, match="offsets"):
        plain.apply(SimpleNamespace(ids=batch.ids[:3], offsets=batch.offsets))
    for dtype in ("uint32", "int32", "int64"):
        packed = plain.apply(batch, dtype=dtype)
        assert packed.input_ids.dtype == dtype
        assert packed.input_ids[0].tolist() == [1000, 1001, 1002, 1003, 1004, 1005, 0, 0]
        assert packed.labels().dtype == np.int64
    # A batch of narrow ids, as a store may hold them.
    narrow = SimpleNamespace(ids=batch.ids.astype(np.uint16), offsets=batch.offsets)
    np.testing.assert_array_equal(plain.apply(narrow).input_ids, plain.apply(batch).input_ids)
