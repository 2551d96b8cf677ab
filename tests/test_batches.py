"""Many documents, long ones and files: the same ids as one text after the other, whoever shares the work."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import portmanteau as pm
from references import HUGGING_FACE, OPENAI, references

THREADS = (1, 2, 3, 8)

LONG_TEXT = "".join(
    [
        "It's one thing, or another… " * 3_000,
        " " * 70_000,
        "word \n\n  \t\n" * 9_000,
        "1234567890" * 9_000,
        "日本語の文章。中文字符，" * 3_000,
        "e\u0301 ﬁ ½ Å\n" * 9_000,
        "<|endoftext|> <|im_start|>" * 3_000,
        "x" * 70_000,
        "DON'T stop! " * 9_000,
    ]
)
"""Cut into pieces wherever it is long enough, and for long stretches there is no place to cut."""


@pytest.fixture(scope="module")
def tokenizer() -> pm.Tokenizer:
    return pm.Tokenizer.load("o200k_base")


@pytest.mark.parametrize("name", OPENAI + HUGGING_FACE)
def test_long_documents_are_shared(name: str, request: pytest.FixtureRequest) -> None:
    if name in HUGGING_FACE:
        request.getfixturevalue("shared_dir")
    ours, reference = references(name)
    expected = np.array(reference(LONG_TEXT), np.uint32)
    for threads in THREADS:
        assert np.array_equal(ours.encode(LONG_TEXT, threads=threads), expected)
        assert ours.count(LONG_TEXT, threads=threads) == len(expected)
        batch = ours.encode_batch(["", LONG_TEXT, "a", LONG_TEXT], threads=threads)
        assert np.array_equal(batch[1], expected)
        assert np.array_equal(batch[3], expected)
        assert batch.lengths.tolist() == [0, len(expected), 1, len(expected)]


@pytest.mark.parametrize("threads", THREADS)
def test_special_tokens_in_long_documents(tokenizer: pm.Tokenizer, threads: int) -> None:
    parts = ["some words " * 9_000] * 9
    expected = []
    for part in parts:
        expected += [*tokenizer.encode(part), tokenizer.special_tokens["<|endoftext|>"]]
    text = "".join(part + "<|endoftext|>" for part in parts)
    assert tokenizer.encode(text, special="parse", threads=threads).tolist() == expected
    with pytest.raises(pm.EncodingError, match="endoftext") as raised:
        tokenizer.encode(text, special="error", threads=threads)
    assert (raised.value.offset, raised.value.document) == (len(parts[0]), None)
    with pytest.raises(pm.EncodingError, match="document 1, byte") as raised:
        tokenizer.encode_batch([parts[0], text, text], special="error", threads=threads)
    assert (raised.value.offset, raised.value.document) == (len(parts[0]), 1)


def test_counts_are_lengths(tokenizer: pm.Tokenizer) -> None:
    texts = ["by the way", "", "日本語 🙂 don't  \n\n", LONG_TEXT[:300_000]] * 20
    expected = tokenizer.encode_batch(texts).lengths
    for threads in THREADS:
        counts = tokenizer.count_batch(texts, threads=threads)
        assert counts.dtype == np.int64
        assert np.array_equal(counts, expected)
        assert np.array_equal(tokenizer.count_batch(pa.array(texts), threads=threads), expected)
    assert tokenizer.count_batch([]).shape == (0,)
    with pytest.raises(pm.EncodingError, match="use count for one"):
        tokenizer.count_batch("by the way")
    with pytest.raises(pm.EncodingError, match="document 1") as raised:
        tokenizer.count_batch(["fine", "<|endoftext|>"], special="error")
    assert raised.value.document == 1


def test_bad_text_in_a_large_column(tokenizer: pm.Tokenizer) -> None:
    column = pa.array([b"some words " * 9_000] * 9 + [b"caf\xe9", b"\xff"])
    for threads in THREADS:
        with pytest.raises(pm.EncodingError, match="document 9, byte 3") as raised:
            tokenizer.encode_batch(column, threads=threads)
        assert (raised.value.document, raised.value.offset) == (9, 3)


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────────

TEXTS = ["by the way", "", "日本語 🙂", "off we go", "the last <|endoftext|>"]


def write_files(folder: Path) -> list[Path]:
    """The texts, in order, in files of several kinds."""
    paths = [folder / "a.jsonl.gz", folder / "b.parquet", folder / "c.txt"]
    with pa.output_stream(str(paths[0]), compression="gzip") as stream:
        for text in TEXTS[:3]:
            stream.write(json.dumps({"text": text}).encode() + b"\n")
    pq.write_table(pa.table({"text": TEXTS[3:4]}), paths[1])
    paths[2].write_text(TEXTS[4], encoding="utf-8")
    return paths


@pytest.mark.parametrize("batch_bytes", [1, 20, 1 << 20])
def test_files_come_in_batches(tokenizer: pm.Tokenizer, tmp_path: Path, batch_bytes: int) -> None:
    paths = write_files(tmp_path)
    batches = list(tokenizer.encode_files(paths, batch_bytes=batch_bytes, threads=2))
    assert len(batches) == {1: 3, 20: 2, 1 << 20: 1}[batch_bytes]
    documents = [ids.tolist() for batch in batches for ids in batch]
    assert documents == [tokenizer.encode(text).tolist() for text in TEXTS]


def test_errors_name_the_file_and_the_document(tokenizer: pm.Tokenizer, tmp_path: Path) -> None:
    paths = write_files(tmp_path)
    more = tmp_path / "more.jsonl"
    more.write_text('{"text": "fine"}\n' * 2 + '{"text": "<|endoftext|>"}\n')
    with pytest.raises(
        pm.EncodingError, match=r"more\.jsonl, document 2, byte 0: the text contains"
    ) as raised:
        list(tokenizer.encode_files([*paths[:2], more], special="error"))
    assert (raised.value.path, raised.value.document, raised.value.offset) == (str(more), 2, 0)
    more.write_text('{"text": "fine"}\n{"text": 3}\n')
    with pytest.raises(pm.EncodingError, match=r"more\.jsonl, line 2"):
        list(tokenizer.encode_files(more))


def test_wrong_arguments_are_refused_before_the_first_batch(tokenizer: pm.Tokenizer, tmp_path: Path) -> None:
    path = write_files(tmp_path)[0]
    with pytest.raises(pm.FileError):
        tokenizer.encode_files(tmp_path / "missing.jsonl")
    for arguments in ({"batch_bytes": 0}, {"threads": 0}, {"special": "perhaps"}):
        with pytest.raises(pm.EncodingError):
            tokenizer.encode_files(path, **arguments)  # type: ignore[arg-type]


# ── Ctrl-C ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class StopError(Exception):
    """Raised by the signal handler."""


def seconds_to_stop(work: Callable[[], object]) -> float:
    """How long after a signal `work` stops."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise StopError

    before = signal.signal(signal.SIGALRM, stop)
    start = time.perf_counter()
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(StopError):
            work()
        return time.perf_counter() - start - 0.3
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.parametrize(
    "work", ["encode", "one thread", "count", "batch", "expression", "column", "one pretoken"]
)
def test_a_signal_stops_work_on_one_long_text(work: str, tmp_path: Path) -> None:
    letters = np.random.default_rng(0).integers(97, 123, 50_000_000, dtype=np.uint8)
    if work == "one pretoken":
        letters = letters[:10_000_000]
    else:
        letters[::200] = ord(" ")
    text = letters.tobytes().decode()
    tokenizer = pm.Tokenizer.load("o200k_base")
    if work == "expression":
        tokenizer.save(tmp_path / "o200k.tiktoken")
        tokenizer = pm.Tokenizer.load(tmp_path / "o200k.tiktoken", pretokenizer=r"\w+|[^\w]")
    calls: dict[str, Callable[[], object]] = {
        "one thread": lambda: tokenizer.encode(text, threads=1),
        "count": lambda: tokenizer.count(text),
        "batch": lambda: tokenizer.encode_batch(["short", text]),
        "column": lambda: tokenizer.encode_batch(pa.array([text])),
    }
    # It takes a tenth of that; the rest is for a machine that is busy with other things.
    assert seconds_to_stop(calls.get(work, lambda: tokenizer.encode(text))) < 1
