"""``tiktoken`` 0.14 on Portmanteau: the same names, the same answers, and no network.

All seven of OpenAI's encodings are made from the vocabularies that ship with Portmanteau.

>>> from portmanteau.compat import tiktoken
>>> encoding = tiktoken.encoding_for_model("gpt-4o")
>>> encoding.encode("by the way")
[2345, 290, 2006]
>>> encoding.encode("<|endoftext|>", allowed_special="all")
[199999]
"""

from __future__ import annotations

from typing import NoReturn

from portmanteau.compat.tiktoken.core import Encoding
from portmanteau.compat.tiktoken.model import encoding_for_model, encoding_name_for_model
from portmanteau.compat.tiktoken.registry import get_encoding, list_encoding_names

__all__ = [
    "Encoding",
    "encoding_for_model",
    "encoding_name_for_model",
    "get_encoding",
    "list_encoding_names",
]

__version__ = "0.14.0"
"""The version of ``tiktoken`` that this answers as."""


def __getattr__(name: str) -> NoReturn:
    raise AttributeError(
        f"portmanteau.compat.tiktoken has no {name!r}; it has {', '.join(__all__)} and the modules core, load, model "
        "and registry, and the rest is in tiktoken itself"
    )
