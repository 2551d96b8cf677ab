"""The report of a training: its facts add up, are those of the tokenizer and the text, and page and JSON agree."""

from __future__ import annotations

import html
import json
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import portmanteau as pm
from portmanteau import data, training_report
from portmanteau.cli import main
from test_demo import Page

SUPERBPE: dict[str, Any] = {"vocab_size": 1200, "transition_size": 1000}


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test runs in a folder with English, other text and code, in JSON Lines."""
    monkeypatch.chdir(tmp_path)
    named: dict[str, list[str]] = {"english": [], "other": [], "code": []}
    for document in data.sample("train"):
        kind = "code" if document["language"] in ("python", "javascript") else "other"
        named["english" if document["language"].startswith("en") else kind].append(document["text"])
    for name, texts in named.items():
        lines = (json.dumps({"text": text}) + "\n" for text in texts[:60])
        Path(f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    return tmp_path


def texts_of(name: str) -> list[str]:
    lines = Path(f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines]


def n_bytes(texts: list[str]) -> int:
    return sum(len(text.encode()) for text in texts)


def facts_of(path: str = "report.html") -> dict[str, Any]:
    """The facts, which are the same in the page and beside it."""
    content = Path(path).read_text(encoding="utf-8")
    assert Page(content).open == []
    assert all(address.startswith("#") for address in Page(content).addresses)
    embedded = re.search(r'<script type="application/json" id="facts">(.*?)</script>', content, re.DOTALL)
    facts = json.loads(Path(path).with_suffix(".json").read_text(encoding="utf-8"))
    assert embedded is not None
    assert json.loads(embedded[1]) == facts
    return facts


def shown(path: str = "report.html") -> str:
    """The text of the page, without the facts."""
    content = re.sub(r"(?s)<(script|style|svg).*?</\1>", "", Path(path).read_text(encoding="utf-8"))
    return html.unescape(re.sub("<[^>]+>", "\n", content))


def test_the_report_changes_nothing() -> None:
    for train in (pm.train_superbpe, lambda *a, **o: pm.train_bpe(*a, vocab_size=900, **o)):
        options = SUPERBPE if train is pm.train_superbpe else {}
        with_report = train(["*.jsonl"], report="report.html", **options)
        assert with_report == train(["*.jsonl"], **options)


def test_the_text_adds_up() -> None:
    weights = {"code.jsonl": 0.5, "eng*": 1.5}
    pm.train_superbpe(
        ["*.jsonl"], weights=weights, document_byte_limit="2 kB", report="report.html", **SUPERBPE
    )
    facts = facts_of()
    text = facts["text"]
    by_name = {source["name"]: source for source in text["sources"]}
    assert {name: source["weight"] for name, source in by_name.items()} == weights | {"*.jsonl": 1}
    for name, files in {"code.jsonl": "code", "eng*": "english", "*.jsonl": "other"}.items():
        texts = texts_of(files)
        assert by_name[name]["documents"] == len(texts)
        assert by_name[name]["bytes"] == n_bytes(texts)
    for name in ("documents", "bytes"):
        assert text[name] == sum(source[name] for source in text["sources"])
    every = [text for name in ("code", "english", "other") for text in texts_of(name)]
    too_long = [text.encode() for text in every if len(text.encode()) > 2000]
    kept = [text[:2000].decode("utf-8", "ignore") for text in too_long]
    assert text["documents_cut"] == len(too_long) > 5
    assert text["bytes_cut_off"] == sum(map(len, too_long)) - n_bytes(kept)
    assert text["replaced_places"] == 0
    page = shown()
    assert f"{text['documents_cut']} documents longer than document_byte_limit" in page
    assert f"{text['bytes']:,}" in page
    assert facts["options"]["weights"] == weights
    assert facts["options"]["function"] == "train_superbpe"


def test_time_and_memory_add_up() -> None:
    pm.train_superbpe(["*.jsonl"], report="report.html", **SUPERBPE)
    time = facts_of()["time"]
    names = [phase["name"] for phase in time["phases"]]
    assert names[:4] == ["reading", "counting", "sampling for the report", "preparing"]
    assert names[4:] == ["merging", "tokenizing", "counting pairs", "cutting", "merging"]
    for name in ("wall_seconds", "cpu_seconds"):
        assert time[name] == pytest.approx(sum(phase[name] for phase in time["phases"]))
        assert all(phase[name] >= 0 for phase in time["phases"])
    memory = [phase["peak_memory_bytes"] for phase in time["phases"]]
    if Path("/proc/self/statm").exists():
        assert time["peak_memory_bytes"] == max(memory) > 10_000_000


def test_of_text_that_was_counted_before_there_is_no_sample() -> None:
    parts = [
        pm.count_units(f"{name}.jsonl", pretokenizer="superbpe", out=name, weights=weights)
        for name, weights in (("english", {"english.jsonl": 0.5}), ("code", None))
    ]
    trained = pm.train_superbpe(counts=parts, report="report.html", **SUPERBPE)
    facts = facts_of()
    rows = [{"name": name, "weight": 1} for name in ("english", "code")]
    for row in rows:
        texts = texts_of(str(row["name"]))
        row |= {"documents": len(texts), "bytes": n_bytes(texts)}
    assert facts["text"]["sources"] == rows
    assert facts["compression"]["sources"] == []
    assert facts["compression"]["total"]["after"] is None
    assert facts["tokenizer"]["fingerprint"] == trained.fingerprint
    files: Any = ["english.jsonl", "code.jsonl"]
    together = pm.train_superbpe(files, weights={"english.jsonl": 0.5}, report="text.html", **SUPERBPE)
    assert together == trained
    for name in ("stages", "vetoed", "words_per_token"):
        assert facts_of("text.html")[name] == facts[name]
    assert "none of it was read" not in shown("text.html").replace("\n", " ")
    assert "none of it was read in this training" in shown().replace("\n", " ")


def test_a_report_of_training_with_a_checkpoint() -> None:
    options: dict[str, Any] = {"checkpoint": "kept", "report": "report.html"} | SUPERBPE
    trained = pm.train_superbpe(["*.jsonl"], **options)
    first = facts_of()
    assert first["text"]["documents_before"] == 0
    assert first["compression"]["total"]["after"] is not None
    assert first["options"]["checkpoint"] == "kept"
    assert pm.train_superbpe(["*.jsonl"], **options) == trained
    again = facts_of()
    assert again["text"]["documents_before"] == first["text"]["documents"] > 100
    assert again["text"]["sources"] == []
    assert f"with {first['text']['documents']} documents that are not in this table" in shown()
    for name in ("stages", "vetoed", "words_per_token"):
        assert again[name] == first[name]


def test_memory_that_the_system_does_not_tell_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_report, "memory_bytes", lambda: None)
    pm.train_bpe(["*.jsonl"], vocab_size=300, report="report.html")
    time = facts_of()["time"]
    assert time["peak_memory_bytes"] is None
    assert "of memory at most" not in shown()


def test_stages_and_vetoed_pairs_are_those_of_the_tokenizer() -> None:
    tokenizer = pm.train_superbpe(
        ["*.jsonl"], special_tokens=["<|x|>"], within_sentences=True, report="report.html", **SUPERBPE
    )
    facts = facts_of()
    words, superwords = facts["stages"]
    assert [words["name"], superwords["name"]] == ["words", "superwords"]
    assert (words["vocab_size"], superwords["vocab_size"]) == (1000, 1200)
    assert (words["new_tokens"], superwords["new_tokens"]) == (1000 - 257, 200)
    assert words["merges"] + superwords["merges"] == tokenizer._core.n_merges
    assert words["first_count"] >= words["last_count"] >= 1
    assert superwords["first_count"] >= superwords["last_count"]
    numbers = Counter(
        len([word for word in tokenizer.token_bytes(number).split(b" ") if word])
        for number in range(1000, 1200)
    )
    shares = facts["words_per_token"]
    assert {row["words"]: row["tokens"] for row in shares} == numbers
    assert sum(row["share"] for row in shares) == pytest.approx(1)
    assert max(row["words"] for row in shares) <= 4
    vetoed = facts["vetoed"]
    assert vetoed["pairs"] >= vetoed["tokens"] >= len(vetoed["most_frequent"]) > 0
    assert len({pair["text"] for pair in vetoed["most_frequent"]}) == len(vetoed["most_frequent"])
    counts = [pair["count"] for pair in vetoed["most_frequent"]]
    assert counts == sorted(counts, reverse=True)
    assert facts["tokenizer"]["fingerprint"] == tokenizer.fingerprint
    assert facts["tokenizer"]["longest_tokens"][0]["bytes"] == max(
        len(tokenizer.token_bytes(number)) for number in range(1, 1200)
    )


def test_distinct_units_are_counted_and_weights_divided_out() -> None:
    texts = ["ab ab ab cd cd\n"] * 6
    Path("pairs.txt").write_text("".join(texts))
    options: dict[str, Any] = {"vocab_size": 258, "report": "report.html", "pretokenizer": "r50k"}
    pm.train_bpe("pairs.txt", **options)
    (stage,) = facts_of()["stages"]
    assert stage["distinct_units"] == len({"ab", " ab", " cd", "\n"})
    assert stage["new_tokens"] == 2
    assert (stage["first_count"], stage["last_count"]) == (18, 12)
    pm.train_bpe("pairs.txt", weights={"pairs.txt": 0.25}, **options)
    (stage,) = facts_of()["stages"]
    assert (stage["first_count"], stage["last_count"]) == (4.5, 3)
    assert "4.5" in shown()


def test_compression_is_that_of_the_sample() -> None:
    """Small sources are their own samples."""
    tokenizer = pm.train_superbpe(["*.jsonl"], weights={"other.jsonl": 2}, report="report.html", **SUPERBPE)
    words = pm.train_superbpe(["*.jsonl"], weights={"other.jsonl": 2}, vocab_size=1001, transition_size=1000)
    compression = facts_of()["compression"]
    assert compression["before"] == "words alone"
    samples = {"other.jsonl": texts_of("other"), "*.jsonl": texts_of("code") + texts_of("english")}
    for row in compression["sources"]:
        texts = samples[row["name"]]
        assert row["sample_bytes"] == n_bytes(texts)
        assert row["after"] == n_bytes(texts) / len(tokenizer.encode_batch(texts).ids)
        assert row["before"] < row["after"]
        assert row["before"] == pytest.approx(n_bytes(texts) / len(words.encode_batch(texts).ids), rel=0.02)
    total = compression["total"]
    assert total["sample_bytes"] == sum(row["sample_bytes"] for row in compression["sources"])
    points = {point["vocab_size"]: point["bytes_per_token"] for point in compression["curve"]["points"]}
    assert points[1200] == total["after"]
    assert points[1000] == total["before"]
    page = shown()
    assert f"{total['after']:.3f}" in page
    assert f"{total['before']:.3f}" in page


def test_a_transition_that_is_found_out() -> None:
    tokenizer = pm.train_superbpe(["*.jsonl"], vocab_size=1200, transition_size="auto", report="report.html")
    facts = facts_of()
    words, superwords = facts["stages"]
    assert words["vocab_size"] + superwords["new_tokens"] == superwords["vocab_size"] == 1200
    assert words["new_tokens"] == words["merges"] == words["vocab_size"] - 256
    assert words["merges"] + superwords["merges"] == tokenizer._core.n_merges
    assert facts["options"]["transition_size"] == "auto"


def test_dropped_merges_are_not_among_the_words() -> None:
    """Without the boundary behind "ab", "bc" is merged first, and "ab" never."""
    options: dict[str, Any] = {"texts": ["bc"] * 20 + ["abc"] * 10, "pretokenizer": "ab|bc"}
    with pytest.warns(UserWarning, match="258 tokens, fewer"):
        pm.train_superbpe(
            vocab_size=259, transition_size=258, unused_merges="drop", report="report.html", **options
        )
    sizes = [(stage["vocab_size"], stage["merges"]) for stage in facts_of()["stages"]]
    assert sizes == [(257, 1), (258, 1)]


def test_training_on_top_is_compared_with_the_tokenizer_below() -> None:
    base = pm.Tokenizer.load("r50k_base")
    texts = texts_of("english")
    tokenizer = pm.continue_training(
        base, texts=texts, vocab_size=base.vocab_size + 50, superwords=True, report="report.html"
    )
    facts = facts_of()
    assert facts["options"]["tokenizer"] == repr(base)
    assert [(stage["name"], stage["new_tokens"]) for stage in facts["stages"]] == [("added tokens", 50)]
    total = facts["compression"]["total"]
    assert facts["compression"]["before"] == "the tokenizer trained on"
    assert total["before"] == n_bytes(texts) / base.count_batch(texts).sum()
    assert total["after"] == n_bytes(texts) / tokenizer.count_batch(texts).sum()
    assert sum(row["tokens"] for row in facts["words_per_token"]) == 50


def test_texts_are_one_source_and_what_is_replaced_is_counted() -> None:
    texts = [text.encode() for text in texts_of("english")] + [b"caf\xe9 au lait"]
    with pytest.warns(UserWarning, match="1 places"):
        pm.train_bpe(texts=texts, vocab_size=400, errors="replace", report="report.html")
    facts = facts_of()
    assert [source["name"] for source in facts["text"]["sources"]] == ["texts"]
    assert facts["text"]["replaced_places"] == 1
    assert "1 place not UTF-8" in shown()
    assert facts["words_per_token"] == []
    assert facts["compression"]["before"] is None
    pm.train_bpe(texts=pa.array(texts_of("english")), vocab_size=400, report="report.html")
    assert facts_of()["text"]["bytes"] == n_bytes(texts_of("english"))


def test_no_text_and_no_merges_are_reported_too() -> None:
    for texts in ([], ["a"]):
        with pytest.warns(UserWarning, match="fewer than vocab_size"):
            pm.train_bpe(texts=texts, vocab_size=300, report="report.html")
        facts = facts_of()
        assert facts["text"]["documents"] == len(texts)
        assert facts["stages"][0]["last_count"] is None


def test_units_of_a_limited_memory_are_not_told_apart() -> None:
    generator = random.Random(5)
    words = ["".join(generator.choices("abcdefg", k=generator.randint(1, 9))) for _ in range(3000)]
    texts = [" ".join(generator.choices(words, k=40)) + ".\n" for _ in range(2500)]
    options: dict[str, Any] = {"vocab_size": 900, "report": "report.html"}
    pm.train_bpe(texts=texts, memory_limit=100_000, **options)
    assert facts_of()["stages"][0]["distinct_units"] is None
    pm.train_bpe(texts=texts, **options)
    assert facts_of()["stages"][0]["distinct_units"] > 2000


def test_a_token_cannot_end_the_page() -> None:
    texts = ["</script><b>&amp; </script><b>&amp;"] * 5
    with pytest.warns(UserWarning, match="fewer than"):
        pm.train_bpe(texts=texts, vocab_size=400, pretokenizer=r"\n|[^\n]+", report="report.html")
    assert facts_of()["tokenizer"]["longest_tokens"][0]["text"].startswith("</script>")


# ── samples ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_sample_is_drawn_from_everywhere_and_is_the_same_every_time() -> None:
    documents = [f"document {number:06} " * 10 for number in range(20_000)]

    def drawn(seed: int) -> list[bytes]:
        sample = training_report.Sample(seed, "texts", n_bytes=160_000)
        for document in documents:
            sample.add(document, None)
        return sample.texts

    texts = drawn(0)
    assert len(texts) == 1000
    assert drawn(0) == texts != drawn(1)
    tenths = np.bincount([int(text[9:15]) // 2000 for text in texts], minlength=10)
    assert tenths.min() > 60


def test_long_documents_give_whole_lines_or_characters() -> None:
    for line in ("größer als alles\n", "größer als alles "):
        sample = training_report.Sample(1, "texts")
        sample.add(line * 20_000, None)
        (piece,) = sample.texts
        assert 60_000 < len(piece) <= training_report.PIECE_BYTES
        assert piece.decode() in line * 20_000
        assert not line.endswith("\n") or piece.startswith(b"gr")
    sample.add(b"caf\xc3\xa9", 4)
    assert sample.texts[1] == b"caf"


# ── the command line, and wrong input ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("command", "more"),
    [
        ("train-bpe", ["--vocab-size", "600"]),
        ("train-superbpe", ["--vocab-size", "600", "--transition-size", "500"]),
        ("continue-training", ["--vocab-size", "50300", "--tokenizer", "r50k_base", "--superwords"]),
    ],
)
def test_the_command_writes_the_report(command: str, more: list[str], capsys: Any) -> None:
    arguments = [command, "english.jsonl", "-o", "tokenizer.json"]
    assert main([*arguments, *more, "--report", "report.html"]) == 0
    said = capsys.readouterr().err
    assert said.splitlines()[-1] == "wrote report.html and report.json"
    saved = pm.Tokenizer.load("tokenizer.json")
    tokenizer = facts_of()["tokenizer"]
    assert tokenizer["vocab_size"] == saved.vocab_size
    if command != "continue-training":  # a rank file, which is saved in another format
        assert tokenizer["fingerprint"] == saved.fingerprint


@pytest.mark.parametrize(
    ("report", "says"),
    [
        ("report.txt", "report.txt: a report is a page; name it report.html"),
        ("no/report.html", "there is no folder"),
        ("tokenizer.html", "tokenizer.json: the facts of tokenizer.html go there too"),
    ],
)
def test_a_report_that_cannot_be_written_is_refused_before_training(
    report: str, says: str, capsys: Any
) -> None:
    arguments = ["train-bpe", "english.jsonl", "--vocab-size", "600", "-o", "tokenizer.json"]
    assert main([*arguments, "--report", report]) == 1
    assert says in capsys.readouterr().err
    assert not Path("tokenizer.json").exists()


def test_without_matplotlib_the_report_has_no_plot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    pm.train_bpe("english.jsonl", vocab_size=400, report="report.html")
    assert facts_of()["compression"]["curve"] is not None
    assert "pip install 'portmanteau[report]'" in shown()
