"""The libraries that are compared, each with how it loads a vocabulary, encodes a list of texts, and gives ids.

Each is asked for the fastest form of ids that it offers to Python: a flat array where it has one. What a figure times
is ``encode``; ``ids`` turns its answer into arrays, off the clock, so that it can be compared.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from portmanteau.benchmarking.vocabularies import Vocabulary
from portmanteau.errors import UnsupportedError

__all__ = ["OURS", "PEERS", "Ids", "Library"]

Encode = Callable[[list[str]], Any]
Ids = tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]
"""Flat ids, and the offsets of the texts in them."""


@dataclass(frozen=True)
class Library:
    """One library: what it is called, and its three functions."""

    name: str
    """The name in the tables, and the argument of ``--peer``."""
    modules: tuple[str, ...]
    """What is imported before the clock runs: the library first, then what it would import when first used."""
    distribution: str
    """The name that pip knows."""
    answer: str
    """The form of ids that it is asked for."""
    load: Callable[[Any, Vocabulary, int], Encode]
    """From the imported module, the vocabulary and the number of threads to a function that encodes."""
    ids: Callable[[Any], Ids]
    """From what that function returns to arrays."""


# ── Portmanteau ─────────────────────────────────────────────────────────────────────────────────────────────────


def _load_portmanteau(module: Any, vocabulary: Vocabulary, threads: int) -> Encode:
    tokenizer = module.Tokenizer.load(vocabulary.source)
    return lambda texts: tokenizer.encode_batch(texts, threads=threads)


# ── the peers ───────────────────────────────────────────────────────────────────────────────────────────────────


def _load_gigatoken(module: Any, vocabulary: Vocabulary, threads: int) -> Encode:
    if vocabulary.rank_folder:
        tokenizer = module.Tokenizer.from_tiktoken(
            Path(vocabulary.rank_folder, f"{vocabulary.name}.tiktoken")
        )
    else:
        tokenizer = module.Tokenizer(vocabulary.tokenizer_json)
    return lambda texts: tokenizer.encode_batch(texts, parallel=threads > 1)


def _load_json_flat(module: Any, vocabulary: Vocabulary, _threads: int) -> Encode:
    encode: Encode = module.Tokenizer.from_file(vocabulary.tokenizer_json).encode_batch_flat
    return encode


def _load_tokenizers(module: Any, vocabulary: Vocabulary, _threads: int) -> Encode:
    tokenizer = module.Tokenizer.from_file(vocabulary.tokenizer_json)
    if hasattr(tokenizer, "encode_batch_fast"):  # up to 0.23; without offsets
        tokenizer.encode_special_tokens = True
        return lambda texts: tokenizer.encode_batch_fast(texts, add_special_tokens=False)
    return lambda texts: tokenizer.encode_batch(texts, add_special_tokens=False, encode_special_tokens=True)


def _load_toktok(module: Any, vocabulary: Vocabulary, threads: int) -> Encode:
    if not vocabulary.is_bundled or vocabulary.name == "r50k_base":
        raise UnsupportedError(f"it has no {vocabulary.name}; its vocabularies are built in")
    encoding = module._encoding(vocabulary.name)
    return lambda texts: encoding.encode_batch_to_numpy(texts, threads)


def _load_splintr(module: Any, vocabulary: Vocabulary, _threads: int) -> Encode:
    if vocabulary.is_bundled and vocabulary.name != "r50k_base":
        tokenizer = module.Tokenizer.from_pretrained(vocabulary.name)
    else:
        tokenizer = module.from_json(vocabulary.tokenizer_json)
    encode: Encode = tokenizer.encode_batch_flat
    return encode


def _load_tiktoken(module: Any, vocabulary: Vocabulary, threads: int) -> Encode:
    if not vocabulary.rank_folder:
        raise UnsupportedError("it reads no tokenizer.json")
    os.environ["TIKTOKEN_CACHE_DIR"] = vocabulary.rank_folder
    encoding = module.get_encoding(vocabulary.name)

    def encode(text: str) -> Any:
        return encoding.encode_to_numpy(text, disallowed_special=())

    if threads == 1:
        return lambda texts: [encode(text) for text in texts]
    pool = ThreadPoolExecutor(threads)
    return lambda texts: list(pool.map(encode, texts))


# ── their answers ───────────────────────────────────────────────────────────────────────────────────────────────


def _ids_of_awkward(answer: Any) -> Ids:
    offsets = np.asarray(answer.layout.offsets.data, np.int64)
    return np.asarray(answer.layout.content.data, np.uint32)[offsets[0] : offsets[-1]], offsets - offsets[0]


def _ids_of_bytes(answer: Any) -> Ids:
    ids, offsets = answer
    return np.frombuffer(ids, np.uint32), np.frombuffer(offsets, np.uint64).astype(np.int64)


def _ids_of_list(answers: list[Any]) -> Ids:
    lists = [np.asarray(getattr(answer, "ids", answer), np.uint32) for answer in answers]
    return np.concatenate(lists), np.cumsum([0, *map(len, lists)], dtype=np.int64)


OURS = Library(
    "portmanteau",
    ("portmanteau",),
    "portmanteau",
    "TokenBatch: flat uint32 ids and offsets, from encode_batch(list[str])",
    _load_portmanteau,
    lambda batch: (batch.ids, batch.offsets),
)

PEERS = {
    peer.name: peer
    for peer in (
        Library(
            "gigatoken",
            ("gigatoken", "awkward"),
            "gigatoken",
            "awkward array: flat uint32 ids and offsets",
            _load_gigatoken,
            _ids_of_awkward,
        ),
        Library(
            "fastokens",
            ("fastokens",),
            "fastokens",
            "bytes: flat uint32 ids and offsets",
            _load_json_flat,
            _ids_of_bytes,
        ),
        Library(
            "snaptokens",
            ("snaptokens",),
            "snaptokens",
            "bytes: flat uint32 ids and offsets",
            _load_json_flat,
            _ids_of_bytes,
        ),
        Library(
            "tokenizers",
            ("tokenizers",),
            "tokenizers",
            "list of Encoding objects, their ids not taken out",
            _load_tokenizers,
            _ids_of_list,
        ),
        Library(
            "toktok",
            ("toktok",),
            "toktok-rs",
            "NumPy arrays: flat uint32 ids and offsets",
            _load_toktok,
            lambda answer: answer,
        ),
        Library(
            "splintr",
            ("splintr",),
            "splintr-rs",
            "bytes: flat uint32 ids and offsets",
            _load_splintr,
            _ids_of_bytes,
        ),
        Library(
            "tiktoken",
            ("tiktoken",),
            "tiktoken",
            "list of NumPy uint32 arrays",
            _load_tiktoken,
            _ids_of_list,
        ),
    )
}
"""The peers by name."""
