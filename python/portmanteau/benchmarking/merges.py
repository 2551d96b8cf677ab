r"""Merge lists, by which trainers are compared: one line a merge, two tokens in GPT-2's spelling with a space between.

In that spelling every byte is one printable character, none of them white space, so that a line can be read back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = [
    "as_lines",
    "digest",
    "first_difference",
    "line",
    "of_ranks",
    "of_tokenizer_json",
    "tokenizer_json",
]

_SPELT_AS_THEMSELVES = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
_OTHERS = [byte for byte in range(256) if byte not in _SPELT_AS_THEMSELVES]
_SPELLING = {byte: chr(256 + index) for index, byte in enumerate(_OTHERS)}


def _spelt(token: bytes) -> str:
    return token.decode("latin-1").translate(_SPELLING)


def line(left: bytes, right: bytes) -> str:
    r"""The line of one merge.

    >>> line(b" t", b"he\n")
    'Ġt heĊ'
    """
    return f"{_spelt(left)} {_spelt(right)}"


def as_lines(merges: Iterable[str]) -> bytes:
    r"""The content of a file of merges.

    >>> as_lines(["a b", "ab c"])
    b'a b\nab c\n'
    """
    return "".join(f"{merge}\n" for merge in merges).encode()


def digest(merges: Iterable[str]) -> str:
    """The SHA-256 of that content."""
    return hashlib.sha256(as_lines(merges)).hexdigest()


def first_difference(reference: Sequence[str], merges: Sequence[str]) -> dict[str, Any] | None:
    """Where a merge list leaves the reference: ``at``, counted from 0, and the merge of each there, if there is one.

    >>> first_difference(["a b", "ab c"], ["a b", "b c"])
    {'at': 1, 'reference': 'ab c', 'given': 'b c'}
    >>> first_difference(["a b", "ab c"], ["a b"])
    {'at': 1, 'reference': 'ab c', 'given': None}
    """
    if reference == merges:
        return None
    shared = min(len(reference), len(merges))
    at = next((index for index in range(shared) if reference[index] != merges[index]), shared)
    return {
        "at": at,
        "reference": reference[at] if at < len(reference) else None,
        "given": merges[at] if at < len(merges) else None,
    }


def of_tokenizer_json(content: str) -> list[str]:
    """The merges of a ``tokenizer.json``, which older programs write as lines and newer ones as pairs."""
    merges = json.loads(content)["model"]["merges"]
    return [merge if isinstance(merge, str) else " ".join(merge) for merge in merges]


def of_ranks(ranks: dict[bytes, int]) -> list[str]:
    """The merges behind tokens with ranks, as in a ``.tiktoken`` file: what each token is made of by those before it.

    >>> of_ranks({b"a": 0, b"b": 1, b"ab": 2, b"abb": 3})
    ['a b', 'ab b']
    """
    found = []
    for token in sorted(ranks, key=ranks.__getitem__):
        if len(token) > 1:
            parts = [bytes([byte]) for byte in token]
            while len(parts) > 2:
                at = min(
                    range(len(parts) - 1),
                    key=lambda index: ranks.get(parts[index] + parts[index + 1], len(ranks)),
                )
                parts[at : at + 2] = [parts[at] + parts[at + 1]]
            found.append(line(*parts))
    return found


def tokenizer_json(alphabet: bytes, merges: Sequence[str], vocab_size: int, pre_tokenizer: str) -> str:
    """A ``tokenizer.json`` of the first merges, as many as make a vocabulary of this size.

    Args:
        alphabet: The bytes that are tokens.
        merges: The merges; two that make the same token give it one id.
        vocab_size: The number of ids.
        pre_tokenizer: That section of the file, as JSON.
    """
    ids = {character: index for index, character in enumerate(sorted(_spelt(alphabet)))}
    used = []
    for merge in merges:
        if len(ids) == vocab_size:
            break
        ids.setdefault(merge.replace(" ", ""), len(ids))
        used.append(merge)
    return json.dumps(
        {
            "version": "1.0",
            "added_tokens": [],
            "pre_tokenizer": json.loads(pre_tokenizer),
            "model": {"type": "BPE", "vocab": ids, "merges": used},
        }
    )
