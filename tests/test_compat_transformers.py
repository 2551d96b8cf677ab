"""The tokenizer for `transformers` answers as the original does, for every option and several tokenizers."""

from __future__ import annotations

import copy
import importlib
import json
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import portmanteau as pm
from conftest import without_data

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")
pytest.importorskip("jinja2")  # renders chat templates

from portmanteau.compat.transformers import PreTrainedTokenizerFast  # noqa: E402

Pair = tuple[Any, Any]
"""The original and ours."""

SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<|endoftext|>"}
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.role == 'assistant' %}{% generation %}{{ message.content }}<|im_end|>{% endgeneration %}"
    "{% else %}{{ message.content }}<|im_end|>{% endif %}\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CHATS = [
    [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Naïve 🦜?"},
        {"role": "assistant", "content": " Yes — 12345 parrots.\n\n"},
        {"role": "user", "content": "And <|im_end|>?"},
        {"role": "assistant", "content": "No"},
    ],
    [{"role": "user", "content": ""}, {"role": "assistant", "content": "e\u0301té"}],
    [{"role": "user", "content": "only a question"}],
]


def processor_of(kind: str) -> Any:
    """A post-processor; the ids are those that the special tokens get after those of r50k_base."""
    processors = tokenizers.processors
    bos, eos = ("<s>", 50257), ("</s>", 50258)
    template = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A </s> $B:1 </s>:1", special_tokens=[bos, eos]
    )
    kinds = {
        "none": None,
        "byte level": processors.ByteLevel(trim_offsets=False),
        "trimming": processors.ByteLevel(trim_offsets=True, add_prefix_space=False),
        "template": processors.Sequence([processors.ByteLevel(trim_offsets=True), template]),
        "roberta": processors.RobertaProcessing(eos, bos),
        "bert": processors.BertProcessing(eos, bos),
    }
    return kinds[kind]


def made(kind: str, folder: Path) -> Path:
    """The folder of a tokenizer made from a bundled vocabulary, with this post-processor."""
    pm.Tokenizer.load("r50k_base").save(folder / "tokenizer.json")
    backend = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    special = [tokenizers.AddedToken(token, special=True) for token in ("<s>", "</s>", "<pad>")]
    mask = tokenizers.AddedToken("<mask>", lstrip=True, special=True)
    backend.add_special_tokens([*special, mask, "<|im_start|>", "<|im_end|>"])
    backend.add_tokens(["<think>"])
    backend.post_processor = processor_of(kind)
    if kind == "byte level":
        backend.normalizer = tokenizers.normalizers.NFC()
    backend.save(str(folder / "tokenizer.json"))
    return folder


def both(path: Path, **options: Any) -> Pair:
    classes = (transformers.PreTrainedTokenizerFast, PreTrainedTokenizerFast)
    original, ours = (kind(tokenizer_file=str(path), **options) for kind in classes)
    return original, ours


@pytest.fixture(scope="module", params=["none", "byte level", "trimming", "template", "roberta", "bert"])
def pair(request, tmp_path_factory) -> Pair:
    folder = made(request.param, tmp_path_factory.mktemp("made"))
    return both(folder / "tokenizer.json", chat_template=CHATML, **SPECIAL)


@pytest.fixture(scope="module", params=["qwen2", "llama3", "superbpe-t180k", "bpe-200k"])
def real_pair(request, shared_dir, tmp_path_factory) -> Pair:
    folder = shared_dir / "vocabs" / request.param
    if not folder.is_dir():
        without_data(folder)
    path = folder / "tokenizer.json"
    if not path.exists():
        tokenizer = pm.Tokenizer.load(folder / "vocab.json", pretokenizer="superbpe_paper_stage1")
        path = tmp_path_factory.mktemp(request.param) / "tokenizer.json"
        tokenizer.save(path)
    special = {"extra_special_tokens": ["<|im_start|>", "<|im_end|>"], "pad_token": "<pad>"}
    return both(path, chat_template=CHATML, **special)


def answer(tokenizer: Any, texts: tuple[Any, ...], options: dict[str, Any]) -> dict[str, Any] | None:
    """What a call returns, as plain lists; `None` if it refuses. A panic of `tokenizers` is no `Exception`."""
    tokenizer.truncation_side = options.get("truncation_side", "right")
    options = {name: value for name, value in options.items() if name != "truncation_side"}
    try:
        batch = tokenizer(*texts, **options)
    except pm.Error:
        return None
    except BaseException as error:
        if type(error).__name__ not in ("Exception", "PanicException", "ValueError"):
            raise
        return None
    return {name: plain(column) for name, column in batch.items()}


def plain(column: Any) -> Any:
    """A column with its arrays as tuples of their dtype and a list."""
    if isinstance(column, np.ndarray) and column.dtype != object:
        return str(column.dtype), column.tolist()
    return [plain(row) for row in column] if isinstance(column, (list, np.ndarray)) else column


PIECES = st.sampled_from(
    [
        "<s>", "</s>", "<mask>", "<think>", "<|im_start|>", "<|endoftext|>", " ", "  ", "\n", "\t \n", "a", "The end",
        ", and", "12345", "naïve", "é", "e\u0301", "🦜", "한국어", "ﬁ", "'s", " of the", "\u00a0", "\x1c", "Ġ",
        "∑", "\x00",
    ]
)  # fmt: skip
TEXTS = st.lists(st.one_of(PIECES, PIECES, st.text(max_size=3)), max_size=9).map("".join)


@st.composite
def calls(draw) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The texts and the options of a call."""
    kind = draw(st.sampled_from(["one", "one and one", "some", "some and some", "pairs"]))
    if kind in ("one", "one and one"):
        texts = tuple(draw(TEXTS) for _ in range(1 + (kind != "one")))
    else:
        pairs = draw(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4))
        first, second = (list(column) for column in zip(*pairs, strict=True))
        texts = {"some": (first,), "some and some": (first, second), "pairs": (pairs,)}[kind]
    options = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "add_special_tokens": st.booleans(),
                "padding": st.sampled_from([True, "longest", "max_length", False]),
                "truncation": st.sampled_from([True, "longest_first", "only_first", "only_second", False]),
                "max_length": st.integers(4, 24),
                "stride": st.integers(0, 4),
                "padding_side": st.sampled_from(["left", "right"]),
                "truncation_side": st.sampled_from(["left", "right"]),
                "return_token_type_ids": st.booleans(),
                "return_attention_mask": st.booleans(),
                "return_overflowing_tokens": st.booleans(),
                "return_special_tokens_mask": st.booleans(),
                "return_offsets_mapping": st.booleans(),
                "return_length": st.booleans(),
                "split_special_tokens": st.booleans(),
            },
        )
    )
    options["verbose"] = False
    if draw(st.booleans()):
        options["pad_to_multiple_of"] = draw(st.sampled_from([1, 4, 8]))
        if "max_length" in options:
            options["max_length"] = 8 * (1 + options["max_length"] // 8)
    if options.get("padding") and draw(st.booleans()):
        options["return_tensors"] = "np"
    return texts, options


several = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@several
@given(call=calls())
def test_every_option_gives_what_the_original_gives(pair, call):
    texts, options = call
    original, ours = pair
    expected, got = answer(original, texts, options), answer(ours, texts, options)
    assert got == expected
    assert got is None or list(got) == list(expected)


@several
@given(call=calls())
def test_so_do_real_tokenizers(real_pair, call):
    texts, options = call
    original, ours = real_pair
    assert answer(ours, texts, options) == answer(original, texts, options)


@several
@given(first=TEXTS, second=TEXTS)
def test_a_batch_tells_where_its_tokens_come_from(pair, first, second):
    of_original, of_ours = (each([first, second], padding=True, padding_side="left") for each in pair)
    for row, text in enumerate((first, second)):
        for character in range(len(text) + 1):
            expected = of_original.char_to_token(row, character)
            assert of_ours.char_to_token(row, character) == expected
            assert of_ours.char_to_token(row - 2, character, 0) == expected
        assert of_ours.tokens(row) == of_original.tokens(row)
        assert of_ours.word_ids(row) == of_original.word_ids(row)
        assert of_ours.sequence_ids(row) == of_original.sequence_ids(row)
    assert type(of_ours)(dict(of_ours)).data == of_ours.data  # so do trainers move a batch to a device
    one, other = pickle.loads(pickle.dumps(of_original)), pickle.loads(pickle.dumps(of_ours))
    assert one.data == other.data
    assert [encoding.offsets for encoding in one.encodings] == [
        encoding.offsets for encoding in other.encodings
    ]


@several
@given(first=TEXTS, second=TEXTS)
def test_a_pair_tells_which_of_its_texts_a_token_is_of(pair, first, second):
    of_original, of_ours = (each(first, second, truncation=True, max_length=12) for each in pair)
    assert of_ours.n_sequences == of_original.n_sequences
    assert of_ours.is_fast
    for text in (0, 1):
        for character in range(len((first, second)[text])):
            place = (0, character, text)
            assert of_ours.char_to_token(*place) == of_original.char_to_token(*place)
    assert of_ours[0].offsets == of_original[0].offsets


@pytest.mark.parametrize(
    "options", [{}, {"padding": True, "return_tensors": "np"}, {"truncation": True, "max_length": 20}]
)
def test_chats_and_the_mask_of_what_the_assistant_said(pair, options):
    options = {**options, "return_assistant_tokens_mask": True}
    for chat in (CHATS, CHATS[0], CHATS[2]):
        expected, got = (each.apply_chat_template(chat, **options) for each in pair)
        assert {name: plain(column) for name, column in got.items()} == {
            name: plain(column) for name, column in expected.items()
        }
    assert pair[1].apply_chat_template(CHATS[0], tokenize=False) == pair[0].apply_chat_template(
        CHATS[0], tokenize=False
    )


def test_chats_of_real_tokenizers(real_pair):
    for chat in CHATS:
        expected, got = (
            each.apply_chat_template(chat, return_assistant_tokens_mask=True) for each in real_pair
        )
        assert got.data == expected.data


def test_control_tokens_that_a_user_wrote_can_be_text(pair):
    original, ours = pair
    if ours.num_special_tokens_to_add():
        return  # the original refuses these
    options = {"sanitize_control_tokens": True, "return_dict": False}
    got = ours.apply_chat_template(CHATS[0], **options)
    assert got == original.apply_chat_template(CHATS[0], **options)
    assert got != ours.apply_chat_template(CHATS[0], return_dict=False)


@several
@given(text=TEXTS)
def test_decoding_and_converting(pair, text):
    original, ours = pair
    ids = ours.encode(text)
    assert ids == original.encode(text)
    assert ours.tokenize(text) == original.tokenize(text)
    for skip in (False, True):
        assert ours.decode(ids, skip_special_tokens=skip) == original.decode(ids, skip_special_tokens=skip)
        assert ours.batch_decode([ids, ids[:3]], skip_special_tokens=skip) == original.batch_decode(
            [ids, ids[:3]], skip_special_tokens=skip
        )
    tokens = ours.convert_ids_to_tokens(ids)
    assert tokens == original.convert_ids_to_tokens(ids)
    assert ours.convert_tokens_to_ids(tokens) == ids
    assert ours.convert_tokens_to_string(tokens) == original.convert_tokens_to_string(tokens)


def test_it_is_one_of_theirs_and_describes_itself_alike(pair):
    original, ours = pair
    assert isinstance(ours, transformers.PreTrainedTokenizerFast)
    assert isinstance(ours, transformers.PreTrainedTokenizerBase)
    assert (len(ours), ours.vocab_size, ours.is_fast) == (len(original), original.vocab_size, True)
    assert ours.get_vocab() == original.get_vocab()
    assert ours.special_tokens_map == original.special_tokens_map
    assert (ours.pad_token_id, ours.all_special_ids) == (original.pad_token_id, original.all_special_ids)
    assert ours.num_special_tokens_to_add(pair=True) == original.num_special_tokens_to_add(pair=True)
    assert ours.portmanteau_tokenizer.encode("The end").tolist() == ours.encode(
        "The end", add_special_tokens=False
    )


def test_words_that_are_already_split(pair):
    expected, got = (each([["The", " end"], ["a"]], is_split_into_words=True, padding=True) for each in pair)
    assert got.data == expected.data
    assert got.word_ids(0) == expected.word_ids(0)


def test_targets_become_labels(pair):
    expected, got = (each("a", text_target="The end", padding="max_length", max_length=7) for each in pair)
    assert got.data == expected.data


def test_an_empty_batch_is_empty(pair):
    got = pair[1]([], padding=True)
    assert got["input_ids"] == []
    assert set(got) == set(pair[0](["a"]))


@pytest.mark.parametrize("text", [3, [3], ["a", None], [["a", "b", "c"]]])
def test_what_is_no_text_is_refused_as_by_the_original(pair, text):
    for each in pair:
        with pytest.raises((TypeError, ValueError)):
            each(text)


def test_what_cannot_be_truncated_is_refused_with_its_document(pair):
    with pytest.raises(pm.EncodingError, match=r"document 1: truncation='only_first' must cut 196") as caught:
        pair[1](
            ["a", "a"], ["b", " b" * 200], truncation="only_first", max_length=5, add_special_tokens=False
        )
    assert caught.value.document == 1
    with pytest.raises(pm.EncodingError, match="needs a second text"):
        pair[1]("a" * 200, truncation="only_second", max_length=5)
    with pytest.raises(pm.EncodingError, match=r"stride=9 is more than max_length=8"):
        pair[1]("a", truncation=True, max_length=8, stride=9)
    with pytest.raises(pm.EncodingError, match="document 1"):
        pair[1](["fine", "\ud800"])


@pytest.fixture
def tokenizer() -> Any:
    return PreTrainedTokenizerFast.from_tokenizer(
        pm.Tokenizer.load("r50k_base"), eos_token="<|endoftext|>", pad_token="<pad>", chat_template=CHATML
    )


def test_a_tokenizer_of_portmanteau_becomes_one_of_transformers(tokenizer):
    plain_tokenizer = pm.Tokenizer.load("r50k_base")
    text = "The end<|endoftext|> of naïve 🦜"
    assert tokenizer.encode(text) == plain_tokenizer.encode(text, special="parse").tolist()
    assert tokenizer.encode(text, split_special_tokens=True) == plain_tokenizer.encode(text).tolist()
    assert (tokenizer.pad_token_id, len(tokenizer)) == (50257, 50258)
    with_eos = PreTrainedTokenizerFast.from_tokenizer(
        plain_tokenizer, eos_token="<|endoftext|>", bos_token="<|endoftext|>", add_bos_token=True
    )
    assert with_eos.encode("a") == [50256, 64]
    with_eos.add_eos_token = True
    assert with_eos.encode("a") == [50256, 64, 50256]


def test_what_it_saves_the_original_loads(pair, tmp_path):
    ours = copy.deepcopy(pair[1])
    ours.add_tokens(["<answer>"])
    ours.save_pretrained(tmp_path)
    assert (
        json.loads((tmp_path / "tokenizer_config.json").read_bytes())["tokenizer_class"]
        == "PreTrainedTokenizerFast"
    )
    assert (tmp_path / "chat_template.jinja").read_text(encoding="utf-8") == CHATML
    text = "The end<answer>  <mask> of naïve 🦜"
    for kind in (transformers.AutoTokenizer, transformers.PreTrainedTokenizerFast, PreTrainedTokenizerFast):
        again = kind.from_pretrained(str(tmp_path))
        assert again(text, text).data == ours(text, text).data
        assert again.get_chat_template() == CHATML
        assert again.special_tokens_map == ours.special_tokens_map
    assert type(again) is PreTrainedTokenizerFast


def test_files_of_older_versions(tmp_path):
    made("template", tmp_path)
    special = {
        "bos_token": {
            "content": "<s>",
            "lstrip": False,
            "normalized": False,
            "rstrip": False,
            "single_word": False,
        }
    }
    (tmp_path / "special_tokens_map.json").write_text(json.dumps({**special, "pad_token": "<pad>"}))
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"model_max_length": 9, "padding_side": "left"})
    )
    (tmp_path / "chat_template.jinja").write_text(CHATML)
    original, ours = (
        kind.from_pretrained(tmp_path)
        for kind in (transformers.PreTrainedTokenizerFast, PreTrainedTokenizerFast)
    )
    texts = ["The end " * 9, "a"]
    got = ours(texts, truncation=True, padding="max_length")
    assert got.data == original(texts, truncation=True, padding="max_length").data
    assert [len(row) for row in got["input_ids"]] == [9, 9]
    assert ours.bos_token_id == 50257
    assert ours.get_chat_template() == CHATML


def test_it_pickles_and_copies(tokenizer):
    before = pickle.dumps(tokenizer)
    text = "The end<|endoftext|>"
    for again in (pickle.loads(before), copy.deepcopy(tokenizer)):
        assert again(text).data == tokenizer(text).data
    tokenizer([text], padding="max_length", max_length=4, truncation=True)
    assert pickle.dumps(tokenizer) == before  # so that `datasets` finds what it has cached


def test_what_is_changed_counts_at_once(tokenizer):
    text = "The<x>ENDING!"
    before = tokenizer(text)
    assert tokenizer.add_tokens("<x>") == 1
    assert tokenizer.convert_tokens_to_ids("<x>") in tokenizer.encode(text)
    with pytest.raises(pm.EncodingError, match="changed since"):
        before.tokens()
    tokenizer.backend_tokenizer.add_tokens(["ENDING!"])
    assert tokenizer.encode(text)[-1] == len(tokenizer) - 1
    encoder = tokenizer.portmanteau_tokenizer
    assert tokenizer.add_tokens("<x>") == 0
    assert tokenizer.portmanteau_tokenizer is encoder
    tokenizer.backend_tokenizer.normalizer = tokenizers.normalizers.NFC()
    assert tokenizer.encode("e\u0301") == tokenizer.encode("é")
    bos = tokenizers.processors.TemplateProcessing(single="<x> $A", special_tokens=[("<x>", 50258)])
    tokenizer.backend_tokenizer.post_processor = bos
    assert tokenizer.encode("a") == [50258, 64]


def test_what_is_no_byte_level_bpe_is_refused(tmp_path):
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0}, unk_token="a"))
    with pytest.raises(pm.UnsupportedError, match="WordLevel"):
        PreTrainedTokenizerFast(tokenizer_object=words)("a")
    words.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(pm.UnsupportedError, match="WordLevel"):
        PreTrainedTokenizerFast.from_pretrained(tmp_path)


def test_a_processor_that_does_more_than_add_tokens_is_left_to_the_original(tokenizer):
    twice = tokenizers.processors.TemplateProcessing(single="$A $A", special_tokens=[])
    tokenizer.backend_tokenizer.post_processor = twice
    assert tokenizer.encode("a") == [64, 64]


@pytest.mark.parametrize("value", ["false", "true"])
def test_one_thread_if_the_environment_says_so(tokenizer, monkeypatch, value):
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", value)
    seen = []
    encode = type(tokenizer.portmanteau_tokenizer).encode_batch
    monkeypatch.setattr(
        pm.Tokenizer,
        "encode_batch",
        lambda *args, **options: (seen.append(options["threads"]), encode(*args, **options))[1],
    )
    tokenizer("a")
    assert seen == [1 if value == "false" else None]


@pytest.mark.parametrize(("version", "message"), [(None, "not installed"), ("4.57.1", "4.57.1 is too old")])
def test_the_extra_is_named_where_transformers_is_missing_or_old(monkeypatch, version, message):
    for name in [name for name in sys.modules if name.startswith("portmanteau.compat.transformers")]:
        monkeypatch.delitem(sys.modules, name)
    if version is None:
        monkeypatch.setitem(sys.modules, "transformers", None)
    else:
        monkeypatch.setattr("transformers.__version__", version)
    with pytest.raises(pm.MissingDependencyError, match=message) as caught:
        importlib.import_module("portmanteau.compat.transformers")
    assert "portmanteau[transformers]" in str(caught.value)


def test_collators_pad_with_it(pair):
    texts = ["The end", "a", "of naïve 🦜"]
    padded = []
    for each in pair:
        rows = [dict(each(text, return_special_tokens_mask=True)) for text in texts]
        language = transformers.DataCollatorForLanguageModeling(each, mlm=False, return_tensors="np")
        padding = transformers.DataCollatorWithPadding(each, pad_to_multiple_of=8, return_tensors="np")
        flattening = transformers.DataCollatorWithFlattening(return_tensors="np")
        flat = flattening([{"input_ids": row["input_ids"]} for row in rows])
        padded.append(
            [language(rows), padding(rows), each.pad(rows, padding="max_length", max_length=9), flat]
        )
    for expected, got in zip(*padded, strict=True):
        assert {k: plain(v) for k, v in got.items()} == {k: plain(v) for k, v in expected.items()}
    assert padded[1][1]["input_ids"].shape[1] % 8 == 0


def test_tensors_of_torch(tokenizer):
    torch = pytest.importorskip("torch")
    got = tokenizer(["The end", "a"], padding=True, return_tensors="pt")
    assert got["input_ids"].dtype == torch.int64
    assert got["input_ids"].tolist() == tokenizer(["The end", "a"], padding=True)["input_ids"]


@pytest.fixture
def trl() -> Any:
    return pytest.importorskip("trl.data_utils")


def test_the_preprocessing_of_trl(pair, trl):
    """Chats to text, text to ids with a mask, ids to packs, as its trainer for supervised fine-tuning does."""
    datasets = pytest.importorskip("datasets")
    packs = []
    for each in pair:
        rows = [trl.maybe_apply_chat_template({"messages": chat}, each) for chat in CHATS]
        assert rows[0]["text"] == each.apply_chat_template(CHATS[0], tokenize=False)

        def tokenize(chat: dict[str, Any], tokenizer: Any) -> dict[str, Any]:
            made = tokenizer.apply_chat_template(chat["messages"], return_assistant_tokens_mask=True)
            return {"input_ids": made["input_ids"], "assistant_masks": made["assistant_masks"]}

        data = datasets.Dataset.from_list([{"messages": chat} for chat in CHATS])
        data = data.map(tokenize, fn_kwargs={"tokenizer": each}, remove_columns="messages")
        packs.append(trl.pack_dataset(data, seq_length=64, strategy="bfd").to_list())
    assert packs[0] == packs[1]
    assert sum(sum(row["assistant_masks"]) for row in packs[1]) > 0
