"""Training on texts that break trainers: one long line, one line again and again, ties, counts above 2³², nothing."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import portmanteau as pm
from references import huggingface_train

REGEXES = {name: regex for name, _, regex in pm._rust.named_pretokenizers()}


def merges_of(tokenizer: pm.Tokenizer, path: Path) -> list[list[str]]:
    tokenizer.save(path)
    merges = json.loads(path.read_text(encoding="utf-8"))["model"]["merges"]
    return [merge.split(" ") for merge in merges]


def assert_same_as_huggingface(folder: Path, texts: Sequence[str], vocab_size: int) -> list[list[str]]:
    """Trains both on the same lines, and returns the merges of both."""
    path = folder / "text.txt"
    path.write_text("".join(texts), encoding="utf-8", newline="")
    ours = merges_of(pm.train_bpe(path, vocab_size=vocab_size, pretokenizer="r50k"), folder / "ours.json")
    peer = huggingface_train([path], REGEXES["r50k"], vocab_size)
    assert ours == json.loads(peer.to_str())["model"]["merges"]
    return ours


def test_thousands_of_ties(tmp_path: Path) -> None:
    """Every word once: all pairs of the first steps are as frequent as hundreds of others."""
    letters = [chr(ord("a") + number) for number in range(26)] + list("éüßñç")
    words = [left + right + last for left in letters for right in letters for last in "xyz"]
    random.Random(1).shuffle(words)
    merges = assert_same_as_huggingface(tmp_path, [" ".join(words)], 2256)
    assert len(merges) == 2000


@pytest.mark.filterwarnings("ignore:the vocabulary has")
@pytest.mark.parametrize("end", ["", "\n", "\n\n\n", "\r\n"])
def test_one_line_again_and_again(tmp_path: Path, end: str) -> None:
    lines = ["aaaa is a line that comes again\n"] * 50_000
    merges = assert_same_as_huggingface(tmp_path, [*lines[:-1], lines[-1].rstrip("\n") + end], 400)
    assert merges == assert_same_as_huggingface(tmp_path, [lines[0] * 2, end], 400)


def test_no_line_end_at_all(tmp_path: Path, corpus: Any) -> None:
    text = " ".join(document["text"] for document in itertools.islice(corpus("multilingual"), 20))
    assert_same_as_huggingface(tmp_path, [" ".join(text.split("\n"))], 1500)


def test_a_line_of_200_megabytes(tmp_path: Path, corpus: Any) -> None:
    """A text without line ends, many times in one line, is the text with a weight."""
    texts = (document["text"] for document in itertools.islice(corpus("english"), 800))
    text = (" " + " ".join(" ".join(texts).split()))[:2_000_000].rsplit(" ", 1)[0]
    once, line = tmp_path / "once.txt", tmp_path / "line.txt"
    once.write_text(text, encoding="utf-8")
    n_times = 200_000_000 // len(text.encode()) + 1
    with line.open("w", encoding="utf-8") as stream:
        for _ in range(n_times):
            stream.write(text)
    assert line.stat().st_size >= 200_000_000
    expected = pm.train_bpe(once, weights={str(once): n_times}, vocab_size=3000)
    assert pm.train_bpe(line, vocab_size=3000).fingerprint == expected.fingerprint
    sizes = {"vocab_size": 3000, "transition_size": 2000}
    within = pm.train_superbpe(line, memory_limit=128 << 20, **sizes)
    assert within.fingerprint == pm.train_superbpe(line, **sizes).fingerprint


def test_counts_above_32_bits(tmp_path: Path) -> None:
    """In 32 bits "ef" would come first (2³² + 1 and 2³³ wrap to 1 and 0), with a sign "ab" too."""
    weights = {"ab": 3, "cd": 2**32 + 1, "ef": 2**31 + 5, "gh": 2**33}
    files = []
    for text in weights:
        files.append(tmp_path / f"{text}.txt")
        files[-1].write_text(text, encoding="utf-8")
    by_file: Any = {str(path): weight for path, weight in zip(files, weights.values(), strict=True)}
    trained = pm.train_bpe(files, weights=by_file, vocab_size=259, min_frequency=4)
    assert [trained.token_bytes(token_id) for token_id in range(256, 259)] == [b"gh", b"cd", b"ef"]


def test_empty_documents_are_nothing() -> None:
    texts = ["by the way", "by and by", "\n"]
    expected = pm.train_superbpe(texts=texts, vocab_size=270, transition_size=262, unit="document")
    with_empty = ["", texts[0], "", "", texts[1], texts[2], ""]
    trained = pm.train_superbpe(texts=with_empty, vocab_size=270, transition_size=262, unit="document")
    assert trained.fingerprint == expected.fingerprint
