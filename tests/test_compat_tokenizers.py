"""`portmanteau.compat.tokenizers` answers as Hugging Face tokenizers does."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers as original
from hypothesis import example, given
from hypothesis import strategies as st

import portmanteau as pm
from portmanteau.compat import tokenizers
from references import HUGGING_FACE, SHARED, TEXTS, VOCAB_SIZE, tokenizer_json
from test_exactness import NORMALIZERS, SMALL_TEXTS, added_token, added_tokens, pre_tokenizers

COLUMNS = (
    "ids",
    "tokens",
    "offsets",
    "type_ids",
    "attention_mask",
    "special_tokens_mask",
    "word_ids",
    "sequence_ids",
    "n_sequences",
)


@pytest.fixture(autouse=True)
def shared_vocabularies(request: pytest.FixtureRequest) -> None:
    callspec = getattr(request.node, "callspec", None)
    if callspec is not None and callspec.params.get("name") in HUGGING_FACE:
        request.getfixturevalue("shared_dir")


def columns(encoding: Any) -> dict[str, Any]:
    """Everything that an encoding says, and what overflows from it."""
    found = {name: getattr(encoding, name) for name in COLUMNS}
    assert len(encoding) == len(found["ids"])
    return found | {"overflowing": [columns(each) for each in encoding.overflowing], "repr": repr(encoding)}


def outcome(call: Callable[[], Any]) -> Any:
    """What a call makes, or the words of what it raises; "refused" for a panic, of which there is no Python class."""
    try:
        made = call()
    except Exception as error:
        return "refused" if "stride` must be strictly" in str(error) else str(error)
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # it has no class in Python
            raise
        return "refused"
    return [columns(each) for each in made] if isinstance(made, list) else columns(made)


def same(ours: Any, theirs: Any, call: Callable[[Any], Any]) -> None:
    expected = outcome(lambda: call(theirs))
    found = outcome(lambda: call(ours))
    if "encode_batch" in call.__code__.co_names and isinstance(expected, str):
        # Of several texts that fail, the original names any, for they are encoded at the same time.
        assert isinstance(found, str), (expected, found)
        return
    if isinstance(expected, dict) and isinstance(found, dict):
        for name in expected:
            assert found[name] == expected[name], name
    assert found == expected


def both(file: str) -> tuple[tokenizers.Tokenizer, original.Tokenizer]:
    return tokenizers.Tokenizer.from_str(file), original.Tokenizer.from_str(file)


@cache
def both_named(name: str) -> tuple[tokenizers.Tokenizer, original.Tokenizer]:
    if name in HUGGING_FACE:
        content = (SHARED / "vocabs" / name / "tokenizer.json").read_text(encoding="utf-8")
    else:
        content = pm.Tokenizer.load(name)._core.to_huggingface().decode()
    return both(content)


def says_no(tokenizer: Any, text: str, pair: str | None) -> bool:
    """Whether the spelling of an added token is not known because normalization may have changed its white space."""
    try:
        return not isinstance(tokenizer.encode(text, pair).tokens, list)
    except pm.UnsupportedError as error:
        return "normalization may have changed" in str(error)


# ── encoding ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["r50k_base", "cl100k_base", "o200k_base", *HUGGING_FACE])
@given(text=TEXTS, pair=st.none() | TEXTS)
def test_vocabularies(name: str, text: str, pair: str | None):
    ours, theirs = both_named(name)
    same(ours, theirs, lambda tokenizer: tokenizer.encode(text, pair))
    ids = theirs.encode(text).ids
    for skip in (True, False):
        assert ours.decode(ids, skip) == theirs.decode(ids, skip)
        cut = ids[: len(ids) // 2]
        assert ours.decode(cut, skip) == theirs.decode(cut, skip)


def special(name: str, type_id: int = 0) -> dict[str, Any]:
    return {"SpecialToken": {"id": name, "type_id": type_id}}


def sequence(name: str, type_id: int = 0) -> dict[str, Any]:
    return {"Sequence": {"id": name, "type_id": type_id}}


TEMPLATE = {
    "type": "TemplateProcessing",
    "single": [special("<s>"), sequence("A"), special("</s>")],
    "pair": [special("<s>"), sequence("A"), special("</s>", 1), sequence("B", 1), special("Q", 2)],
    "special_tokens": {
        "<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]},
        "</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]},
        "Q": {"id": "Q", "ids": [7, 8], "tokens": ["q", ":"]},
    },
}
REVERSED = TEMPLATE | {"pair": [sequence("B", 3), special("Q"), sequence("A")], "single": [sequence("A", 5)]}
FLAGS = st.booleans()
BYTE_LEVEL = st.fixed_dictionaries(
    {"type": st.just("ByteLevel"), "trim_offsets": FLAGS, "add_prefix_space": FLAGS, "use_regex": FLAGS}
)
ROBERTA = st.fixed_dictionaries(
    {
        "type": st.just("RobertaProcessing"),
        "sep": st.just(["</s>", 2]),
        "cls": st.just(["<s>", 0]),
        "trim_offsets": FLAGS,
        "add_prefix_space": FLAGS,
    }
)
BERT = {"type": "BertProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0]}
TEMPLATES = st.sampled_from([TEMPLATE, REVERSED])
POST_PROCESSORS = st.one_of(
    st.none(),
    TEMPLATES,
    BYTE_LEVEL,
    ROBERTA,
    st.just(BERT),
    st.lists(BYTE_LEVEL, max_size=2).map(lambda steps: {"type": "Sequence", "processors": steps}),
    st.tuples(BYTE_LEVEL, TEMPLATES).map(lambda steps: {"type": "Sequence", "processors": list(steps)}),
    st.tuples(TEMPLATES, BYTE_LEVEL).map(lambda steps: {"type": "Sequence", "processors": list(steps)}),
)
TRUNCATIONS = st.none() | st.fixed_dictionaries(
    {"max_length": st.integers(0, 9)},
    optional={
        "stride": st.integers(0, 3),
        "strategy": st.sampled_from(["longest_first", "only_first", "only_second"]),
        "direction": st.sampled_from(["left", "right"]),
    },
)
PADDINGS = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "length": st.none() | st.integers(0, 12),
        "pad_to_multiple_of": st.none() | st.integers(0, 5),
        "pad_id": st.integers(0, 9),
        "pad_token": st.sampled_from(["<pad>", ""]),
        "pad_type_id": st.integers(0, 2),
        "direction": st.sampled_from(["left", "right"]),
    },
)
WORDS = st.lists(SMALL_TEXTS, max_size=4)


def set_up(tokenizer: Any, truncation: Any, padding: Any) -> str | None:
    """Sets the options, or says why not."""
    if padding is not None:
        tokenizer.enable_padding(**padding)
    if truncation is not None:
        try:
            tokenizer.enable_truncation(**truncation)
        except ValueError as error:
            return str(error)
    return None


@given(
    post_processor=POST_PROCESSORS,
    truncation=TRUNCATIONS,
    padding=PADDINGS,
    texts=st.lists(st.one_of(SMALL_TEXTS, st.tuples(SMALL_TEXTS, SMALL_TEXTS)), min_size=1, max_size=3),
    add_special_tokens=st.booleans(),
)
def test_truncation_padding_and_templates(
    post_processor: Any, truncation: Any, padding: Any, texts: list[Any], add_special_tokens: bool
):
    ours, theirs = both(tokenizer_json(post_processor=post_processor))
    assert set_up(ours, truncation, padding) == set_up(theirs, truncation, padding)
    assert (ours.truncation, ours.padding) == (theirs.truncation, theirs.padding)
    for is_pair in (False, True):
        assert ours.num_special_tokens_to_add(is_pair) == theirs.num_special_tokens_to_add(is_pair)
    options = {"add_special_tokens": add_special_tokens}
    for text in texts:
        pair = (text, None) if isinstance(text, str) else text
        same(ours, theirs, lambda tokenizer, pair=pair: tokenizer.encode(*pair, **options))
    same(ours, theirs, lambda tokenizer: tokenizer.encode_batch(texts, **options))
    same(ours, theirs, lambda tokenizer: tokenizer.encode_batch_fast(texts, **options))
    again, theirs_again = both(ours.to_str())[0], both(theirs.to_str())[1]
    assert json.loads(again.to_str()) == json.loads(theirs_again.to_str())
    same(again, theirs, lambda tokenizer: tokenizer.encode_batch(texts, **options))


@given(
    added=added_tokens(),
    normalizer=NORMALIZERS,
    pre_tokenizer=pre_tokenizers(),
    post_processor=POST_PROCESSORS,
    encode_special_tokens=st.booleans(),
    text=SMALL_TEXTS,
    pair=st.none() | SMALL_TEXTS,
)
def test_every_part_of_a_tokenizer(
    added: Any,
    normalizer: Any,
    pre_tokenizer: Any,
    post_processor: Any,
    encode_special_tokens: bool,
    text: str,
    pair: str | None,
):
    ours, theirs = both(
        tokenizer_json(
            added_tokens=added,
            normalizer=normalizer,
            pre_tokenizer=pre_tokenizer,
            post_processor=post_processor,
        )
    )
    ours.encode_special_tokens = theirs.encode_special_tokens = encode_special_tokens
    assert ours.encode_special_tokens == theirs.encode_special_tokens == encode_special_tokens
    if normalizer is not None and says_no(ours, text, pair):
        return
    same(ours, theirs, lambda tokenizer: tokenizer.encode(text, pair))
    ids = theirs.encode(text).ids
    for skip in (True, False):
        assert ours.decode(ids, skip) == theirs.decode(ids, skip)


@given(normalizer=NORMALIZERS, text=TEXTS)
@example(normalizer={"type": "NFC"}, text="Ame\u0301lie cafe\u0301")
@example(normalizer={"type": "NFKC"}, text="ﬁ\u0301 ½")
@example(
    normalizer={"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "NFKC"}]}, text="e\u0301ﬁé"
)
def test_normalized_text(normalizer: Any, text: str):
    ours, theirs = both(tokenizer_json(normalizer=normalizer))
    same(ours, theirs, lambda tokenizer: tokenizer.encode(text))


@given(
    pre_tokenizer=pre_tokenizers(),
    post_processor=POST_PROCESSORS,
    truncation=TRUNCATIONS,
    words=WORDS,
    pair=st.none() | WORDS,
)
def test_pretokenized_text(pre_tokenizer: Any, post_processor: Any, truncation: Any, words: Any, pair: Any):
    ours, theirs = both(tokenizer_json(pre_tokenizer=pre_tokenizer, post_processor=post_processor))
    assert set_up(ours, truncation, None) == set_up(theirs, truncation, None)
    same(ours, theirs, lambda tokenizer: tokenizer.encode(words, pair, is_pretokenized=True))
    batch = [words, (words, pair or [])]
    same(ours, theirs, lambda tokenizer: tokenizer.encode_batch(batch, is_pretokenized=True))


INPUTS: list[tuple[Any, bool]] = [
    (["a", "b"], False),
    (("a", "b"), False),
    ([("a", "b"), "ab", ["a", "b"]], False),
    (np.array(["a", "b"]), False),
    (np.array([["a", "b"], ["ab", "a"]]), False),
    ([], False),
    ("ab", False),
    ([1], False),
    ([("a", "b", "ab")], False),
    ([("a", 1)], False),
    ([["a"]], False),
    ([None], False),
    (iter(["a"]), False),
    ([["a", "b"], ["ab"]], True),
    ([("a", "b"), ["ab"]], True),
    ([(["a"], ["b"])], True),
    ([[["a"], ("b", "ab")]], True),
    (["ab"], True),
    ([["a", 1]], True),
    ([[]], True),
    ([(["a"], "b")], True),
]


@pytest.mark.parametrize(("inputs", "is_pretokenized"), INPUTS, ids=[f"{pair}" for pair in INPUTS])
def test_what_a_batch_may_be(inputs: Any, is_pretokenized: bool):
    def encode(tokenizer: Any) -> Any:
        try:
            return tokenizer.encode_batch(inputs, is_pretokenized)
        except TypeError:
            return tokenizer.encode_batch(["a type error"])

    same(*both(tokenizer_json()), encode)


@pytest.mark.parametrize(
    ("arguments", "is_pretokenized"),
    [
        ((5,), False),
        ((b"a",), False),
        ((["a"],), False),
        (("a", 5), False),
        (("\ud800",), False),
        (("a",), True),
        ((["a", 1],), True),
        ((["a"], "b"), True),
    ],
)
def test_what_is_no_text(arguments: Any, is_pretokenized: bool):
    ours, theirs = both(tokenizer_json())
    with pytest.raises(TypeError) as expected:
        theirs.encode(*arguments, is_pretokenized=is_pretokenized)
    with pytest.raises(TypeError) as found:
        ours.encode(*arguments, is_pretokenized=is_pretokenized)
    assert str(found.value).startswith(str(expected.value))


@given(
    post_processor=POST_PROCESSORS,
    truncation=TRUNCATIONS,
    padding=PADDINGS,
    text=SMALL_TEXTS,
    pair=SMALL_TEXTS,
)
def test_post_process(post_processor: Any, truncation: Any, padding: Any, text: str, pair: str):
    ours, theirs = both(tokenizer_json(post_processor=post_processor))
    encodings = {
        id(t): [t.encode(part, add_special_tokens=False) for part in (text, pair)] for t in (ours, theirs)
    }
    before = columns(encodings[id(ours)][0])
    assert set_up(ours, truncation, padding) == set_up(theirs, truncation, padding)
    for n_sequences in (1, 2):
        for add_special_tokens in (True, False):
            same(
                ours,
                theirs,
                lambda t, n=n_sequences, add=add_special_tokens: t.post_process(
                    *encodings[id(t)][:n], add_special_tokens=add
                ),
            )
    assert columns(encodings[id(ours)][0]) == before


# ── encodings ───────────────────────────────────────────────────────────────────────────────────────────────────────

LOOK_UPS = ("char_to_token", "char_to_word", "word_to_tokens", "word_to_chars")


# After a template, ByteLevel gives tokens a second sequence, and the original names one of the two at random.
IN_ORDER = POST_PROCESSORS.filter(
    lambda section: (
        section is None
        or [step["type"] for step in section.get("processors", [])] != ["TemplateProcessing", "ByteLevel"]
    )
)


@given(post_processor=IN_ORDER, truncation=TRUNCATIONS, text=SMALL_TEXTS, pair=st.none() | SMALL_TEXTS)
def test_from_one_to_another(post_processor: Any, truncation: Any, text: str, pair: str | None):
    ours, theirs = both(tokenizer_json(post_processor=post_processor))
    if truncation is not None:
        truncation = truncation | {"stride": 0, "strategy": "longest_first"}
    set_up(ours, truncation, None)
    set_up(theirs, truncation, None)
    mine, other = ours.encode(text, pair), theirs.encode(text, pair)
    for place in range(len(other) + 3):
        for name in ("token_to_sequence", "token_to_chars", "token_to_word"):
            assert getattr(mine, name)(place) == getattr(other, name)(place), (name, place)
        for number in (0, 1, 2):
            for name in LOOK_UPS:
                expected = getattr(other, name)(place, number)
                assert getattr(mine, name)(place, number) == expected, (name, place, number)


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("truncate"), st.integers(0, 6), st.integers(0, 2), st.sampled_from(["left", "right"])
        ),
        st.tuples(
            st.just("pad"),
            st.integers(0, 9),
            st.fixed_dictionaries(
                {}, optional={"direction": st.sampled_from(["left", "right"]), "pad_id": st.integers(0, 5)}
            ),
        ),
        st.tuples(st.just("set_sequence_id"), st.integers(0, 2)),
    ),
    max_size=4,
)


@given(texts=st.lists(SMALL_TEXTS, max_size=3), steps=STEPS, growing_offsets=st.booleans())
def test_changed_and_merged_encodings(texts: list[str], steps: list[Any], growing_offsets: bool):
    def changed(tokenizer: Any) -> Any:
        encodings = tokenizer.encode_batch(texts)
        for encoding in encodings:
            for name, *arguments in steps:
                options = arguments.pop() if isinstance(arguments[-1], dict) else {}
                getattr(encoding, name)(*arguments, **options)
        module = original if isinstance(tokenizer, original.Tokenizer) else tokenizers
        return [*encodings, module.Encoding.merge(encodings, growing_offsets)]

    same(*both(tokenizer_json(post_processor=TEMPLATE)), changed)


@given(text=SMALL_TEXTS, pair=SMALL_TEXTS)
def test_encodings_pickle(text: str, pair: str):
    tokenizer = tokenizers.Tokenizer.from_str(tokenizer_json(post_processor=TEMPLATE))
    tokenizer.enable_truncation(5)
    tokenizer.enable_padding(length=7)
    encoding = tokenizer.encode(text, pair)
    for again in (pickle.loads(pickle.dumps(encoding)), copy.copy(encoding), copy.deepcopy(encoding)):
        assert columns(again) == columns(encoding)
    assert columns(tokenizers.Encoding()) == columns(original.Encoding())


def test_wrong_arguments_of_an_encoding():
    for tokenizer in both(tokenizer_json()):
        encoding = tokenizer.encode("ab")
        with pytest.raises(ValueError, match="Invalid truncation direction value : up"):
            encoding.truncate(1, 0, "up")
        with pytest.raises(ValueError, match="Unknown `direction`: `up`"):
            encoding.pad(1, direction="up")
        with pytest.raises(OverflowError):
            encoding.token_to_chars(-1)
        with pytest.raises(TypeError):
            encoding.char_to_token("0")
        with pytest.warns(DeprecationWarning, match="word_ids"):
            assert encoding.words == encoding.word_ids


# ── the rest of a tokenizer ─────────────────────────────────────────────────────────────────────────────────────────


def test_wrong_options_are_refused():
    for tokenizer in both(tokenizer_json(post_processor=TEMPLATE)):
        with pytest.raises(ValueError, match="Unknown `strategy`: `some`"):
            tokenizer.enable_truncation(5, strategy="some")
        with pytest.raises(ValueError, match="Unknown `direction`: `up`"):
            tokenizer.enable_truncation(5, direction="up")
        with pytest.raises(ValueError, match="Unknown `direction`: `up`"):
            tokenizer.enable_padding(direction="up")
        with pytest.raises(ValueError, match="tokenizer stride set to 4"):
            tokenizer.enable_truncation(5, stride=4)
        assert (tokenizer.truncation, tokenizer.padding) == (None, None)
        tokenizer.enable_truncation(5)
        tokenizer.enable_padding()
        tokenizer.enable_truncation(**tokenizer.truncation)
        tokenizer.enable_padding(**tokenizer.padding)
        tokenizer.no_truncation()
        tokenizer.no_padding()
        assert (tokenizer.truncation, tokenizer.padding) == (None, None)


def test_unknown_options_are_ignored_aloud():
    tokenizer = tokenizers.Tokenizer.from_str(tokenizer_json())
    with pytest.warns(UserWarning, match="Ignored unknown kwarg option colour"):
        tokenizer.enable_padding(colour="red")
    with pytest.warns(UserWarning, match="Ignored unknown kwarg option colour"):
        tokenizers.AddedToken("x", colour="red")


def test_files(tmp_path: Path):
    path = tmp_path / "tokenizer.json"
    path.write_text(tokenizer_json(post_processor=TEMPLATE, added_tokens=[added_token(VOCAB_SIZE, "<x>")]))
    ours, theirs = tokenizers.Tokenizer.from_file(str(path)), original.Tokenizer.from_file(str(path))
    for pretty in (True, False):
        ours.save(str(tmp_path / "ours"), pretty)
        theirs.save(str(tmp_path / "theirs"), pretty)
        assert json.loads((tmp_path / "ours").read_text()) == json.loads((tmp_path / "theirs").read_text())
        same(ours, original.Tokenizer.from_file(str(tmp_path / "ours")), lambda t: t.encode("ab<x>", "é"))
    for again in (
        tokenizers.Tokenizer.from_pretrained(str(tmp_path)),
        tokenizers.Tokenizer.from_buffer(path.read_bytes()),
        pickle.loads(pickle.dumps(ours)),
    ):
        same(again, theirs, lambda t: t.encode("ab<x>", "é"))
    with pytest.raises(pm.UnsupportedError, match="downloads nothing"):
        tokenizers.Tokenizer.from_pretrained("gpt2")
    with pytest.raises(pm.FileError, match="no-such-file"):
        tokenizers.Tokenizer.from_file(str(tmp_path / "no-such-file"))


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"post_processor": {"type": "Other"}}, "post_processor 'Other'"),
        ({"post_processor": {"type": "Sequence", "processors": [TEMPLATE, TEMPLATE]}}, "more than one step"),
        ({"post_processor": TEMPLATE | {"special_tokens": {}}}, "special token '<s>'"),
        ({"post_processor": {"type": "TemplateProcessing"}}, "post_processor are not as"),
        ({"truncation": {"max_length": 5}}, "truncation, padding"),
        ({"model": {"type": "WordPiece"}}, "WordPiece"),
    ],
)
def test_what_is_not_supported_is_named(sections: Any, message: str):
    with pytest.raises(ValueError, match=message) as caught:
        tokenizers.Tokenizer.from_str(tokenizer_json(**sections))
    assert isinstance(caught.value, pm.Error)


def test_other_decoders_are_refused_when_they_are_needed():
    tokenizer = tokenizers.Tokenizer.from_str(tokenizer_json(decoder={"type": "Fuse"}))
    assert tokenizer.encode("ab").ids
    with pytest.raises(pm.UnsupportedError, match="decoder 'Fuse'"):
        tokenizer.decode([1])


def test_what_is_missing_is_named():
    tokenizer = tokenizers.Tokenizer.from_str(tokenizer_json())
    for name, instead in [
        ("normalizer", "section 'normalizer'"),
        ("post_processor", "section 'post_processor'"),
        ("train_from_iterator", "portmanteau.train_bpe"),
        ("async_encode", "to_thread"),
        ("nothing", "tokenizers itself"),
    ]:
        with pytest.raises(AttributeError, match=instead):
            getattr(tokenizer, name)
        with pytest.raises(AttributeError):
            setattr(tokenizer, name, None)
    with pytest.raises(pm.UnsupportedError, match="from_file"):
        tokenizers.Tokenizer(object())
    for name in ("models", "trainers", "normalizers"):
        with pytest.raises(AttributeError, match=f"has no {name!r}"):
            getattr(tokenizers, name)


def test_every_other_name_is_there():
    missing = {name for name in dir(original.Tokenizer) if not name.startswith("_")} - set(
        dir(tokenizers.Tokenizer)
    )
    assert {name for name in missing if not name.startswith(("async_", "train"))} == {
        "decoder",
        "model",
        "normalizer",
        "post_processor",
        "pre_tokenizer",
    }
    for kind in ("Encoding", "AddedToken"):
        theirs = {name for name in dir(getattr(original, kind)) if not name.startswith("_")}
        assert theirs <= set(dir(getattr(tokenizers, kind)))
    assert tokenizers.__version__ == original.__version__


def test_nothing_of_the_original_is_imported():
    program = (
        "import sys; from portmanteau.compat import tokenizers; tokenizers.Tokenizer; "
        "assert not {'tiktoken', 'tokenizers', 'pyarrow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
