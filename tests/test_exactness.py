"""Ids equal those of tiktoken and of Hugging Face `tokenizers`, document for document and character for character."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tiktoken
import tokenizers
from hypothesis import example, given
from hypothesis import strategies as st

import portmanteau as pm
from references import ALL, HUGGING_FACE, OPENAI, TEXTS, Encode, as_data, references, tokenizer_json

CORPORA = ("english", "code", "multilingual", "parallel_udhr")
SAMPLED = 40


@pytest.fixture(autouse=True)
def shared_vocabularies(request: pytest.FixtureRequest) -> None:
    """Leave out the vocabularies that do not ship with the repository, where they are missing."""
    callspec = getattr(request.node, "callspec", None)
    if callspec is not None and callspec.params.get("name") in HUGGING_FACE:
        request.getfixturevalue("shared_dir")


def assert_equal(ours: pm.Tokenizer, reference: Encode, text: str) -> None:
    ids = ours.encode(text).tolist()
    assert ids == reference(text), text
    assert ours.count(text) == len(ids)


# ── documents ────────────────────────────────────────────────────────────────────────────────────────────────────────


def differing(name: str, documents: Iterator[dict[str, str]]) -> tuple[int, list[str]]:
    """How many documents were compared, and which ids differ."""
    ours, reference = references(name)
    n_compared, different = 0, []
    for document in documents:
        n_compared += 1
        text = document["text"]
        ids = ours.encode(text)
        if ids.tolist() != reference(text) or (name != "qwen2" and ours.decode(ids) != text):
            different.append(document["id"])
    return n_compared, different


@pytest.mark.parametrize("name", ALL)
def test_a_sample_of_the_corpus(name: str, corpus: Callable[[str], Iterator[dict[str, str]]]) -> None:
    sample = (
        document
        for part in CORPORA
        for index, document in enumerate(corpus(part))
        if index % SAMPLED == 0 and len(document["text"]) < 1_000_000
    )
    n_compared, different = differing(name, sample)
    assert n_compared > 100
    assert not different


@pytest.mark.full
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("part", CORPORA)
@pytest.mark.parametrize("name", ALL)
def test_the_whole_corpus(name: str, part: str, corpus: Callable[[str], Iterator[dict[str, str]]]) -> None:
    n_compared, different = differing(name, corpus(part))
    assert n_compared > 100
    assert not different


# ── strings ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ALL)
@given(text=TEXTS)
def test_strings_of_all_kinds(name: str, text: str) -> None:
    assert_equal(*references(name), text)


def in_contexts(code_point: int) -> str:
    """A character between letters, alone, after digits, after an apostrophe, before a newline."""
    character = chr(code_point)
    return f"a{character}b {character} 1{character}2'{character} A{character}{character}\n"


def sweep(name: str, code_points: list[int]) -> None:
    ours, reference = references(name)
    for start in range(0, len(code_points), 64):
        block = code_points[start : start + 64]
        together = "".join(map(in_contexts, block))
        if ours.encode(together).tolist() != reference(together):
            for code_point in block:
                assert_equal(ours, reference, in_contexts(code_point))
            pytest.fail(f"differs in U+{block[0]:04X} … U+{block[-1]:04X}")


@pytest.mark.parametrize("name", ALL)
def test_assigned_characters_in_context(name: str) -> None:
    """One in ten, and all of what is neither letter nor ideograph nor unassigned: there the categories differ."""
    plain = {"Lo", "Cn", "Co", "Cs", "So"}
    characters = [c for c in range(0x110000) if unicodedata.category(chr(c)) not in plain]
    assert len(characters) > 8_000
    rest = [c for c in range(0, 0x32000, 10) if not 0xD800 <= c < 0xE000]
    sweep(name, characters[::3] + rest)


@pytest.mark.full
@pytest.mark.parametrize("name", ALL)
def test_every_character_in_context(name: str) -> None:
    sweep(name, [c for c in range(0x110000) if not 0xD800 <= c < 0xE000])


# ── random tokenizer.json files ──────────────────────────────────────────────────────────────────────────────────────


def ours_and_theirs(file: str, special: str = "text") -> tuple[Encode, Encode]:
    theirs = tokenizers.Tokenizer.from_str(file)
    theirs.encode_special_tokens = special == "text"
    ours = pm.Tokenizer.from_huggingface(theirs)
    return (
        lambda text: ours.encode(text, special=special).tolist(),
        lambda text: theirs.encode(text, add_special_tokens=False).ids,
    )


SMALL_TEXTS = st.lists(
    st.sampled_from(
        [
            "a",
            "b",
            "ab",
            "abc",
            " ",
            "  ",
            "\n",
            "-",
            "--",
            "1",
            "12",
            "½",
            "é",
            "e\u0301",
            "ﬁ",
            "A",
            "_",
            "<x>",
            "日",
            ",",
        ]
    ),
    max_size=16,
).map("".join)


FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


def added_token(token_id: int, content: str, **flags: bool) -> dict[str, Any]:
    return {"id": token_id, "content": content} | dict.fromkeys(FLAGS, False) | flags


@st.composite
def added_tokens(draw: st.DrawFn) -> list[dict[str, Any]]:
    pieces = ["a", "b", "<x>", "<", " ", "é", "e\u0301", "ab", "-", "1", "_", "ﬁ", "\n"]
    contents = draw(
        st.lists(
            st.lists(st.sampled_from(pieces), min_size=1, max_size=3).map("".join),
            max_size=5,
            unique=True,
        )
    )
    known = json.loads(tokenizer_json())["model"]["vocab"]
    # Spellings of the vocabulary would be read as such: "é" as the byte 0xE9.
    contents = [content for content in contents if content not in known]
    return [
        added_token(len(known) + index, content, **{flag: draw(st.booleans()) for flag in FLAGS})
        for index, content in enumerate(contents)
    ]


NORMALIZERS = st.sampled_from([None, *({"type": form} for form in ("NFC", "NFD", "NFKC", "NFKD"))])


@given(
    added=added_tokens(), normalizer=NORMALIZERS, special=st.sampled_from(["text", "parse"]), text=SMALL_TEXTS
)
@example(
    added=[added_token(266, "aa", rstrip=True), added_token(267, "\n", lstrip=True)],
    normalizer=None,
    special="text",
    text="aa\n",
)
def test_added_tokens(added: list[dict[str, Any]], normalizer: Any, special: str, text: str) -> None:
    ours, theirs = ours_and_theirs(tokenizer_json(added_tokens=added, normalizer=normalizer), special)
    assert ours(text) == theirs(text)


@st.composite
def pre_tokenizers(draw: st.DrawFn) -> dict[str, Any]:
    patterns = [
        {"String": "-"},
        {"String": "ab"},
        {"Regex": r"\s+(?!\S)|\s+"},
        {"Regex": r"\p{N}{1,3}"},
        {"Regex": r" ?\p{L}+"},
    ]
    patterns += [
        {"Regex": r"(?=(\d{3})+(?!\d))"},
        {"Regex": "a|b"},
        {"Regex": r"(?<=a)b"},
        {"Regex": r"[^\r\n\p{L}\p{N}]?\p{L}+$"},
    ]
    behaviors = ["Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
    steps: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(0, 3))):
        if draw(st.integers(0, 3)) == 0:
            steps.append({"type": "Digits", "individual_digits": draw(st.booleans())})
        else:
            split = {"pattern": draw(st.sampled_from(patterns)), "behavior": draw(st.sampled_from(behaviors))}
            steps.append({"type": "Split", "invert": draw(st.booleans()), **split})
    flags = {flag: draw(st.booleans()) for flag in ("add_prefix_space", "trim_offsets", "use_regex")}
    steps.append({"type": "ByteLevel", **flags})
    return {"type": "Sequence", "pretokenizers": steps}


@given(pre_tokenizer=pre_tokenizers(), normalizer=NORMALIZERS, text=SMALL_TEXTS, ignore_merges=st.booleans())
def test_pre_tokenizers(pre_tokenizer: Any, normalizer: Any, text: str, ignore_merges: bool) -> None:
    model = {"ignore_merges": ignore_merges}
    file = tokenizer_json(pre_tokenizer=pre_tokenizer, normalizer=normalizer, model=model)
    ours, theirs = ours_and_theirs(file)
    assert ours(text) == theirs(text)


@given(text=SMALL_TEXTS, fuse=st.booleans(), missing=st.sets(st.sampled_from("ab1-Ġ©"), min_size=1))
def test_bytes_that_the_vocabulary_lacks(text: str, fuse: bool, missing: set[str]) -> None:
    file = json.loads(tokenizer_json(model={"unk_token": "<unk>", "fuse_unk": fuse}))
    vocab = {s: i for s, i in file["model"]["vocab"].items() if not missing & set(s)} | {"<unk>": 9000}
    file["model"] |= {
        "vocab": vocab,
        "merges": [pair for pair in file["model"]["merges"] if not missing & set("".join(pair))],
    }
    ours, theirs = ours_and_theirs(json.dumps(file))
    assert ours(text) == theirs(text)


DEEPSEEK = {
    "type": "Sequence",
    "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
        for pattern in (
            r"\p{N}{1,3}",
            r"[一-龥぀-ゟ゠-ヿ]+",
            r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"""
            r""" ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+""",
        )
    ]
    + [{"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}],
}


@given(text=TEXTS)
def test_three_splits_one_after_the_other(text: str) -> None:
    file = tokenizers.Tokenizer.from_str(tokenizer_json(pre_tokenizer=DEEPSEEK))
    pieces = [text[start:end] for _, (start, end) in file.pre_tokenizer.pre_tokenize_str(text)]
    assert pm.Tokenizer.from_huggingface(file).pretokens(text) == pieces


# ── normalization ────────────────────────────────────────────────────────────────────────────────────────────────────


@cache
def normalizing(form: str) -> tuple[pm.Tokenizer, Any]:
    ours = pm.Tokenizer.from_huggingface(
        tokenizers.Tokenizer.from_str(tokenizer_json(normalizer={"type": form}))
    )
    return ours, getattr(tokenizers.normalizers, form)()


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_every_character_is_normalized_alike(form: str) -> None:
    ours, theirs = normalizing(form)
    characters = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    for start in range(0, len(characters), 512):
        block = characters[start : start + 512]
        # Alone, and among combining marks of several classes, which it may compose with or be reordered among.
        for text in ("\n".join(block), "\n".join(f"a\u0301{c}\u0323{c}\u0327\u05b0{c}" for c in block)):
            if ours.decode(ours.encode(text)) != theirs.normalize_str(text):
                for line in text.split("\n"):
                    assert ours.decode(ours.encode(line)) == theirs.normalize_str(line)
                pytest.fail(f"differs from U+{start:04X} on")


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
@given(text=TEXTS)
def test_texts_are_normalized_alike(form: str, text: str) -> None:
    ours, theirs = normalizing(form)
    assert ours.decode(ours.encode(text)) == theirs.normalize_str(text)


# ── live tokenizers, and files written ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", OPENAI)
@given(text=TEXTS, parsed=st.booleans())
def test_special_tokens_of_tiktoken(name: str, text: str, parsed: bool) -> None:
    ours, _ = references(name)
    encoding = tiktoken.get_encoding(name)
    assert ours.special_tokens == encoding._special_tokens
    if parsed:
        assert ours.encode(text, special="parse").tolist() == encoding.encode(text, allowed_special="all")
        some = {"<|endoftext|>"}
        expected = encoding.encode(text, allowed_special=some, disallowed_special=())
        assert ours.encode(text, special=some).tolist() == expected


@given(
    text=SMALL_TEXTS,
    tokens=st.lists(
        st.sampled_from([b"ab", b"ba", b"aba", b"abab", b" a", b"  ", b"\xc3\xa9", b"12", b"abc"]),
        unique=True,
    ),
    pattern=st.sampled_from([r"\p{L}+|\s+$|\s+(?!\S)|\s|.", r"[^\n]+|\n", "a++b|(?s:.)", r"^a|\w+|\W+"]),
)
def test_live_encodings(text: str, tokens: list[bytes], pattern: str) -> None:
    ranks = {token: rank for rank, token in enumerate([bytes([byte]) for byte in range(256)] + tokens)}
    encoding = tiktoken.Encoding("tiny", pat_str=pattern, mergeable_ranks=ranks, special_tokens={"<x>": 1000})
    ours = pm.Tokenizer.from_tiktoken(encoding)
    assert ours.encode(text, special="parse").tolist() == encoding.encode(text, allowed_special="all")


@pytest.fixture(scope="module")
def sample(corpus: Callable[[str], Iterator[dict[str, str]]]) -> list[str]:
    texts = [d["text"] for part in CORPORA for i, d in enumerate(corpus(part)) if i % 400 == 7]
    return [text[:20_000] for text in texts] + ["", "'\u017f \u0085\r x  \n  ", "  1234567  \n\n ½"]


@pytest.mark.parametrize("name", ALL)
def test_what_is_saved_gives_the_same_ids(name: str, sample: list[str], tmp_path: Path) -> None:
    ours, reference = references(name)
    ours.save(tmp_path / "tokenizer.json")
    again = pm.Tokenizer.load(tmp_path / "tokenizer.json")
    theirs = as_data(tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json")))
    for text in sample:
        expected = reference(text)
        assert again.encode(text).tolist() == expected
        assert theirs(text) == expected
    assert again.special_tokens == ours.special_tokens
    assert again.vocab_size == ours.vocab_size


@pytest.mark.parametrize("name", OPENAI)
def test_a_rank_file_is_saved_byte_for_byte(name: str, tmp_path: Path) -> None:
    from portmanteau import data

    pm.Tokenizer.load(name).save(tmp_path / "copy.tiktoken")
    assert (tmp_path / "copy.tiktoken").read_bytes() == data.vocabulary_bytes(name)
    assert pm.Tokenizer.load(tmp_path / "copy.tiktoken") == pm.Tokenizer.load(name)


@pytest.mark.parametrize("name", ["superbpe-t180k", "superbpe-t80k"])
def test_the_published_superbpe_files(name: str, shared_dir: Path, sample: list[str]) -> None:
    folder = shared_dir / "vocabs" / name
    ours = pm.Tokenizer.load(folder / "vocab.json", pretokenizer="superbpe_stage2")
    for text in sample:
        assert ours.decode(ours.encode(text)) == text
        if name == "superbpe-t180k":
            assert ours.encode(text).tolist() == references(name)[1](text)


def test_the_rank_files_of_qwen_and_llama(shared_dir: Path, sample: list[str]) -> None:
    for path, name in (("qwen2/qwen.tiktoken", "qwen2"), ("llama3/tokenizer.model", "llama3")):
        ours, reference = references(name)
        pattern = ours.pretokenizer
        assert pattern is not None
        ranks = pm.Tokenizer.load(shared_dir / "vocabs" / path, pretokenizer=pattern)
        for text in sample:
            normal = unicodedata.normalize("NFC", text) if name == "qwen2" else text
            if unicodedata.is_normalized("NFC", text):
                assert ranks.encode(normal).tolist() == reference(text)
