"""``prepare`` that is killed, runs out of disk or loses its files: the next run makes what one run in one go makes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import portmanteau as pm
from portmanteau import reading
from portmanteau.store import format as store_format
from portmanteau.store.writing import ShardWriter

generator = random.Random(6)
WORDS = ["".join(generator.choices("abcdefgh ", k=generator.randint(1, 9))) for _ in range(300)]
ROWS = [
    {
        "text": " ".join(generator.choices(WORDS, k=generator.randint(0, 60))),
        "answer": generator.choice(WORDS),
    }
    for _ in range(1200)
]
OPTIONS: dict[str, Any] = {"text_column": ["text", "answer"], "byte_offsets": True, "shard_bytes": 6000}

PREPARE = """
import json, sys
import portmanteau as pm
tokenizer = pm.Tokenizer.load("tokenizer.json")
print("ready", flush=True)
sys.exit(pm.prepare(["a.jsonl", "b.jsonl"], tokenizer, "out", **json.loads(sys.argv[1])) is None)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with two files, a tokenizer, and the dataset that one run in one go makes of them."""
    folder = tmp_path_factory.mktemp("made")
    tokenizer = pm.train_bpe(texts=[row["text"] for row in ROWS], vocab_size=400)
    tokenizer.save(folder / "tokenizer.json")
    for name, rows in (("a.jsonl", ROWS[:500]), ("b.jsonl", ROWS[500:])):
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    with contextlib.chdir(folder) if sys.version_info >= (3, 11) else _chdir(folder):
        pm.prepare(["a.jsonl", "b.jsonl"], tokenizer, "out", **OPTIONS)
    return folder


@contextlib.contextmanager
def _chdir(folder: Path):
    before = Path.cwd()
    os.chdir(folder)
    yield
    os.chdir(before)


@pytest.fixture(autouse=True)
def in_the_same_folder(made, monkeypatch) -> None:
    """The dataset that a test makes is ``out`` beside the same files; the one made in one go is set aside."""
    monkeypatch.chdir(made)
    if not Path("expected").exists():
        Path("out").rename("expected")
    shutil.rmtree("out", ignore_errors=True)


def contents(folder: str) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()
    }


def prepare() -> pm.Dataset | None:
    return pm.prepare(["a.jsonl", "b.jsonl"], pm.Tokenizer.load("tokenizer.json"), "out", **OPTIONS)


def start(**options: Any) -> subprocess.Popen[bytes]:
    """A process that has loaded everything and begins."""
    arguments = [sys.executable, "-c", PREPARE, json.dumps(OPTIONS | {"threads": 1} | options)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"ready\n"
    return process


def partial_files() -> list[str]:
    return [name for name in contents("out") if name.endswith(".partial")]


def assert_records_hold() -> int:
    """Whatever has a record is whole, at any moment. Returns how many records there are."""
    records = list(Path("out/shards").glob("[!.]*.json"))
    for path in records:
        record = store_format.read_record(path)
        for ending, of_file in record.files.items():
            content = (path.parent / f"{record.name}.{ending}").read_bytes()
            assert hashlib.sha256(content).hexdigest() == of_file.sha256
    return len(records)


def assert_finished() -> None:
    """The dataset is that of one run, byte for byte, and nothing else lies there."""
    found, expected = contents("out"), contents("expected")
    assert sorted(found) == sorted(expected)
    assert [name for name in found if found[name] != expected[name]] == []
    pm.Dataset.open("out").verify()


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL there")
@pytest.mark.parametrize("seed", [1])
def test_killed_again_and_again(seed):
    chance = random.Random(seed)
    n_kills, n_records = 0, 0
    for attempt in range(200):
        process = start()
        try:
            # Some die before they have made the folder, most in the middle of a shard.
            process.wait(
                chance.uniform(0, 0.02) if attempt % 5 == 0 else chance.uniform(0, 0.1 + 0.02 * attempt)
            )
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        returncode = process.wait()
        if returncode == 0:
            break
        assert returncode == -signal.SIGKILL
        n_kills += 1
        before, n_records = n_records, assert_records_hold()
        assert n_records >= before
        if not Path("out/manifest.json").exists():
            with pytest.raises(pm.FileError):
                pm.Dataset.open("out")
    assert n_kills > 2
    assert_finished()


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL there")
def test_jobs_at_the_same_time_of_which_some_are_killed():
    chance = random.Random(3)
    for _ in range(3):
        jobs = [start(num_shards=3, shard_index=index) for index in range(3)]
        time.sleep(chance.uniform(0.05, 0.2))
        for job in jobs:
            job.send_signal(signal.SIGKILL)
            job.wait()
        assert_records_hold()
    outcomes = [job.wait() for job in [start(num_shards=3, shard_index=index) for index in range(3)]]
    # Those that end before the last say so with None.
    assert set(outcomes) <= {0, 1}
    assert 0 in outcomes
    assert_finished()


@pytest.mark.skipif(os.name == "nt", reason="no such limit there")
@pytest.mark.parametrize("limit", [100, 1000, 4000])
def test_a_full_disk_is_said_and_the_next_run_finishes(limit):
    """A limit on the size of files stands for the disk: the manifest is the largest file, and ids are not small."""
    code = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
    code += "import portmanteau.cli, sys; sys.exit(portmanteau.cli.main())"
    options = ["--text-column", "text", "--text-column", "answer", "--byte-offsets", "--shard-bytes", "6000"]
    arguments = ["prepare", "a.jsonl", "b.jsonl", "--tokenizer", "tokenizer.json", "-o", "out", *options]
    outcome = subprocess.run([sys.executable, "-B", "-c", code, *arguments], capture_output=True, text=True)
    assert outcome.returncode == 1
    assert outcome.stderr.startswith("error: out")
    assert "cannot write the file: File too large" in outcome.stderr
    assert outcome.stderr.count("\n") == 1
    assert partial_files() == []
    prepare()
    assert_finished()


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is another thing there")
@pytest.mark.parametrize("delay", [0.0, 0.05, 0.1])
def test_ctrl_c_leaves_no_half_files(delay):
    options = ["--text-column", "text", "--text-column", "answer", "--byte-offsets", "--shard-bytes", "6000"]
    arguments = ["prepare", "a.jsonl", "b.jsonl", "--tokenizer", "tokenizer.json", "-o", "out", *options]
    with subprocess.Popen(
        [sys.executable, "-m", "portmanteau", *arguments], stderr=subprocess.PIPE
    ) as process:
        deadline = time.monotonic() + 30
        while not list(Path("out/shards").glob("*.ids")) and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert process.stderr.read() == b"interrupted\n"
    assert process.returncode == 130
    assert partial_files() == []
    assert_records_hold()
    prepare()
    assert_finished()


@pytest.mark.parametrize("lost", ["out", "out/shards"])
def test_folders_that_are_removed_while_it_works(lost, monkeypatch):
    columns_of, calls = reading.columns_of, iter(range(10_000))

    def removing(part, **options):
        yield from columns_of(part, **options)
        while next(calls) > 20 and Path(lost).exists():  # files may come while others go
            shutil.rmtree(lost, ignore_errors=True)

    with monkeypatch.context() as patch:
        patch.setattr("portmanteau.reading.columns_of", removing)
        with pytest.raises(pm.FileError, match=r"out.shards"):
            prepare()
    prepare()
    assert_finished()


@pytest.mark.parametrize("lost", [".*.partial", "*.offsets"])
def test_files_that_are_removed_while_it_works(lost, monkeypatch):
    finish = ShardWriter.finish

    def losing(writer, *arguments):
        for path in Path("out/shards").glob(lost):
            path.unlink(missing_ok=True)
        return finish(writer, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(ShardWriter, "finish", losing)
        with pytest.raises(pm.FileError, match=r"removed while .*; run this again"):
            prepare()
    prepare()
    assert_finished()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="this user may write everywhere")
def test_a_folder_that_cannot_be_written():
    Path("out").mkdir(mode=0o555)
    try:
        with pytest.raises(pm.FileError, match=r"out.shards: cannot make the folder: Permission denied"):
            prepare()
    finally:
        Path("out").chmod(0o755)
    Path("out/shards").mkdir(mode=0o555)
    try:
        with pytest.raises(pm.FileError, match="cannot write the file: Permission denied"):
            prepare()
    finally:
        Path("out/shards").chmod(0o755)
    prepare()
    assert_finished()


def test_a_file_where_the_folder_should_be():
    Path("out").write_text("mine")
    try:
        with pytest.raises(pm.FileError, match=r"out.shards: cannot make the folder: "):
            prepare()
        assert Path("out").read_text() == "mine"
    finally:
        Path("out").unlink()
