"""Vocabulary files that are broken, cut short, of another kind, or meant to do harm: each ends in a plain error."""

from __future__ import annotations

import base64
import json
import random
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import portmanteau as pm
from references import SPELLED_BYTES, tokenizer_json

pytestmark = pytest.mark.timeout(120)

VOCAB = json.loads(tokenizer_json())["model"]["vocab"]
RANKS = b"".join(base64.b64encode(bytes([byte])) + b" %d\n" % byte for byte in range(256))


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
    return path


def refused(path: Path, kind: type[pm.Error] = pm.Error, **options: Any) -> pm.Error:
    """The error that loading the file ends in, which names the file."""
    with pytest.raises(kind) as raised:
        pm.Tokenizer.load(path, **options)
    assert not isinstance(raised.value, pm.InternalError), raised.value
    assert str(path) in str(raised.value)
    assert raised.value.path == str(path)
    return raised.value


def edited(edit: Callable[[Any], object]) -> str:
    """A good tokenizer.json with something done to it."""
    file = json.loads(tokenizer_json())
    edit(file)
    return json.dumps(file)


# ── what is no tokenizer.json ────────────────────────────────────────────────────────────────────────────────────────

JUNK: dict[str, str | bytes] = {
    "empty": b"",
    "white space": b" \n\n",
    "nul": b"\0" * 1000,
    "noise": random.Random(0).randbytes(10_000),
    "null": "null",
    "number": "1e400",
    "list": "[]",
    "string": '"tokenizer"',
    "no model": "{}",
    "model null": '{"model": null}',
    "model list": '{"model": [{}]}',
    "model text": '{"model": "BPE"}',
    "bom": "\ufeff" + tokenizer_json(),
    "utf-16": tokenizer_json().encode("utf-16"),
    "latin-1": tokenizer_json().encode().replace(b"\\u00e9", b"\xe9").replace(b"{", b"{\xe9", 1),
    "cut short": tokenizer_json()[:-5],
    "cut in half": tokenizer_json()[: len(tokenizer_json()) // 2],
    "two": tokenizer_json() * 2,
    "trailing comma": tokenizer_json()[:-1] + ",}",
    "lone surrogate": tokenizer_json().replace('"abc"', '"\\ud800"'),
    "duplicate id": tokenizer_json().replace('"abc": ', '"abc": 1, "abcd": '),
    "duplicate spelling": tokenizer_json().replace('"abc"', '"ab"'),
    "id twice": tokenizer_json().replace('"abc"', '"ab": 1, "abc"'),
    "sections twice": tokenizer_json()[:-1] + ', "model": {}}',
    "nan": tokenizer_json().replace('"abc": 265', '"abc": NaN'),
}


@pytest.mark.parametrize("name", JUNK)
def test_junk(name: str, tmp_path: Path) -> None:
    for file in ("tokenizer.json", "tekken.json"):
        refused(write(tmp_path / file, JUNK[name]), pm.VocabularyError)


@pytest.mark.parametrize(
    "unit", ["[", '{"a":', '{"model":', '{"added_tokens":[', '{"pre_tokenizer":{"pretokenizers":[']
)
def test_deep_nesting(unit: str, tmp_path: Path) -> None:
    for content in (unit * (20_000_000 // len(unit)), f'{{"model": {{"vocab": {unit * 100_000}'):
        refused(write(tmp_path / "tokenizer.json", content), pm.VocabularyError)


@pytest.mark.parametrize("depth", [5, 40, 100, 100_000])
def test_pre_tokenizers_within_pre_tokenizers(depth: int, tmp_path: Path) -> None:
    inner = json.dumps(json.loads(tokenizer_json())["pre_tokenizer"])
    nested = '{"type":"Sequence","pretokenizers":[' * depth + inner + "]}" * depth
    path = write(tmp_path / "tokenizer.json", tokenizer_json(pre_tokenizer="HERE").replace('"HERE"', nested))
    if depth <= 40:
        assert pm.Tokenizer.load(path).encode("ab").tolist() == [VOCAB["ab"]]
    else:
        refused(path, pm.VocabularyError)


WRONG_IDS = [-1, 2**24, 2**31, 4_000_000_000, 2**32, 2**64, 1.0, 1.5, "7", None, True, [1], {}]


@pytest.mark.parametrize("token_id", WRONG_IDS, ids=repr)
def test_ids_out_of_range_or_of_another_type(token_id: Any, tmp_path: Path) -> None:
    def model(file: Any) -> None:
        file["model"]["vocab"]["abc"] = token_id

    def added(file: Any) -> None:
        file["added_tokens"] = [{"id": token_id, "content": "<x>", "special": True}]

    def byte(file: Any) -> None:
        file["model"]["vocab"]["a"] = token_id

    for edit in (model, added, byte):
        refused(write(tmp_path / "tokenizer.json", edited(edit)), pm.VocabularyError)
    for spelled in ("1e400", "1e5", "0x10", "00", "9" * 10_000):
        content = tokenizer_json().replace('"abc": 265', f'"abc": {spelled}')
        refused(write(tmp_path / "tokenizer.json", content), pm.VocabularyError)


@pytest.mark.parametrize(
    "value", [None, 1, -1.5, "x", [], {}, [[]], [1], [None], {"type": 1}, {"type": "?"}, True], ids=repr
)
def test_sections_of_another_type(value: Any, tmp_path: Path) -> None:
    """Whatever a section holds, loading ends in a tokenizer or in an error of ours."""
    file = json.loads(tokenizer_json())
    paths: list[tuple[Any, ...]] = [(key,) for key in file] + [("model", key) for key in file["model"]]
    paths += [("pre_tokenizer", key) for key in file["pre_tokenizer"]]
    paths += [
        ("model", key) for key in ("dropout", "unk_token", "fuse_unk", "byte_fallback", "ignore_merges")
    ]
    paths += [("model", key) for key in ("continuing_subword_prefix", "end_of_word_suffix")]
    errors: list[pm.Error] = []
    for path in paths:

        def edit(file: Any, path: tuple[Any, ...] = path) -> None:
            for key in path[:-1]:
                file = file[key]
            file[path[-1]] = value

        try:
            pm.Tokenizer.load(write(tmp_path / "tokenizer.json", edited(edit))).encode("ab 12")
        except pm.InternalError:
            raise
        except pm.Error as error:
            errors.append(error)
    assert errors
    assert all(isinstance(error, pm.EncodingError) or str(tmp_path) in str(error) for error in errors)


# ── files that contradict themselves ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("merges", "says"),
    [
        ([["a", "zz"]], '"zz"'),
        ([["a", "日"]], '"日"'),
        ([["a", "c"]], '"ac"'),
        (["a b c"], "merge 0"),
        (["ab"], "merge 0"),
        ([""], "merge 0"),
        ([" "], "merge 0"),
        ([["a", "b", "c"]], ""),
        ([["a"]], ""),
        ([1], ""),
        ([None], ""),
        ("a b", ""),
        ({"a": "b"}, ""),
    ],
)
def test_merges_that_make_no_sense(merges: Any, says: str, tmp_path: Path) -> None:
    path = write(tmp_path / "tokenizer.json", edited(lambda file: file["model"].update(merges=merges)))
    assert says in str(refused(path, pm.VocabularyError))


@pytest.mark.parametrize(
    "added",
    [
        [{"id": 266, "content": ""}],
        [{"id": 266, "content": "<x>"}, {"id": 266, "content": "<y>"}],
        [{"id": 266, "content": "<x>"}, {"id": 267, "content": "<x>"}],
        [{"id": 5, "content": "<x>"}],
        [{"id": 1000, "content": "<x>"}],
        [{"content": "<x>"}],
        [{"id": 266}],
        ["<x>"],
        [{"id": 266, "content": ["<x>"]}],
        [{"id": 266, "content": "<x>", "special": "yes"}],
        {"<x>": 266},
    ],
    ids=repr,
)
def test_added_tokens_that_make_no_sense(added: Any, tmp_path: Path) -> None:
    refused(write(tmp_path / "tokenizer.json", tokenizer_json(added_tokens=added)), pm.VocabularyError)


# ── tokenizers of other kinds ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"model": {"type": "WordPiece"}}, "WordPiece"),
        ({"model": {"type": "Unigram"}}, "Unigram"),
        ({"model": {"type": "WordLevel"}}, "WordLevel"),
        ({"model": {"byte_fallback": True}}, "byte_fallback"),
        ({"model": {"dropout": 0.1}}, "dropout"),
        ({"model": {"continuing_subword_prefix": "##"}}, "continuing_subword_prefix"),
        ({"model": {"end_of_word_suffix": "</w>"}}, "end_of_word_suffix"),
        (
            {"pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"}},
            "Metaspace",
        ),
        ({"pre_tokenizer": {"type": "BertPreTokenizer"}}, "BertPreTokenizer"),
        ({"pre_tokenizer": {"type": "Whitespace"}}, "Whitespace"),
        ({"pre_tokenizer": None}, "ByteLevel"),
        ({"normalizer": {"type": "Lowercase"}}, "Lowercase"),
        ({"normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}}, "Replace"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_kinds_are_named(parts: Any, says: str, tmp_path: Path) -> None:
    path = write(tmp_path / "tokenizer.json", tokenizer_json(**parts))
    assert says in str(refused(path, pm.UnsupportedError))


def test_wordpiece_as_published(tmp_path: Path) -> None:
    model = {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "vocab": {"[UNK]": 0},
    }
    path = write(tmp_path / "tokenizer.json", json.dumps({"version": "1.0", "model": model}))
    assert "WordPiece" in str(refused(path, pm.UnsupportedError))
    model = {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["▁", -2.0]]}
    path = write(tmp_path / "tokenizer.json", json.dumps({"version": "1.0", "model": model}))
    assert "Unigram" in str(refused(path, pm.UnsupportedError))


def test_sentencepiece_model(tmp_path: Path) -> None:
    refused(
        write(tmp_path / "tokenizer.model", b"\n\x0e\n\x05<unk>\x15\0\0\0\0\x18\x02\n\x0c\n\x03<s>"),
        pm.VocabularyError,
    )


@pytest.mark.parametrize("pattern", ["(", "[", r"\p{Nope}", r"\q{", "(?<=a+)b(", "*", r"\1", r"\w{99999}"])
def test_patterns_that_do_not_compile(pattern: str, tmp_path: Path) -> None:
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    steps = {"type": "Sequence", "pretokenizers": [split, json.loads(tokenizer_json())["pre_tokenizer"]]}
    path = write(tmp_path / "tokenizer.json", tokenizer_json(pre_tokenizer=steps))
    refused(path, pm.PatternError)
    refused(write(tmp_path / "bytes.tiktoken", RANKS), pm.PatternError, pretokenizer=pattern)


# ── rank files, vocab.json and merges.txt ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", None),
        (b"\n\n", None),
        (RANKS[:100], None),
        (RANKS[:-3] + b"\n", None),
        (RANKS + b"!!!! 256\n", 257),
        (RANKS + b"YWI= 256 1\n", 257),
        (RANKS + b"YWI=\n", 257),
        (RANKS + b"YWI= -1\n", 257),
        (RANKS + b"YWI= 1.5\n", 257),
        (RANKS + b"YWI= 4294967296\n", 257),
        (RANKS + b"YWI= 4294967295\n", None),
        (RANKS + b"YWI= 255\n", None),
        (RANKS + b"YQ== 256\n", None),
        (RANKS + b" 256\n", None),
        (RANKS.replace(b" ", b"\t"), 1),
        (RANKS.decode().encode("utf-16"), 1),
        (b"\xef\xbb\xbf" + RANKS, 1),
        (b"\0" * 100, 1),
        (tokenizer_json().encode(), 1),
    ],
    ids=range(19),
)
def test_rank_files(content: bytes, line: int | None, tmp_path: Path) -> None:
    error = refused(write(tmp_path / "x.tiktoken", content), pm.VocabularyError, pretokenizer="o200k")
    assert error.line == line


def test_rank_files_need_a_pretokenizer(tmp_path: Path) -> None:
    path = write(tmp_path / "x.tiktoken", RANKS)
    assert "o200k" in str(refused(path, pm.VocabularyError))
    assert "there are r50k" in str(refused(path, pm.PatternError, pretokenizer="gpt5"))
    refused(path, pm.VocabularyError, pretokenizer="o200k", special_tokens=["<x>"])
    refused(path, pm.VocabularyError, pretokenizer="o200k", special_tokens={"<x>": 3})
    windows = write(tmp_path / "windows.model", RANKS.replace(b"\n", b"\r\n"))
    assert pm.Tokenizer.load(windows, pretokenizer="o200k").encode("ab").tolist() == [97, 98]


@pytest.mark.parametrize(
    ("vocab", "merges"),
    [
        ("", ""),
        ("[]", ""),
        ("{}", "a b"),
        ('{"a": 0, "b": 1}', "a b"),
        ('{"a": 0, "b": 1, "ab": 2}', "a b c"),
        ('{"a": 0, "b": 1, "ab": 2}', "ab"),
        ('{"a": 0, "b": 1, "ab": 2}', b"a b\n\xff \xfe"),
        ('{"a": 0, "b": 1, "ab": 2}', "a b".encode("utf-16")),
        ('{"a": 0, "b": 0}', ""),
        ('{"a": 0, "a": 1}', ""),
        ('{"a": "0"}', ""),
        ('{"a": {"a": {"a": 1}}}', ""),
        ('{"a":' * 1_000_000, ""),
        ('{"a": 0', ""),
    ],
)
def test_vocab_json_and_merges_txt(vocab: str, merges: str | bytes, tmp_path: Path) -> None:
    write(tmp_path / "merges.txt", merges)
    refused(write(tmp_path / "vocab.json", vocab), pm.VocabularyError)


def test_the_other_file_is_missing(tmp_path: Path) -> None:
    write(tmp_path / "vocab.json", json.dumps(VOCAB))
    with pytest.raises(pm.FileError, match=r"merges\.txt"):
        pm.Tokenizer.load(tmp_path / "vocab.json")


def test_superwords_need_their_pretokenizer(tmp_path: Path) -> None:
    spelled = [*SPELLED_BYTES, "Ġb", "aĠb"]
    write(tmp_path / "vocab.json", json.dumps({token: index for index, token in enumerate(spelled)}))
    write(tmp_path / "merges.txt", "#version: 0.2\nĠ b\na Ġb\n")
    assert "superbpe_stage2" in str(refused(tmp_path / "vocab.json", pm.VocabularyError))
    superwords = pm.Tokenizer.load(tmp_path, pretokenizer="superbpe_stage2")
    assert superwords.encode("a b").tolist() == [257]


def test_what_is_no_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.json", tmp_path / "no" / "tokenizer.json"):
        refused(path, pm.FileError)
    (tmp_path / "tokenizer.json").mkdir()
    refused(tmp_path / "tokenizer.json", pm.FileError)
    with pytest.raises(pm.FileError, match="no bundled vocabulary of that name; there are r50k_base"):
        pm.Tokenizer.load("gpt9")
    for name in ("", "\0", "a" * 10_000):
        with pytest.raises(pm.Error):
            pm.Tokenizer.load(name)
    for source in (None, 7, b"r50k_base"):
        with pytest.raises(TypeError):
            pm.Tokenizer.load(source)  # type: ignore[arg-type]


# ── mutations of good files ──────────────────────────────────────────────────────────────────────────────────────────


def mutated(content: bytes, source: random.Random) -> bytes:
    mutant = bytearray(content)
    for _ in range(source.choice([1, 1, 1, 2, 5])):
        place = source.randrange(len(mutant))
        match source.randrange(6):
            case 0:
                mutant[place] ^= 1 << source.randrange(8)
            case 1:
                mutant[place] = source.choice(b'{}[]",:0129-e\\\n \0\xff')
            case 2:
                del mutant[place : place + source.randrange(1, 30)]
            case 3:
                mutant[place:place] = mutant[place : place + source.randrange(1, 30)]
            case 4:
                del mutant[place:]
            case 5:
                mutant[place:place] = source.choice(
                    [b"99999999999", b"-", b"1e9", b'"', b"null", b"\\u0000", b"\xc3"]
                )
        if not mutant:
            break
    return bytes(mutant)


SPECIAL = [
    {"id": 266, "content": "<x>", "special": True},
    {"id": 267, "content": "日", "normalized": True, "lstrip": True},
]
SPLIT = {
    "type": "Split",
    "pattern": {"Regex": r"\p{L}+|\s+(?!\S)|\s+"},
    "behavior": "Isolated",
    "invert": False,
}
SEQUENCE = {"type": "Sequence", "pretokenizers": [SPLIT, json.loads(tokenizer_json())["pre_tokenizer"]]}


TEKKEN = {
    "config": {
        "pattern": SPLIT["pattern"]["Regex"],  # type: ignore[index]
        "default_vocab_size": 260,
        "default_num_special_tokens": 3,
        "version": "v11",
    },
    "vocab": [
        {"rank": rank, "token_bytes": base64.b64encode(token).decode()}
        for rank, token in enumerate([*(bytes([byte]) for byte in range(256)), b"ab", b"abab"])
    ],
    "special_tokens": [{"rank": 0, "token_str": "<x>", "is_control": True}],
}


@pytest.mark.parametrize("kind", ["tokenizer.json", "tekken.json", "x.tiktoken", "vocab.json", "merges.txt"])
def test_mutants(kind: str, tmp_path: Path) -> None:
    """A mutant loads or is refused; a tokenizer that came out of it encodes and decodes or says why not."""
    good = {
        "tokenizer.json": tokenizer_json(
            added_tokens=SPECIAL, pre_tokenizer=SEQUENCE, normalizer={"type": "NFC"}
        ).encode(),
        "tekken.json": json.dumps(TEKKEN).encode(),
        "x.tiktoken": RANKS + b"YWI= 256\nYWJj 257\n",
        "vocab.json": json.dumps(VOCAB).encode(),
        "merges.txt": b"#version: 0.2\na b\nab ab\n1 2\n",
    }
    for name in ("vocab.json", "merges.txt"):
        write(tmp_path / name, good[name])
    source = random.Random(kind)
    n_refused = 0
    options = {} if kind in ("tokenizer.json", "tekken.json") else {"pretokenizer": "o200k"}
    for _ in range(1500):
        path = write(tmp_path / kind, mutated(good[kind], source))
        try:
            tokenizer = pm.Tokenizer.load(path, **options)
            ids = tokenizer.encode("ab abab 12 日 <x> é \n", special="parse")
            tokenizer.decode(ids)
            tokenizer.save(tmp_path / "saved.json")
        except pm.InternalError:
            raise
        except pm.Error:
            n_refused += 1
    assert n_refused > 100


def test_a_file_cannot_make_us_allocate_without_bound(tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    vocab = VOCAB | {"zzzz": 2**24 - 1}
    path = write(tmp_path / "tokenizer.json", edited(lambda file: file["model"].update(vocab=vocab)))
    assert pm.Tokenizer.load(path).vocab_size == 2**24
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 700_000, f"{grown} KiB"
