"""A text that comes in chunks has the ids of one call on the whole text."""

from __future__ import annotations

import copy
import json
import pickle
import time
from functools import cache
from typing import Any

import numpy as np
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

import portmanteau as pm
from references import ALL, HUGGING_FACE, TEXTS, references, tokenizer_json
from test_exactness import NORMALIZERS, SMALL_TEXTS, added_tokens, pre_tokenizers

SIZES = st.lists(st.sampled_from([1, 1, 2, 3, 5, 17, 100]), min_size=1, max_size=8)


def cut(data: Any, sizes: list[int]) -> list[Any]:
    """Chunks of these sizes, over and over."""
    chunks, start, n_chunks = [], 0, 0
    while start < len(data):
        end = start + sizes[n_chunks % len(sizes)]
        chunks.append(data[start:end])
        start, n_chunks = end, n_chunks + 1
    return chunks


def streamed(tokenizer: pm.Tokenizer, chunks: list[Any], special: Any = "text") -> list[int]:
    with tokenizer.streaming(special=special) as stream:
        arrays = [stream.feed(chunk) for chunk in chunks]
        arrays.append(stream.finish())
    assert all(array.dtype == np.uint32 for array in arrays)
    return np.concatenate(arrays).tolist()


def assert_streams(tokenizer: pm.Tokenizer, text: str, sizes: list[int], special: Any = "text") -> None:
    expected = tokenizer.encode(text, special=special).tolist()
    assert streamed(tokenizer, cut(text, sizes), special) == expected
    assert streamed(tokenizer, cut(text.encode(), sizes), special) == expected


@pytest.fixture(autouse=True)
def shared_vocabularies(request: pytest.FixtureRequest) -> None:
    callspec = getattr(request.node, "callspec", None)
    if callspec is not None and callspec.params.get("name") in HUGGING_FACE:
        request.getfixturevalue("shared_dir")


@pytest.mark.parametrize("name", ALL)
@given(text=TEXTS, sizes=SIZES, special=st.sampled_from(["text", "parse"]))
def test_vocabularies(name: str, text: str, sizes: list[int], special: str) -> None:
    assert_streams(references(name)[0], text, sizes, special)


@given(
    added=added_tokens(),
    normalizer=NORMALIZERS,
    special=st.sampled_from(["text", "parse"]),
    text=SMALL_TEXTS,
    sizes=SIZES,
)
def test_added_tokens(
    added: list[dict[str, Any]], normalizer: Any, special: str, text: str, sizes: list[int]
) -> None:
    file = tokenizer_json(added_tokens=added, normalizer=normalizer)
    tokenizer = pm.Tokenizer.from_huggingface(tokenizers.Tokenizer.from_str(file))
    assert_streams(tokenizer, text, sizes, special)


@given(
    pre_tokenizer=pre_tokenizers(),
    added=added_tokens(),
    normalizer=NORMALIZERS,
    text=SMALL_TEXTS,
    sizes=SIZES,
)
def test_pre_tokenizers(
    pre_tokenizer: Any, added: list[dict[str, Any]], normalizer: Any, text: str, sizes: list[int]
) -> None:
    file = tokenizer_json(pre_tokenizer=pre_tokenizer, added_tokens=added, normalizer=normalizer)
    tokenizer = pm.Tokenizer.from_huggingface(tokenizers.Tokenizer.from_str(file))
    assert_streams(tokenizer, text, sizes)


@cache
def normalizing(forms: tuple[str, ...]) -> pm.Tokenizer:
    normalizer = {"type": "Sequence", "normalizers": [{"type": form} for form in forms]}
    file = tokenizer_json(normalizer=normalizer)
    return pm.Tokenizer.from_huggingface(tokenizers.Tokenizer.from_str(file))


COMBINING = st.text(
    st.one_of(
        st.sampled_from("ae가각각\u0301\u0323\u0327\u05b0\u0f71\u0f72\u0344\u09be\u09c7\u0958ﬁ½ Å가か\u3099"),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=40,
)


@pytest.mark.parametrize("name", ALL[3:])
@given(text=COMBINING, sizes=SIZES)
def test_combining_characters(name: str, text: str, sizes: list[int]) -> None:
    assert_streams(references(name)[0], text, sizes)


@given(
    forms=st.lists(st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]), min_size=1, max_size=3).map(tuple),
    text=COMBINING,
    sizes=SIZES,
)
def test_normalization(forms: tuple[str, ...], text: str, sizes: list[int]) -> None:
    assert_streams(normalizing(forms), text, sizes)


def test_every_character_is_normalized_as_in_one_call() -> None:
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        tokenizer = normalizing((form,))
        for start in range(0, 0x32000, 4096):
            block = [chr(c) for c in range(start, start + 4096) if not 0xD800 <= c < 0xE000]
            text = "".join(f"a{c}\u0323{c}\u0301 {c}\u05b0" for c in block)
            assert_streams(tokenizer, text, [61])


# ── memory and time ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_ids_come_while_the_text_does() -> None:
    with pm.Tokenizer.load("cl100k_base").streaming() as stream:
        assert sum(len(stream.feed("by the way, ")) for _ in range(1000)) > 3980
        assert len(stream.finish()) < 20


@pytest.mark.parametrize("unit", ["a", " ", "\u0301", "1", "word ", "日本", "\n", "!"])
def test_single_bytes_take_linear_time(unit: str) -> None:
    tokenizer = pm.Tokenizer.load("o200k_base")
    text = (unit * 60_000).encode()[:60_000]
    start = time.perf_counter()
    assert streamed(tokenizer, cut(text, [1])) == tokenizer.encode(text).tolist()
    # Quadratic time would be minutes.
    assert time.perf_counter() - start < 20


# ── wrong use ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def tokenizer() -> pm.Tokenizer:
    return pm.Tokenizer.load("cl100k_base")


@pytest.mark.parametrize(
    ("chunks", "offset"),
    [
        ([b"caf\xe9 x"], 3),
        (["by the way ", b"caf", b"\xe9", b" "], 14),
        ([b"\xe6\x97", "x"], 0),
        (["ab", b"\xe6\x97", b"\xe6"], 2),
        (["ab", b"\xf0\x9f", b"\xa6"], 2),
        (["日本", b"\xff"], 6),
    ],
)
def test_bytes_that_are_not_utf8(tokenizer: pm.Tokenizer, chunks: list[Any], offset: int) -> None:
    with pytest.raises(pm.EncodingError, match=f"byte {offset}: ") as caught:
        streamed(tokenizer, chunks)
    assert caught.value.offset == offset


def test_a_lone_surrogate_is_refused_and_the_stream_goes_on(tokenizer: pm.Tokenizer) -> None:
    with tokenizer.streaming() as stream:
        stream.feed("日")
        with pytest.raises(pm.EncodingError, match="surrogate") as caught:
            stream.feed("a\ud800")
        assert caught.value.offset == 4
        with pytest.raises(pm.EncodingError, match="got int"):
            stream.feed(1)  # type: ignore[arg-type]
        stream.feed("本")
        assert stream.finish().tolist() == tokenizer.encode("日本").tolist()


def test_a_refused_special_token_in_two_chunks(tokenizer: pm.Tokenizer) -> None:
    with tokenizer.streaming(special="error") as stream:
        stream.feed("日本 by the way" * 10 + "<|endof")
        with pytest.raises(pm.EncodingError, match="special token") as caught:
            stream.feed("text|>" + " " * 40)
        assert caught.value.offset == 170
        for use in (stream.finish, lambda: stream.feed("x")):
            with pytest.raises(pm.EncodingError, match="ended with an error"):
                use()


def test_a_byte_without_a_token_has_its_place_in_the_stream() -> None:
    file = json.loads(tokenizer_json())
    file["model"]["vocab"] = {s: i for s, i in file["model"]["vocab"].items() if "-" not in s}
    file["model"]["merges"] = [pair for pair in file["model"]["merges"] if "-" not in "".join(pair)]
    tokenizer = pm.Tokenizer.from_huggingface(tokenizers.Tokenizer.from_str(json.dumps(file)))
    with pytest.raises(pm.EncodingError, match="no token") as caught:
        streamed(tokenizer, ["ab " * 20, "x", "y-", "z"])
    assert caught.value.offset == 62


def test_a_finished_stream_takes_nothing(tokenizer: pm.Tokenizer) -> None:
    stream = tokenizer.streaming()
    assert stream.feed("by the way").dtype == np.uint32
    stream.finish()
    for use in (stream.finish, lambda: stream.feed("x")):
        with pytest.raises(pm.EncodingError, match="is finished"):
            use()


def test_text_without_finish_is_an_error(tokenizer: pm.Tokenizer) -> None:
    with pytest.raises(pm.EncodingError, match=r"finish\(\)"), tokenizer.streaming() as stream:
        stream.feed("by the way")
    with pytest.raises(ZeroDivisionError), tokenizer.streaming() as stream:
        assert len(stream.feed("by the way")) / 0
    with tokenizer.streaming():
        pass
    with tokenizer.streaming() as stream:
        stream.feed("")
    with pytest.raises(pm.EncodingError, match="is finished"):
        stream.feed("x")


def test_a_stream_does_not_pickle(tokenizer: pm.Tokenizer) -> None:
    for attempt in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError, match="pickle the tokenizer"):
            attempt(tokenizer.streaming())
