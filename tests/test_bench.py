"""`portmanteau bench`: figures only for what is right, clear words where there are none, nothing private."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

import portmanteau as pm
from portmanteau import data
from portmanteau.benchmarking import (
    encode,
    merges,
    sampling,
    tables,
    texts,
    train,
    training_tables,
    training_text,
)
from portmanteau.cli import main
from portmanteau.errors import FileError, MissingDependencyError, PatternError, TrainingError

SAMPLE = {"sample": str(data.sample_path())}


def record_of(source, peers, **options):
    """A short comparison on the bundled sample."""
    found, _ = encode.contenders(peers)
    return encode.compare([source], SAMPLE, found, rounds=1, megabytes=0.2, **options)


def training_record_of(peers, **options):
    """A short comparison of training on the bundled sample, with no peers but these."""
    names = {peer.partition("=")[0] for peer in peers}
    found = [contender for contender in train.contenders(peers)[0] if contender.name in names]
    return train.compare(SAMPLE, found, **{"vocab_sizes": [400], "rounds": 1, "megabytes": 0.1} | options)


def library(record, name, what=""):
    everyone = record["results"][0]["libraries"]
    (found,) = [one for one in everyone if one["name"] == name and one.get("what", "") == what]
    return found


@pytest.fixture
def stand_in(tmp_path):
    """Makes a folder in which a peer, toktok by default, is the code given."""

    def make(code, name="toktok", distribution="toktok-rs"):
        module, package = (text.replace("-", "_") for text in (name, distribution))
        (tmp_path / f"{module}.py").write_text(code, encoding="utf-8")
        metadata = tmp_path / f"{package}-9.9.dist-info" / "METADATA"
        metadata.parent.mkdir()
        metadata.write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 9.9\n", encoding="utf-8")
        return f"{name}={tmp_path}"

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


# ── the comparison of training ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("unit", "pretokenizer", "sizes"), [("line", None, (300, 400)), ("document", r"\p{L}+|\P{L}", (400,))]
)
def test_trainers_with_the_same_merges_are_measured_against(unit, pretokenizer, sizes):
    record = training_record_of(["tokenizers"], vocab_sizes=sizes, unit=unit, pretokenizer=pretokenizer)
    for result, size in zip(record["results"], sizes, strict=True):
        assert result["reference"] == "tokenizers 0.23.3"
        assert result["vocab_size"] == size
        ours, peer = result["libraries"]
        assert ours["n_merges"] == peer["n_merges"] > 0
        assert ours["digest"] == peer["digest"]
        for found in (ours, peer):
            assert "other_merges" not in found
            assert found["cpu_seconds"][0] > 0
            assert found["wall_seconds"][0] > 0
            assert found["peak_megabytes"][0] is None or (
                found["peak_megabytes"][0] >= found["before_megabytes"][0] > 0
            )
        (claim,) = result["verdict"]
        assert claim["claim"] == "time of the fastest peer, tokenizers 0.23.3 / ours"
        assert claim["ratio"] == pytest.approx(peer["cpu_seconds"][0] / ours["cpu_seconds"][0], abs=1e-3)
    growth = ["our time for 400 ids / for 300 ids"] if len(sizes) > 1 else []
    assert [claim["claim"] for claim in record["verdict"]] == growth
    content = json.dumps(record)
    assert str(Path.home()) not in content
    assert "/tmp" not in content


OTHER_MERGES = """
import portmanteau as pm, json, tempfile, pathlib
def train_bpe(files, vocab_size, pretokenizer, threads):
    path = pathlib.Path(tempfile.mkdtemp(), "tokenizer.json")
    pm.train_bpe(files, vocab_size=vocab_size, pretokenizer="r50k", initial_alphabet="seen").save(path)
    pairs = [merge.split(" ") for merge in json.loads(path.read_text(encoding="utf-8"))["model"]["merges"]]
    return {}, pairs[:5] + CHANGE(pairs[5:])
"""


def test_a_trainer_with_other_merges_is_marked_and_not_measured_against(stand_in):
    peer = stand_in(OTHER_MERGES.replace("CHANGE", "list") + "\n", "gigabpe", "gigabpe")
    record = training_record_of(["tokenizers", peer])
    assert "other_merges" not in library(record, "gigabpe")
    assert [claim.get("at_least") for claim in record["results"][0]["verdict"]] == [None, 1.3, 1.0]
    code = Path(peer.partition("=")[2], "gigabpe.py")
    code.write_text(OTHER_MERGES.replace("CHANGE", "(lambda pairs: pairs[::-1])"), encoding="utf-8")
    record = training_record_of([peer])
    assert record["results"][0]["reference"] == f"portmanteau {pm.__version__}"
    found = library(record, "gigabpe")
    assert found["other_merges"]["at"] == 5
    assert found["cpu_seconds"]
    assert record["results"][0]["verdict"] == []
    said = training_tables.report(record)
    assert "† gigabpe 9.9 gives OTHER MERGES (first difference at merge 5: " in said
    (row,) = [row for row in training_tables.rows(record["results"][0]) if row[0] == "gigabpe 9.9"]
    assert all(row[column].endswith("†") for column in (1, 2, 3, 4))


def test_superbpe_is_measured_against_two_trainers_one_after_the_other(stand_in):
    # It stands in for the program that goes on from the first stage, and checks what it is given.
    code = """
import portmanteau as pm, pathlib, tempfile, tokenizers
def continue_training(base, *, vocab_size, files, texts, show_progress):
    base = tokenizers.Tokenizer.from_file(base)
    assert base.get_vocab_size() == 350
    options = {"vocab_size": vocab_size, "transition_size": 350, "initial_alphabet": "seen"}
    path = str(pathlib.Path(tempfile.mkdtemp(), "tokenizer.json"))
    pm.train_superbpe(files, forbid=[], max_words_per_token=99, **options).save(path)
    return tokenizers.Tokenizer.from_file(path)
"""
    record = training_record_of(
        ["tokenizers", stand_in(code, "bpe-continue", "bpe-continue")], transition_size=350
    )
    whole, path = library(record, "portmanteau"), "tokenizers 0.23.3 + bpe-continue"
    assert library(record, "bpe-continue", "second stage")["digest"] == whole["digest"]
    assert library(record, "tokenizers", "first stage")["n_merges"] == whole["n_merges"] - 50
    assert "digest" in library(record, "portmanteau", "default rules")
    assert not any("other_merges" in one for one in record["results"][0]["libraries"])
    parts = [library(record, "tokenizers", "first stage"), library(record, "bpe-continue", "second stage")]
    both = library(record, path, "both stages")
    assert both["cpu_seconds"] == [pytest.approx(sum(part["cpu_seconds"][0] for part in parts))]
    assert both["peak_megabytes"][0] in [part["peak_megabytes"][0] for part in parts]
    assert [claim.get("at_least") for claim in record["results"][0]["verdict"]][:2] == [None, 20.0]
    assert "tokenizers 0.23.3 + bpe-continue 9.9, both stages" in training_tables.report(record)


def test_a_trainer_that_fails_or_cannot_is_listed_with_what_it_said(stand_in):
    peer = stand_in("raise ValueError('out of order')", "gigabpe", "gigabpe")
    said = training_tables.report(training_record_of([peer], threads=2))
    assert "gigabpe 9.9 gives no merges: ValueError: out of order" in said
    Path(peer.partition("=")[2], "gigabpe.py").write_text("", encoding="utf-8")
    said = training_tables.report(training_record_of([peer], unit="document"))
    assert "gigabpe 9.9 gives no merges: it trains on lines only" in said


def test_a_trainer_that_gives_two_answers_is_not_timed(stand_in):
    code = (
        OTHER_MERGES.replace("CHANGE", "(lambda pairs: random.sample(pairs, len(pairs)))") + "import random\n"
    )
    record = training_record_of([stand_in(code, "gigabpe", "gigabpe")], rounds=2)
    assert library(record, "gigabpe") == {
        "name": "gigabpe",
        "what": "",
        "call": library(record, "gigabpe")["call"],
        "error": "it gave other merges the second time",
        "version": "9.9",
    }


def test_our_own_wrong_merges_would_be_an_error(monkeypatch, capsys):
    wrong = {"libraries": [{"name": "portmanteau", "other_merges": {"at": 1}}], "vocab_size": 32_000}
    monkeypatch.setattr(train, "compare", lambda *_, **__: {"results": [wrong]})
    assert main(["bench", "train", "--json"]) == 1
    assert "our merges are wrong for 32,000 ids" in capsys.readouterr().err


def test_what_cannot_be_trained_is_refused():
    with pytest.raises(PatternError):
        training_record_of([], pretokenizer="(")
    with pytest.raises(TrainingError, match="20 ids leave no merge: the text has"):
        training_record_of([], vocab_sizes=[20])
    with pytest.raises(TrainingError, match="transition_size is 400, which leaves no superword"):
        training_record_of([], transition_size=400)


def test_the_merges_behind_ranks_are_those_that_made_the_tokens(tmp_path):
    tokenizer = pm.train_bpe(texts=["by the way, off we go"] * 9, vocab_size=265)
    tokenizer.save(tmp_path / "tokenizer.json")
    ranks = {tokenizer.token_bytes(index): index for index in range(265)}
    content = (tmp_path / "tokenizer.json").read_text(encoding="utf-8")
    assert merges.of_ranks(ranks) == merges.of_tokenizer_json(content)


# ── who takes part ──────────────────────────────────────────────────────────────────────────────────────────────


def test_peers_that_are_not_installed_are_named(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "toktok" else find(name))
    found, missing = encode.contenders()
    assert "toktok" in missing
    assert {"tiktoken", "tokenizers"} <= {contender.name for contender in found}
    with pytest.raises(MissingDependencyError, match="toktok is not installed where portmanteau is"):
        encode.contenders(["toktok"])


def test_trainers_that_are_not_installed_are_named(monkeypatch, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "gigabpe" else find(name))
    monkeypatch.setattr(train, "compare", lambda *_, **__: {"results": []})
    assert main(["bench", "train", "--json"]) == 0
    assert "gigabpe is not installed, so it is not compared with\n" in capsys.readouterr().err
    assert main(["bench", "train", "--peer", "gigabpe"]) == 1
    assert "gigabpe is not installed where portmanteau is" in capsys.readouterr().err


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


def test_texts_to_train_on_are_cut_into_records(tmp_path):
    path = tmp_path / "corpus.jsonl"
    documents = ["by the\r\nway", "", "off we go\n", "\u2028so\n\nit goes"]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in documents), encoding="utf-8")
    by_line = training_text.prepare([str(path)], tmp_path)
    assert list(by_line.records()) == ["by the\r\n", "way\n", "off we go\n", "\u2028so\n", "\n", "it goes\n"]
    assert Path(by_line.plain).read_bytes().decode() == "".join(by_line.records())
    assert (by_line.n_documents, by_line.n_lines) == (3, 6)
    by_document = training_text.prepare([str(path)], tmp_path, unit="document")
    assert list(by_document.records()) == ["by the\r\nway\n", "off we go\n", "\u2028so\n\nit goes\n"]
    short = training_text.prepare([str(path), str(path)], tmp_path, megabytes=0.00002)
    assert "".join(short.records()) == "by the\r\nway\n" * 2
    path.write_text("", encoding="utf-8")
    with pytest.raises(FileError, match="no text to train on"):
        training_text.prepare([str(path)], tmp_path)


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


def test_the_command_prints_the_tables_of_training_and_writes_the_record(tmp_path, capsys):
    out = tmp_path / "record.json"
    arguments = ["bench", "train", "--vocab-size", "300", "--peer", "tokenizers", "--rounds", "1"]
    assert main([*arguments, "--megabytes", "0.1", "--out", str(out)]) == 0
    said = capsys.readouterr()
    record = json.loads(out.read_text(encoding="utf-8"))
    assert said.out.rstrip("\n") == training_tables.report(record)
    assert "BPE, 300 ids, pretokenizer r50k (merges compared with tokenizers 0.23.3)" in said.out
    assert said.err == f"wrote {out}\n"
