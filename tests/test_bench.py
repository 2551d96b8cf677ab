"""`portmanteau bench`: figures only for ids that are right, clear words where there are none, nothing private."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

import portmanteau as pm
from portmanteau import data
from portmanteau.benchmarking import encode, sampling, tables, texts
from portmanteau.cli import main
from portmanteau.errors import FileError, MissingDependencyError

SAMPLE = {"sample": str(data.sample_path())}


def record_of(source, peers, **options):
    """A short comparison on the bundled sample."""
    found, _ = encode.contenders(peers)
    return encode.compare([source], SAMPLE, found, rounds=1, megabytes=0.2, **options)


def library(record, name):
    (found,) = [one for one in record["results"][0]["libraries"] if one["name"] == name]
    return found


@pytest.fixture
def stand_in(tmp_path):
    """Makes a folder in which the peer toktok is the code given."""

    def make(code):
        (tmp_path / "toktok.py").write_text(code, encoding="utf-8")
        metadata = tmp_path / "toktok_rs-9.9.dist-info" / "METADATA"
        metadata.parent.mkdir()
        metadata.write_text("Metadata-Version: 2.1\nName: toktok-rs\nVersion: 9.9\n", encoding="utf-8")
        return f"toktok={tmp_path}"

    return make


# ── the comparison ──────────────────────────────────────────────────────────────────────────────────────────────


def test_libraries_that_are_right_have_a_figure_for_every_measurement():
    record = record_of("r50k_base", ["tiktoken", "tokenizers"])
    (result,) = record["results"]
    assert result["reference"] == "tiktoken 0.14.0"
    for name in ("portmanteau", "tiktoken", "tokenizers"):
        found = library(record, name)
        assert found["load_cpu_seconds"][0] > 0
        assert all(found["speeds"][cell][0] > 0 for cell in texts.CELLS)
    for cell in texts.CELLS:
        ours = library(record, "portmanteau")["speeds"][cell][0]
        best = max(library(record, name)["speeds"][cell][0] for name in ("tiktoken", "tokenizers"))
        assert result["verdict"][cell]["ratio"] == pytest.approx(ours / best, abs=1e-3)
        assert result["verdict"][cell]["met"] == (ours / best >= encode.TARGETS[cell])


def test_a_tokenizer_json_is_checked_against_tokenizers(tmp_path):
    path = tmp_path / "tokenizer.json"
    pm.train_bpe(texts=["by the way, off we go"] * 9, vocab_size=270, special_tokens=["<|x|>"]).save(path)
    record = record_of(str(path), ["tiktoken", "tokenizers"])
    assert record["results"][0]["reference"] == "tokenizers 0.23.3"
    assert "speeds" in library(record, "tokenizers")
    assert library(record, "tiktoken")["error"] == "it reads no tokenizer.json"


def test_a_record_names_neither_paths_nor_the_host():
    import platform

    content = json.dumps(record_of("r50k_base", ["tiktoken"]))
    assert str(Path.home()) not in content
    assert "/tmp" not in content
    assert f'"{platform.node()}"' not in content


def test_a_peer_with_wrong_ids_is_reported_and_not_timed(stand_in):
    wrong = """
import numpy as np, portmanteau as pm
class Encoding:
    def __init__(self, name):
        self.tokenizer = pm.Tokenizer.load(name)
    def encode_batch_to_numpy(self, texts, threads):
        batch = self.tokenizer.encode_batch(texts)
        ids = batch.ids.copy()
        ids[batch.offsets[2]] += 1
        ids[batch.offsets[4] - 1] += 1
        return ids, batch.offsets
_encoding = Encoding
""".replace("batch.offsets[2]", "batch.offsets[min(2, len(batch) - 1)]").replace(
        "[4]", "[min(4, len(batch))]"
    )
    record = record_of("cl100k_base", ["tiktoken", stand_in(wrong)])
    found = library(record, "toktok")
    assert found["wrong"] == {"cold": 2, "first pass": 2, "hot": 2, "short": 2, "long": 1}
    assert "speeds" not in found
    assert record["results"][0]["verdict"]["cold"]["best_peer"] == "tiktoken 0.14.0"
    said = tables.report(record)
    assert "toktok 9.9 is WRONG, and not timed: other ids in 2 texts of cold, 2 texts of first pass" in said
    assert not any(row[0].startswith("toktok") for row in tables.rows(record["results"][0]))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "import os; os._exit(3)",
            "toktok gives no ids: the process ended with exit code 3: it said nothing",
        ),
        ("raise ValueError('out of order')", "toktok 9.9 gives no ids: ValueError: out of order"),
    ],
)
def test_a_peer_that_fails_is_listed_with_what_it_said(stand_in, code, said):
    record = record_of("cl100k_base", ["tiktoken", stand_in(code)])
    assert said in tables.report(record)
    assert record["results"][0]["verdict"]


def test_our_own_wrong_ids_would_be_an_error(monkeypatch, capsys):
    wrong = {"libraries": [{"name": "portmanteau", "wrong": {"cold": 1}}], "vocabulary": "r50k_base"}
    monkeypatch.setattr(encode, "compare", lambda *_, **__: {"results": [wrong]})
    assert main(["bench", "encode", "--json"]) == 1
    assert "our ids are wrong for r50k_base" in capsys.readouterr().err


def test_a_sample_that_hangs_is_given_up(stand_in, monkeypatch):
    monkeypatch.setattr(sampling, "_SECONDS", 1)
    answer = sampling.run(
        ["timeit", "-n1", "-s", "import time", "time.sleep(9)"], threads=1, folder=Path.cwd()
    )
    assert answer == {"error": "took longer than 1 s"}


# ── who takes part ──────────────────────────────────────────────────────────────────────────────────────────────


def test_peers_that_are_not_installed_are_named(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "toktok" else find(name))
    found, missing = encode.contenders()
    assert "toktok" in missing
    assert {"tiktoken", "tokenizers"} <= {contender.name for contender in found}
    with pytest.raises(MissingDependencyError, match="toktok is not installed where portmanteau is"):
        encode.contenders(["toktok"])


def test_a_peer_may_lie_in_a_folder_of_its_own(stand_in, tmp_path):
    found, _ = encode.contenders([stand_in("")])
    assert [contender.folder for contender in found if contender.name == "toktok"][-1] == str(tmp_path)
    with pytest.raises(MissingDependencyError, match="gigatoken is not installed in"):
        encode.contenders([f"gigatoken={tmp_path}"])
    with pytest.raises(MissingDependencyError, match="there is no peer 'megatoken'; there are gigatoken, "):
        encode.contenders(["megatoken"])


def test_without_a_reference_nothing_is_timed(monkeypatch):
    found, _ = encode.contenders(["tiktoken"])
    monkeypatch.setattr(sampling.Contender, "is_there", property(lambda _: False))
    with pytest.raises(MissingDependencyError, match="install tiktoken"):
        encode.compare(["r50k_base"], SAMPLE, found, rounds=1, megabytes=0.1)


# ── the text ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_parts_share_out_the_text_and_have_their_sizes():
    documents = [document["text"].rstrip() for document in data.sample()]
    parts = texts.cut(documents)
    assert list(parts) == ["cold", "first pass", "short", "long"]
    whole = parts["cold"] + parts["first pass"]
    assert set(whole) <= set(documents)
    assert len(parts["long"]) == 1
    n_bytes = {name: sum(len(text.encode()) for text in part) for name, part in parts.items()}
    total = sum(len(document.encode()) for document in documents)
    for name, megabytes in {"cold": 10, "first pass": 10, "short": 5, "long": 8}.items():
        assert n_bytes[name] == pytest.approx(total * megabytes / 33, rel=0.15)
    average = n_bytes["short"] / len(parts["short"])
    assert 150 < average <= 240
    assert all(text == text.rstrip() != "" for text in parts["short"])


def test_the_parts_are_the_same_in_every_process(tmp_path):
    parts = texts.cut([document["text"] for document in data.sample()], megabytes=0.5)
    texts.save(parts, tmp_path / "texts")
    assert texts.load(tmp_path / "texts") == parts


def test_documents_with_special_tokens_are_left_out(tmp_path):
    path = tmp_path / "corpus.jsonl"
    documents = ["by the way", "off <|endoftext|> go", "so it goes ", "and so on", "at last", " "]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in documents), encoding="utf-8")
    parts, left_out = texts.read(path, without=["<|endoftext|>"])
    assert left_out == 1
    assert sorted("\n".join(text for part in parts.values() for text in part).split("\n")) == [
        "and so on",
        "at last",
        "by the way",
        "so it goes",
    ]


def test_too_little_text_says_so():
    with pytest.raises(FileError, match="too few documents"):
        texts.cut(["by the way", "off we go", "so it goes"])


# ── the command ──────────────────────────────────────────────────────────────────────────────────


def test_the_command_prints_the_tables_and_writes_the_record(tmp_path, capsys):
    out = tmp_path / "record.json"
    arguments = ["bench", "encode", "--tokenizer", "r50k_base", "--peer", "tiktoken", "--rounds", "1"]
    assert main([*arguments, "--megabytes", "0.2", "--out", str(out)]) == 0
    said = capsys.readouterr()
    record = json.loads(out.read_text(encoding="utf-8"))
    assert said.out.rstrip("\n") == tables.report(record)
    assert "ours / best peer" in said.out
    assert said.err == f"wrote {out}\n"


def test_two_texts_of_one_name_are_refused(capsys):
    path = str(data.sample_path())
    assert main(["bench", "encode", "--corpus", path, "--corpus", path]) == 1
    assert "two texts of the name 'sample'" in capsys.readouterr().err
