"""Plans: proof, files, fingerprints, merging, figures."""

from __future__ import annotations

import os
import pickle
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portmanteau.errors import Error, FileError, PackingError
from portmanteau.packing import PackedSequences, PackPlan, StreamPacker, merge_plans, pack
from test_packing import batch_of, some_lengths, some_options


def test_verification_finds_a_lost_token():
    plan = pack([5, 13], 8)
    for array in (plan.pieces.length, plan.document_lengths, plan.piece_numbers, plan.cut_pieces.length):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 4
    shorter = replace(plan.cut_pieces, length=plan.cut_pieces.length - np.array([1, 0], np.uint32))
    with pytest.raises(PackingError, match="are in no piece") as caught:
        replace(plan, cut_pieces=shorter).verify([5, 13])
    assert caught.value.document == 1
    twice = np.array([2, 2, 3], np.uint32)
    with pytest.raises(PackingError, match="pieces cover 0") as caught:
        replace(plan, piece_numbers=twice).verify()
    assert caught.value.document == 0
    for numbers in ([0, 2, 4], [0, 2, 2**32 - 1]):
        damaged = replace(plan, piece_numbers=np.array(numbers, np.uint32))
        with pytest.raises(PackingError, match="no piece with the number"):
            damaged.verify()
        with pytest.raises(PackingError, match="no piece with the number"):
            damaged.apply(batch_of([5, 13]))
    with pytest.raises(PackingError, match="capacity 7"):
        replace(plan, format=replace(plan.format, capacity=7)).verify()


@given(some_lengths, some_options())
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
    # Changes only with the version of plans.
    plan = pack([3, 5, 2, 10], 8, long_documents="truncate", eos=True)
    assert plan.fingerprint == "27f173108cce48613ada2550c709a0174593f15eb46027ac36e34a79b234757c"
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
    assert pa.ipc.open_file(path.read_bytes()).read_all()["piece_numbers"].to_pylist() == [
        plan.piece_numbers.tolist()
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
        assert str(caught.value).count(str(missing)) == 1


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


def test_a_plan_that_stays_in_its_file(tmp_path: Path):
    plan = pack([3, 20, 0, 5], 8, eos=True)
    plan.save(tmp_path / "some.plan")
    mapped = PackPlan.load(tmp_path / "some.plan", memory_map=True)
    assert mapped == plan
    assert not mapped.piece_numbers.flags.owndata
    mapped.verify([3, 20, 0, 5])
    batch = batch_of([3, 20, 0, 5])
    np.testing.assert_array_equal(
        mapped.apply(batch, eos_id=2, sequences=[1, 0]).input_ids,
        plan.apply(batch, eos_id=2, sequences=[1, 0]).input_ids,
    )
    # What was cut short or is of another type is refused; a changed number only shows when it is used.
    content = (tmp_path / "some.plan").read_bytes()
    (tmp_path / "short.plan").write_bytes(content[: len(content) // 2])
    with pytest.raises(FileError, match="cut short"):
        PackPlan.load(tmp_path / "short.plan", memory_map=True)
    with pytest.raises(FileError, match="missing"):
        PackPlan.load(tmp_path / "missing.plan", memory_map=True)
    place = content.index(plan.piece_numbers.tobytes())
    (tmp_path / "changed.plan").write_bytes(content[:place] + b"\xff" * 4 + content[place + 4 :])
    changed = PackPlan.load(tmp_path / "changed.plan", memory_map=True)
    with pytest.raises(PackingError, match="no piece with the number"):
        changed.verify()
    with pytest.raises(PackingError, match="no piece with the number"):
        changed.apply(batch, eos_id=2, sequences=[0])


@given(st.lists(some_lengths, min_size=1, max_size=4), st.integers(6, 40), st.floats(0, 1))
def test_merged_plans_hold_all_documents(shards, capacity, repack_below):
    plans = [pack(lengths, capacity, eos=True) for lengths in shards]
    merged = merge_plans(plans, repack_below=repack_below)
    everything = [length for lengths in shards for length in lengths]
    merged.verify(everything)
    assert merged.n_sequences <= sum(plan.n_sequences for plan in plans)
    batch = batch_of(everything)
    packed = merged.apply(batch, eos_id=2)
    ids = packed.input_ids[(packed.segment_ids > 0) & (packed.input_ids != 2)]
    assert sorted(ids.tolist()) == batch.ids.tolist()
    # Without a limit nothing moves.
    assert merge_plans(plans, repack_below=0).n_sequences == sum(plan.n_sequences for plan in plans)


def test_plans_that_cannot_be_merged():
    with pytest.raises(PackingError, match="no plan"):
        merge_plans([])
    with pytest.raises(PackingError, match="plan 1 has other options"):
        merge_plans([pack([3], 8), pack([3], 9)])
    with pytest.raises(PackingError, match="plan 0 is list"):
        merge_plans([[3]])
    with pytest.raises(PackingError, match="repack_below is 2"):
        merge_plans([pack([3], 8)], repack_below=2)
    with pytest.raises(PackingError, match="buckets"):
        merge_plans([pack([3], 8, strategy="buckets")] * 2)


@given(some_lengths, st.integers(6, 30), st.integers(1, 4))
def test_a_plan_in_windows_is_what_a_stream_gives(lengths, capacity, window):
    batch = batch_of(lengths)
    packer = StreamPacker(capacity, window=window, eos_id=2)
    rows = [*packer.push(batch).input_ids.tolist(), *packer.finish().input_ids.tolist()]
    plan = pack(lengths, capacity, eos=True, order="window", window=window)
    assert plan.apply(batch, eos_id=2).input_ids.tolist() == rows


@given(some_lengths, st.integers(1, 48), st.booleans())
def test_a_kept_order_is_that_of_documents(lengths, capacity, cut):
    plan = pack(lengths, capacity, order="keep", strategy="concat" if cut else "best_fit_decreasing")
    starts = [*zip(plan.pieces.document.tolist(), plan.pieces.start.tolist(), strict=True)]
    assert starts == sorted(starts)


def test_statistics_by_hand():
    plan = pack([5, 3, 9, 2, 0], 8, long_documents="truncate", secondary={"images": ([1, 0, 0, 1, 0], 2)})
    stats = plan.stats
    # By their largest shares, of tokens or images: 2 (1), 0 (5/8), 3 (1/2), 1 (3/8); 3 leaves 0 no room for 1.
    assert plan.pieces.document.tolist() == [2, 0, 3, 1]
    assert (stats.n_documents, stats.n_sequences, stats.n_pieces, stats.lower_bound) == (5, 3, 4, 3)
    assert (stats.n_tokens, stats.n_dropped_tokens) == (18, 1)
    assert stats.padding_ratio == 6 / 24
    assert stats.truncation_ratio == 1 / 19
    assert stats.concatenation_ratio == 1 / 3
    assert stats.most_pieces_per_sequence == 2
    costs = np.array([64, 29, 9])
    assert stats.attention_cost == costs.mean()
    assert stats.attention_cost_spread == pytest.approx(costs.std() / costs.mean())
    assert stats.most_attention_cost == pytest.approx(64 / costs.mean())
    assert stats.secondary_fill == {"images": 2 / 6}
    empty = pack([], 8).stats.to_dict()
    assert empty.pop("secondary_fill") == {}
    assert set(empty.values()) == {0}


@given(some_lengths, some_options())
@settings(max_examples=30)
def test_statistics_of_any_plan(lengths, options):
    plan = pack(lengths, **options)
    for name, value in plan.stats.to_dict().items():
        if name.endswith("ratio") or name == "excess":
            assert value >= 0, name


def test_plots(tmp_path: Path):
    pytest.importorskip("matplotlib")
    for plan in (pack([3, 20, 0, 5], 8), pack([], 8), pack([5, 3], 8, strategy="buckets")):
        plan.plot().savefig(tmp_path / "plan.png")
        assert (tmp_path / "plan.png").stat().st_size > 1000


def test_arrays_of_the_caller():
    batch = batch_of([3, 4, 6])
    plan = pack(batch, 8)
    expected = plan.apply(batch, dtype="int64")
    block = np.full((5, 8), -1, np.int64)
    out = {
        "input_ids": block[1:3],
        "position_ids": np.full((2, 8), -1, np.int32),
        "segment_ids": np.full((2, 8), -1, np.int32),
        "labels": np.full((2, 8), -1, np.int64),
    }
    packed = plan.apply(batch, out=out)
    assert packed.input_ids is out["input_ids"] or np.shares_memory(packed.input_ids, block)
    np.testing.assert_array_equal(block[1:3], expected.input_ids)
    assert (block[[0, 3, 4]] == -1).all()
    np.testing.assert_array_equal(out["position_ids"], expected.position_ids)
    np.testing.assert_array_equal(out["segment_ids"], expected.segment_ids)
    np.testing.assert_array_equal(out["labels"], expected.labels())
    read_only = np.zeros((2, 8), np.int64)
    read_only.setflags(write=False)
    for wrong in (
        {"ids": block[1:3]},
        {"input_ids": block[:3]},
        {"input_ids": np.zeros((2, 8), np.float32)},
        {"input_ids": np.zeros((8, 2), np.int64).T},
        {"input_ids": read_only},
        {"labels": np.zeros((2, 8), np.int32)},
    ):
        with pytest.raises(PackingError, match="out"):
            plan.apply(batch, out=wrong)


def test_rows_of_buckets_are_as_wide_as_their_pieces():
    batch = batch_of([7, 4, 1])
    plan = pack(batch, 4, strategy="buckets")
    assert plan.efficiency == 1
    rows = {
        width: plan.apply(batch, sequences=sequences, width=width).input_ids.tolist()
        for width, sequences in plan.buckets.items()
    }
    assert rows == {
        4: [[1000, 1001, 1002, 1003], [1007, 1008, 1009, 1010]],
        2: [[1004, 1005]],
        1: [[1006], [1011]],
    }
    with pytest.raises(PackingError, match="wider rows"):
        plan.apply(batch, width=2)
    # Pieces below an eighth of the longest are left out, as in Dataset Decomposition.
    short = pack([7, 1025], 1024, strategy="buckets", min_fill=1 / 256)
    assert short.dropped.length.tolist() == [2, 1, 1]


def test_sequences_that_are_not_full_enough_are_left_out():
    plan = pack([8, 5, 3, 4], 8, min_fill=0.75)
    assert plan.pieces.document.tolist() == [0, 1, 2]
    assert plan.dropped.document.tolist() == [3]
    plan.verify([8, 5, 3, 4])
    assert plan.stats.truncation_ratio == 4 / 20


def test_cuts_where_they_may_be():
    # Ends of sentences behind tokens 3, 6, 7 and 15 of the first document; none in the second.
    may_cut_after = np.zeros(16 + 12, bool)
    may_cut_after[[3, 6, 7, 15]] = True
    plan = pack([16, 12], 8, strategy="next_fit", may_cut_after=may_cut_after)
    assert plan.pieces.start.tolist() == [0, 8, 0, 8]
    plan = pack([16, 12], 6, strategy="next_fit", may_cut_after=may_cut_after)
    assert plan.pieces.start.tolist() == [0, 4, 8, 14, 0, 6]
    plan.verify([16, 12])
    # With a BOS, the cut behind id 3 is before token 5.
    plan = pack([16, 12], 6, strategy="next_fit", may_cut_after=may_cut_after, bos=True)
    assert plan.pieces.start.tolist()[:2] == [0, 5]


def test_groups():
    lengths = [4, 3, 2, 3, 2, 2]
    together = pack(lengths, 8, together=[7, -1, -1, 7, -1, -1])
    of_document = dict(zip(together.pieces.document.tolist(), together.pieces.sequence.tolist(), strict=True))
    assert of_document[0] == of_document[3]
    apart = pack(lengths, 8, apart=[None, 1, 1, 1, None, None])
    sequences = apart.pieces.sequence[np.isin(apart.pieces.document, [1, 2, 3])]
    assert len(set(sequences.tolist())) == 3
    limited = pack(lengths, 8, secondary={"images": ([1, 1, 1, 1, 1, 1], 2), "audio": (lengths, 7)})
    images = np.diff(limited.sequence_offsets)
    assert images.max() <= 2
    assert set(limited.secondary_fill) == {"images", "audio"}
    with pytest.raises(
        PackingError, match="document 0: and those that it must be together with have 9 tokens"
    ):
        pack([5, 4], 8, together=[0, 0])


def test_ten_million_documents_at_the_lower_bound():
    plan = pack(np.arange(10_000_000, dtype=np.uint32) % 1500, 8192)
    assert plan.n_sequences == plan.lower_bound


def test_the_same_on_processors_with_other_instructions():
    """NumPy chooses its sorts by the processor; no plan, stream or order of steps depends on one that is not stable."""
    program = """if True:
        import hashlib
        import numpy as np
        import portmanteau as pm
        lengths = np.arange(20_000, dtype=np.uint32) * 7919 % 500 + 1
        plans = [pm.pack(lengths, 1024, **options) for options in
                 ({}, {"order": "window"}, {"cost": "attention"}, {"strategy": "nnls_histogram"})]
        parts = [plan.fingerprint.encode() for plan in plans]
        parts += [plan.steps(8, sequences_per_rank=2).tobytes() for plan in plans]
        print(hashlib.sha256(b"".join(parts)).hexdigest())
    """
    core = np._core if hasattr(np, "_core") else np.core
    features = " ".join(core._multiarray_umath.__cpu_dispatch__)
    found = {
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program],
            env=os.environ | extra,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for extra in ({}, {"NPY_DISABLE_CPU_FEATURES": features})
    }
    assert len(found) == 1
