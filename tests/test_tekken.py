"""Mistral's `tekken.json`: the ids are those of tiktoken with the same ranks, moved up by the special tokens."""

from __future__ import annotations

import base64
import json
import pickle
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tiktoken
from hypothesis import given

import portmanteau as pm
from references import TEXTS

PATTERN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|"
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|"
    r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
N_SPECIAL = 1000
SPECIAL = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]"]


@cache
def tokens() -> list[bytes]:
    """The bytes in order, as Mistral has them, then some thousand tokens of another vocabulary."""
    other = pm.Tokenizer.load("o200k_base")
    single = [bytes([byte]) for byte in range(256)]
    return single + [other.token_bytes(token_id) for token_id in range(256, 4000)]


def tekken_json(edit: Callable[[dict[str, Any]], object] = lambda file: None) -> str:
    """A file that lists a hundred tokens more than its vocabulary has room for."""
    file: dict[str, Any] = {
        "vocab": [
            {"rank": rank, "token_bytes": base64.b64encode(token).decode(), "token_str": None}
            for rank, token in enumerate(tokens())
        ],
        "special_tokens": [
            {"rank": rank, "token_str": content, "is_control": True} for rank, content in enumerate(SPECIAL)
        ],
        "config": {
            "pattern": PATTERN,
            "num_vocab_tokens": len(tokens()),
            "default_vocab_size": N_SPECIAL + len(tokens()) - 100,
            "default_num_special_tokens": N_SPECIAL,
            "version": "v11",
        },
        "version": 1,
        "type": "Tekken",
    }
    edit(file)
    return json.dumps(file)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mistral") / "tekken.json"
    path.write_text(tekken_json(), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def tokenizer(path: Path) -> pm.Tokenizer:
    return pm.Tokenizer.load(path)


@cache
def reference() -> tiktoken.Encoding:
    ranks = {token: rank for rank, token in enumerate(tokens()[:-100])}
    return tiktoken.Encoding("tekken", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})


@given(text=TEXTS)
def test_ids_are_ranks_after_the_special_tokens(tokenizer: pm.Tokenizer, text: str) -> None:
    expected = [N_SPECIAL + rank for rank in reference().encode(text)]
    assert tokenizer.encode(text).tolist() == expected
    assert tokenizer.decode(expected) == text


def test_special_tokens(tokenizer: pm.Tokenizer) -> None:
    assert tokenizer.vocab_size == N_SPECIAL + len(tokens()) - 100
    assert len(tokenizer.special_tokens) == N_SPECIAL
    assert list(tokenizer.special_tokens)[:6] == [*SPECIAL, "<SPECIAL_5>"]
    assert tokenizer.special_tokens["<SPECIAL_999>"] == 999
    assert tokenizer.encode("<s>a</s>", special="parse").tolist() == [1, N_SPECIAL + ord("a"), 2]
    assert tokenizer.encode("<s>").min() >= N_SPECIAL


@given(text=TEXTS)
def test_copies_are_the_same_tokenizer(
    tokenizer: pm.Tokenizer, copies: list[pm.Tokenizer], text: str
) -> None:
    for copy in copies:
        assert copy.encode(text, special="parse").tolist() == tokenizer.encode(text, special="parse").tolist()


@pytest.fixture(scope="module")
def copies(tokenizer: pm.Tokenizer, path: Path) -> list[pm.Tokenizer]:
    saved = path.with_name("other.json")
    tokenizer.save(saved)
    again = pickle.loads(pickle.dumps(tokenizer))
    assert again == pm.Tokenizer.load(path.parent) == tokenizer
    return [again, pm.Tokenizer.load(saved)]


def test_files_that_are_refused(tmp_path: Path) -> None:
    def refused(content: str, says: str, name: str = "tekken.json", **options: Any) -> None:
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        with pytest.raises(pm.VocabularyError, match=says) as raised:
            pm.Tokenizer.load(path, **options)
        assert raised.value.path == str(path) or options

    refused(tekken_json(), "recognized by the word tekken", name="mistral.json")
    refused(tekken_json(), "a tekken.json says its pretokenizer", pretokenizer="o200k")
    refused(tekken_json()[:-1000], "is the file complete")
    refused(tekken_json(lambda file: file.pop("config")), "missing field `config`")
    refused(tekken_json(lambda file: file["vocab"].pop(300)), "place 300 of .* has rank 301")
    refused(
        tekken_json(lambda file: file["vocab"].__delitem__(slice(3000, None))), "but there are 1000 special"
    )
    refused(
        tekken_json(lambda file: file["special_tokens"].append(file["special_tokens"][0])),
        "rank 0 at place 5",
    )
    refused(
        tekken_json(lambda file: file["special_tokens"].append({"rank": 5, "token_str": "<SPECIAL_7>"})),
        "has two ids, 5 and 7",
    )
    refused(tekken_json(lambda file: file.pop("special_tokens")), "its version is v11")
    (tmp_path / "tekken.json").write_text(tekken_json(lambda file: file["config"].update(pattern="(")))
    with pytest.raises(pm.PatternError):
        pm.Tokenizer.load(tmp_path)
