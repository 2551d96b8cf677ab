"""What several test files share: the libraries to agree with, texts of all kinds, and a small `tokenizer.json`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import tiktoken
import tokenizers
from hypothesis import strategies as st

import portmanteau as pm

SHARED = Path(__file__).parents[2] / "shared"
Encode = Callable[[str], list[int]]

OPENAI = ("r50k_base", "cl100k_base", "o200k_base")
HUGGING_FACE = ("llama3", "qwen2", "superbpe-t180k")
ALL = OPENAI + HUGGING_FACE

TRAINING_TEXTS = [
    "by the way, by and by\n",
    'off we go. Then off we went! "So what?" she said: nothing\n',
    "ünïcödé 12345 1234567\n",
    "見る。見た。\n",
] * 20
"""To train on: words, sentences, digits, and scripts without spaces."""


@cache
def references(name: str) -> tuple[pm.Tokenizer, Encode]:
    """Our tokenizer of this name, and what it must agree with."""
    if name in OPENAI:
        return pm.Tokenizer.load(name), tiktoken.get_encoding(name).encode_ordinary
    path = SHARED / "vocabs" / name / "tokenizer.json"
    return pm.Tokenizer.load(path), as_data(tokenizers.Tokenizer.from_file(str(path)))


def as_data(tokenizer: tokenizers.Tokenizer) -> Encode:
    """Hugging Face's ids of a text whose special tokens are text."""
    tokenizer.encode_special_tokens = True
    return lambda text: tokenizer.encode(text, add_special_tokens=False).ids


RUNS = st.tuples(st.sampled_from("  \n\r\t\u00a0\u3000\u0085a1A!'é日\u0301"), st.integers(1, 60)).map(
    lambda pair: pair[0] * pair[1]
)
AWKWARD = st.sampled_from(
    [
        "'s",
        "'S",
        "'\u017f",
        "'LL",
        "'ve",
        " '",
        "\r",
        "\r\n",
        "\n ",
        " \n",
        "\u0085",
        "\u2028",
        "\u200d",
        "ﬁ",
        "ǅ",
        "ʰ",
        "👩‍👩‍👧‍👦",
        "🇨🇭",
        "e\u0301",
        "Å",
        "\u1100\u1161\u11a8",
        "½",
        "Ⅷ",
        "٣",
        "१२३",
        "<|endoftext|>",
        "<|im_start|>",
        "\0",
        "HTTPServer",
        "don't",
        "1234567",
        "x=1;\n\n\n",
        "://",
        "…",
        "中文字符",
        "ไทย",
        "עברית",
        "العربية",
        "हिन्दी",
        "\ufeff",
    ]
)
TEXTS = st.lists(st.one_of(AWKWARD, RUNS, st.text(max_size=8)), max_size=30).map("".join)


SPELLED_BYTES = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())


def tokenizer_json(**parts: Any) -> str:
    """A `tokenizer.json` over the byte alphabet and a few merges, with other sections if `parts` says so."""
    vocab = {spelling: index for index, spelling in enumerate(SPELLED_BYTES)}
    merges = [
        ("Ġ", "a"),
        ("a", "b"),
        ("Ġa", "b"),
        ("b", "a"),
        ("1", "2"),
        ("Ġ", "Ġ"),
        ("ab", "ab"),
        ("Ã", "©"),
        ("-", "-"),
    ]
    for left, right in merges:
        vocab.setdefault(left + right, len(vocab))
    vocab["abc"] = len(vocab)  # no merge makes it: only a whole word is it
    model = {"type": "BPE", "vocab": vocab, "merges": merges, **parts.pop("model", {})}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    sections = {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": None,
        "post_processor": None,
        "model": model,
    }
    return json.dumps(sections | {"pre_tokenizer": byte_level, "decoder": byte_level} | parts)


VOCAB_SIZE = len(json.loads(tokenizer_json())["model"]["vocab"])


def huggingface_train(
    files_or_texts: Sequence[Path] | Sequence[str],
    regex: str,
    vocab_size: int,
    *,
    special_tokens: Sequence[str] = (),
    min_frequency: int = 0,
    all_bytes: bool = True,
) -> tokenizers.Tokenizer:
    """What Hugging Face's trainer makes of files, line by line, or of texts."""
    peer = tokenizers.Tokenizer(tokenizers.models.BPE())
    peer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [
            tokenizers.pre_tokenizers.Split(tokenizers.Regex(regex), "isolated"),
            tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=list(special_tokens),
        show_progress=False,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet() if all_bytes else [],
    )
    if all(isinstance(item, Path) for item in files_or_texts):
        peer.train([str(item) for item in files_or_texts], trainer)
    else:
        peer.train_from_iterator(files_or_texts, trainer)
    return peer
