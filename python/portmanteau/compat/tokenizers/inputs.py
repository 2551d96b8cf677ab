"""What may be given to be encoded: texts, lists of words, and pairs of either."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Input", "Words", "batch_inputs", "one_input"]


@dataclass(frozen=True)
class Words:
    """One text, or the words that it was cut into."""

    texts: Sequence[str]
    are_words: bool


Input = tuple[Words, ...]
"""A text, or both texts of a pair."""


def one_input(sequence: Any, pair: Any, is_pretokenized: bool) -> Input:
    """The arguments of ``encode``.

    Raises:
        TypeError: A text is not a ``str``, or not a list or tuple of them if it is pretokenized.
    """
    read = _words if is_pretokenized else _text
    return (read(sequence),) if pair is None else (read(sequence), read(pair))


def batch_inputs(inputs: Any, is_pretokenized: bool) -> list[Input]:
    """The argument of ``encode_batch``.

    Raises:
        TypeError: It is not a sequence, or one of its items is neither a text nor a pair.
    """
    return [_single_or_pair(item, is_pretokenized) for item in _sequence(inputs)]


def _single_or_pair(item: Any, is_pretokenized: bool) -> Input:
    if isinstance(item, str) and not is_pretokenized:
        return (_text(item),)
    if is_pretokenized and _are_words(item):
        return (_words(item),)
    if not isinstance(item, str) and _is_sequence(item) and len(item) == 2:
        return one_input(item[0], item[1], is_pretokenized)
    kind = "PreTokenizedInputSequence" if is_pretokenized else "TextInputSequence"
    name = kind.replace("InputSequence", "EncodeInput")
    other = kind if is_pretokenized else "InputSequence"
    raise TypeError(f"{name} must be Union[{kind}, Tuple[{other}, {other}]]")


def _text(text: Any) -> Words:
    if not isinstance(text, str):
        raise TypeError("TextInputSequence must be str")
    return Words((text,), are_words=False)


def _words(words: Any) -> Words:
    if not _are_words(words):
        raise TypeError("PreTokenizedInputSequence must be Union[List[str], Tuple[str]]")
    return Words(list(words), are_words=True)


def _are_words(words: Any) -> bool:
    if isinstance(words, np.ndarray):
        return words.ndim == 1 and all(isinstance(word, str) for word in words)
    return isinstance(words, (list, tuple)) and all(isinstance(word, str) for word in words)


def _is_sequence(value: Any) -> bool:
    return isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, (str, bytes))


def _sequence(value: Any) -> Any:
    if not _is_sequence(value):
        raise TypeError(f"{type(value).__name__!r} object is not a sequence of texts")
    return value
