"""What training takes beside text and sizes: weights, limits, digits, ties, and a tokenizer to go on from."""

from __future__ import annotations

import base64
import itertools
import json
import random
import warnings
from pathlib import Path
from typing import Any

import bpe_continue
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiktoken
import tokenizers

import portmanteau as pm
from portmanteau import reading, sources
from references import TRAINING_TEXTS as TEXTS

REGEXES = {name: regex for name, _, regex in pm._rust.named_pretokenizers()}
SIZES: dict[str, Any] = {"vocab_size": 330, "transition_size": 290}


def tokens_of(tokenizer: pm.Tokenizer) -> list[bytes]:
    return [tokenizer.token_bytes(token_id) for token_id in range(tokenizer.vocab_size)]


def write_lines(path: Path, texts: list[str]) -> Path:
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    return path


# ── weights and limits ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_weight_is_as_many_copies(tmp_path: Path) -> None:
    first = write_lines(tmp_path / "first.jsonl", TEXTS[:2])
    write_lines(tmp_path / "b.jsonl", TEXTS[2:9])
    copies = pm.train_superbpe(texts=TEXTS[:2] * 3 + TEXTS[2:9] * 2, min_frequency=4, **SIZES)
    files: list[Any] = [first, str(tmp_path / "b*")]
    # 1.5 to 1, so that the counts are half of those of the copies.
    cases: list[tuple[dict[str, float], int]] = [
        ({str(first): 3, files[1]: 2}, 4),
        ({str(tmp_path / "f*"): 1.5}, 2),
    ]
    for weights, min_frequency in cases:
        weighted = pm.train_superbpe(files, weights=weights, min_frequency=min_frequency, **SIZES)
        assert weighted.fingerprint == copies.fingerprint
    without = pm.train_superbpe(files, weights={files[1]: 0}, vocab_size=280, transition_size=270)
    assert without.fingerprint == pm.train_superbpe(first, vocab_size=280, transition_size=270).fingerprint


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ({"a.jsonl": -1}, "from 0 on"),
        ({"a.jsonl": float("nan")}, "from 0 on"),
        ({"a.jsonl": "2"}, "from 0 on"),
        ({"b.jsonl": 1}, "none of the files to train on"),
        ({"a.jsonl": 1, "a*": 2}, "two weights"),
    ],
)
def test_weights_that_mean_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: Any, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_lines(tmp_path / "a.jsonl", TEXTS)
    write_lines(tmp_path / "b.jsonl", TEXTS)
    with pytest.raises(pm.TrainingError, match=says):
        pm.train_bpe("a.jsonl", vocab_size=300, weights=weights)


def test_a_byte_limit_draws_from_everywhere(tmp_path: Path) -> None:
    # Documents that say where they are from: file and tenth.
    for file in "ab":
        texts = [f"{file}{number // 200}" * 10 for number in range(2000)]
        write_lines(tmp_path / f"{file}.jsonl", texts)
        pq.write_table(pa.table({"text": texts}), tmp_path / f"{file}.parquet")
    seen = {}
    for pattern, seed in itertools.product(["*.jsonl", "*.parquet"], [0, 1]):
        source = sources.from_files(
            str(tmp_path / pattern),
            text_column="text",
            cut_text_at_lines=True,
            weights=None,
            byte_limit=16_000,
            seed=seed,
            policy=reading.Policy(),
        )
        texts = [text for batch in source.batches for text in batch.texts if isinstance(text, str)]
        assert 14_000 < sum(map(len, texts)) < 18_000
        for start in {text[:2] for text in texts}:
            assert 15 < sum(text.startswith(start) for text in texts) < 80
        assert len({text[:2] for text in texts}) == 20
        seen[pattern, seed] = texts
    assert seen["*.jsonl", 0] != seen["*.jsonl", 1]


def test_a_byte_limit_of_texts() -> None:
    limited = pm.train_bpe(texts=TEXTS, vocab_size=280, byte_limit="1 GB")
    assert limited.fingerprint == pm.train_bpe(texts=TEXTS, vocab_size=280).fingerprint
    column = pa.array(TEXTS)
    halves = [pm.train_bpe(texts=texts, vocab_size=270, byte_limit=1500) for texts in (TEXTS, column)]
    assert halves[0].fingerprint == halves[1].fingerprint
    with pytest.raises(pm.TrainingError, match="twice"):
        pm.train_bpe(texts=iter(TEXTS), vocab_size=280, byte_limit=1000)


@pytest.mark.parametrize("limit", ["", "many", "4 PB", 0, -1, 1.5, True, "0 MB"])
def test_sizes_that_are_none(limit: Any) -> None:
    with pytest.raises(pm.TrainingError, match=r"memory_limit is .* such as 4_000_000_000"):
        pm.train_bpe(texts=TEXTS, vocab_size=280, memory_limit=limit)


def test_long_documents_are_cut_at_a_character() -> None:
    texts = ["abcdé and more", "short"]
    cut = pm.train_bpe(texts=texts, vocab_size=261, document_byte_limit=5, unit="document")
    assert (
        cut.fingerprint == pm.train_bpe(texts=["abcd", "short"], vocab_size=261, unit="document").fingerprint
    )


def test_a_file_of_plain_text_is_one_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BATCH_BYTES", 64)
    lines = [f"line {number}\n" for number in range(100)]
    (tmp_path / "a.txt").write_text("".join(lines), newline="\n")
    kept = "".join(lines)[:500]
    cut = pm.train_bpe(tmp_path / "a.txt", vocab_size=265, document_byte_limit=500)
    assert cut.fingerprint == pm.train_bpe(texts=[kept], vocab_size=265).fingerprint


@pytest.mark.parametrize("threads", [1, 3])
def test_a_memory_limit_changes_nothing(tmp_path: Path, threads: int) -> None:
    generator = random.Random(5)
    words = ["".join(generator.choices("abcdefg", k=generator.randint(1, 9))) for _ in range(3000)]
    texts = [" ".join(generator.choices(words, k=40)) + ".\n" for _ in range(2500)]
    options: dict[str, Any] = {"vocab_size": 1500, "transition_size": 900, "threads": threads}
    free = pm.train_superbpe(texts=texts, **options)
    limited = pm.train_superbpe(texts=texts, memory_limit="100 kB", temporary_folder=tmp_path, **options)
    assert limited.fingerprint == free.fingerprint
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    texts = [f"{number} {number * 7919 % 104729}" for number in range(20_000)]
    with pytest.raises(pm.FileError, match="nowhere"):
        pm.train_bpe(texts=texts, vocab_size=300, memory_limit=1000, temporary_folder=tmp_path / "nowhere")


# ── text that is not UTF-8 ──────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_not_utf8_can_be_replaced(tmp_path: Path) -> None:
    broken = b"caf\xe9 au lait, caf\xe9 noir\n"
    expected = pm.train_bpe(texts=["caf\ufffd au lait, caf\ufffd noir\n"], vocab_size=265).fingerprint
    (tmp_path / "a.txt").write_bytes(broken)
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "' + broken.replace(b"\n", b"\\n") + b'"}\n')
    array = pa.array([broken]).view(pa.binary()).cast(pa.binary())
    column = pa.Array.from_buffers(pa.string(), 1, array.buffers())
    pq.write_table(pa.table({"text": column}), tmp_path / "a.parquet")
    for name in ("a.txt", "a.jsonl", "a.parquet"):
        with pytest.raises(pm.EncodingError, match="not UTF-8"):
            pm.train_bpe(tmp_path / name, vocab_size=265)
        with pytest.warns(UserWarning, match="2 places"):
            assert pm.train_bpe(tmp_path / name, vocab_size=265, errors="replace").fingerprint == expected
    for texts in ([broken], column):
        with pytest.raises(pm.EncodingError, match="not UTF-8"):
            pm.train_bpe(texts=texts, vocab_size=265)
        with pytest.warns(UserWarning, match="2 places"):
            assert pm.train_bpe(texts=texts, vocab_size=265, errors="replace").fingerprint == expected


# ── digits, ties, sentences ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("digits", "pieces"),
    [
        ("single", ["a", " ", "1", "2", "3", "4", " ", "٣", "٤"]),
        ("from_left", ["a", " ", "123", "4", " ", "٣٤"]),
        ("from_right", ["a", " ", "1", "234", " ", "٣٤"]),
        (None, ["a", " 1234", " ٣٤"]),
    ],
)
def test_digits(tmp_path: Path, digits: Any, pieces: list[str]) -> None:
    tokenizer = pm.train_bpe(texts=TEXTS, vocab_size=280, pretokenizer="r50k", digits=digits)
    assert tokenizer.pretokens("a 1234 ٣٤") == pieces
    tokenizer.save(tmp_path / "tokenizer.json")
    loaded = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for text in [*TEXTS[:4], "a 1234 ٣٤ 1,234,567"]:
        assert tokenizer.encode(text).tolist() == loaded.encode(text).ids


def test_ties_go_by_the_ids_of_bytes() -> None:
    # "! " and "a!" occur once each; a space comes before "!" as a byte, and after the letters as a character.
    tokens = {
        tie: tokens_of(pm.train_bpe(texts=["a! !"], vocab_size=257, pretokenizer="superbpe_stage2", tie=tie))
        for tie in ("huggingface", "bytes")
    }
    assert tokens["bytes"][:256] == [bytes([byte]) for byte in range(256)]
    assert (tokens["bytes"][256], tokens["huggingface"][256]) == (b" !", b"! ")


@pytest.mark.filterwarnings("ignore:the vocabulary:UserWarning")
def test_superwords_within_sentences() -> None:
    texts = ["go. Then go. Then go. Then\n", "見る。見る。見る。\n", '"no!" we no!" we\n'] * 5
    free, bounded = (
        pm.train_superbpe(texts=texts, vocab_size=310, transition_size=275, within_sentences=within)
        for within in (False, True)
    )
    assert any(b". T" in token for token in tokens_of(free))
    for token in tokens_of(bounded)[275:]:
        text = token.decode(errors="replace")
        assert not any(end in text for end in (". T", ". \ufffd", '" w', "。見")), text


@pytest.mark.filterwarnings("ignore:the vocabulary:UserWarning")
def test_superwords_of_whole_words() -> None:
    texts = ["in the theatre\n", "of the theorem\n", "to the them\n"] * 30
    options: dict[str, Any] = {"vocab_size": 300, "transition_size": 259, "texts": texts}
    # " the" is a token, and stands in other words too.
    free, whole = (pm.train_superbpe(whole_words=whole, **options) for whole in (False, True))
    assert b" the theorem" not in tokens_of(whole)
    assert any(b" the the" in token for token in tokens_of(free)[259:])
    assert not any(b" the the" in token for token in tokens_of(whole)[259:])


def test_the_transition_can_be_found(text_file: Path) -> None:
    found = pm.train_superbpe(text_file, vocab_size=2000, transition_size="auto")
    superwords = [len(token.split()) > 1 for token in tokens_of(found)]
    first = superwords.index(True)
    assert 500 < first < 1900
    # The size that it found, said in so many words, gives the same.
    sizes = range(first, first - 12, -1)
    given = (pm.train_superbpe(text_file, vocab_size=2000, transition_size=size) for size in sizes)
    assert any(tokenizer.fingerprint == found.fingerprint for tokenizer in given)
    with pytest.raises(pm.TrainingError, match="a number or 'auto'"):
        pm.train_superbpe(text_file, vocab_size=2000, transition_size="now")  # type: ignore[arg-type]


def test_unused_merges_can_be_dropped() -> None:
    # Without the boundary behind "ab", "bc" is merged first, and "ab" never.
    options: dict[str, Any] = {
        "texts": ["bc"] * 20 + ["abc"] * 10,
        "pretokenizer": "ab|bc",
        "transition_size": 258,
    }
    kept = pm.train_superbpe(vocab_size=259, **options)
    dropped = pm.train_superbpe(vocab_size=258, unused_merges="drop", **{**options, "transition_size": 257})
    assert tokens_of(kept)[256:] == [b"bc", b"ab", b"abc"]
    assert tokens_of(dropped)[256:] == [b"bc", b"abc"]
    with pytest.warns(UserWarning, match="258 tokens, fewer"):
        dropped = pm.train_superbpe(vocab_size=259, unused_merges="drop", **options)
    assert tokens_of(dropped)[256:] == [b"bc", b"abc"]


# ── saving ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("tie", ["huggingface", "bytes"])
def test_what_was_trained_is_a_rank_file(text_file: Path, tmp_path: Path, tie: Any) -> None:
    text = text_file.read_text(encoding="utf-8")
    trained = [
        (pm.train_bpe(text_file, vocab_size=1500, pretokenizer="r50k_tiktoken", tie=tie), "r50k_tiktoken"),
        (pm.train_superbpe(text_file, vocab_size=1500, transition_size=1200, tie=tie), "superbpe_stage2"),
    ]
    for tokenizer, pretokenizer in trained:
        tokenizer.save(tmp_path / "t.tiktoken")
        lines = (line.split() for line in (tmp_path / "t.tiktoken").read_bytes().splitlines())
        ranks = {base64.b64decode(token): int(rank) for token, rank in lines}
        # tiktoken drops what lies between matches, so the pattern must match that too.
        pattern = rf"{REGEXES[pretokenizer]}|(?:(?!{REGEXES[pretokenizer]})[\s\S])+"
        encoding = tiktoken.Encoding("trained", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
        for line in text.splitlines(keepends=True):
            assert tokenizer.encode(line).tolist() == encoding.encode_ordinary(line)


def test_a_list_that_ranks_do_not_give_is_refused(tmp_path: Path) -> None:
    # By ranks "abc" is made of "bc", which comes first; its list says "ab" and "c", which never meet.
    pm.train_bpe(texts=["x"], vocab_size=256, unit="document").save(tmp_path / "bytes.json")
    base = json.loads((tmp_path / "bytes.json").read_text(encoding="utf-8"))
    base["model"]["merges"] = ["b c", "a b", "ab c"]
    base["model"]["vocab"] |= {"bc": 256, "ab": 257, "abc": 258}
    (tmp_path / "tokenizer.json").write_text(json.dumps(base), encoding="utf-8")
    with pytest.raises(pm.UnsupportedError, match="other ids for some texts"):
        pm.Tokenizer.load(tmp_path / "tokenizer.json").save(tmp_path / "t.tiktoken")
    with pytest.raises(pm.UnsupportedError, match="256 bytes"):
        pm.train_bpe(texts=["abab"], vocab_size=3, initial_alphabet="seen").save(tmp_path / "t.tiktoken")
    assert not (tmp_path / "t.tiktoken").exists()


@pytest.mark.parametrize("pretokenizer", ["superbpe", "r50k"])
def test_a_class_that_drops_the_pretokenizer_is_told(tmp_path: Path, pretokenizer: str) -> None:
    trained = (
        pm.train_bpe(texts=TEXTS, vocab_size=280, pretokenizer="r50k")
        if pretokenizer == "r50k"
        else pm.train_superbpe(texts=TEXTS, vocab_size=300, transition_size=280)
    )
    path, config = tmp_path / "tokenizer.json", tmp_path / "tokenizer_config.json"
    for content in (
        '{"tokenizer_class": "GPT2Tokenizer"}',
        '{"tokenizer_class": "PreTrainedTokenizerFast"}',
        "[1",
        "[]",
    ):
        config.write_text(content, encoding="utf-8")
        for work in (lambda: trained.save(path), lambda: pm.Tokenizer.load(tmp_path)):
            with warnings.catch_warnings(record=True) as heard:
                warnings.simplefilter("always")
                work()
            if "GPT2" in content and pretokenizer != "r50k":
                assert [str(warning.message)[: len(str(config))] for warning in heard] == [str(config)]
                assert heard[0].filename == __file__
            else:
                assert not heard


# ── going on from a tokenizer ───────────────────────────────────────────────────────────────────────────────────────


def test_superwords_on_top_are_a_second_stage() -> None:
    base = pm.train_bpe(texts=TEXTS, vocab_size=SIZES["transition_size"], pretokenizer="superbpe_stage1")
    on_top = pm.continue_training(base, texts=TEXTS, vocab_size=SIZES["vocab_size"], superwords=True)
    assert on_top.fingerprint == pm.train_superbpe(texts=TEXTS, **SIZES).fingerprint


def test_more_words_on_top_are_a_longer_training() -> None:
    base = pm.train_bpe(texts=TEXTS, vocab_size=280)
    longer = pm.continue_training(base, texts=TEXTS, vocab_size=310)
    assert longer.fingerprint == pm.train_bpe(texts=TEXTS, vocab_size=310).fingerprint


@pytest.fixture(scope="session")
def text_file(corpus: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """About 400 KB of prose and code, in lines."""
    path = tmp_path_factory.mktemp("continue") / "text.txt"
    texts = (
        document["text"] for name in ("english", "code") for document in itertools.islice(corpus(name), 120)
    )
    path.write_text(
        "".join(text[:2000].rstrip("\n") + "\n" for text in texts), encoding="utf-8", newline="\n"
    )
    return path


@pytest.mark.parametrize("name", ["llama3", "qwen2", "superbpe-t180k"])
@pytest.mark.parametrize("superwords", [True, False])
def test_what_bpe_continue_makes_of_it(
    shared_dir: Path, text_file: Path, tmp_path: Path, name: str, superwords: bool
) -> None:
    base = pm.Tokenizer.load(shared_dir / "vocabs" / name / "tokenizer.json")
    on_top = pm.continue_training(
        base,
        text_file,
        vocab_size=base.vocab_size + 300,
        superwords=superwords,
        max_words_per_token=99,
        forbid=(),
    )
    on_top.save(tmp_path / "ours.json")
    base.save(tmp_path / "base.json")
    definition = json.loads((tmp_path / "base.json").read_text(encoding="utf-8"))
    definition["pre_tokenizer"] = json.loads((tmp_path / "ours.json").read_text(encoding="utf-8"))[
        "pre_tokenizer"
    ]
    peer = bpe_continue.continue_training(
        json.dumps(definition), vocab_size=base.vocab_size + 300, files=[text_file], show_progress=False
    )
    theirs = json.loads(peer.to_str())["model"]
    ours = json.loads((tmp_path / "ours.json").read_text(encoding="utf-8"))["model"]
    assert [merge.split(" ") if isinstance(merge, str) else merge for merge in ours["merges"]][-300:] == [
        merge.split(" ") if isinstance(merge, str) else merge for merge in theirs["merges"]
    ][-300:]
    text = text_file.read_text(encoding="utf-8")
    loaded = tokenizers.Tokenizer.from_file(str(tmp_path / "ours.json"))
    assert on_top.encode(text[:20_000]).tolist() == loaded.encode(text[:20_000], add_special_tokens=False).ids


@pytest.mark.parametrize(
    ("name", "n_merges"), [("bpe-200k", 30_000), ("superbpe-t80k", 79_999), ("superbpe-t80k", 100_000)]
)
def test_published_merges_are_the_beginning(
    shared_dir: Path, text_file: Path, tmp_path: Path, name: str, n_merges: int
) -> None:
    """Published lists, cut in the first stage, at its end and in the second, are gone on from on a text of ours."""
    folder = shared_dir / "vocabs" / name
    vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    lines = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()[: n_merges + 1]
    published = [line.split(" ") for line in lines[1:]]
    made = {left + right for left, right in published}
    kept = {token: at for token, at in vocabulary.items() if len(token) == 1 or token in made}
    (tmp_path / "vocab.json").write_text(json.dumps(kept), encoding="utf-8")
    (tmp_path / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    base = pm.Tokenizer.load(tmp_path / "vocab.json", pretokenizer="superbpe_stage2")
    # What 13 bytes without a token are to it does not matter for text in UTF-8.
    on_top = pm.continue_training(base, text_file, vocab_size=base.vocab_size + 200, superwords=True)

    on_top.save(tmp_path / "on_top.json")
    merges = json.loads((tmp_path / "on_top.json").read_text(encoding="utf-8"))["model"]["merges"]
    assert [merge.split(" ") for merge in merges][: len(published)] == published
    assert len(merges) == len(published) + 200
    text = text_file.read_text(encoding="utf-8")[:100_000]
    regex = tokenizers.Regex(REGEXES["superbpe_stage2"])
    for ours, n_taken in ((base, len(published)), (on_top, len(merges))):
        model = json.loads((tmp_path / "on_top.json").read_text(encoding="utf-8"))["model"]
        pairs = [tuple(merge.split(" ")) for merge in merges[:n_taken]]
        peer = tokenizers.Tokenizer(tokenizers.models.BPE(model["vocab"], pairs))
        byte_level = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        split = tokenizers.pre_tokenizers.Split(regex, "isolated")
        peer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence([split, byte_level])
        assert ours.encode(text).tolist() == peer.encode(text).ids


def test_superwords_on_ranks_load_in_huggingface(text_file: Path, tmp_path: Path) -> None:
    base = pm.Tokenizer.load("o200k_base")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        on_top = pm.continue_training(base, text_file, vocab_size=base.vocab_size + 200, superwords=True)
    text = text_file.read_text(encoding="utf-8")[:50_000]
    new = [on_top.token_bytes(token_id) for token_id in range(base.vocab_size, on_top.vocab_size)]
    assert len(new) == 200
    assert sum(len(token.split()) > 1 for token in new) > 100
    assert len(on_top.encode(text)) < 0.97 * len(base.encode(text))
    on_top.save(tmp_path / "tokenizer.json")
    loaded = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert on_top.encode(text).tolist() == loaded.encode(text).ids


def test_what_cannot_be_gone_on_from() -> None:
    base = pm.Tokenizer.load("r50k_base")
    with pytest.raises(pm.TrainingError, match="tokens already"):
        pm.continue_training(base, texts=TEXTS, vocab_size=base.vocab_size)
    with pytest.raises(pm.TrainingError, match="either files or texts"):
        pm.continue_training(base, vocab_size=60_000)
