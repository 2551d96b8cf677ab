"""Hugging Face ``tokenizers`` 0.23 on Portmanteau: the same names, the same answers, for byte-level BPE.

A :class:`Tokenizer` comes from a ``tokenizer.json``. Encoding, decoding, truncation, padding, post-processing and added
tokens are here; models, trainers and the other parts that a tokenizer is put together from are not.

>>> import portmanteau as pm
>>> from portmanteau.compat.tokenizers import Tokenizer
>>> pm.Tokenizer.load("r50k_base").save("tokenizer.json")
>>> encoding = Tokenizer.from_file("tokenizer.json").encode("by the way")
>>> encoding.ids, encoding.tokens, encoding.offsets
([1525, 262, 835], ['by', 'Ġthe', 'Ġway'], [(0, 2), (2, 6), (6, 10)])
"""

from __future__ import annotations

from typing import NoReturn

from portmanteau.compat.tokenizers.added_token import AddedToken
from portmanteau.compat.tokenizers.encoding import Encoding
from portmanteau.compat.tokenizers.tokenizer import Tokenizer

__all__ = ["AddedToken", "Encoding", "Tokenizer"]

__version__ = "0.23.3"
"""The version of ``tokenizers`` that this answers as."""

_ALTERNATIVES = {
    "models": "load a tokenizer.json with Tokenizer.from_file",
    "trainers": "train with portmanteau.train_bpe",
    "implementations": "load a tokenizer.json with Tokenizer.from_file",
}


def __getattr__(name: str) -> NoReturn:
    instead = _ALTERNATIVES.get(name, "write the part into the tokenizer.json, or use tokenizers itself")
    raise AttributeError(
        f"portmanteau.compat.tokenizers has no {name!r}, only {', '.join(__all__)}; {instead}"
    )
