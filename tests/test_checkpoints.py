"""Training that is killed, at whatever moment, goes on from its checkpoint and makes the same tokenizer."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import portmanteau as pm
from portmanteau import training

generator = random.Random(11)
WORDS = ["".join(generator.choices("abcdefgh", k=generator.randint(1, 9))) for _ in range(1500)]
TEXTS = [" ".join(generator.choices(WORDS, k=30)) + f": {number}.\n" for number in range(2000)]
SIZES: dict[str, Any] = {"vocab_size": 700, "transition_size": 500}


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Three files, of which the last is plain text."""
    paths = []
    for number in range(2):
        path = tmp_path / f"{number}.jsonl"
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS[number::3]), "utf-8")
        paths.append(path)
    paths.append(tmp_path / "2.txt")
    paths[-1].write_text("".join(TEXTS[2::3]), "utf-8", newline="\n")
    return paths


class StoppedError(Exception):
    """Where a training is stopped."""


def stop_after(monkeypatch: pytest.MonkeyPatch, n_batches: int) -> None:
    """Lets counting fail after some batches, as a process that is killed there."""
    calls = itertools.count()
    feed = training.Trainer

    class Failing:
        def __init__(self, *arguments: Any) -> None:
            self._trainer = feed(*arguments)

        def __getattr__(self, name: str) -> Any:
            if name == "feed" and next(calls) >= n_batches:
                raise StoppedError
            return getattr(self._trainer, name)

    monkeypatch.setattr(training, "Trainer", Failing)


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def train_in_pieces(
    monkeypatch: pytest.MonkeyPatch, folder: Path, texts: Any, **options: Any
) -> pm.Tokenizer:
    """Trains, and is stopped again and again while it counts."""
    for n_batches in itertools.cycle([2, 0, 4]):
        with monkeypatch.context() as patch:
            stop_after(patch, n_batches)
            try:
                tokenizer = pm.train_superbpe(checkpoint=folder, checkpoint_seconds=0, **texts(), **options)
            except StoppedError:
                continue
        return tokenizer
    raise AssertionError


@pytest.mark.parametrize("memory_limit", [None, "300 kB"])
def test_counting_goes_on(tmp_path: Path, files: list[Path], monkeypatch: Any, memory_limit: Any) -> None:
    monkeypatch.setattr("portmanteau.reading.BATCH_BYTES", 50_000)
    options: dict[str, Any] = SIZES | {"weights": {str(files[0]): 2.5}, "memory_limit": memory_limit}
    expected = pm.train_superbpe(files, **options).fingerprint
    folder = tmp_path / "kept"
    tokenizer = train_in_pieces(monkeypatch, folder, lambda: {"files": files}, **options)
    assert tokenizer.fingerprint == expected
    n_parts = sum(name.startswith("part-") for name in names_in(folder))
    assert n_parts > 6
    # What is done is only read, also without the text.
    monkeypatch.setattr("portmanteau.reading.documents", lambda *_, **__: pytest.fail("the text was read"))
    again = pm.train_superbpe(files, checkpoint=folder, threads=2, **options)
    assert again.fingerprint == expected


@pytest.mark.parametrize("kind", ["list", "iterator", "column"])
def test_counting_of_texts_goes_on(tmp_path: Path, monkeypatch: Any, kind: str) -> None:
    make = {"list": lambda: TEXTS, "iterator": lambda: iter(TEXTS), "column": lambda: pa.array(TEXTS)}[kind]
    folder = tmp_path / "kept"
    expected = pm.train_superbpe(texts=TEXTS, **SIZES).fingerprint
    tokenizer = train_in_pieces(monkeypatch, folder, lambda: {"texts": make()}, **SIZES)
    assert tokenizer.fingerprint == expected
    state = json.loads((folder / "progress.json").read_text("utf-8"))
    assert (state["is_counted"], state["is_done"], state["documents"]) == (True, True, len(TEXTS))


def test_other_texts_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(texts: Any) -> pm.Tokenizer:
        return pm.train_bpe(texts=texts, vocab_size=300, checkpoint=tmp_path / "kept", checkpoint_seconds=0)

    with monkeypatch.context() as patch:
        stop_after(patch, 5)
        with pytest.raises(StoppedError):
            start(iter(TEXTS))
    with pytest.raises(pm.TrainingError, match="the texts are others"):
        start(iter(["other", *TEXTS[1:]]))
    with pytest.raises(pm.TrainingError, match="there are fewer texts"):
        start(iter(TEXTS[:300]))
    with pytest.raises(pm.TrainingError, match="there were None texts and are 2000"):
        start(TEXTS)
    assert start(iter(TEXTS)).fingerprint == pm.train_bpe(texts=TEXTS, vocab_size=300).fingerprint


def test_other_options_and_files_are_refused(tmp_path: Path, files: list[Path]) -> None:
    folder = tmp_path / "kept"
    options: dict[str, Any] = {"vocab_size": 300, "checkpoint": folder}
    first = pm.train_bpe(files, **options)

    def refused(says: str, paths: Any = files, train: Any = pm.train_bpe, **changed: Any) -> None:
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        with pytest.raises(
            pm.TrainingError, match=f"kept: this is the checkpoint of another training: {says}"
        ):
            train(paths, **options | changed)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before

    refused("vocab_size was 300 and is 301", vocab_size=301)
    refused("pretokenizer was 'o200k' and is 'r50k'", pretokenizer="r50k")
    refused(r"special_tokens was \[\] and is \['<s>'\]", special_tokens=("<s>",))
    refused("pretokenizer was", train=pm.train_superbpe, transition_size=280)
    refused(r".*2\.txt is not there any more", paths=files[:2])
    refused("the files are in another order", paths=files[::-1])
    refused("it was of files, and this is of texts", paths=None, texts=TEXTS)
    # What has no part in the result may change.
    assert pm.train_bpe(files, threads=3, memory_limit="1 GB", **options).fingerprint == first.fingerprint
    os.utime(files[1], ns=(0, 0))
    refused(r".*1\.jsonl has changed")


def test_damaged_checkpoints_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    (tmp_path / "kept").mkdir()
    (folder / "notes.txt").write_text("mine", "utf-8")

    def start() -> pm.Tokenizer:
        return pm.train_bpe(texts=TEXTS[:50], vocab_size=300, checkpoint=folder)

    fingerprint = start().fingerprint
    assert names_in(folder) == {"notes.txt", "lock", "progress.json", "part-0001.stage-1.counts", "merges"}
    for name in ("progress.json", "part-0001.stage-1.counts", "merges"):
        path = folder / name
        whole = path.read_bytes()
        for content in (b"", whole[:-9], whole[:90] + bytes([whole[90] ^ 0xFF]) + whole[91:]):
            path.write_bytes(content)
            with pytest.raises(pm.FileError, match=name):
                start()
        path.write_bytes(whole)
        # Half-written files that a process left are removed.
        (folder / f".{name}.1-2.{'partial' if name == 'progress.json' else 'tmp'}").write_bytes(b"half")
    (folder / "merges").unlink()
    assert start().fingerprint == fingerprint
    assert names_in(folder) == {"notes.txt", "lock", "progress.json", "part-0001.stage-1.counts", "merges"}
    (folder / "part-0001.stage-1.counts").unlink()
    with pytest.raises(pm.FileError, match=r"part-0001\.stage-1\.counts"):
        start()
    (folder / "progress.json").unlink()
    with pytest.raises(pm.FileError, match=r"no progress\.json"):
        start()


def test_one_training_at_a_time(tmp_path: Path) -> None:
    def texts() -> Iterator[str]:
        yield TEXTS[0]
        with pytest.raises(pm.TrainingError, match="another training uses this checkpoint"):
            pm.train_bpe(texts=TEXTS, vocab_size=300, checkpoint=tmp_path / "kept")

    pm.train_bpe(texts=texts(), vocab_size=270, checkpoint=tmp_path / "kept")


def test_what_was_replaced_is_told_once_it_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [text.encode() + b"\xff" for text in TEXTS]
    options: dict[str, Any] = {"errors": "replace", **SIZES}
    with pytest.warns(UserWarning, match="2000 places"):
        expected = pm.train_superbpe(texts=texts, **options).fingerprint
    with pytest.warns(UserWarning, match="2000 places"):
        tokenizer = train_in_pieces(monkeypatch, tmp_path / "kept", lambda: {"texts": texts}, **options)
    assert tokenizer.fingerprint == expected


def test_training_on_goes_on(tmp_path: Path) -> None:
    base = pm.train_bpe(texts=TEXTS[:500], vocab_size=500)
    options: dict[str, Any] = {"vocab_size": 700, "superwords": True, "checkpoint": tmp_path / "kept"}
    first = pm.continue_training(base, texts=TEXTS, **options).fingerprint
    assert pm.continue_training(base, texts=TEXTS, **options).fingerprint == first
    other = pm.train_bpe(texts=TEXTS[500:], vocab_size=500)
    with pytest.raises(pm.TrainingError, match="tokenizer was"):
        pm.continue_training(other, texts=TEXTS, **options)


PROGRAM = """
    import sys
    import portmanteau as pm
    from portmanteau import reading
    reading.BATCH_BYTES = 20_000
    tokenizer = pm.train_superbpe(
        sys.argv[2:], checkpoint=sys.argv[1], checkpoint_seconds=0.02, vocab_size=700, transition_size=500
    )
    print(tokenizer.fingerprint)
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL there")
def test_a_process_that_is_killed_goes_on(tmp_path: Path, files: list[Path]) -> None:
    folder = tmp_path / "kept"
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(folder), *map(str, files)]
    # Once there is a first part, in the middle, once all is counted, and while it merges.
    for awaited in ("part-0001*", "part-0003*", "merges", "merges"):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            before = time.time_ns()
            deadline = time.monotonic() + 60
            while process.poll() is None and time.monotonic() < deadline:
                if any(path.stat().st_mtime_ns > before - 10**8 for path in folder.glob(awaited)):
                    break
                time.sleep(0.001)
            process.send_signal(signal.SIGKILL)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == pm.train_superbpe(files, **SIZES).fingerprint
    assert not list(folder.glob(".*"))
