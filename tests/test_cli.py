"""The command line: what it prints where, its exit codes, and what it says to wrong input."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import portmanteau as pm
from portmanteau import training
from portmanteau.cli import main
from portmanteau.packing import PackPlan, pack
from portmanteau.token_files import TokenFile, write_tokens

PORTMANTEAU = [sys.executable, "-m", "portmanteau"]
TEXTS = ["by the way", "", "off we go, by the way", "naïve café — 東京"]


@pytest.fixture(autouse=True)
def corpus_file(tmp_path, monkeypatch) -> Path:
    """Every test runs in a folder of its own, in which corpus.jsonl has four documents."""
    monkeypatch.chdir(tmp_path)
    lines = [json.dumps({"text": text, "body": text.upper()}, ensure_ascii=False) for text in TEXTS]
    Path("corpus.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Path("corpus.jsonl")


@pytest.fixture
def token_file(capsys) -> Path:
    assert main(["encode", "corpus.jsonl", "--tokenizer", "r50k_base", "-o", "tokens.arrow"]) == 0
    capsys.readouterr()
    return Path("tokens.arrow")


def run(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PORTMANTEAU, *arguments], capture_output=True, text=True, encoding="utf-8", **options
    )


def usage_error(arguments, capsys) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    return capsys.readouterr().err


def error_line(arguments, capsys) -> str:
    """The one line that a failing command says."""
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert "Traceback" not in said
    return said


# ── the command as a process ────────────────────────────────────────────────────────────────────────────────────


def test_the_version_is_that_of_the_package():
    assert run("--version").stdout == f"portmanteau {pm.__version__}\n"


def test_data_go_to_standard_output_and_nothing_to_standard_error():
    outcome = run("encode", "corpus.jsonl", "--tokenizer", "o200k_base")
    tokenizer = pm.Tokenizer.load("o200k_base")
    expected = [" ".join(map(str, tokenizer.encode(text).tolist())) for text in TEXTS]
    assert outcome.returncode == 0
    assert outcome.stdout.splitlines() == expected
    assert outcome.stderr == ""


def test_an_error_is_one_line_without_a_traceback():
    outcome = run("encode", "missing.jsonl", "--tokenizer", "o200k_base")
    assert outcome.returncode == 1
    assert outcome.stdout == ""
    assert outcome.stderr.startswith("error: missing.jsonl: ")
    assert outcome.stderr.count("\n") == 1


def test_a_dash_is_standard_input():
    outcome = run("encode", "-", "--tokenizer", "o200k_base", input="by the way")
    assert outcome.stdout == "2345 290 2006\n"


@pytest.mark.skipif(os.name == "nt", reason="no SIGPIPE there")
def test_a_reader_that_goes_away_is_no_error():
    Path("long.jsonl").write_text('{"text": "by the way"}\n' * 20_000)
    arguments = [*PORTMANTEAU, "encode", "long.jsonl", "--tokenizer", "o200k_base"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"2345 290 2006\n"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is another thing there")
def test_ctrl_c_stops_with_130_and_without_a_traceback():
    arguments = [*PORTMANTEAU, "encode", "-", "--tokenizer", "r50k_base", "-o", "tokens.arrow"]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 30
        # Once the output is begun, the command waits for its input.
        while not list(Path().glob(".tokens.arrow.*.partial")) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == b"interrupted\n"
    assert process.returncode == 130
    assert not list(Path().glob("*tokens.arrow*"))


def test_output_that_the_encoding_cannot_express_is_escaped():
    outcome = run("inspect", "o200k_base", "--json", env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert outcome.returncode == 0
    assert json.loads(outcome.stdout)["vocab_size"] == 200_019


# ── what the commands do ────────────────────────────────────────────────────────────────────────────────────────


def test_encoded_tokens_are_those_of_the_library(token_file):
    tokenizer = pm.Tokenizer.load("r50k_base")
    tokens = TokenFile.open(token_file)
    assert tokens.read() == tokenizer.encode_batch(TEXTS)
    assert tokens.tokenizer_fingerprint == tokenizer.fingerprint
    assert tokens.vocab_size == tokenizer.vocab_size


def test_the_text_column_and_the_special_tokens_are_chosen(capsys):
    Path("special.jsonl").write_text('{"body": "<|endoftext|>"}\n')
    arguments = ["encode", "special.jsonl", "--tokenizer", "r50k_base", "--text-column", "body"]
    assert main([*arguments, "--special", "parse"]) == 0
    assert capsys.readouterr().out == "50256\n"
    assert "after 0 documents, document 0" in error_line([*arguments, "--special", "error"], capsys)


@pytest.mark.parametrize("strategy", ["best_fit_decreasing", "first_fit_decreasing", "concat"])
def test_the_plan_is_that_of_the_library(token_file, strategy, capsys):
    arguments = ["--capacity", "8", "--strategy", strategy, "--eos", "-o", "plan.arrow"]
    assert main(["pack", str(token_file), *arguments]) == 0
    plan = PackPlan.load("plan.arrow")
    assert plan == pack(TokenFile.open(token_file).read(), 8, strategy=strategy, eos=True)
    printed = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    assert int(printed["sequences"]) == plan.n_sequences
    assert int(printed["lower bound"]) == plan.lower_bound
    assert int(printed["empty documents"]) == 1


@pytest.mark.parametrize(
    ("train", "options"),
    [
        (training.train_bpe, {"vocab_size": 268}),
        (training.train_superbpe, {"vocab_size": 275, "transition_size": 268, "max_words_per_token": 2}),
    ],
)
def test_training_writes_the_tokenizer_of_the_library(train, options, capsys):
    Path("words.txt").write_text("by the way, off we go. " * 20)
    train("words.txt", special_tokens=["<|x|>"], **options).save("expected.json")
    command = train.__name__.replace("_", "-")
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    assert main([command, "words.txt", "--special-token", "<|x|>", "-o", "new.json", *arguments]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("wrote new.json: Tokenizer(")
    assert Path("new.json").read_bytes() == Path("expected.json").read_bytes()


COUNTING = {
    "--text-column": ("text_column", "body"),
    "--digits": ("digits", "from_right"),
    "--unit": ("unit", "document"),
    "--byte-limit": ("byte_limit", "9kB"),
    "--seed": ("seed", 5),
    "--document-byte-limit": ("document_byte_limit", "7kB"),
    "--errors": ("errors", "replace"),
    "--memory-limit": ("memory_limit", "2GB"),
    "--temporary-folder": ("temporary_folder", "."),
    "--pretokenizer": ("pretokenizer", "r50k"),
    "--threads": ("threads", 3),
}
ANY_STAGE = {
    "--vocab-size": ("vocab_size", 300),
    "--min-frequency": ("min_frequency", 2),
    "--max-token-bytes": ("max_token_bytes", 9),
    "--checkpoint": ("checkpoint", "kept"),
    "--report": ("report", "report.html"),
    **COUNTING,
}
FIRST_STAGE = {"--initial-alphabet": ("initial_alphabet", "seen"), "--tie": ("tie", "bytes")}
SUPERWORDS = {
    "--max-words-per-token": ("max_words_per_token", 3),
    "--within-sentences": ("within_sentences", True),
}
SUPERBPE = {
    "--transition-size": ("transition_size", 290),
    "--superword-pretokenizer": ("superword_pretokenizer", "o200k"),
    "--whole-words": ("whole_words", True),
    "--unused-merges": ("unused_merges", "drop"),
}


@pytest.mark.parametrize(
    ("function", "options", "others"),
    [
        (training.train_bpe, ANY_STAGE | FIRST_STAGE, {}),
        (training.train_superbpe, ANY_STAGE | FIRST_STAGE | SUPERWORDS | SUPERBPE, {}),
        (
            training.continue_training,
            ANY_STAGE | SUPERWORDS | {"--superwords": ("superwords", True)},
            {"tokenizer": pm.Tokenizer.load("r50k_base")},
        ),
    ],
)
def test_every_option_of_training_is_one_of_the_command(function, options, others, monkeypatch):
    """All that a function takes has an option, and arrives; texts come from files, and a command shows its progress."""
    expected = dict(options.values()) | others
    expected |= {"files": ["corpus.jsonl"], "weights": {"corpus*": 0.5}}
    arguments = ["corpus.jsonl", "--weight", "corpus*=0.5", "-o", "new.json"]
    for option, (_, value) in options.items():
        arguments += [option] if value is True else [option, str(value)]
    if "special_tokens" in inspect.signature(function).parameters:
        arguments += ["--special-token", "<|x|>", "--special-token", "<|y|>"]
        expected["special_tokens"] = ["<|x|>", "<|y|>"]
        expected["counts"] = None
    if "forbid" in inspect.signature(function).parameters:
        arguments += ["--forbid", "; ", "--forbid", ", "]
        expected["forbid"] = ["; ", ", "]
    if others:
        arguments += ["--tokenizer", "r50k_base"]
    asked = {}

    def note(*positional, **named):
        names = list(inspect.signature(function).parameters)
        asked.update(zip(names, positional, strict=False), **named)
        return pm.Tokenizer.load("r50k_base")

    monkeypatch.setattr(training, function.__name__, note)
    assert main([function.__name__.replace("_", "-"), *arguments]) == 0
    assert asked == expected
    parameters = set(inspect.signature(function).parameters)
    assert parameters - set(asked) == {"texts", "checkpoint_seconds", "progress"}


def test_too_little_text_is_a_warning(capsys):
    assert main(["train-bpe", "corpus.jsonl", "--vocab-size", "5000", "-o", "small.json"]) == 0
    assert capsys.readouterr().err.startswith("warning: the vocabulary has ")


def test_inspect_finds_out_what_a_file_is(token_file, capsys):
    main(["pack", str(token_file), "--capacity", "8", "-o", "plan.arrow"])
    pm.Tokenizer.load("r50k_base").save("tokenizer.json")
    capsys.readouterr()
    for source, kind in [
        ("r50k_base", "tokenizer"),
        ("tokenizer.json", "tokenizer"),
        ("tokens.arrow", "tokens"),
        ("plan.arrow", "plan"),
    ]:
        assert main(["inspect", source, "--json"]) == 0
        facts = json.loads(capsys.readouterr().out)
        assert facts["kind"] == kind
        assert main(["inspect", source]) == 0
        assert capsys.readouterr().out.splitlines()[0].split() == ["kind", kind]


def test_inspect_says_which_bytes_are_missing(capsys):
    training.train_bpe(texts=["abab"], vocab_size=3, initial_alphabet="seen").save("few.json")
    assert main(["inspect", "few.json", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["missing_bytes"] == [byte for byte in range(256) if byte not in b"ab"]
    assert facts["longest_tokens"][0] == {"id": 2, "bytes": 2, "text": "ab"}


# ── wrong arguments and wrong files ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["no-such-command"],
        ["pack", "tokens.arrow"],
        ["pack", "tokens.arrow", "--capacity", "many"],
        ["pack", "tokens.arrow", "--capacity", "8", "--strategy", "best"],
        ["encode", "corpus.jsonl", "--tokenizer", "r50k_base", "--threads", "0"],
        ["encode", "--tokenizer", "r50k_base"],
        ["train-superbpe", "corpus.jsonl", "--vocab-size", "300", "-o", "x.json"],
    ],
)
def test_arguments_that_make_no_sense_end_with_2(arguments, capsys):
    assert "usage: portmanteau" in usage_error(arguments, capsys)


@pytest.mark.parametrize("command", ["demo", "train-bpe", "train-superbpe", "encode", "pack", "inspect"])
def test_every_command_has_help_with_an_example(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    assert f"example:\n  portmanteau {command} " in capsys.readouterr().out


def test_a_bad_line_of_json_is_named(capsys):
    Path("bad.jsonl").write_text('{"text": "fine"}\n{"text": \n')
    said = error_line(["encode", "bad.jsonl", "--tokenizer", "r50k_base", "-o", "t.arrow"], capsys)
    assert "bad.jsonl, line 2" in said
    assert not Path("t.arrow").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["encode", "corpus.jsonl", "--tokenizer", "r51k_base"], "r51k_base: no such file"),
        (["encode", "corpus.jsonl", "--tokenizer", "r50k_base", "--text-column", "txt"], "no key 'txt'"),
        (["encode", "corpus.jsonl", "--tokenizer", "r50k_base", "-o", "no/t.arrow"], "there is no folder"),
        (["encode", "corpus.jsonl", "--tokenizer", "r50k_base", "-o", "."], "this is a folder"),
        (
            ["encode", "corpus.jsonl", "--tokenizer", "r50k_base", "-o", "corpus.jsonl/t"],
            "there is no folder",
        ),
        (
            ["encode", "missing.txt", "--tokenizer", "r50k_base", "-o", "t.arrow"],
            "error: missing.txt: no file has this name",
        ),
        (["train-bpe", "no*.txt", "--vocab-size", "300", "-o", "x.json"], "no*.txt"),
        (["train-bpe", "corpus.jsonl", "--vocab-size", "3", "-o", "x.json"], "vocab_size is 3"),
        (["train-bpe", "corpus.jsonl", "--vocab-size", "300", "-o", "no/x.json"], "there is no folder"),
        (
            ["train-bpe", "corpus.jsonl", "--vocab-size", "300", "-o", "x.tiktoken"],
            "cannot hold a merge list",
        ),
        (["pack", "missing.arrow", "--capacity", "8"], "missing.arrow: cannot read the file"),
        (["pack", "corpus.jsonl", "--capacity", "8"], "no file of tokens"),
        (["inspect", "corpus.jsonl"], "corpus.jsonl: "),
        (["inspect", "nothing"], "nothing: no such file"),
        (["demo", "--out", "corpus.jsonl"], "corpus.jsonl: cannot make the folder"),
    ],
)
def test_wrong_files_are_named(arguments, expected, capsys):
    assert expected in error_line(arguments, capsys)


def test_a_capacity_of_nothing_is_refused(token_file, capsys):
    assert "capacity is 0" in error_line(["pack", str(token_file), "--capacity", "0"], capsys)


def test_a_folder_that_cannot_be_written_is_named(monkeypatch, capsys):
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    arguments = ["encode", "corpus.jsonl", "--tokenizer", "r50k_base", "-o", "t.arrow"]
    assert "cannot be written" in error_line(arguments, capsys)


# ── files of tokens ─────────────────────────────────────────────────────────────────────────────────────────────


def test_tokens_in_one_batch_are_a_view_of_the_file():
    tokenizer = pm.Tokenizer.load("r50k_base")
    batch = tokenizer.encode_batch(TEXTS)
    write_tokens("t.arrow", batch, tokenizer=tokenizer, document_names=["a", "b", "c", "d"])
    before = pa.total_allocated_bytes()
    tokens = TokenFile.open("t.arrow")
    read = tokens.read()
    assert pa.total_allocated_bytes() == before
    assert not read.ids.flags.owndata
    assert read == batch
    assert tokens.document_names == ["a", "b", "c", "d"]


def test_tokens_in_several_batches_are_written_as_they_come():
    tokenizer = pm.Tokenizer.load("r50k_base")
    one_by_one = [tokenizer.encode_batch([text]) for text in TEXTS]
    write_tokens("t.arrow", iter(one_by_one), tokenizer=tokenizer)
    tokens = TokenFile.open("t.arrow")
    assert list(tokens.batches()) == one_by_one
    assert tokens.read() == tokenizer.encode_batch(TEXTS)
    assert tokens.lengths.tolist() == [len(batch.ids) for batch in one_by_one]
    assert tokens.document_names is None


@pytest.mark.parametrize("batches", [[], [pm.TokenBatch(np.empty(0, np.uint32), np.zeros(1, np.int64))]])
def test_no_documents_are_a_file_too(batches):
    write_tokens("t.arrow", batches, tokenizer=pm.Tokenizer.load("r50k_base"))
    tokens = TokenFile.open("t.arrow")
    assert len(tokens.read()) == 0
    assert len(tokens.lengths) == 0
    assert main(["pack", "t.arrow", "--capacity", "8"]) == 0
    assert main(["inspect", "t.arrow"]) == 0


@pytest.mark.parametrize("names", [["a"], ["a", "b", "c", "d", "e"]])
def test_a_wrong_number_of_names_leaves_no_file(names):
    tokenizer = pm.Tokenizer.load("r50k_base")
    with pytest.raises(ValueError, match="document names than documents"):
        write_tokens("t.arrow", tokenizer.encode_batch(TEXTS), tokenizer=tokenizer, document_names=names)
    assert [path.name for path in Path().iterdir()] == ["corpus.jsonl"]


def test_a_truncated_file_of_tokens_is_refused_wherever_it_was_cut(token_file, capsys):
    content = token_file.read_bytes()
    for length in [*range(0, len(content), 97), len(content) - 1]:
        Path("cut.arrow").write_bytes(content[:length])
        with pytest.raises(pm.FileError, match=r"cut\.arrow: .*portmanteau encode"):
            TokenFile.open("cut.arrow").read()
    assert "cut.arrow" in error_line(["pack", "cut.arrow", "--capacity", "8"], capsys)
    assert "cut.arrow" in error_line(["inspect", "cut.arrow"], capsys)


def test_a_foreign_arrow_file_is_refused(capsys):
    with pa.ipc.new_file("foreign.arrow", pa.schema([("ids", pa.int64())])):
        pass
    assert "no token metadata" in error_line(["pack", "foreign.arrow", "--capacity", "8"], capsys)
    assert "foreign.arrow" in error_line(["inspect", "foreign.arrow"], capsys)


def test_a_changed_file_of_tokens_is_read_or_refused_but_never_crashes(token_file):
    """Every byte of a small file is damaged in turn; what is read then may be wrong."""
    content = token_file.read_bytes()
    for place in range(len(content)):
        Path("damaged.arrow").write_bytes(
            content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]
        )
        with contextlib.suppress(pm.FileError):
            TokenFile.open("damaged.arrow").read()
