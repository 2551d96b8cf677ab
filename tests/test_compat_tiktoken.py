"""`portmanteau.compat.tiktoken` answers as tiktoken does."""

from __future__ import annotations

import hashlib
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiktoken as original
from hypothesis import given
from hypothesis import strategies as st

import portmanteau as pm
from portmanteau import data
from portmanteau.compat import tiktoken
from portmanteau.compat.tiktoken import load, model, registry
from references import TEXTS

NAMES = ("gpt2", "r50k_base", "p50k_base", "p50k_edit", "cl100k_base", "o200k_base", "o200k_harmony")
SURROGATES = st.sampled_from(["\ud83d", "\udc4d", "\ud83d\udc4d", "\udc4d\ud83d"])
SPELLED = st.sampled_from(
    ["<|endoftext|>", "<|endofprompt|>", "<|fim_prefix|>", "<|start|>", "<|reserved_200018|>", "<|", "|>"]
)
ANY_TEXT = st.lists(st.one_of(TEXTS, SPELLED, SURROGATES), max_size=5).map("".join)
ADDRESS = "https://openaipublic.blob.core.windows.net/"


VISIBLE = [byte for byte in range(256) if chr(byte).isprintable() and chr(byte) != " "]
HIDDEN = [byte for byte in range(256) if byte not in VISIBLE]
SPELLING = {byte: chr(byte) for byte in VISIBLE} | {byte: chr(256 + n) for n, byte in enumerate(HIDDEN)}


def spelled(token: bytes) -> str:
    """A token as GPT-2's files spell it."""
    return "".join(SPELLING[byte] for byte in token)


@pytest.fixture(autouse=True, scope="module")
def files_of_the_derived_encodings(offline_tiktoken: Path) -> None:
    """Let the original load the other encodings too: it checks the SHA-256 of the files that are made here."""
    ranks = registry.get_encoding("p50k_base")._mergeable_ranks
    load.dump_tiktoken_bpe(ranks, str(cached(offline_tiktoken, "encodings/p50k_base.tiktoken")))
    merges = "#version: 0.2\n" + "".join(f"{left} {right}\n" for left, right in merges_of_gpt2())
    cached(offline_tiktoken, "gpt-2/encodings/main/vocab.bpe").write_text(merges, encoding="utf-8")
    vocabulary = {
        spelled(token): rank for token, rank in tiktoken.get_encoding("gpt2")._mergeable_ranks.items()
    }
    vocabulary["<|endoftext|>"] = 50256
    cached(offline_tiktoken, "gpt-2/encodings/main/encoder.json").write_text(json.dumps(vocabulary))


def merges_of_gpt2() -> list[tuple[str, str]]:
    """The two tokens that each token of the bundled vocabulary is made of, as GPT-2's files spell them."""
    content = data.vocabulary_path("r50k_base").read_bytes()
    n_merges = int.from_bytes(content[:4], "little") - 256
    planes = np.frombuffer(content[260:], np.uint8).reshape(2, 3, n_merges).astype(np.int64)
    pairs = (planes * np.array([1, 256, 65536])[:, None]).sum(axis=1).T.tolist()
    tokens = [spelled(token) for token in tiktoken.get_encoding("gpt2").decode_tokens_bytes(range(50256))]
    return [(tokens[left], tokens[right]) for left, right in pairs]


def cached(cache: Path, name: str) -> Path:
    return cache / hashlib.sha1((ADDRESS + name).encode()).hexdigest()


def outcome(call: Callable[[], Any]) -> Any:
    """What a call returns, or the type and the words of what it raises."""
    try:
        return call()
    except (ValueError, KeyError, UnicodeError) as error:
        return type(error).__mro__[-4:], str(error)


def both(name: str) -> tuple[tiktoken.Encoding, original.Encoding]:
    return tiktoken.get_encoding(name), original.get_encoding(name)


# ── which encodings there are ───────────────────────────────────────────────────────────────────────────────────────


def test_the_names_are_the_same():
    assert tiktoken.list_encoding_names() == original.list_encoding_names()
    assert tiktoken.__version__ == original.__version__
    assert model.MODEL_TO_ENCODING == original.model.MODEL_TO_ENCODING
    assert model.MODEL_PREFIX_TO_ENCODING == original.model.MODEL_PREFIX_TO_ENCODING
    for name in (
        "gpt-4o",
        "gpt-4",
        "gpt2",
        "ft:gpt-4o-mini:x",
        "ft:gpt-4-x",
        "gpt-oss-120b",
        "text-davinci-003",
    ):
        assert tiktoken.encoding_name_for_model(name) == original.encoding_name_for_model(name)
        assert tiktoken.encoding_for_model(name).name == original.encoding_name_for_model(name)
    public = {name for name in vars(original.Encoding) if not name.startswith("_")}
    assert public <= set(dir(tiktoken.Encoding))


@pytest.mark.parametrize("name", NAMES)
def test_the_parts_are_the_same(name: str):
    ours, theirs = both(name)
    assert (ours.name, repr(ours)) == (name, f"<Encoding {name!r}>")
    assert ours._pat_str == theirs._pat_str
    assert ours._mergeable_ranks == theirs._mergeable_ranks
    assert ours._special_tokens == theirs._special_tokens
    assert ours.special_tokens_set == theirs.special_tokens_set
    assert (ours.n_vocab, ours.max_token_value) == (theirs.n_vocab, theirs.max_token_value)
    assert ours.eot_token == theirs.eot_token
    assert ours.token_byte_values() == theirs.token_byte_values()
    assert tiktoken.get_encoding(name) is ours


@pytest.mark.parametrize("name", ["x", 5, ""])
def test_an_unknown_encoding_is_refused(name: Any):
    kind, message = outcome(lambda: original.get_encoding(name))
    ours = outcome(lambda: tiktoken.get_encoding(name))
    assert (ours[0], ours[1].splitlines()[0]) == (kind, message.splitlines()[0])


def test_an_unknown_model_is_refused():
    with pytest.raises(KeyError) as theirs:
        original.encoding_for_model("nobody")
    with pytest.raises(KeyError) as ours:
        tiktoken.encoding_for_model("nobody")
    assert str(ours.value) == str(theirs.value)


def test_an_encoding_may_be_registered(monkeypatch):
    parts = {"pat_str": ".", "mergeable_ranks": {bytes([b]): b for b in range(256)}, "special_tokens": {}}
    monkeypatch.setitem(registry.ENCODING_CONSTRUCTORS, "mine", lambda: {"name": "mine", **parts})
    monkeypatch.setattr(registry, "ENCODINGS", {})
    mine = tiktoken.get_encoding("mine")
    assert mine.encode("ab") == [97, 98]
    assert pickle.loads(pickle.dumps(mine)) is mine


def test_nothing_of_the_original_is_imported():
    program = (
        "import sys; from portmanteau.compat import tiktoken; tiktoken.get_encoding('gpt2').encode('x'); "
        "assert not {'tiktoken', 'tokenizers', 'regex', 'requests'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_what_is_missing_is_named():
    with pytest.raises(AttributeError, match="tiktoken has no 'train'"):
        _ = tiktoken.train  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="load_tiktoken_bpe"):
        _ = load.data_gym_to_mergeable_bpe_ranks  # type: ignore[attr-defined]


# ── encoding ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", NAMES)
@given(text=ANY_TEXT)
def test_ordinary_ids(name: str, text: str):
    ours, theirs = both(name)
    assert ours.encode_ordinary(text) == theirs.encode_ordinary(text)


def policies(name: str) -> st.SearchStrategy[Any]:
    special = [
        *sorted(tiktoken.get_encoding(name).special_tokens_set)[:3],
        "<|endoftext|>",
        "<|endofprompt|>",
        "<|",
    ]
    return st.one_of(st.just("all"), st.sets(st.sampled_from(special)))


@pytest.mark.parametrize("name", NAMES)
@given(text=ANY_TEXT, data=st.data())
def test_special_tokens(name: str, text: str, data: st.DataObject):
    ours, theirs = both(name)
    arguments = {
        "allowed_special": data.draw(policies(name)),
        "disallowed_special": data.draw(st.one_of(st.just(()), policies(name))),
    }
    expected = outcome(lambda: theirs.encode(text, **arguments))
    assert outcome(lambda: ours.encode(text, **arguments)) == expected
    assert outcome(lambda: ours.encode_batch([text, "x"], **arguments)) == outcome(
        lambda: theirs.encode_batch([text, "x"], **arguments)
    )
    as_array = outcome(lambda: ours.encode_to_numpy(text, **arguments))
    if isinstance(as_array, np.ndarray):
        assert (as_array.dtype, as_array.tolist()) == (np.uint32, expected)
    else:
        assert as_array == outcome(lambda: theirs.encode_to_numpy(text, **arguments))


def test_the_default_refuses_special_tokens():
    ours, theirs = both("cl100k_base")
    for text in ("a<|endoftext|>", "<|fim_prefix|><|endoftext|>", "<|endoftext", ""):
        assert outcome(lambda text=text: ours.encode(text)) == outcome(lambda text=text: theirs.encode(text))
    with pytest.raises(ValueError, match="disallowed special token 'lo'"):
        ours.encode("hello", disallowed_special=["lo"])


def test_two_special_tokens_with_one_id_are_told_apart():
    ours, theirs = both("o200k_harmony")
    text = "<|endofprompt|> a <|reserved_200018|>b<|start|>"
    for allowed in ({"<|endofprompt|>"}, {"<|reserved_200018|>"}, {"<|start|>"}, "all"):
        arguments = {"allowed_special": allowed, "disallowed_special": ()}
        assert ours.encode(text, **arguments) == theirs.encode(text, **arguments)
        assert ours.encode_batch([text], **arguments) == theirs.encode_batch([text], **arguments)
    assert ours.decode([200018, 200006]) == theirs.decode([200018, 200006])
    assert ours.encode_single_token("<|reserved_200018|>") == 200018


@given(texts=st.lists(ANY_TEXT, max_size=6))
def test_batches(texts: list[str]):
    ours, theirs = both("cl100k_base")
    assert ours.encode_ordinary_batch(texts) == theirs.encode_ordinary_batch(texts)
    ids = ours.encode_batch(texts, disallowed_special=(), num_threads=1)
    assert all(type(token_id) is int for row in ids for token_id in row)
    assert ours.decode_batch(ids) == theirs.decode_batch(ids)
    assert ours.decode_bytes_batch(ids) == theirs.decode_bytes_batch(ids)


@pytest.mark.parametrize("text", [b"x", 5, None, ["x"]])
def test_what_is_no_text_is_a_type_error(text: Any):
    for encoding in both("r50k_base"):
        for call in (
            lambda e: e.encode(text),
            lambda e: e.encode(text, disallowed_special=()),
            lambda e: e.encode_ordinary(text),
            lambda e: e.encode_batch([text]),
            lambda e: e.encode_ordinary_batch([text]),
            lambda e: e.encode_to_numpy(text),
        ):
            with pytest.raises(TypeError):
                call(encoding)


def test_wrong_arguments():
    for encoding in both("r50k_base"):
        with pytest.raises(TypeError):
            encoding.encode("x", allowed_special=["<|endoftext|>"])
        with pytest.raises(TypeError):
            encoding.encode("x", allowed_special=["<|endoftext|>"], disallowed_special=())
        with pytest.raises(ValueError, match="max_workers must be greater than 0"):
            encoding.encode_batch(["x"], num_threads=0)
        with pytest.raises(UnicodeEncodeError):
            encoding.encode_with_unstable("\ud800")


@pytest.mark.parametrize("name", ["r50k_base", "cl100k_base"])
@given(
    text=st.lists(
        st.one_of(st.sampled_from(["hello", " fan", "\n", " ", "  ", "é", "日", "🙂", "<|endoftext|>", "0"])),
        max_size=4,
    ).map("".join)
)
def test_unstable_ends(name: str, text: str):
    if text.endswith(" ") or len(text) > 8:
        return  # thousands of tokens follow a space, which takes seconds
    ours, theirs = both(name)
    ids, sequences = theirs.encode_with_unstable(text, allowed_special="all")
    mine, found = ours.encode_with_unstable(text, allowed_special="all")
    assert mine == ids
    assert sorted(found) == sorted(sequences)


@given(content=st.one_of(st.binary(max_size=12), TEXTS.map(str.encode).map(lambda content: content[:-1])))
def test_bytes_that_are_not_utf8(content: bytes):
    ours, theirs = both("cl100k_base")
    assert ours._encode_bytes(content) == theirs._encode_bytes(content)
    if content:
        assert ours._encode_single_piece(content) == theirs._encode_single_piece(content)


# ── tokens and decoding ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_decoding(name: str, data: st.DataObject):
    ours, theirs = both(name)
    ids = data.draw(st.lists(st.integers(0, ours.n_vocab + 3), max_size=8))
    for call in (
        lambda e: e.decode_bytes(ids),
        lambda e: e.decode(ids),
        lambda e: e.decode(ids, errors="ignore"),
        lambda e: e.decode(ids, "strict"),
        lambda e: e.decode_tokens_bytes(ids),
        lambda e: e.decode_with_offsets(ids),
        lambda e: e.decode_batch([ids, []], errors="strict"),
        lambda e: e.decode_bytes_batch([[], ids]),
        lambda e: [e.is_special_token(token_id) for token_id in ids],
    ):
        assert outcome(lambda call=call: call(ours)) == outcome(lambda call=call: call(theirs))


@given(text=TEXTS)
def test_offsets(text: str):
    ours, theirs = both("o200k_base")
    ids = theirs.encode_ordinary(text)
    assert ours.decode_with_offsets(ids) == theirs.decode_with_offsets(ids)


@pytest.mark.parametrize("name", NAMES)
def test_single_tokens(name: str):
    ours, theirs = both(name)
    for token_id in [*range(0, ours.n_vocab, 97), ours.n_vocab - 1, ours.eot_token]:
        expected = outcome(lambda token_id=token_id: theirs.decode_single_token_bytes(token_id))
        assert outcome(lambda token_id=token_id: ours.decode_single_token_bytes(token_id)) == expected
        if isinstance(expected, bytes):
            assert ours.encode_single_token(expected) == theirs.encode_single_token(expected)
    for token in ("hello", b"hello", "<|endoftext|>", "no such token", b"\xff\xfe\xfd", b"", "é"):
        assert outcome(lambda token=token: ours.encode_single_token(token)) == outcome(
            lambda token=token: theirs.encode_single_token(token)
        )


@pytest.mark.parametrize(
    ("ids", "error"),
    [
        ("x", TypeError),
        (None, TypeError),
        ([1.5], TypeError),
        (["1"], TypeError),
        ([None], TypeError),
        ({1}, TypeError),
        ({1: 2}, TypeError),
        (iter([1]), TypeError),
        ([-1], OverflowError),
        ([1, 2**32], OverflowError),
        ([2**80], OverflowError),
        ([4_000_000_000], KeyError),
    ],
)
def test_ids_that_are_none(ids: Any, error: type[Exception]):
    for encoding in both("r50k_base"):
        with pytest.raises(error):
            encoding.decode(ids)


@pytest.mark.parametrize(
    "ids",
    [(1, 2), range(3), [True, False], np.array([1, 2]), np.array([3], np.uint8), [np.int64(5)], b"ab", []],
    ids=["tuple", "range", "bools", "array", "uint8", "scalars", "bytes", "empty"],
)
def test_ids_of_other_types(ids: Any):
    ours, theirs = both("r50k_base")
    assert ours.decode(ids) == theirs.decode(ids)


# ── encodings of one's own ──────────────────────────────────────────────────────────────────────────────────────────

RANKS = {bytes([byte]): byte for byte in range(256)} | {b"ab": 300, b"abc": 400}


def test_an_encoding_of_ones_own():
    parts = {"pat_str": r"\w+|\W", "mergeable_ranks": RANKS, "special_tokens": {"<x>": 500}}
    ours, theirs = tiktoken.Encoding("mine", **parts), original.Encoding("mine", **parts)
    for text in ("abcab ab", "a<x>b", ""):
        assert ours.encode(text, allowed_special="all") == theirs.encode(text, allowed_special="all")
    assert (ours.n_vocab, ours.max_token_value) == (theirs.n_vocab, theirs.max_token_value) == (501, 500)
    assert outcome(lambda: ours.eot_token) == outcome(lambda: theirs.eot_token)
    again = pickle.loads(pickle.dumps(ours))
    assert (again.name, again.encode("abc")) == ("mine", [400])
    assert pm.Tokenizer.from_tiktoken(ours).encode("abc").tolist() == [400]


def test_the_size_is_checked():
    parts = {"pat_str": ".", "mergeable_ranks": RANKS, "special_tokens": {"<x>": 401}}
    for module in (original, tiktoken):
        with pytest.raises(AssertionError):
            module.Encoding("mine", **parts, explicit_n_vocab=402)


def test_ranks_that_contradict_themselves_are_refused():
    with pytest.raises(pm.VocabularyError, match="300"):
        tiktoken.Encoding("mine", pat_str=".", mergeable_ranks=RANKS | {b"cd": 300}, special_tokens={})
    with pytest.raises(pm.PatternError):
        tiktoken.Encoding("mine", pat_str="(", mergeable_ranks=RANKS, special_tokens={})


def test_pickles_by_name():
    encoding = tiktoken.get_encoding("r50k_base")
    assert len(pickle.dumps(encoding)) < 200
    assert pickle.loads(pickle.dumps(encoding)) is encoding


# ── rank files ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_rank_files(tmp_path: Path):
    path = tmp_path / "r50k_base.tiktoken"
    path.write_bytes(data.vocabulary_bytes("r50k_base"))
    ranks = load.load_tiktoken_bpe(str(path))
    assert ranks == original.load.load_tiktoken_bpe(str(path))
    load.dump_tiktoken_bpe(ranks, str(tmp_path / "again"))
    assert (tmp_path / "again").read_bytes() == path.read_bytes()
    with pytest.raises(ValueError, match="SHA-256"):
        load.load_tiktoken_bpe(str(path), "0" * 64)
    path.write_bytes(b"YQ== 0\nnonsense\n")
    with pytest.raises(ValueError, match="Error parsing line b'nonsense'") as caught:
        load.load_tiktoken_bpe(str(path))
    assert caught.value.line == 2
    with pytest.raises(pm.UnsupportedError, match="downloads nothing"):
        load.load_tiktoken_bpe("https://example.org/x.tiktoken")
