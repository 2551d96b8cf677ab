"""What the class `Tokenizer` promises beyond exactness: batches, columns, counting, decoding, special tokens, files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import portmanteau as pm
from references import OPENAI, TEXTS, VOCAB_SIZE, tokenizer_json

load = cache(pm.Tokenizer.load)
TEXT_LISTS = st.lists(TEXTS, max_size=8)


@pytest.fixture(scope="module", params=OPENAI)
def tokenizer(request: pytest.FixtureRequest) -> pm.Tokenizer:
    return load(request.param)


def one_by_one(tokenizer: pm.Tokenizer, texts: list[str]) -> list[list[int]]:
    return [tokenizer.encode(text).tolist() for text in texts]


def as_lists(batch: pm.TokenBatch) -> list[list[int]]:
    return [ids.tolist() for ids in batch]


# ── golden cases ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.golden("pretokenize")
def test_pretokens(case: dict[str, Any]) -> None:
    ranks = {bytes([byte]): byte for byte in range(256)}

    class Encoding:
        _mergeable_ranks, _pat_str, _special_tokens = ranks, case["pretokenizer"], {}

    assert pm.Tokenizer.from_tiktoken(Encoding()).pretokens(case["text"]) == case["pretokens"]


@pytest.mark.golden("encode")
def test_ids(case: dict[str, Any]) -> None:
    file = {"version": "1.0", "model": {"type": "BPE", "vocab": {t: i for i, t in enumerate(case["tokens"])}}}
    file["model"] |= {"merges": case["merges"], "ignore_merges": case.get("whole_words_first", False)}
    file["pre_tokenizer"] = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": False,
    }

    class Backend:
        @staticmethod
        def to_str() -> str:
            return json.dumps(file)

    assert pm.Tokenizer.from_huggingface(Backend()).encode(case["text"]).tolist() == case["ids"]


# ── batches and columns ──────────────────────────────────────────────────────────────────────────────────────────────


@given(texts=TEXT_LISTS, threads=st.integers(1, 9))
def test_a_batch_is_its_documents(texts: list[str], threads: int) -> None:
    tokenizer = load("cl100k_base")
    expected = one_by_one(tokenizer, texts)
    assert as_lists(tokenizer.encode_batch(texts, threads=threads)) == expected
    assert as_lists(tokenizer.encode_batch(iter(texts), threads=threads)) == expected
    assert as_lists(tokenizer.encode_batch((text.encode() for text in texts), threads=threads)) == expected
    assert tokenizer.decode_batch(tokenizer.encode_batch(texts)) == texts
    assert [tokenizer.count(text) for text in texts] == [len(ids) for ids in expected]


COLUMNS: dict[str, Callable[[list[str]], Any]] = {
    "string": lambda texts: pa.array(texts, pa.string()),
    "large_string": lambda texts: pa.array(texts, pa.large_string()),
    "string_view": lambda texts: pa.array(texts, pa.string_view()),
    "binary": lambda texts: pa.array([text.encode() for text in texts], pa.binary()),
    "large_binary": lambda texts: pa.array([text.encode() for text in texts], pa.large_binary()),
    "binary_view": lambda texts: pa.array([text.encode() for text in texts], pa.binary_view()),
    "dictionary": lambda texts: pa.array(texts, pa.string()).dictionary_encode(),
    "sliced": lambda texts: pa.array(["before", *texts, "after"], pa.string()).slice(1, len(texts)),
    "sliced large": lambda texts: pa.array(["before", *texts, "after"], pa.large_string()).slice(
        1, len(texts)
    ),
    "sliced dictionary": lambda t: pa.array(["é", *t, "x"]).dictionary_encode().slice(1, len(t)),
    "chunked": lambda texts: pa.chunked_array([texts[:2], [], texts[2:]], pa.string()),
    "chunked sliced": lambda t: pa.chunked_array([["x", *t[:2]], [], t[2:]], pa.large_string()).slice(1),
    "no chunks": lambda texts: pa.chunked_array([texts] if texts else [], pa.string()),
    "table column": lambda texts: pa.table({"text": pa.array(texts, pa.string())})["text"],
}


@pytest.mark.parametrize("kind", COLUMNS)
@given(texts=TEXT_LISTS)
def test_arrow_columns_are_lists_of_texts(kind: str, texts: list[str]) -> None:
    tokenizer = load("r50k_base")
    column = COLUMNS[kind](texts)
    assert as_lists(tokenizer.encode_batch(column, threads=2)) == one_by_one(tokenizer, texts)


def test_a_polars_column() -> None:
    polars = pytest.importorskip("polars")
    tokenizer = load("r50k_base")
    texts = ["by the way", "", "日本語"]
    assert as_lists(tokenizer.encode_batch(polars.Series(texts))) == one_by_one(tokenizer, texts)


@pytest.mark.parametrize("kind", COLUMNS)
def test_nulls_are_refused_with_their_place(kind: str) -> None:
    tokenizer = load("r50k_base")
    column = pa.chunked_array([pa.array(["a", "b"]), pa.array(["c", None, "d"])]).cast(
        COLUMNS[kind](["a"]).type
    )
    with pytest.raises(pm.EncodingError, match="document 3") as raised:
        tokenizer.encode_batch(column)
    assert raised.value.document == 3


def test_columns_that_are_no_text() -> None:
    tokenizer = load("r50k_base")
    for column in (
        pa.array([1, 2]),
        pa.array([["a"]]),
        pa.array([None, None]),
        pa.table({"a": ["x"]}),
        pa.array([1.5]),
    ):
        with pytest.raises(pm.EncodingError):
            tokenizer.encode_batch(column)
    bad = pa.chunked_array([pa.array([b"a"]), pa.array([b"b", b"caf\xe9"])])
    with pytest.raises(pm.EncodingError, match="document 2") as raised:
        tokenizer.encode_batch(bad)
    assert (raised.value.document, raised.value.offset) == (2, 3)
    claims_utf8 = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff"]).buffers())
    with pytest.raises(pm.EncodingError, match="document 0"):
        tokenizer.encode_batch(claims_utf8)


def test_errors_in_later_chunks_name_the_document_of_the_column() -> None:
    tokenizer = load("r50k_base")
    column = pa.chunked_array([["a", "b"], ["c", "<|endoftext|>"]])
    with pytest.raises(pm.EncodingError, match="document 3") as raised:
        tokenizer.encode_batch(column, special="error")
    assert raised.value.document == 3


@given(texts=TEXT_LISTS)
def test_a_batch_goes_to_arrow_and_back(texts: list[str]) -> None:
    batch = load("r50k_base").encode_batch(texts)
    arrow = batch.to_arrow()
    arrow.validate(full=True)
    assert arrow.to_pylist() == as_lists(batch)
    assert pm.TokenBatch.from_arrow(arrow) == batch
    assert pm.TokenBatch.from_arrow(arrow.slice(1)).offsets[0] == 0
    assert pm.TokenBatch.from_arrow(pa.chunked_array([arrow, arrow])) == pm.TokenBatch.from_arrow(
        pa.concat_arrays([arrow] * 2)
    )
    assert pa.array(batch).to_pylist() == as_lists(batch)


def test_batches_that_contradict_themselves() -> None:
    ids = np.arange(3, dtype=np.uint32)
    for offsets in ([], [1, 3], [0, 2], [0, 2, 1, 3], [0, 4], [[0, 3]]):
        with pytest.raises(ValueError, match="offsets"):
            pm.TokenBatch(ids, np.array(offsets, np.int64))
    for column in (
        pa.array([[1, None]]),
        pa.array([[1], None]),
        pa.array([1]),
        pa.array([[-1]]),
        pa.array([["a"]]),
    ):
        with pytest.raises(ValueError):  # noqa: PT011
            pm.TokenBatch.from_arrow(column)


# ── decoding and tokens ──────────────────────────────────────────────────────────────────────────────────────────────


@given(text=TEXTS)
def test_decoding_undoes_encoding(text: str) -> None:
    for name in OPENAI:
        tokenizer = load(name)
        for special in ("text", "parse"):
            ids = tokenizer.encode(text, special=special)
            assert tokenizer.decode(ids) == text
            assert b"".join(map(tokenizer.token_bytes, ids.tolist())) == text.encode()
            assert tokenizer.count(text, special=special) == len(ids)
        assert "".join(tokenizer.pretokens(text)) == text


def test_ids_and_bytes_are_inverse(tokenizer: pm.Tokenizer) -> None:
    special = set(tokenizer.special_tokens.values())
    n_tokens = 0
    for token_id in range(tokenizer.vocab_size):
        try:
            token = tokenizer.token_bytes(token_id)
        except pm.DecodingError:
            continue
        n_tokens += 1
        assert tokenizer.token_id(token) == token_id
        assert tokenizer.decode_bytes([token_id]) == token
        assert token_id not in special or tokenizer.special_tokens[token.decode()] == token_id
    assert n_tokens > 50_000
    assert tokenizer.token_id(b"no token is this long, surely") is None


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int32, np.int64, np.uint32, np.uint64])
def test_ids_of_any_integer_type(dtype: Any) -> None:
    tokenizer = load("r50k_base")
    ids = np.array([[72, 101], [108, 108]], dtype)
    assert tokenizer.decode(ids) == tokenizer.decode(ids.reshape(-1).tolist())
    assert tokenizer.decode(ids[:, ::-1]) == tokenizer.decode([101, 72, 108, 108])


def test_a_part_of_a_character() -> None:
    tokenizer = load("r50k_base")
    ids = tokenizer.encode("🙂")
    assert len(ids) > 1
    assert tokenizer.decode(ids[:1]) == "\ufffd"
    assert tokenizer.decode(ids[:1], errors="ignore") == ""
    with pytest.raises(UnicodeDecodeError):
        tokenizer.decode(ids[:1], errors="strict")


# ── special tokens ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_special_tokens_are_text_unless_asked_for() -> None:
    tokenizer = load("cl100k_base")
    text = "a<|endoftext|>b<|fim_prefix|>"
    plain = tokenizer.encode(text)
    assert plain.max() < 100_257
    assert tokenizer.decode(plain) == text
    assert tokenizer.encode(text, special="parse").tolist() == [64, 100257, 65, 100258]
    some = tokenizer.encode(text, special=["<|endoftext|>"]).tolist()
    assert some == [64, 100257, *tokenizer.encode("b<|fim_prefix|>").tolist()]
    assert tokenizer.encode(text, special=set()).tolist() == plain.tolist()


def test_added_tokens_that_are_not_special_always_count(tmp_path: Path) -> None:
    added = [{"id": VOCAB_SIZE, "content": "<x>", "special": True}, {"id": VOCAB_SIZE + 1, "content": "[y]"}]
    (tmp_path / "tokenizer.json").write_text(tokenizer_json(added_tokens=added), encoding="utf-8")
    tokenizer = pm.Tokenizer.load(tmp_path)
    assert tokenizer.special_tokens == {"<x>": VOCAB_SIZE}
    assert tokenizer.encode("[y]<x>").tolist() == [VOCAB_SIZE + 1, *tokenizer.encode("<x>").tolist()]
    assert tokenizer.encode("[y]<x>", special="parse").tolist() == [VOCAB_SIZE + 1, VOCAB_SIZE]


# ── what it is ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_tokenizers_are_equal_by_what_they_do(tmp_path: Path) -> None:
    r50k = load("r50k_base")
    r50k.save(tmp_path / "a.tiktoken")
    assert pm.Tokenizer.load(tmp_path / "a.tiktoken") == r50k
    other = pm.Tokenizer.load(tmp_path / "a.tiktoken", pretokenizer="r50k")
    assert other != r50k
    assert len({r50k.fingerprint, other.fingerprint, load("cl100k_base").fingerprint}) == 3
    assert repr(r50k).startswith("Tokenizer('r50k_base', vocab_size=50257")
    with pytest.raises(TypeError, match=r"Tokenizer\.load"):
        pm.Tokenizer()


def test_what_a_file_format_cannot_hold_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(tokenizer_json(), encoding="utf-8")
    with pytest.raises(pm.UnsupportedError, match="cannot hold this tokenizer"):
        pm.Tokenizer.load(tmp_path).save(tmp_path / "x.tiktoken")
    assert not (tmp_path / "x.tiktoken").exists()
    with pytest.raises(pm.FileError):
        load("r50k_base").save(tmp_path / "no" / "folder" / "x.tiktoken")


def test_documents_are_read_as_they_come() -> None:
    """A generator is exhausted once, in order."""
    seen = []

    def documents() -> Iterator[str]:
        for text in ("a", "b", "c"):
            seen.append(text)
            yield text

    assert len(load("r50k_base").encode_batch(documents())) == 3
    assert seen == ["a", "b", "c"]
