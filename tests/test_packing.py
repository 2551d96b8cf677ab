"""Packing: golden cases, conservation, layouts, bad input, plan files."""

from __future__ import annotations

import os
import pickle
import stat
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portmanteau.errors import Error, FileError, PackingError
from portmanteau.packing import PackedSequences, PackPlan, pack

OPTIONS = ("strategy", "long_documents", "max_documents_per_sequence", "bos", "eos")

some_lengths = st.lists(st.integers(0, 40), max_size=40)
some_options = st.fixed_dictionaries(
    {
        "capacity": st.integers(1, 48),
        "strategy": st.sampled_from(["best_fit_decreasing", "first_fit_decreasing", "concat"]),
        "long_documents": st.sampled_from(["split", "truncate", "drop"]),
        "max_documents_per_sequence": st.none() | st.integers(1, 4),
        "bos": st.booleans(),
        "eos": st.booleans(),
    }
)


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


@given(some_lengths, some_options)
def test_every_token_is_there_once(lengths, options):
    plan = pack(lengths, **options)
    plan.verify()
    plan.verify(lengths)
    added = options["bos"] + options["eos"]
    spans = [*zip(plan.pieces.document, plan.pieces.start, plan.pieces.length, strict=True)]
    spans += zip(plan.dropped.document, plan.dropped.start, plan.dropped.length, strict=True)
    tokens = sorted((int(d), int(s) + i) for d, s, n in spans for i in range(int(n)))
    expected = [(d, i) for d, n in enumerate(lengths) if n for i in range(n + added)]
    assert tokens == expected
    assert plan.document_lengths.tolist() == lengths
    assert plan.n_sequences >= plan.lower_bound
    assert 0 < plan.efficiency <= 1
    assert plan.n_empty_documents == lengths.count(0)


@given(some_lengths, some_options)
def test_layout_by_definition(lengths, options):
    batch = batch_of(lengths)
    plan = pack(batch, **options)
    marks = {"bos_id": 1 if options["bos"] else None, "eos_id": 2 if options["eos"] else None}
    packed = plan.apply(batch, pad_id=7, dtype="int64", **marks)
    assert packed.input_ids.shape == (len(packed), plan.capacity) == (plan.n_sequences, plan.capacity)
    labels = packed.labels()
    for row in range(len(packed)):
        ids, positions, segments, expected_labels = [], [], [], []
        in_row = range(plan.sequence_offsets[row], plan.sequence_offsets[row + 1])
        for segment, piece in enumerate(in_row, start=1):
            document, start, length = (
                int(values[piece]) for values in (plan.pieces.document, plan.pieces.start, plan.pieces.length)
            )
            assert (plan.pieces.sequence[piece], plan.pieces.position[piece]) == (row, len(ids))
            stream = batch.ids[batch.offsets[document] : batch.offsets[document + 1]].tolist()
            stream = [1] * options["bos"] + stream + [2] * options["eos"]
            ids += stream[start : start + length]
            positions += range(length)
            segments += [segment] * length
            expected_labels += [-100, *stream[start + 1 : start + length]]
        padding = plan.capacity - len(ids)
        assert packed.input_ids[row].tolist() == ids + [7] * padding
        assert packed.position_ids[row].tolist() == positions + [0] * padding
        assert packed.segment_ids[row].tolist() == segments + [0] * padding
        assert labels[row].tolist() == expected_labels + [-100] * padding
        ends = np.cumsum(plan.pieces.length[in_row.start : in_row.stop])
        assert packed.cu_seqlens(row).tolist() == [0, *ends]
        assert packed.max_seqlen(row) == max(plan.pieces.length[in_row.start : in_row.stop])


@given(some_lengths, some_options)
def test_provenance_leads_back_to_the_ids(lengths, options):
    batch = batch_of(lengths)
    marks = {"bos_id": 1 if options["bos"] else None, "eos_id": 2 if options["eos"] else None}
    packed = pack(lengths, **options).apply(batch, **marks)
    found = []
    for piece, length in zip(packed.provenance.to_pylist(), packed.pieces.length, strict=True):
        row = packed.input_ids[piece["sequence"], piece["position"] : piece["position"] + int(length)]
        first = batch.offsets[piece["document"]]
        ids = batch.ids[first + piece["token_start"] : first + piece["token_end"]]
        assert [token for token in row.tolist() if token >= 1000] == ids.tolist()
        assert batch.offsets[piece["document"] + 1] >= first + piece["token_end"]
        found += ids.tolist()
    if options["long_documents"] == "split":
        assert sorted(found) == batch.ids.tolist()


@given(some_lengths, some_options, st.data())
def test_a_selection_is_those_rows(lengths, options, data):
    options = {**options, "bos": False, "eos": True}
    batch = batch_of(lengths)
    plan = pack(batch, **options)
    whole = plan.apply(batch, eos_id=3)
    chosen = data.draw(st.lists(st.sampled_from(range(plan.n_sequences)))) if plan.n_sequences else []
    some = plan.apply(batch, eos_id=3, sequences=chosen)
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
        ({"strategy": "best"}, '"best_fit_decreasing", "first_fit_decreasing", "concat"'),
        ({"strategy": None}, "string"),
        ({"long_documents": "keep"}, '"split", "truncate", "drop", "error"'),
        ({"max_documents_per_sequence": 0}, "max_documents_per_sequence"),
        ({"max_documents_per_sequence": "2"}, "max_documents_per_sequence"),
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


def test_verification_finds_a_lost_token():
    plan = pack([5, 3], 8)
    with pytest.raises(ValueError, match="read-only"):
        plan.pieces.length[0] = 4
    shorter = replace(plan.pieces, length=plan.pieces.length - np.array([1, 0], np.uint32))
    with pytest.raises(PackingError, match="pieces cover 4") as caught:
        replace(plan, pieces=shorter).verify([5, 3])
    assert caught.value.document == 0
    twice = replace(plan.pieces, document=np.zeros(2, np.uint32))
    with pytest.raises(PackingError, match="more than one piece") as caught:
        replace(plan, pieces=twice).verify()
    assert caught.value.document == 0
    with pytest.raises(PackingError, match="capacity 7"):
        replace(plan, capacity=7).verify()


@given(some_lengths, some_options)
@settings(max_examples=20)
def test_pickled(lengths, options):
    plan = pack(lengths, **options)
    copy = pickle.loads(pickle.dumps(plan))
    assert copy == plan
    copy.verify(lengths)


def test_packed_sequences_pickle():
    batch = batch_of([3, 4])
    packed = pack(batch, 4).apply(batch)
    copy = pickle.loads(pickle.dumps(packed))
    assert isinstance(copy, PackedSequences)
    np.testing.assert_array_equal(copy.position_ids, packed.position_ids)
    assert copy.provenance == packed.provenance


def test_fingerprint_is_the_same_everywhere():
    # Changes only with _PLAN_VERSION.
    plan = pack([3, 5, 2, 10], 8, long_documents="truncate", eos=True)
    assert plan.fingerprint == "1c49ad30238e09dc0f6b6b45f3dc9e4a4f60d99fa0afeb5644ffd257d1cc76b3"
    assert pack([3, 5, 2, 10], 8, long_documents="truncate", bos=True).fingerprint != plan.fingerprint


@pytest.mark.parametrize("lengths", [[], [0, 0], [3, 20, 0, 5]])
def test_saved(tmp_path: Path, lengths):
    plan = pack(lengths, 8, long_documents="truncate", max_documents_per_sequence=3, eos=True)
    path = tmp_path / "some.plan"
    plan.save(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["some.plan"]
    loaded = PackPlan.load(str(path))
    assert loaded == plan
    assert repr(loaded) == repr(plan)
    loaded.verify(lengths)
    batch = batch_of(lengths)
    np.testing.assert_array_equal(
        loaded.apply(batch, eos_id=2).input_ids, plan.apply(batch, eos_id=2).input_ids
    )
    assert pickle.loads(pickle.dumps(loaded)) == plan
    # Any Arrow reader can read it.
    assert pa.ipc.open_file(path.read_bytes()).read_all()["document"].to_pylist() == [
        plan.pieces.document.tolist()
    ]


def test_damaged_files(tmp_path: Path):
    path = tmp_path / "some.plan"
    pack([3, 20, 0, 5], 8).save(path)
    whole = path.read_bytes()
    for size in range(0, len(whole), 97):
        path.write_bytes(whole[:size])
        with pytest.raises(FileError, match=r"some\.plan.*save") as caught:
            PackPlan.load(path)
        assert caught.value.path == str(path)
        assert isinstance(caught.value, OSError)
    refused = 0
    for place in range(0, len(whole), 13):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        try:
            loaded = PackPlan.load(path)
        except Error:
            refused += 1
        else:
            loaded.verify([3, 20, 0, 5])  # the byte was padding
    assert refused > 10


def test_foreign_files(tmp_path: Path):
    path = tmp_path / "foreign.arrow"
    table = pa.table({"document": [1, 2]})
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)
    for content in (path.read_bytes(), b"", b"PAR1 no plan", os.urandom(4096)):
        path.write_bytes(content)
        with pytest.raises(FileError, match="foreign"):
            PackPlan.load(path)
    for missing in (tmp_path / "missing", tmp_path):
        with pytest.raises(FileError, match="read") as caught:
            PackPlan.load(missing)
        assert caught.value.path == str(missing)


def test_folder_that_is_none(tmp_path: Path):
    with pytest.raises(FileError) as caught:
        pack([1], 8).save(tmp_path / "missing" / "some.plan")
    assert caught.value.path == str(tmp_path / "missing" / "some.plan")


def test_unwritable_folder(tmp_path: Path):
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        if os.access(folder, os.W_OK):
            pytest.skip("this user may write anywhere")
        with pytest.raises(FileError, match=r"some\.plan"):
            pack([1], 8).save(folder / "some.plan")
    finally:
        folder.chmod(stat.S_IRWXU)
