"""`portmanteau bench pack`: figures only for sequences that hold every piece once, plain words for what cannot be."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from portmanteau.benchmarking import definitions, lengths, pack, packing_tables, packing_worker, sampling
from portmanteau.benchmarking.packers import OURS, PEERS, Bins, Task
from portmanteau.benchmarking.packing_check import fault
from portmanteau.cli import main
from portmanteau.errors import FileError, UnsupportedError


def record_of(peers=(), **options):
    """A short comparison with no peers but these, each in a folder of its own."""
    found = [contender for contender in pack.contenders(peers)[0] if contender.folder is not None]
    options = {"n_documents": 300, "capacities": [2048], "rounds": 1} | options
    return pack.compare({"lognormal": "lognormal"}, found, **options)


def library(record, name, what=""):
    everyone = record["results"][0]["libraries"]
    (found,) = [one for one in everyone if (one["name"], one["what"]) == (name, what)]
    return found


@pytest.fixture
def stand_in(tmp_path):
    """Makes a folder in which lightbinpack is the code given."""

    def make(code):
        (tmp_path / "lightbinpack.py").write_text(code, encoding="utf-8")
        metadata = tmp_path / "lightbinpack-9.9.dist-info" / "METADATA"
        metadata.parent.mkdir()
        metadata.write_text("Metadata-Version: 2.1\nName: lightbinpack\nVersion: 9.9\n", encoding="utf-8")
        return f"lightbinpack={tmp_path}"

    return make


NEXT_FIT = """
def obfd(lengths, capacity):
    bins, room = [], 0
    for number, length in enumerate(lengths):
        if length > room:
            bins.append([])
            room = capacity
        bins[-1].append(number)
        room -= length
    return CHANGE(bins)
"""

# ── the comparison ──────────────────────────────────────────────────────────────────────────────────────────────


def test_packers_that_are_right_have_figures(stand_in):
    record = record_of([stand_in(NEXT_FIT.replace("CHANGE", ""))], capacities=[2048, 64], rounds=2)
    for result, capacity in zip(record["results"], (2048, 64), strict=True):
        assert (result["capacity"], result["documents"]) == (capacity, 300)
        assert result["tokens"] == int(lengths.SETS["lognormal"].draw(300).sum())
        assert result["lower_bound"] == -(-result["tokens"] // capacity)
        assert [one["name"] for one in result["libraries"]] == ["portmanteau"] * 3 + ["lightbinpack"]
        for one in result["libraries"]:
            assert one["sequences_over_lower_bound"] == one["n_sequences"] - result["lower_bound"] >= 0
            assert one["efficiency"] == pytest.approx(result["tokens"] / (capacity * one["n_sequences"]))
            assert len(one["cpu_seconds"]) == len(one["wall_seconds"]) == 2
            for peak, before in zip(one["peak_megabytes"], one["before_megabytes"], strict=True):
                assert peak is None or peak >= before > 0
        ours, peer = result["libraries"][0], result["libraries"][-1]
        assert ours["n_sequences"] < peer["n_sequences"]
        assert result["verdict"][0]["claim"] == "CPU time of the fastest peer, lightbinpack 9.9 / ours"
    content = json.dumps(record)
    assert str(Path.home()) not in content
    assert "/tmp" not in content


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("(lambda bins: bins[1:])", "not every piece is in one sequence"),
        ("(lambda bins: [bins[0] + bins[1], *bins[2:]])", "sequence 0 holds "),
        ("(lambda bins: [[], *bins])", "a sequence is empty"),
    ],
)
def test_a_packer_with_a_wrong_answer_is_reported_and_not_timed(stand_in, change, said):
    record = record_of([stand_in(NEXT_FIT.replace("CHANGE", change))])
    found = library(record, "lightbinpack")
    assert said in found["wrong"]
    assert "cpu_seconds" not in found
    assert record["results"][0]["verdict"] == []
    assert f"lightbinpack 9.9 is WRONG, and not timed: {said}" in packing_tables.report(record)


def test_a_packer_that_fails_is_listed_with_what_it_said(stand_in):
    said = packing_tables.report(record_of([stand_in("raise ValueError('out of room')")]))
    assert "lightbinpack 9.9 gives no sequences: ValueError: out of room" in said


def test_ours_packs_as_many_as_a_peer_that_packs_fewer(stand_in, monkeypatch):
    monkeypatch.setitem(PEERS, "lightbinpack", dataclasses.replace(PEERS["lightbinpack"], most_documents=100))
    record = record_of([stand_in(NEXT_FIT.replace("CHANGE", ""))])
    assert [result["documents"] for result in record["results"]] == [300, 100]
    assert [len(result["libraries"]) for result in record["results"]] == [3, 2]
    (group,) = packing_tables.groups(record)
    column = [(row[0], row[1]) for row in packing_tables.rows(group)]
    assert [documents for _, documents in column] == ["300"] * 3 + ["100"] * 2
    assert column[-1][0] == "lightbinpack 9.9"


def test_our_own_wrong_sequences_would_be_an_error(monkeypatch, capsys):
    wrong = {"libraries": [{"name": "portmanteau", "what": "", "wrong": "a sequence is empty"}]}
    monkeypatch.setattr(pack, "compare", lambda *_, **__: {"results": [wrong]})
    assert main(["bench", "pack", "--json"]) == 1
    assert "our sequences are wrong: a sequence is empty" in capsys.readouterr().err


@pytest.mark.parametrize("name", [*OURS, *PEERS])
@pytest.mark.parametrize("capacity", [64, 4096])
def test_every_packer_that_is_there_is_right(name, capacity):
    packer = {**OURS, **PEERS}[name]
    # Not by the module: several distributions share the package `megatron`.
    if name in PEERS and not any(importlib.metadata.distributions(name=packer.distribution)):
        pytest.skip(f"{name} is not installed")
    outcome = packing_worker.sample(packer, Task(lengths.SETS["commits"].draw(2000), capacity))
    assert "wrong" not in outcome
    assert outcome["n_sequences"] > 0


# ── the check, the lengths, and definitions without their package ───────────────────────────────────────────────


def test_pieces_are_known_by_where_they_lie():
    task = Task(np.array([3, 10, 4], np.uint32), 4)
    assert task.pieces.tolist() == [3, 4, 4, 2, 4]
    document, start, length = np.array([[1, 8, 2], [2, 0, 4], [1, 0, 4], [1, 5, 4], [0, 0, 2]]).T
    assert task.numbers(document, start, length).tolist() == [3, 4, 1, -1, -1]


def test_lengths_are_checked_where_an_answer_has_no_numbers():
    task = Task(np.array([3, 2, 3], np.uint32), 5)
    assert fault(Bins.of_lists([[3, 2], [3]], "lengths"), task) is None
    assert fault(Bins.of_lists([[2, 2], [3]], "lengths"), task) == "not every piece is in one sequence"
    assert fault(Bins.of_lists([[3, 3], [2]], "lengths"), task) == "sequence 0 holds 6 tokens"


DIGESTS = {"lognormal": "c697159cb50bf3a1", "commits": "8899b62129c8666b", "code": "d283505535106f4f"}


def test_the_sets_are_the_same_everywhere_and_their_beginnings_too():
    digests = {name: lengths.digest(one.draw(1000)) for name, one in lengths.SETS.items()}
    assert {name: digest[:16] for name, digest in digests.items()} == DIGESTS
    assert lengths.SETS["code"].draw(1000)[:10].tolist() == lengths.SETS["code"].draw(10).tolist()
    assert lengths.SETS["code"].draw(1000).min() >= 1


def test_lengths_are_read_from_files(tmp_path):
    np.save(tmp_path / "lengths.npy", np.array([5, 6, 7]))
    assert lengths.read(str(tmp_path / "lengths.npy"), 2).tolist() == [5, 6]
    pq.write_table(pa.table({"n": [5, 6, 7]}), tmp_path / "lengths.parquet")
    assert lengths.read(str(tmp_path / "lengths.parquet"), 9, "n").tolist() == [5, 6, 7]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (np.array([5.5]), "has float64 in 1 dimensions; lengths are a flat array of integers"),
        (np.array([[5]]), "has int64 in 2 dimensions"),
        (np.array([], np.int64), "lengths are a flat array of integers"),
        (np.array([5, 0]), "lengths to compare with are from 1 to 2147483647"),
        (None, "holds no lengths"),
    ],
)
def test_files_without_lengths_say_so(tmp_path, content, said):
    path = tmp_path / "lengths.npy"
    path.write_bytes(b"") if content is None else np.save(path, content)
    with pytest.raises(FileError, match=said):
        lengths.read(str(path), 10)


FRAMEWORK = """
import no_such_module
import math
BASE = 2
def _root(number): return math.sqrt(number)
def wanted(number): return BASE + _root(number)
"""


def test_definitions_run_without_what_their_module_imports(tmp_path, monkeypatch):
    package = tmp_path / "framework_of_tests"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('no CUDA')", encoding="utf-8")
    (package / "packing.py").write_text(FRAMEWORK, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert definitions.load("framework_of_tests", "packing.py", ("wanted",)).wanted(9) == 5
    with pytest.raises(UnsupportedError, match=r"its packing.py has no other"):
        definitions.load("framework_of_tests", "packing.py", ("other",))
    with pytest.raises(UnsupportedError, match=r"it has no file other.py"):
        definitions.load("framework_of_tests", "other.py", ("wanted",))


# ── the command ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_command_prints_the_tables_and_writes_the_record(stand_in, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sampling.Contender, "is_there", property(lambda one: one.folder is not None))
    out = tmp_path / "record.json"
    np.save(tmp_path / "mine.npy", np.arange(1, 400))
    arguments = [
        "--lengths",
        "commits",
        f"own={tmp_path / 'mine.npy'}",
        "--capacity",
        "64",
        "--documents",
        "200",
    ]
    peer = stand_in(NEXT_FIT.replace("CHANGE", ""))
    assert main(["bench", "pack", *arguments, "--peer", peer, "--rounds", "1", "--out", str(out)]) == 0
    said = capsys.readouterr()
    record = json.loads(out.read_text(encoding="utf-8"))
    assert said.out.rstrip("\n") == packing_tables.report(record)
    assert [result["lengths"] for result in record["results"]] == ["commits", "own"]
    assert "own (mean 100), capacity 64" in said.out
    assert "portmanteau 0.1.0, stream, window 64, with ids" in said.out
    assert said.err.endswith(f"wrote {out}\n")
    assert "seqpacker is not installed, so it is not compared with\n" in said.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--lengths", "long"], "long: lengths are lognormal, commits, code, or a file that ends in .npy or"),
        (["--lengths", "none.npy"], "none.npy: cannot read the file"),
        (["--lengths", "code", "code"], "there are two sets of lengths of the name 'code'"),
        (["--capacity", "4294967296"], "capacity is 4294967296; it must be from 1 to 2147483647"),
        (["--peer", "megapacker"], "there is no peer 'megapacker'; there are lightbinpack, "),
    ],
)
def test_what_cannot_be_is_one_line(arguments, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["bench", "pack", "--documents", "100", *arguments]) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert said in errors[0]


@pytest.mark.parametrize("arguments", [["--capacity", "0"], ["--documents", "-1"], ["--rounds", "x"]])
def test_numbers_that_make_no_sense_are_refused(arguments):
    with pytest.raises(SystemExit) as ended:
        main(["bench", "pack", *arguments])
    assert ended.value.code == 2
