"""The files of exports: whole or not there, replaced when asked, bounded in memory; and what cannot be exported."""

from __future__ import annotations

import argparse
import pickle
import re
import signal
import subprocess
import sys
import tracemalloc
from typing import Any

import numpy as np
import pytest

import portmanteau as pm
from exports import (
    CHANNELS,
    FORMATS,
    PADDED,
    SMALL,
    content,
    exported,
    make,
    names_in,
    read_arrow,
    small_chunks,
)
from portmanteau.store.exporting import mds


@pytest.mark.parametrize("file_format", FORMATS)
def test_the_same_export_gives_the_same_bytes(tmp_path, file_format):
    dataset = make(tmp_path / "store", [5, 7, 9, 30])
    for name in ("a", "b"):
        exported(pickle.loads(pickle.dumps(dataset)), tmp_path / name / "export", file_format)
    assert content(tmp_path / "a" / "export") == content(tmp_path / "b" / "export") != {}


@pytest.mark.parametrize("file_format", FORMATS)
def test_what_is_there_is_replaced_when_asked(tmp_path, file_format):
    dataset, other = make(tmp_path / "store", [5, 7]), make(tmp_path / "other", [100])
    path = tmp_path / "exports" / "rows"
    exported(other, path, file_format)
    before = content(path)
    with pytest.raises(pm.FileError, match="replace=True"):
        exported(dataset, path, file_format)
    assert content(path) == before
    exported(dataset, path, file_format, replace=True)
    exported(dataset, tmp_path / "new" / "rows", file_format)
    assert content(path) == content(tmp_path / "new" / "rows") != before
    assert names_in(path.parent) == names_in(tmp_path / "new")


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_failure_leaves_what_was_there(tmp_path, monkeypatch, file_format):
    dataset, other = make(tmp_path / "store", [5, 7, 30, 30]), make(tmp_path / "other", [100])
    path = tmp_path / "exports" / "rows"
    exported(other, path, file_format)
    before = content(path)
    (tmp_path / "store" / "shards" / "00001.ids").unlink()
    dataset = pm.Dataset.open(tmp_path / "store")
    with small_chunks(), pytest.raises(pm.FileError, match=r"00001\.ids"):
        exported(dataset, path, file_format, replace=True)
    assert content(path) == before
    with small_chunks(), pytest.raises(pm.FileError, match=r"00001\.ids"):
        exported(dataset, tmp_path / "nothing" / "rows", file_format)
    assert names_in(tmp_path / "nothing") == []


KILLED = """
import os, signal, sys
import portmanteau as pm
from portmanteau.store.exporting import documents, sequences
documents.CHUNK_POSITIONS = sequences.CHUNK_POSITIONS = 16
chunks = sequences._chunks if {has_sequences} else documents._chunks
def killed(*arguments):
    for number, chunk in enumerate(chunks(*arguments)):
        if number == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        yield chunk
documents._chunks = sequences._chunks = killed
dataset = pm.Dataset.open(sys.argv[1])
(dataset.plan() if {has_sequences} else dataset).export(sys.argv[2], sys.argv[3])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("file_format", FORMATS)
def test_a_killed_export_looks_like_none(tmp_path, file_format):
    dataset = make(tmp_path / "store", [5, 7, 30, 30])
    dataset.pack(16)
    path = tmp_path / "exports" / "rows"
    script = KILLED.format(has_sequences=FORMATS[file_format].has_sequences)
    command = [sys.executable, "-c", script, str(dataset.path), str(path), file_format]
    assert subprocess.run(command).returncode == -signal.SIGKILL
    left = names_in(path.parent)
    assert left
    assert all(name.startswith(".rows") and name.endswith(".partial") for name in left)
    exported(dataset, path, file_format)
    exported(dataset, tmp_path / "whole" / "rows", file_format)
    assert content(path) == content(tmp_path / "whole" / "rows")


FULL_DISK = """
import resource, sys
import portmanteau as pm
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
dataset = pm.Dataset.open(sys.argv[1])
try:
    ({rows}).export(sys.argv[2], sys.argv[3])
except pm.FileError as error:
    assert sys.argv[2] in str(error), error
    sys.exit(3)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="files cannot be limited")
@pytest.mark.parametrize("file_format", FORMATS)
def test_a_full_disk_leaves_nothing(tmp_path, file_format):
    dataset = make(tmp_path / "store", [500] * 4)
    dataset.pack(250)
    path = tmp_path / "exports" / "rows"
    script = FULL_DISK.format(rows="dataset.plan()" if FORMATS[file_format].has_sequences else "dataset")
    outcome = subprocess.run([sys.executable, "-c", script, str(dataset.path), str(path), file_format])
    assert outcome.returncode == 3
    assert names_in(path.parent) == []


@pytest.mark.parametrize("file_format", ["arrow", "parquet", "numpy", "mds"])
def test_a_folder_that_is_no_export_is_never_replaced(tmp_path, file_format):
    dataset = make(tmp_path / "store", [5])
    (tmp_path / "home").mkdir()
    exported(dataset, tmp_path / "home", file_format)  # an empty folder holds nothing that could be lost
    (tmp_path / "home" / "thesis.tex").write_text("")
    with pytest.raises(pm.FileError, match=r"thesis\.tex"):
        exported(dataset, tmp_path / "home", file_format, replace=True)
    (tmp_path / "others").mkdir()
    for name in ("mine.npy", "shard.00000.mds", "data-00000.arrow", "00001.parquet"):
        (tmp_path / "others" / name).write_text("")
        with pytest.raises(pm.FileError, match="is no export"):
            exported(dataset, tmp_path / "others", file_format, replace=True)
        (tmp_path / "others" / name).unlink()
    (tmp_path / "file").write_text("")
    with pytest.raises(pm.FileError, match="is a file"):
        exported(dataset, tmp_path / "file", file_format, replace=True)


def test_a_folder_is_no_file(tmp_path):
    dataset = make(tmp_path / "store", [5])
    with pytest.raises(pm.FileError, match="is a folder"):
        dataset.export(tmp_path / "store", "nanogpt", replace=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(pm.FileError, match="cannot make the folder"):
        dataset.export(tmp_path / "file" / "rows", "megatron")
    with pytest.raises(pm.FileError, match="cannot make the folder"):
        dataset.export(tmp_path / "file" / "rows", "numpy")


def test_progress_is_shown_on_a_terminal(tmp_path, capsys, monkeypatch):
    dataset = make(tmp_path / "store", [5])
    dataset.export(tmp_path / "a", "nanogpt")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    dataset.export(tmp_path / "b", "nanogpt", progress=False)
    assert capsys.readouterr().err == ""
    dataset.export(tmp_path / "c", "nanogpt")
    assert re.search(r"exporting: 100%.* 5\.00/5\.00", capsys.readouterr().err)


@pytest.mark.parametrize("file_format", FORMATS)
def test_memory_is_that_of_a_chunk(tmp_path, file_format):
    tokenizer = pm.Tokenizer.load(SMALL)
    batch = pm.TokenBatch(np.ones(4 << 20, np.uint32), np.arange(0, (4 << 20) + 1, 1 << 12))
    dataset = pm.write_dataset(batch, tmp_path / "store", tokenizer)
    rows = dataset.pack(1 << 12) if FORMATS[file_format].has_sequences else dataset
    with small_chunks(positions=1 << 15, files=4, shard_bytes=1 << 18):
        rows.export(tmp_path / "first", file_format)  # which imports what it needs
        tracemalloc.start()
        try:
            rows.export(tmp_path / "second", file_format)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 2 << 20  # of 8 MB that are exported as uint16, or 16 as int32


# ── what cannot be exported ─────────────────────────────────────────────────────────────────────────────────────────


def refused(match: str) -> Any:
    return pytest.raises(pm.UnsupportedError, match=match)


def test_what_a_format_cannot_hold_is_refused(tmp_path):
    dataset = make(tmp_path / "store", [5, 7], channels=CHANNELS)
    plan, path = dataset.pack(8), tmp_path / "rows"
    with refused("format is 'tfrecord'; there are megatron, arrow"):
        plan.export(path, "tfrecord")
    with refused(r"nanogpt has no rows.*eos_id="):
        plan.export(path, "nanogpt")
    for file_format in ("megatron", "nanogpt"):
        with refused(r"holds ids alone, and the dataset has loss_weight, kind.*channels=\[\]"):
            dataset.export(path, file_format)
        with refused("holds ids alone"):
            dataset.export(path, file_format, channels=["kind"])
    buckets = dataset.pack(8, strategy="buckets", name="buckets")
    for file_format in PADDED:
        with refused("several widths"):
            buckets.export(path, file_format, channels=[])
    assert names_in(tmp_path) == ["store"]


def test_channels_that_cannot_be_exported_are_refused(tmp_path):
    dataset = make(tmp_path / "store", [5], channels={"kind": "uint8", "labels": "uint32", "tokens": "uint8"})
    for channels, match in {
        "missing": "has kind, labels, tokens",
        "labels": "int16",
        "tokens": "another column",
    }.items():
        with refused(match):
            dataset.export(tmp_path / "rows", "arrow", channels=[channels])
    for around, match in [({"labels": 0}, "are kind"), ({"kind": 256}, "uint8"), ({"kind": 0.5}, "uint8")]:
        with refused(match):
            dataset.export(tmp_path / "rows", "arrow", channels=["kind"], around=around)
    dataset.export(tmp_path / "rows", "arrow", channels=["kind"])
    assert read_arrow(tmp_path / "rows")[0].keys() == {"input_ids", "kind"}


@pytest.mark.parametrize("file_format", FORMATS)
def test_nothing_is_no_export(tmp_path, file_format):
    with refused("no tokens"):
        exported(make(tmp_path / "store", [0, 0]), tmp_path / "rows", file_format)
    assert names_in(tmp_path) == ["store"]


def test_ids_and_rows_beyond_int32_are_refused(tmp_path, monkeypatch):
    from portmanteau.store.exporting import formats

    dataset = make(tmp_path / "store", [5, 9])
    monkeypatch.setattr(formats, "MAX_LENGTH", 200_000)  # as if the vocabulary had ids that no int32 holds
    for file_format in ("megatron", "arrow", "parquet"):
        with refused(f"{file_format} takes ids up to"):
            dataset.export(tmp_path / "rows", file_format)
    dataset.export(tmp_path / "mds", "mds")
    monkeypatch.setattr(formats, "MAX_LENGTH", 8)
    with pytest.raises(pm.UnsupportedError, match="document 1: has 9 tokens") as refusal:
        dataset.export(tmp_path / "rows", "mds")
    assert refusal.value.document == 1
    dataset.export(tmp_path / "numpy", "numpy")
    monkeypatch.setattr(mds, "_MOST_BYTES", 100)
    monkeypatch.setattr(mds, "_SHARD_BYTES", 100)
    with refused("MDS takes less"):
        dataset.pack(4).export(tmp_path / "rows", "mds")


def test_an_id_must_be_of_the_vocabulary(tmp_path):
    dataset = make(tmp_path / "store", [5], SMALL)
    with pytest.raises(pm.PackingError, match="eos_id is 50257"):
        dataset.export(tmp_path / "rows", "nanogpt", eos_id=50_257)


# ── the command ─────────────────────────────────────────────────────────────────────────────────────────────────────


def run_command(*arguments: str) -> None:
    from portmanteau.store.exporting import command

    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    command.run(parser.parse_args(arguments))


def test_the_command_exports(tmp_path, capsys):
    dataset = make(tmp_path / "store", [5, 7], channels=CHANNELS)
    plan = dataset.pack(16)
    ours, theirs = str(tmp_path / "ours"), tmp_path / "theirs"
    to = [str(tmp_path / "store"), "-o", ours, "--format"]
    run_command(*to, "arrow", "--plan", "16", "--channel", "kind", "--around", "kind=3")
    assert "1 sequences of up to 16 tokens as arrow" in capsys.readouterr().err
    plan.export(theirs, "arrow", channels=["kind"], around={"kind": 3})
    assert content(tmp_path / "ours") == content(theirs)
    with pytest.raises(pm.FileError):
        run_command(*to, "arrow")
    run_command(*to, "arrow", "--ids-only", "--eos-token", "<|endoftext|>", "--replace")
    dataset.export(theirs, "arrow", channels=[], eos_id=199_999, replace=True)
    assert content(tmp_path / "ours") == content(theirs)
    for wrong in (["--plan", "16", "--eos-token", "7"], ["--around", "kind=high"]):
        with pytest.raises(SystemExit):
            run_command(*to, "arrow", *wrong)
    assert "'kind=high' is not NAME=VALUE" in capsys.readouterr().err
