"""What is no text, no token id or no sensible argument is refused with an error that says where and what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import tiktoken

import portmanteau as pm


@pytest.fixture(scope="module")
def tokenizer() -> pm.Tokenizer:
    return pm.Tokenizer.load("cl100k_base")


@pytest.mark.parametrize(
    ("text", "offset", "says"),
    [
        (b"caf\xe9 au lait", 3, "not UTF-8"),
        (b"\xff", 0, "not UTF-8"),
        (b"ab\xed\xa0\x80", 2, "not UTF-8"),
        (b"\xe2\x82", 0, "not UTF-8"),
        ("é\ud800x", 2, "lone surrogate"),
        ("\udfff", 0, "lone surrogate"),
        (None, None, "got NoneType"),
        (7, None, "got int"),
        (["a"], None, "got list"),
        (bytearray(b"a"), None, "got bytearray"),
    ],
)
def test_what_is_no_text(tokenizer: pm.Tokenizer, text: Any, offset: int | None, says: str) -> None:
    for function in (tokenizer.encode, tokenizer.count, tokenizer.pretokens):
        with pytest.raises(pm.EncodingError, match=says) as raised:
            function(text)
        assert raised.value.offset == offset
        assert isinstance(raised.value, ValueError)
    with pytest.raises(pm.EncodingError, match="document 2: .*" + says) as raised:
        tokenizer.encode_batch(["fine", b"fine too", text, None])
    assert (raised.value.document, raised.value.offset) == (2, offset)


def test_one_text_is_no_batch(tokenizer: pm.Tokenizer) -> None:
    for text in ("by the way", b"by the way"):
        with pytest.raises(pm.EncodingError, match="use encode for one"):
            tokenizer.encode_batch(text)
    for documents in (None, 7, 1.5):
        with pytest.raises((pm.EncodingError, TypeError)):
            tokenizer.encode_batch(documents)


def test_what_an_iterable_raises_comes_through(tokenizer: pm.Tokenizer) -> None:
    def documents() -> Any:
        yield "one"
        raise ZeroDivisionError("the source broke")

    with pytest.raises(ZeroDivisionError, match="the source broke"):
        tokenizer.encode_batch(documents())


@pytest.mark.parametrize("threads", [0, -1])
def test_threads_must_be_some(tokenizer: pm.Tokenizer, threads: int) -> None:
    with pytest.raises(pm.EncodingError, match="at least 1"):
        tokenizer.encode_batch(["a"], threads=threads)


@pytest.mark.parametrize("threads", [1.5, "2"])
def test_threads_are_a_whole_number(tokenizer: pm.Tokenizer, threads: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        tokenizer.encode_batch(["a"], threads=threads)


def test_more_threads_than_documents(tokenizer: pm.Tokenizer) -> None:
    assert tokenizer.encode_batch(["a", "b"], threads=10**6) == tokenizer.encode_batch(["a", "b"], threads=1)


def test_special_tokens_that_are_refused(tokenizer: pm.Tokenizer) -> None:
    with pytest.raises(pm.EncodingError, match="special token") as raised:
        tokenizer.encode("é <|endoftext|>", special="error")
    assert (raised.value.offset, raised.value.token_id) == (3, 100257)
    with pytest.raises(pm.EncodingError) as raised:
        tokenizer.encode_batch(["a", "<|fim_prefix|>"], special="error")
    assert raised.value.document == 1
    with pytest.raises(pm.EncodingError, match="none of text, parse, error"):
        tokenizer.encode("a", special="all")
    with pytest.raises(pm.EncodingError, match="is not a special token"):
        tokenizer.encode("a", special={"<|nope|>"})
    for special in (None, 7, [7], [b"<|endoftext|>"]):
        with pytest.raises((pm.EncodingError, TypeError)):
            tokenizer.encode("a", special=special)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "ids",
    [
        [-1],
        [2**32],
        [2**64],
        [10**30],
        [100277],
        [100256],
        [5, 2**31],
        [1.5],
        ["a"],
        [None],
        [[1], [2, 3]],
        "abc",
        None,
        np.array([np.nan]),
        np.array([-(2**63)]),
        np.array([True]),
        {1: 2},
    ],
    ids=repr,
)
def test_ids_that_are_none(tokenizer: pm.Tokenizer, ids: Any) -> None:
    for function in (
        tokenizer.decode,
        tokenizer.decode_bytes,
        lambda ids: tokenizer.decode_batch([[1], ids]),
    ):
        with pytest.raises(pm.DecodingError):
            function(ids)


def test_an_unknown_id_is_named(tokenizer: pm.Tokenizer) -> None:
    with pytest.raises(pm.DecodingError, match="id 100256 at place 2") as raised:
        tokenizer.decode([1, 2, 100256])
    assert (raised.value.token_id, raised.value.offset) == (100256, 2)
    with pytest.raises(pm.DecodingError) as raised:
        tokenizer.decode_batch([[1], [100256]])
    assert raised.value.document == 1
    for token_id in (-1, 100256, 100277, 2**40, 2**100):
        with pytest.raises(pm.DecodingError) as raised:
            tokenizer.token_bytes(token_id)
        assert raised.value.token_id == token_id


def test_texts_that_are_awkward_but_fine(tokenizer: pm.Tokenizer) -> None:
    for text in (
        "",
        "\0",
        "\0" * 100,
        "\ufeff",
        "\U0010ffff",
        " " * 100_000,
        "a" * 100_000,
        "\u0301" * 10_000,
    ):
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.decode([]) == ""
    assert len(tokenizer.encode_batch([])) == 0
    assert tokenizer.decode_batch([]) == []


class Subclassed(str):
    """A str that pretends to be another."""

    def encode(self, *_: object, **__: object) -> bytes:
        return b"\xff"

    def __len__(self) -> int:
        return 1 << 40


def test_subclasses_of_str_are_their_text(tokenizer: pm.Tokenizer) -> None:
    assert tokenizer.encode(Subclassed("by the way")).tolist() == tokenizer.encode("by the way").tolist()


@pytest.mark.parametrize("encoding", [None, object(), {}, "gpt2"])
def test_what_is_no_encoding(encoding: Any) -> None:
    for function in (pm.Tokenizer.from_tiktoken, pm.Tokenizer.from_huggingface):
        with pytest.raises(TypeError, match="expected a "):
            function(encoding)


def test_encodings_that_contradict_themselves() -> None:
    bytes_alone = {bytes([byte]): byte for byte in range(256)}

    def encoding(ranks: dict[bytes, int], pattern: str = ".", special: dict[str, int] | None = None) -> Any:
        class Fake:
            _mergeable_ranks, _pat_str, _special_tokens = ranks, pattern, special or {}

        return Fake()

    assert pm.Tokenizer.from_tiktoken(encoding(bytes_alone)).vocab_size == 256
    for ranks, pattern, special in [
        (bytes_alone | {b"ab": 3}, ".", {}),
        (bytes_alone | {b"": 300}, ".", {}),
        (bytes_alone | {b"ab": 2**31}, ".", {}),
        (bytes_alone | {b"ab": -1}, ".", {}),
        (bytes_alone | {b"ab": 2**80}, ".", {}),
        (bytes_alone | {b"ab": 1.5}, ".", {}),
        ({b"a": 0}, ".", {}),
        ({}, ".", {}),
        (bytes_alone, "(", {}),
        (bytes_alone, ".", {"": 300}),
        (bytes_alone, ".", {"<x>": 7}),
        (bytes_alone, ".", {"<x>": 300, "<y>": 300}),
        (bytes_alone, ".", {"<x>": -1}),
        (bytes_alone, ".", {"<x>": 2**32}),
    ]:
        with pytest.raises((pm.VocabularyError, pm.PatternError)):
            pm.Tokenizer.from_tiktoken(encoding(ranks, pattern, special))  # type: ignore[arg-type]


def test_a_pattern_that_would_run_for_ever() -> None:
    ranks = {bytes([byte]): byte for byte in range(256)}
    encoding = tiktoken.Encoding("slow", pat_str=r"((a|aa)+)\1b", mergeable_ranks=ranks, special_tokens={})
    tokenizer = pm.Tokenizer.from_tiktoken(encoding)
    assert tokenizer.decode(tokenizer.encode("aaaab")) == "aaaab"
    for function in (tokenizer.encode, tokenizer.count, tokenizer.pretokens):
        with pytest.raises(pm.PatternError, match="gave up"):
            function("a" * 50 + "cb")


@pytest.mark.parametrize(
    "text",
    [" " * 3_000_000 + "x", "1" * 3_000_000, "a" * 3_000_000, "\n " * 1_500_000],
    ids=lambda text: repr(text[:2]),
)
@pytest.mark.parametrize("name", ["r50k_base", "cl100k_base", "o200k_base"])
def test_long_runs(name: str, text: str) -> None:
    tokenizer = pm.Tokenizer.load(name)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_nothing_heavy_is_imported() -> None:
    import subprocess

    program = "import sys, portmanteau as pm; pm.Tokenizer.load('r50k_base').encode('a'); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout.split()
    assert not {"pyarrow", "tqdm", "tokenizers", "tiktoken", "matplotlib"} & set(loaded)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [("PORTMANTEAU_CACHE_MIB", "lots", "a whole number of MiB"), ("PORTMANTEAU_SIMD", "mmx", "name one of")],
)
def test_environment_variables_that_mean_nothing_are_refused(name: str, value: str, says: str) -> None:
    program = "import portmanteau; portmanteau.Tokenizer.load('cl100k_base')"
    command = [sys.executable, "-c", program]
    outcome = subprocess.run(command, env=os.environ | {name: value}, capture_output=True, text=True)
    assert outcome.returncode != 0
    assert f'the environment variable {name} is "{value}"' in outcome.stderr
    assert says in outcome.stderr
