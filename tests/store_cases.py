"""A small dataset with all that one can have: two shards, several columns, long tokens, channels, two plans."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

import portmanteau as pm

ROWS = [
    {"text": "by the way", "answer": " off we go"},
    {"text": "", "answer": ""},
    {"text": "naïve café — 東京 🙂\n", "answer": "yes"},
    {"text": "z" * 300, "answer": "z" * 260 + "!"},
    {"text": "", "answer": "no question"},
    {"text": "a, b, c. " * 9, "answer": "d"},
    {"text": "off we go", "answer": ""},
]


def make_tokenizer() -> pm.Tokenizer:
    """One whose longest tokens have more than 255 bytes."""
    texts = [row[name] for row in ROWS for name in ("text", "answer")]
    special = ["<|begin|>", "<|end|>"]
    return pm.train_bpe(
        texts=[*texts * 3, "z" * 600],
        vocab_size=310,
        unit="document",
        pretokenizer=r"z+|[^z]+?\s|[^z]+",
        special_tokens=special,
    )


def write_dataset(folder: str) -> pm.Dataset:
    """Made of ``rows.jsonl`` in the working folder, with four plans."""
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS]
    Path("rows.jsonl").write_bytes("".join(lines).encode())
    tokenizer = make_tokenizer()
    dataset = pm.prepare(
        "rows.jsonl", tokenizer, folder, text_column=["text", "answer"], byte_offsets=True, shard_bytes=750
    )
    begin, end = (tokenizer.special_tokens[text] for text in ("<|begin|>", "<|end|>"))
    dataset.pack(24, pad_id=5, bos_id=begin, eos_id=end, overlap=2)
    dataset.pack(31, name="sequences", bos_id=begin, bos="sequence", eos_id=end, eos="sequence")
    dataset.pack(32, name="aligned", eos_id=end, align=8)
    dataset.pack(16, name="truncated", long_documents="truncate", order="keep")
    return dataset


def write_weighted(folder: str) -> pm.Dataset:
    """Of ids that were made elsewhere, of 16 bits, with a channel of every size."""
    tokenizer = make_tokenizer()
    batch = tokenizer.encode_batch([row["text"] for row in ROWS])
    numbers = np.arange(len(batch.ids))
    beside = {
        "weight": (numbers / 4).astype(np.float32),
        "label": (numbers - 5).astype(np.int64),
        "half": numbers.astype(np.uint16),
        "kind": (numbers % 3).astype(np.uint8),
    }
    channels = {name: str(values.dtype) for name, values in beside.items()}
    return pm.write_dataset([(batch, beside)], folder, tokenizer, channels=channels, source="elsewhere")
