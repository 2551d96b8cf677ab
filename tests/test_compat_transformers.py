"""The tokenizer for `transformers` answers as the original does, for every option and several tokenizers."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import without_data
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import portmanteau as pm

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

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
        "<s>", "</s>", "<mask>", "<think>", "<|im_start|>", "<|endoftext|>", " ", "  ", "\n", "\t \n", "a", "The end", ", and",
        "12345", "naïve", "é", "e\u0301", "🦜", "한국어", "ﬁ", "'s", " of the", "\u00a0", "\x1c", "Ġ", "∑", "\x00",
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


several = settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])


@several
@given(call=calls())
def test_every_option_gives_what_the_original_gives(pair, call):
    texts, options = call
    original, ours = pair
    expected, got = answer(original, texts, options), answer(ours, texts, options)
    assert got == expected
    assert got is None or list(got) == list(expected)
