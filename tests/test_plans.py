"""Plans: proof, files, fingerprints, merging, figures."""

from __future__ import annotations

import os
import pickle
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings

from portmanteau.errors import Error, FileError, PackingError
from portmanteau.packing import PackedSequences, PackPlan, pack
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
