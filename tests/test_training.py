"""Training equals the naive oracle and Hugging Face's trainer, whatever the threads, the files and their formats."""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

import portmanteau as pm
from portmanteau import reading
from references import huggingface_train

REPOSITORY = Path(__file__).parents[1]
REGEXES = {name: regex for name, _, regex in pm._rust.named_pretokenizers()}


# ── the oracle ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Oracle:
    """The naive trainer of rust/testkit, as a process that answers one request a line."""

    def __init__(self):
        build = ["cargo", "build", "--quiet", "-p", "portmanteau-testkit", "--bin", "oracle"]
        subprocess.run(build, cwd=REPOSITORY, check=True)
        target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
        program = target / "debug" / ("oracle.exe" if os.name == "nt" else "oracle")
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer

    def train(self, units, superword_units=(), **options):
        """The tokens (bytes by id) and merges of counted units."""
        units = [(unit.encode().decode("latin-1"), count) for unit, count in units]
        superword_units = [(unit.encode().decode("latin-1"), count) for unit, count in superword_units]
        answer = self.ask(op="train", units=units, superword_units=superword_units, options=options)
        return [token.encode("latin-1") for token in answer["tokens"]], answer["merges"]


@pytest.fixture(scope="session")
def oracle():
    try:
        oracle = Oracle()
    except FileNotFoundError:
        pytest.skip("cargo is needed to build the oracle")
    yield oracle
    oracle.process.stdin.close()
    oracle.process.wait(10)
    oracle.process.stdout.close()


def tokens_of(tok):
    return [tok.token_bytes(token_id) for token_id in range(tok.vocab_size)]


def units_of(texts, pattern, unit):
    """Counted pretokens, cut by Hugging Face's own splitter."""
    pretokenizer = tokenizers.pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated")
    records = itertools.chain.from_iterable(
        text.splitlines(keepends=True) if unit == "line" else [text] for text in texts
    )
    return Counter(
        word for record in records if record for word, _ in pretokenizer.pre_tokenize_str(record)
    ).items()


texts = st.lists(st.text(st.sampled_from("abc: \n-é"), max_size=60), max_size=8)
quiet = pytest.mark.filterwarnings("ignore:the (vocabulary|first stage):UserWarning")


@quiet
@given(
    texts=texts,
    n_new=st.integers(0, 40),
    min_frequency=st.integers(0, 3),
    max_token_bytes=st.none() | st.integers(1, 6),
    special_tokens=st.sampled_from([[], ["<|end|>"], ["ab", "<|end|>"]]),
    unit=st.sampled_from(["line", "document"]),
)
def test_bpe_equals_the_oracle(oracle, texts, n_new, min_frequency, max_token_bytes, special_tokens, unit):
    pattern = r" ?\w+|[^\w]+"
    common = {
        "vocab_size": 256 + len(special_tokens) + n_new,
        "min_frequency": min_frequency,
        "max_token_bytes": max_token_bytes,
        "special_tokens": special_tokens,
    }
    tok = pm.train_bpe(texts=texts, pretokenizer=pattern, unit=unit, **common)
    tokens, _ = oracle.train(units_of(texts, pattern, unit), **common)
    assert tokens_of(tok) == tokens


@quiet
@given(
    texts=texts,
    n_stage1=st.integers(0, 20),
    n_stage2=st.integers(1, 30),
    max_words_per_token=st.integers(1, 4),
    forbid=st.sampled_from([[], [": "], ["b ", "-"]]),
    unit=st.sampled_from(["line", "document"]),
)
def test_superbpe_equals_the_oracle(oracle, texts, n_stage1, n_stage2, max_words_per_token, forbid, unit):
    stage1, stage2 = r" ?\w+|[^\w]+", r"-+"
    superwords = {
        "transition_size": 256 + n_stage1,
        "max_words_per_token": max_words_per_token,
        "forbid": forbid,
    }
    vocab_size = 256 + n_stage1 + n_stage2
    tok = pm.train_superbpe(
        texts=texts,
        vocab_size=vocab_size,
        pretokenizer=stage1,
        superword_pretokenizer=stage2,
        unit=unit,
        **superwords,
    )
    tokens, merges = oracle.train(
        units_of(texts, stage1, unit),
        units_of(texts, stage2, unit),
        vocab_size=vocab_size,
        superwords=superwords,
    )
    assert tokens_of(tok) == tokens
    for text in texts:
        for word, _ in tokenizers.pre_tokenizers.Split(tokenizers.Regex(stage2), "isolated").pre_tokenize_str(
            text
        ):
            ids = [tokens.index(bytes([byte])) for byte in word.encode()]
            triples = [(left, right, tokens.index(tokens[left] + tokens[right])) for left, right in merges]
            expected = oracle.ask(op="encode", ids=ids, merges=triples)["ids"]
            assert tok.encode(word).tolist() == expected


@pytest.mark.golden("train")
def test_golden(oracle, case):
    units, superword_units, options = case["units"], case.get("superword_units", []), case["options"]
    tokens, _ = oracle.train(units, superword_units, **options)
    assert [token.decode() for token in tokens[-len(case["new_tokens"]) :]] == case["new_tokens"]


# ── Hugging Face ────────────────────────────────────────────────────────────────────────────────────────────────────


def saved(tok, path):
    tok.save(path)
    return json.loads(path.read_text(encoding="utf-8"))


def assert_same_as_huggingface(tok, peer, path, sample):
    ours, theirs = saved(tok, path)["model"], json.loads(peer.to_str())["model"]
    assert [merge.split(" ") for merge in ours["merges"]] == theirs["merges"]
    assert ours["vocab"] == theirs["vocab"]
    loaded = tokenizers.Tokenizer.from_file(str(path))
    for text in sample:
        assert tok.encode(text).tolist() == peer.encode(text).ids == loaded.encode(text).ids


@quiet
@given(
    texts=st.lists(st.text(st.sampled_from("ab c'é1\n"), min_size=1, max_size=40), min_size=1, max_size=6),
    n_new=st.integers(0, 30),
    min_frequency=st.integers(0, 3),
    all_bytes=st.booleans(),
)
def test_bpe_equals_huggingface(tmp_path_factory, texts, n_new, min_frequency, all_bytes):
    regex = REGEXES["r50k"]
    seen = set("".join(texts).encode())
    options = {"vocab_size": (256 if all_bytes else len(seen)) + n_new + 1, "min_frequency": min_frequency}
    tok = pm.train_bpe(
        texts=texts,
        pretokenizer="r50k",
        special_tokens=["<|end|>"],
        unit="document",
        initial_alphabet="all" if all_bytes else "seen",
        **options,
    )
    peer = huggingface_train(texts, regex, special_tokens=["<|end|>"], all_bytes=all_bytes, **options)
    path = tmp_path_factory.mktemp("training") / "tokenizer.json"
    assert_same_as_huggingface(tok, peer, path, texts)


@pytest.fixture(scope="session")
def slices(corpus, tmp_path_factory):
    """Three text files of about 300 KB: prose, code and many languages."""
    folder = tmp_path_factory.mktemp("slices")
    paths = []
    for name in ("english", "code", "multilingual"):
        text = "".join(document["text"] for document in itertools.islice(corpus(name), 5, 400, 2))
        paths.append(folder / f"{name}.txt")
        paths[-1].write_bytes(text[:300_000].encode())
    return paths


@pytest.mark.parametrize("pretokenizer", ["r50k", "cl100k", "o200k"])
def test_files_give_what_huggingface_makes_of_them(slices, tmp_path, pretokenizer):
    regex = REGEXES[pretokenizer]
    tok = pm.train_bpe(slices, vocab_size=3000, pretokenizer=pretokenizer, special_tokens=["<|end|>"])
    peer = huggingface_train(slices, regex, 3000, special_tokens=["<|end|>"])
    sample = [path.read_text(encoding="utf-8") for path in slices]
    assert_same_as_huggingface(tok, peer, tmp_path / "tokenizer.json", sample)


def test_superbpe_loads_in_huggingface(slices, tmp_path):
    tok = pm.train_superbpe(slices, vocab_size=3000, transition_size=2000)
    superwords = [token for token in tokens_of(tok)[2000:] if len(token.split()) > 1]
    assert len(superwords) > 50
    assert not any(
        b": " in token or len(list(filter(None, token.split(b" ")))) > 4 for token in tokens_of(tok)[2000:]
    )
    tok.save(tmp_path / "tokenizer.json")
    loaded = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for path in slices:
        text = path.read_text(encoding="utf-8")
        assert tok.encode(text).tolist() == loaded.encode(text).ids
        assert tok.decode(tok.encode(text)) == text


def test_the_number_of_threads_changes_nothing(slices):
    fingerprints = set()
    for threads in (1, 2, 8):
        tok = pm.train_superbpe(
            slices, vocab_size=1500, transition_size=1000, threads=threads, special_tokens=["<s>"]
        )
        fingerprints.add(tok.fingerprint)
    assert len(fingerprints) == 1


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────

DOCUMENTS = ["by the way\nby the by\n", "off we go, off we went\n", "ünïcödé\r\n\n  x = 1\n"] * 40


def zstd(data):
    return pa.Codec("zstd").compress(data, asbytes=True)


JSON_LINES = "".join(json.dumps({"id": 1, "text": text}) + "\n\n" for text in DOCUMENTS).encode()
TEXT = "".join(DOCUMENTS).encode()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", TEXT),
        ("a.TXT.gz", gzip.compress(TEXT)),
        ("a", TEXT),
        ("a.zst", zstd(TEXT)),
        ("a.jsonl", JSON_LINES),
        ("a.ndjson", JSON_LINES.replace(b"\\u00fc", "ü".encode())),
        ("a.json.bz2", bz2.compress(JSON_LINES)),
        ("a.b.jsonl.gz", gzip.compress(JSON_LINES[:500]) + gzip.compress(JSON_LINES[500:])),
        ("a.jsonl.zst", zstd(JSON_LINES)),
    ],
)
def test_every_format_gives_the_same_tokenizer(tmp_path, monkeypatch, name, content):
    expected = pm.train_bpe(texts=DOCUMENTS, vocab_size=275, pretokenizer="r50k").fingerprint
    (tmp_path / name).write_bytes(content)
    assert pm.train_bpe(tmp_path / name, vocab_size=275, pretokenizer="r50k").fingerprint == expected
    monkeypatch.setattr(reading, "BATCH_BYTES", 64)
    monkeypatch.setattr(reading, "BATCH_DOCUMENTS", 3)
    assert pm.train_bpe([str(tmp_path / "*")], vocab_size=275, pretokenizer="r50k").fingerprint == expected


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
)
def test_parquet_and_arrow_columns(tmp_path, kind):
    expected = pm.train_bpe(texts=DOCUMENTS, vocab_size=275, pretokenizer="r50k", unit="document").fingerprint
    options = {"vocab_size": 275, "pretokenizer": "r50k", "unit": "document"}
    if not pa.types.is_dictionary(kind):
        column = pa.chunked_array(
            [pa.array(DOCUMENTS[:7], kind), pa.array([], kind), pa.array(DOCUMENTS[7:], kind)]
        )
        assert pm.train_bpe(texts=column, **options).fingerprint == expected
        assert pm.train_bpe(texts=pa.array(["x", *DOCUMENTS], kind)[1:], **options).fingerprint == expected
    if not pa.types.is_string_view(kind):
        table = pa.table({"id": range(len(DOCUMENTS)), "content": pa.array(DOCUMENTS).cast(kind)})
        pq.write_table(table, tmp_path / "a.parquet", row_group_size=11)
        assert pm.train_bpe(tmp_path / "a.parquet", text_column="content", **options).fingerprint == expected


def test_iterables_of_str_and_bytes():
    expected = pm.train_bpe(texts=DOCUMENTS, vocab_size=275).fingerprint
    assert pm.train_bpe(texts=(text for text in DOCUMENTS), vocab_size=275).fingerprint == expected
    assert pm.train_bpe(texts=[text.encode() for text in DOCUMENTS], vocab_size=275).fingerprint == expected


def test_whole_text_files_are_documents(tmp_path):
    (tmp_path / "a.txt").write_bytes(TEXT)
    assert list(reading.documents(tmp_path / "a.txt")) == [[TEXT.decode()]]
    (tmp_path / "empty.jsonl").write_bytes(b"")
    assert list(reading.documents(tmp_path / "empty.jsonl")) == []


def test_patterns_expand_in_order(tmp_path):
    (tmp_path / "x" / "y").mkdir(parents=True)
    for name in ("b.txt", "a.txt", "x/y/c.txt", "[d].txt"):
        (tmp_path / name).write_text(name)
    found = reading.expand([tmp_path / "**" / "*.txt", tmp_path / "[d].txt"])
    names = [Path(path).relative_to(tmp_path).as_posix() for path in found]
    assert names == ["[d].txt", "a.txt", "b.txt", "x/y/c.txt", "[d].txt"]


@pytest.mark.parametrize(
    ("name", "content", "error", "line", "offset", "words"),
    [
        ("a.txt", b"ab\nc\xffd", pm.EncodingError, 2, 4, "0xff is not UTF-8"),
        ("a.txt.gz", gzip.compress(b"ab\nc\xffd"), pm.EncodingError, 2, 4, "0xff is not UTF-8"),
        ("a.jsonl", b'{"text": "a"}\n{"text": "\xff"}\n', pm.EncodingError, 2, 24, "not UTF-8"),
        ("a.jsonl", '{"text": "é"}\n{"text": é"}\n'.encode(), pm.FileError, 2, 24, "not JSON"),
        ("a.jsonl", b"[" * 100_000, pm.FileError, 1, None, "not JSON"),
        ("a.jsonl", b'["text"]\n', pm.FileError, 1, 0, "expected a JSON object, got list"),
        ("a.jsonl", b'\n{"content": "a"}\n', pm.FileError, 2, 1, "no key 'text', only ['content']"),
        ("a.jsonl", b'{"text": null}\n', pm.EncodingError, 1, 0, "null, not a string"),
        ("a.jsonl", b'{"text": "\\ud800"}\n', pm.EncodingError, 1, 0, "lone surrogate"),
        ("a.jsonl.zst", zstd(JSON_LINES)[:-5], pm.FileError, None, None, "cut off"),
        ("a.jsonl.gz", gzip.compress(JSON_LINES)[:-9], pm.FileError, None, None, "cut off"),
        ("a.txt.bz2", b"", pm.FileError, None, None, "empty"),
        (
            "a.txt.zst",
            b"not compressed at all",
            pm.FileError,
            None,
            None,
            "check that it is what its name says",
        ),
        ("a.parquet", b"PAR1 not really", pm.FileError, None, None, "as Parquet"),
    ],
)
def test_bad_files_are_named(tmp_path, name, content, error, line, offset, words):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(error) as caught:
        pm.train_bpe(path, vocab_size=300)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert caught.value.path == str(path)
    assert caught.value.line == line
    if offset is not None:
        assert caught.value.offset == offset


def test_bad_parquet_is_named(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"content": ["a"], "text": pa.array([None], pa.string()), "n": [1]}), path)
    for column, error, words in [
        ("nothing", pm.FileError, "no column 'nothing', only ['content', 'text', 'n']"),
        ("text", pm.EncodingError, "row 0 of column 'text' is null"),
        ("n", pm.EncodingError, "holds int64"),
    ]:
        with pytest.raises(error) as caught:
            pm.train_bpe(path, vocab_size=300, text_column=column)
        assert words in str(caught.value)
        assert caught.value.path == str(path)


def test_missing_and_unreadable_files(tmp_path):
    for path, words in [
        (tmp_path / "no.txt", "no file"),
        (tmp_path / "*.x", "no file"),
        (tmp_path, "a folder"),
    ]:
        with pytest.raises(pm.FileError, match=words):
            pm.train_bpe(path, vocab_size=300)
    with pytest.raises(pm.FileError, match="at least one"):
        pm.train_bpe([], vocab_size=300)


# ── options ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"vocab_size": 255}, "256 or more"),
        ({"vocab_size": 257, "special_tokens": ["<a>", "<b>"]}, "258 or more"),
        ({"vocab_size": 1, "initial_alphabet": "seen"}, "2 or more"),
        ({"vocab_size": 300, "special_tokens": ["<a>", "<a>"]}, "twice"),
        ({"vocab_size": 300, "special_tokens": ["a"]}, "single bytes"),
        ({"vocab_size": 300, "special_tokens": "<a>"}, "one string"),
        ({"vocab_size": 300, "unit": "word"}, "'line' or 'document'"),
        ({"vocab_size": 300, "initial_alphabet": "none"}, "'all' or 'seen'"),
        ({"vocab_size": 300, "min_frequency": -1}, "at least 0"),
        ({"vocab_size": 300, "max_token_bytes": 0}, "at least 1"),
        ({"vocab_size": 300, "threads": 0}, "at least 1"),
        ({"vocab_size": 1 << 30}, "largest vocabulary"),
        ({"vocab_size": 300, "files": "a.txt"}, "not both"),
    ],
)
def test_bad_options_are_refused(options, words):
    with pytest.raises(pm.TrainingError, match=words):
        pm.train_bpe(texts=["ab"], **options)


def test_bad_superword_options_are_refused():
    for options, words in [
        ({"transition_size": 300}, "leaves no superword"),
        ({"transition_size": 255}, "starts with 256"),
        ({"transition_size": 280, "max_words_per_token": 0}, "at least 1"),
        ({"transition_size": 280, "forbid": ": "}, "one string"),
        ({"transition_size": 280, "forbid": [""]}, "empty string"),
    ]:
        with pytest.raises(pm.TrainingError, match=words):
            pm.train_superbpe(texts=["ab"], vocab_size=300, **options)


def test_bad_texts_are_refused():
    with pytest.raises(pm.TrainingError, match="either files or texts"):
        pm.train_bpe(vocab_size=300)
    with pytest.raises(pm.TrainingError, match="one text"):
        pm.train_bpe(texts="ab", vocab_size=300)
    with pytest.raises(pm.EncodingError) as caught:
        pm.train_bpe(texts=(text for text in [*["ab"] * 300, "a\ud800"]), vocab_size=300)
    assert caught.value.document == 300
    with pytest.raises(pm.EncodingError) as caught:
        pm.train_bpe(texts=pa.array(["a", None]), vocab_size=300)
    assert caught.value.document == 1
    with pytest.raises(pm.EncodingError):
        pm.train_bpe(texts=[1], vocab_size=300)
    with pytest.raises(pm.PatternError):
        pm.train_bpe(texts=["ab"], vocab_size=300, pretokenizer="(")
    with pytest.raises(pm.PatternError):
        pm.train_bpe(texts=["ab"], vocab_size=300, pretokenizer="o300k")


def test_a_vocabulary_larger_than_the_text_allows_is_returned_with_a_warning():
    with pytest.warns(UserWarning, match="has 258 tokens, fewer than vocab_size 500") as caught:
        tok = pm.train_bpe(texts=["abc"], vocab_size=500)
    assert caught[0].filename == __file__
    assert tokens_of(tok)[256:] == [b"ab", b"abc"]
    with pytest.warns(UserWarning, match="no pair of tokens is left") as caught:
        pm.train_superbpe(texts=["ab ab"], vocab_size=500, transition_size=400, pretokenizer=r"\w+")
    messages = [str(warning.message) for warning in caught]
    assert "the first stage stopped at 257 tokens" in messages[0]
    assert "has 259 tokens, fewer than vocab_size 500" in messages[1]
    with pytest.warns(UserWarning, match="has 256 tokens"):
        assert pm.train_bpe(texts=[], vocab_size=500).vocab_size == 256


def test_special_tokens_come_first_and_are_not_made_of_text():
    tok = pm.train_bpe(
        texts=["<|end|> " * 9], vocab_size=264, special_tokens=["<|end|>"], pretokenizer=r"\S+\s?"
    )
    assert tok.special_tokens == {"<|end|>": 0}
    assert tok.encode("<|end|>").tolist() != [0]
    assert tok.encode("<|end|>", special="parse").tolist() == [0]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_shows_on_a_terminal_only(monkeypatch, capsys):
    pm.train_bpe(texts=DOCUMENTS, vocab_size=275)
    assert capsys.readouterr() == ("", "")
    for progress in (True, False):
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        pm.train_bpe(texts=DOCUMENTS, vocab_size=275, progress=progress)
        assert ("reading" in terminal.getvalue()) == progress
        n_bytes = sum(len(text.encode()) for text in DOCUMENTS)
        assert (f"/{n_bytes / 1000:.2f}k [" in terminal.getvalue()) == progress
