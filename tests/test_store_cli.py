"""The commands for datasets: ``prepare``, ``verify``, and ``pack`` and ``inspect`` of a folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import portmanteau as pm
from portmanteau.cli import main

TEXTS = ["by the way", "", "off we go, by the way", "naïve café — 東京"]
TOKENIZER = ["--tokenizer", "o200k_base"]


@pytest.fixture(autouse=True)
def corpus_file(tmp_path, monkeypatch) -> None:
    """Every test runs in a folder of its own, in which corpus.jsonl has four documents."""
    monkeypatch.chdir(tmp_path)
    lines = [json.dumps({"text": text, "body": text.upper()}, ensure_ascii=False) for text in TEXTS]
    Path("corpus.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture
def dataset(capsys) -> str:
    assert main(["prepare", "corpus.jsonl", *TOKENIZER, "-o", "dataset"]) == 0
    capsys.readouterr()
    return "dataset"


def error_line(arguments, capsys) -> str:
    """The one line that a failing command says."""
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    return said


def test_prepare_says_what_it_wrote(capsys):
    assert main(["prepare", "corpus.jsonl", *TOKENIZER, "-o", "dataset"]) == 0
    said = capsys.readouterr()
    dataset = pm.Dataset.open("dataset")
    assert said.out == ""
    assert said.err == f"wrote dataset: 4 documents, {dataset.n_tokens} ids in 1 shard\n"
    assert [dataset.tokenizer.decode(ids) for ids in dataset] == TEXTS


def test_every_option_of_prepare_reaches_it(capsys):
    Path("odd.jsonl").write_bytes(
        b'{"text": "caf\xe9", "body": null}\n{"text": "<|endoftext|>", "body": "b"}\n'
    )
    columns = ["--text-column", "text", "--text-column", "body"]
    rules = ["--special", "parse", "--errors", "replace", "--null-text", "empty", "--byte-offsets"]
    sizes = ["--shard-bytes", "1 kB", "--threads", "1", "--num-shards", "1", "--shard-index", "0"]
    assert main(["prepare", "odd.jsonl", *TOKENIZER, "-o", "out", *columns, *rules, *sizes]) == 0
    assert "warning: 1 places of the text were not UTF-8" in capsys.readouterr().err
    dataset = pm.Dataset.open("out")
    assert dataset.manifest.options == {
        "text_columns": ["text", "body"],
        "special": "parse",
        "errors": "replace",
        "null_text": "empty",
        "shard_bytes": 1000,
    }
    assert dataset.tokenizer.decode(dataset[0]) == "caf\ufffd"
    assert dataset[1].tolist() == [199999, *dataset.tokenizer.encode("b").tolist()]
    assert dataset.byte_offsets(1).tolist() == [0, 13, 14]
    assert dataset.channel("column", 1).tolist() == [0, 1]


def test_the_jobs_of_an_array(capsys):
    size = ["--shard-bytes", "40"]
    job = [
        "prepare",
        "corpus.jsonl",
        *TOKENIZER,
        "-o",
        "dataset",
        *size,
        "--num-shards",
        "2",
        "--shard-index",
    ]
    assert main([*job, "1"]) == 0
    expected = "dataset: job 1 of 2 has made its shards; the last job to end completes the dataset\n"
    assert capsys.readouterr().err == expected
    assert "is not complete; run prepare again" in error_line(["verify", "dataset"], capsys)
    assert "is not complete; run prepare again" in error_line(["inspect", "dataset"], capsys)
    assert main([*job, "0"]) == 0
    assert "wrote dataset: 4 documents" in capsys.readouterr().err
    assert "shard_index is 2 of 2 jobs" in error_line([*job, "2"], capsys)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--shard-bytes", "much"], 1),
        (["--text-column", "nothing"], 1),
        (["--tokenizer", "nothing"], 1),
        (["--shard-index", "-1"], 2),
        (["--num-shards", "0"], 2),
        (["--null-text", "skip"], 2),
    ],
)
def test_what_cannot_be_is_an_error_of_one_line(options, code, capsys):
    arguments = ["prepare", "corpus.jsonl", *TOKENIZER, "-o", "out", *options]
    if code == 2:
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 2
    else:
        assert options[1] in error_line(arguments, capsys)
    assert not Path("out").exists()


def test_verify(dataset, capsys):
    assert main(["pack", dataset, "--capacity", "8"]) == 0
    capsys.readouterr()
    assert main(["verify", dataset, *TOKENIZER]) == 0
    n_tokens = pm.Dataset.open(dataset).n_tokens
    expected = f"dataset: 4 documents, {n_tokens} ids in 1 shard, plans 8: all as written\n"
    assert capsys.readouterr().out == expected
    assert "its ids were made with the tokenizer" in error_line(
        ["verify", dataset, "--tokenizer", "r50k_base"], capsys
    )
    path = Path("dataset/shards/00000.ids")
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    assert "00000.ids: its SHA-256 is not the one" in error_line(["verify", dataset], capsys)
    assert "has no dataset" in error_line(["verify", "."], capsys)


def test_pack_writes_the_plan_beside_the_shards(dataset, capsys):
    tokens = ["--bos-token", "7", "--eos-token", "<|endoftext|>", "--pad-token", "<|endofprompt|>"]
    assert main(["pack", dataset, "--capacity", "16", *tokens]) == 0
    said = capsys.readouterr()
    assert said.err == "dataset has the plan 16\n"
    assert "strategy" in said.out
    plan = pm.Dataset.open(dataset).plan(16)
    assert (plan.bos_id, plan.eos_id, plan.pad_id) == (7, 199999, 200018)
    assert (plan.plan.format.bos, plan.plan.format.eos) == ("document", "document")
    ids = plan.apply(np.arange(plan.n_sequences)).input_ids
    assert np.count_nonzero(ids == 199999) == np.count_nonzero(ids == 7) == 3  # one document is empty
    # The same again is no error; another plan of the name is.
    assert main(["pack", dataset, "--capacity", "16", *tokens]) == 0
    capsys.readouterr()
    assert "is another plan of this name" in error_line(["pack", dataset, "--capacity", "16"], capsys)
    assert main(["pack", dataset, "--capacity", "16", "--replace"]) == 0
    assert pm.Dataset.open(dataset).plan(16).eos_id is None


def test_pack_of_a_dataset_takes_the_options_of_packing(dataset, capsys):
    options = [
        "--name",
        "other",
        "--strategy",
        "first_fit_decreasing",
        "--order",
        "keep",
        "--eos",
        "sequence",
    ]
    assert main(["pack", dataset, "--capacity", "8", *options, "--eos-token", "<|endoftext|>"]) == 0
    plan = pm.Dataset.open(dataset).plan("other")
    assert (plan.plan.order, plan.plan.format.eos, plan.eos_id) == ("keep", "sequence", 199999)


def test_pack_says_what_does_not_go_with_a_dataset_or_without_one(dataset, capsys):
    pack = ["pack", "--capacity", "8"]
    assert "--eos leaves room for a token" in error_line([*pack, dataset, "--eos"], capsys)
    assert "no special token of the dataset's tokenizer, which has <|endoftext|>" in error_line(
        [*pack, dataset, "--eos-token", "</s>"], capsys
    )
    assert "bos_id is 999999" in error_line([*pack, dataset, "--bos-token", "999999"], capsys)
    assert "a dataset is packed alone" in error_line([*pack, dataset, dataset], capsys)
    assert "lies in its folder" in error_line([*pack, dataset, "-o", "plan.arrow"], capsys)
    assert main(["encode", "corpus.jsonl", *TOKENIZER, "-o", "tokens.arrow"]) == 0
    capsys.readouterr()
    for option in (["--name", "n"], ["--replace"], ["--eos-token", "x"], ["--pad-token", "0"]):
        assert f"{option[0]} is for the folder of a dataset" in error_line(
            [*pack, "tokens.arrow", *option], capsys
        )


def test_inspect_of_a_dataset_and_of_its_plan(dataset, capsys):
    assert main(["pack", dataset, "--capacity", "8"]) == 0
    capsys.readouterr()
    assert main(["inspect", dataset, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["kind"] == "dataset"
    assert (facts["documents"], facts["empty_documents"], facts["plans"]) == (4, 1, ["8"])
    assert facts["text_bytes"] == sum(len(text.encode()) for text in TEXTS)
    assert facts["document_lengths"]["max"] == max(pm.Dataset.open(dataset).lengths)
    assert main(["inspect", dataset]) == 0
    assert "document lengths" in capsys.readouterr().out
    assert main(["inspect", "dataset/plans/8.arrow", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "plan"


@pytest.mark.skipif(os.name == "nt", reason="no pseudo-terminals there")
def test_progress_is_shown_on_a_terminal_only():
    import fcntl
    import pty
    import struct
    import termios

    arguments = [sys.executable, "-m", "portmanteau", "prepare", "corpus.jsonl", *TOKENIZER, "-o"]
    quiet = subprocess.run([*arguments, "quiet"], capture_output=True, text=True)
    assert quiet.stderr.count("\n") == 1
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    with subprocess.Popen([*arguments, "shown"], stderr=theirs) as process:
        os.close(theirs)
        said = b""
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            said += piece
    os.close(ours)
    assert process.returncode == 0
    assert b"preparing" in said
    assert b"MB/s" in said
    assert b"tokens/s" in said
    assert b"100%" in said
