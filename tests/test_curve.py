"""The curve of bytes per token: what vocabularies that are cut off in truth make of a text."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import portmanteau as pm
from conftest import without_data
from portmanteau import _rust, data
from portmanteau.cli import main
from portmanteau.inspecting import curve
from references import SHARED

TEXTS = ["by the way, by and by\n", "off we go. Then off we went! So what?\n", "ünïcödé 12345 見る。\n"] * 4


def definition_of(tokenizer: pm.Tokenizer) -> dict[str, Any]:
    return json.loads(tokenizer._core.to_huggingface())


def cut_off(definition: dict[str, Any], n_merges: int) -> pm.Tokenizer:
    """The tokenizer with the first merges alone, and the tokens that these make."""
    model = definition["model"]
    pairs = [pair if isinstance(pair, list) else pair.split(" ") for pair in model["merges"]]
    lost = {"".join(pair) for pair in pairs[n_merges:]} - {"".join(pair) for pair in pairs[:n_merges]}
    vocab = {token: token_id for token, token_id in model["vocab"].items() if token not in lost}
    smaller = definition | {"model": model | {"merges": pairs[:n_merges], "vocab": vocab}}
    return pm.Tokenizer._from_core(_rust.Tokenizer.from_huggingface(json.dumps(smaller).encode()))


def n_tokens(tokenizer: pm.Tokenizer, texts: Iterable[str]) -> int:
    return int(tokenizer.count_batch(texts).sum())


def check_against_truncated(tokenizer: pm.Tokenizer, texts: list[str], sizes_to_check: Iterable[int]) -> None:
    """For merges that each make a new token."""
    definition = definition_of(tokenizer)
    sizes, ratios = curve(tokenizer, texts)
    n_bytes = sum(len(text.encode()) for text in texts)
    assert len(sizes) == len(definition["model"]["merges"]) + 1
    for n_merges in sizes_to_check:
        smaller = cut_off(definition, n_merges)
        assert n_bytes / n_tokens(smaller, texts) == ratios[n_merges]
        if not smaller.special_tokens:
            assert smaller.vocab_size == sizes[n_merges]
    assert n_bytes / n_tokens(tokenizer, texts) == ratios[-1]
    assert sizes[-1] == tokenizer.vocab_size


@pytest.mark.parametrize("special_tokens", [[], ["<|x|>", "<|y|>"]])
def test_trained_tokenizers_at_every_size(special_tokens: list[str]) -> None:
    bpe = pm.train_bpe(texts=TEXTS, vocab_size=300, special_tokens=special_tokens)
    superbpe = pm.train_superbpe(
        texts=TEXTS, vocab_size=320, transition_size=295, special_tokens=special_tokens
    )
    more = pm.continue_training(bpe, texts=TEXTS[1:], vocab_size=312, superwords=True, max_words_per_token=9)
    for tokenizer in (bpe, superbpe, more):
        n_merges = tokenizer._core.n_merges
        check_against_truncated(tokenizer, TEXTS, range(n_merges + 1))


@pytest.mark.parametrize("name", ["superbpe-t180k", "superbpe-t80k", "bpe-200k"])
def test_published_vocabularies(name: str) -> None:
    folder = SHARED / "vocabs" / name
    if not folder.is_dir():
        without_data(folder)
    pretokenizer = "superbpe_paper_stage1" if name == "bpe-200k" else "superbpe_paper_stage2"
    options = {} if (folder / "tokenizer.json").exists() else {"pretokenizer": pretokenizer}
    texts = [document["text"] for document in data.sample()][::8]
    check_against_truncated(pm.Tokenizer.load(folder, **options), texts, [0, 1000, 79_999, 100_001, 190_000])


def test_rank_files() -> None:
    """A smaller rank file is one with the lower ids alone."""
    tokenizer = pm.Tokenizer.load("r50k_base")
    texts = [document["text"] for document in data.sample()][::5]
    sizes, ratios = curve(tokenizer, texts)
    assert sizes[[0, -1]].tolist() == [257, 50257]
    ranks = [(tokenizer.token_bytes(token_id), token_id) for token_id in range(50256)]
    for n_ids in (256, 300, 5000, 40_000, 50_256):
        smaller = _rust.Tokenizer.from_ranks(ranks[:n_ids], "r50k_tiktoken", [])
        n_bytes = sum(len(text.encode()) for text in texts)
        assert ratios[n_ids - 256] == n_bytes / smaller.count_batch(texts, "text", 1).sum()


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_merges_in_any_order(drawn: st.DataObject) -> None:
    """Merges may be built on others of higher rank, make a token a second time, or never happen."""
    tokens = [*"abc"]
    merges: list[tuple[str, str]] = []
    for _ in range(drawn.draw(st.integers(1, 9))):
        pair = drawn.draw(st.tuples(st.sampled_from(tokens), st.sampled_from(tokens)))
        if pair not in merges and len("".join(pair)) < 9:
            merges.append(pair)
            tokens += [] if "".join(pair) in tokens else ["".join(pair)]
    merges = drawn.draw(st.permutations(merges))
    definition = definition_of(pm.train_bpe(texts=["x"], vocab_size=256))
    vocab = definition["model"]["vocab"]
    made = [token for token in dict.fromkeys("".join(pair) for pair in merges) if token not in vocab]
    definition["model"] |= {
        "merges": [list(pair) for pair in merges],
        "vocab": vocab | {token: 256 + number for number, token in enumerate(made)},
    }
    texts = drawn.draw(st.lists(st.text("abc", min_size=1, max_size=30), min_size=1, max_size=8))
    sizes, ratios = curve(cut_off(definition, len(merges)), texts)
    assert sizes.tolist() == list(range(256, 257 + len(made)))
    n_bytes = sum(map(len, texts))
    for n_new, size in enumerate(made):
        rank = ["".join(pair) for pair in merges].index(size)
        try:
            smaller = cut_off(definition, rank)
        except (
            pm.VocabularyError
        ):  # a merge of tokens that are made later: the file of the first merges says nothing
            continue
        assert n_bytes / n_tokens(smaller, texts) == ratios[n_new]


def test_texts_of_all_kinds() -> None:
    tokenizer = pm.Tokenizer.load("r50k_base")
    expected = curve(tokenizer, TEXTS)
    for texts in (iter(TEXTS), [text.encode() for text in TEXTS], pa.array(TEXTS), pa.chunked_array([TEXTS])):
        for found, wanted in zip(curve(tokenizer, texts, threads=2), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)
    assert np.isnan(curve(tokenizer, [])[1]).all()


def test_added_tokens_stay() -> None:
    definition = definition_of(pm.train_bpe(texts=TEXTS, vocab_size=300))
    added = dict.fromkeys(["lstrip", "rstrip", "single_word", "normalized", "special"], False)
    definition["added_tokens"] = [{"id": 300, "content": "by the way"} | added]
    tokenizer = cut_off(definition, len(definition["model"]["merges"]))
    sizes, ratios = curve(tokenizer, ["by the way", "off"])
    assert sizes[[0, -1]].tolist() == [257, 301]
    assert ratios[0] == 13 / 4


def test_what_cannot_be_told_is_refused() -> None:
    definition = definition_of(pm.train_bpe(texts=TEXTS, vocab_size=300))
    model = definition["model"]
    twice = definition | {"model": model | {"merges": [*model["merges"], model["merges"][0]]}}
    with pytest.raises(pm.UnsupportedError, match="lists a pair twice"):
        curve(cut_off(twice, len(twice["model"]["merges"])), TEXTS)
    whole = definition | {"model": model | {"ignore_merges": True, "vocab": model["vocab"] | {"zzz": 300}}}
    tokenizer = cut_off(whole, len(model["merges"]))
    assert curve(tokenizer, TEXTS)[0][-1] == 301
    with pytest.raises(pm.UnsupportedError, match=r"b'zzz' \(300\).*comes of no merge"):
        curve(tokenizer, [*TEXTS, "zzz"])


# ── the command ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("text.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    Path("more.txt").write_text("by the way")
    pm.train_superbpe(texts=TEXTS, vocab_size=320, transition_size=295).save("tokenizer.json")
    return tmp_path


def test_the_command_prints_the_curve_of_the_library(files: Path, capsys: Any) -> None:
    tokenizer = pm.Tokenizer.load("tokenizer.json")
    sizes, ratios = curve(tokenizer, [*TEXTS, "by the way"])
    arguments = ["inspect", "tokenizer.json", "--curve", "*.jsonl", "more.txt"]
    assert main([*arguments, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["kind"] == "curve"
    assert facts["documents"] == len(TEXTS) + 1
    assert facts["bytes"] == sum(len(text.encode()) for text in TEXTS) + 10
    assert [point["vocab_size"] for point in facts["points"]] == sizes.tolist()
    assert [point["bytes_per_token"] for point in facts["points"]] == ratios.tolist()
    first = facts["first_superword"]
    assert first > 295
    assert " " in tokenizer.token_bytes(first - 1).decode().strip()
    assert main(arguments) == 0
    printed = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in printed if line.lstrip()[:1].isdigit()]
    assert [int(row[0]) for row in rows] == [256, first - 1, 300, 320]
    assert [row[2] for row in rows] == [f"{ratios[int(row[0]) - 256]:.3f}" for row in rows]
    assert [line.endswith("with superwords") for line in printed][-3:] == [False, True, True]


@pytest.mark.parametrize(("name", "begins"), [("curve.svg", b"<svg"), ("curve.PNG", b"\x89PNG")])
def test_the_command_draws_the_curve(files: Path, name: str, begins: bytes, capsys: Any) -> None:
    pytest.importorskip("matplotlib")
    for tokenizer in ("tokenizer.json", "r50k_base"):
        assert main(["inspect", tokenizer, "--curve", "more.txt", "--plot", name]) == 0
        assert capsys.readouterr().err == f"wrote {name}\n"
        assert Path(name).read_bytes().startswith(begins)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--curve", "more.txt", "--plot", "curve.gif"], "curve.gif: a plot is an .svg or a .png"),
        (["--curve", "more.txt", "--plot", "no/curve.svg"], "there is no folder"),
        (["--curve", "missing.txt"], "missing.txt: no file has this name"),
        (["--plot", "curve.svg"], "name the text with --curve"),
    ],
)
def test_the_command_says_what_is_wrong(files: Path, arguments: list[str], says: str, capsys: Any) -> None:
    assert main(["inspect", "tokenizer.json", *arguments]) == 1
    assert says in capsys.readouterr().err
