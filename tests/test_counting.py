"""Parts of a corpus that were counted by themselves make the tokenizer of all their text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import portmanteau as pm
from portmanteau.cli import main
from references import TRAINING_TEXTS as TEXTS

SIZES: dict[str, Any] = {"vocab_size": 320, "transition_size": 290}


def count(tmp_path: Path, *, n_parts: int = 3, **options: Any) -> list[Path]:
    return [
        pm.count_units(texts=TEXTS[part::n_parts], out=tmp_path / f"part-{part}", **options)
        for part in range(n_parts)
    ]


@pytest.mark.parametrize("memory_limit", [None, "1 kB"])
def test_parts_make_what_all_text_makes(tmp_path: Path, memory_limit: Any) -> None:
    parts = count(tmp_path, digits="single", memory_limit=memory_limit)
    options: dict[str, Any] = {"vocab_size": 300, "digits": "single", "min_frequency": 2}
    expected = pm.train_bpe(texts=TEXTS, **options).fingerprint
    trained = pm.train_bpe(counts=parts, memory_limit=memory_limit, **options)
    assert trained.fingerprint == expected


def test_parts_of_superbpe(tmp_path: Path) -> None:
    parts = count(tmp_path, pretokenizer="superbpe", unit="document")
    expected = pm.train_superbpe(texts=TEXTS, unit="document", **SIZES).fingerprint
    assert pm.train_superbpe(counts=iter(parts), unit="document", **SIZES).fingerprint == expected
    # The first stage is there for BPE too.
    words: dict[str, Any] = {"vocab_size": 290, "pretokenizer": "superbpe_stage1", "unit": "document"}
    assert pm.train_bpe(counts=parts, **words).fingerprint == pm.train_bpe(texts=TEXTS, **words).fingerprint


def test_parts_of_other_weights(tmp_path: Path) -> None:
    weights = {}
    for number, weight in enumerate([0.1, 1.5, 1, 3]):
        path = tmp_path / f"{number}.jsonl"
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS[number::4]), "utf-8")
        weights[str(path)] = weight
    whole = pm.train_superbpe(list(weights), weights=weights, min_frequency=4, **SIZES)
    parts = []
    for files in list(weights)[:2], list(weights)[2:3], list(weights)[3:]:
        own = {file: weights[file] for file in files}
        out = tmp_path / f"part-{len(parts)}"
        parts.append(pm.count_units(files, weights=own, out=out, pretokenizer="superbpe"))
    scales = [json.loads((part / "manifest.json").read_text("utf-8"))["scale"] for part in parts]
    assert scales == [10, 1, 1]
    for memory_limit in (None, "1 kB"):
        from_parts = pm.train_superbpe(counts=parts, min_frequency=4, memory_limit=memory_limit, **SIZES)
        assert from_parts.fingerprint == whole.fingerprint


def test_counts_that_become_too_large_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a b", "utf-8")
    parts = [
        pm.count_units(tmp_path / "a.txt", weights={str(tmp_path / "a.txt"): weight}, out=tmp_path / name)
        for name, weight in [("large", 2**60), ("small", 0.03)]
    ]
    with pytest.raises(pm.TrainingError, match=r"stage-1\.counts: counted 100 times"):
        pm.train_bpe(counts=parts, vocab_size=257)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"pretokenizer": "r50k"}, "has counts of the pretokenizer"),
        ({"digits": "single"}, "has counts of the pretokenizer"),
        ({"unit": "document"}, "has counts of lines, but these are counts for whole documents"),
        ({"weights": {"a": 1}}, "give it to count_units"),
        ({"byte_limit": 9}, "give it to count_units"),
        ({"texts": TEXTS}, "not both texts and counts"),
    ],
)
def test_what_does_not_belong_together_is_refused(tmp_path: Path, options: Any, says: str) -> None:
    parts = count(tmp_path)
    with pytest.raises(pm.TrainingError, match=says):
        pm.train_bpe(counts=parts, **{"vocab_size": 300} | options)


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    parts = count(tmp_path)
    with pytest.raises(pm.FileError, match="part-0: has counts already"):
        count(tmp_path)
    with pytest.raises(pm.TrainingError, match="part-1 twice"):
        pm.train_bpe(counts=[*parts, parts[1]], vocab_size=300)
    with pytest.raises(pm.TrainingError, match="names no folder"):
        pm.train_bpe(counts=[], vocab_size=300)
    with pytest.raises(pm.TrainingError, match="part-0: has no counts of the second stage"):
        pm.train_superbpe(counts=parts, pretokenizer="o200k", **SIZES)
    with pytest.raises(pm.FileError, match="nowhere"):
        pm.train_bpe(counts=tmp_path / "nowhere", vocab_size=300)


def test_damaged_folders_are_refused(tmp_path: Path) -> None:
    parts = count(tmp_path)
    stage = parts[1] / "stage-1.counts"
    whole = stage.read_bytes()
    for content, says in [
        (whole[:-1], "ends early"),
        (whole[:200] + bytes([whole[200] ^ 1]) + whole[201:], "is damaged"),
        (b"text", "is not a file of counts"),
        (None, "cannot be read"),
    ]:
        stage.unlink() if content is None else stage.write_bytes(content)
        with pytest.raises(pm.FileError, match=rf"part-1.stage-1\.counts:? {says}"):
            pm.train_bpe(counts=parts, vocab_size=300)
    stage.write_bytes(whole)
    manifest = parts[1] / "manifest.json"
    content = json.loads(manifest.read_text("utf-8"))
    for changed, says in [
        ({"version": 2}, "update it"),
        ({"format": "x"}, "no manifest of counts"),
        ({"scale": 0}, "no manifest of counts"),
        ({"stages": [{"file": "../part-0/stage-1.counts"}]}, "no manifest of counts"),
    ]:
        manifest.write_text(json.dumps(content | changed), "utf-8")
        with pytest.raises(pm.FileError, match=rf"part-1.manifest\.json: .*{says}"):
            pm.train_bpe(counts=parts, vocab_size=300)
    manifest.unlink()
    with pytest.raises(pm.FileError, match=r"part-1: there is no manifest\.json"):
        pm.train_bpe(counts=parts, vocab_size=300)


def test_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    for part in "01":
        Path(f"{part}.txt").write_text("".join(TEXTS[int(part) :: 2]), "utf-8", newline="\n")
        assert main(["count", f"{part}.txt", "--pretokenizer", "superbpe", "-o", f"part-{part}"]) == 0
    sizes = ["--vocab-size", "320", "--transition-size", "290", "-o", "tokenizer.json"]
    assert main(["train-superbpe", "--counts", "part-0", "part-1", "--checkpoint", "kept", *sizes]) == 0
    expected = pm.train_superbpe(["0.txt", "1.txt"], **SIZES).fingerprint
    assert pm.Tokenizer.load("tokenizer.json").fingerprint == expected
    assert main(["train-superbpe", "0.txt", "1.txt", "--checkpoint", "kept", *sizes]) == 1
    assert "another training" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        main(["train-superbpe", *sizes])
    assert stopped.value.code == 2
    assert "--counts" in capsys.readouterr().err
