"""The encodings of OpenAI by name, made from the three vocabularies that ship with Portmanteau.

``gpt2`` is ``r50k_base`` under another name. ``p50k_base`` and ``p50k_edit`` have the ranks of ``r50k_base``, and after
them runs of 2 to 25 spaces. ``o200k_harmony`` has the ranks of ``o200k_base`` and more special tokens. The files that
OpenAI publishes for them have known checksums, and what is made here has the same.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from portmanteau import data
from portmanteau.compat.tiktoken.core import Encoding
from portmanteau.tokenizer import BUNDLED

__all__ = ["ENCODINGS", "ENCODING_CONSTRUCTORS", "get_encoding", "list_encoding_names"]

_R50K_PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""
_CL100K_PATTERN = (
    r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|"""
    r"""\s*[\r\n]|\s+(?!\S)|\s"""
)
_O200K_PATTERN = (
    r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"""
    r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"""
    r"""\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
)

_LONGEST_SPACES = 25
"""The longest run of spaces that is a token of ``p50k_base``."""


@dataclass(frozen=True)
class _Recipe:
    """What an encoding is made of."""

    vocabulary: str
    pattern: str
    special_tokens: dict[str, int]
    n_vocab: int | None = None
    spaces_from: int | None = None
    """The rank of two spaces, where longer and longer runs of spaces follow the vocabulary."""

    def ranks(self) -> dict[bytes, int]:
        """The ranks by token. O(bytes of the vocabulary)."""
        lines = data.vocabulary_bytes(self.vocabulary).splitlines()
        ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in lines)}
        if self.spaces_from is not None:
            for n_spaces in range(2, _LONGEST_SPACES + 1):
                ranks[b" " * n_spaces] = self.spaces_from + n_spaces - 2
        return ranks


_R50K_SPECIAL, _CL100K_SPECIAL, _O200K_SPECIAL = (
    dict(BUNDLED[name][1]) for name in ("r50k_base", "cl100k_base", "o200k_base")
)
_HARMONY = {
    "<|startoftext|>": 199998,
    "<|return|>": 200002,
    "<|constrain|>": 200003,
    "<|channel|>": 200005,
    "<|start|>": 200006,
    "<|end|>": 200007,
    "<|message|>": 200008,
    "<|call|>": 200012,
}
"""The special tokens of ``o200k_harmony`` with a name, beside those of ``o200k_base``."""

_HARMONY_RESERVED = {
    f"<|reserved_{rank}|>": rank for rank in range(200_000, 201_088) if rank not in _HARMONY.values()
}
"""Those without one. ``<|reserved_200018|>`` has the id of ``<|endofprompt|>`` too."""

_RECIPES = {
    "gpt2": _Recipe("r50k_base", _R50K_PATTERN, _R50K_SPECIAL, n_vocab=50_257),
    "r50k_base": _Recipe("r50k_base", _R50K_PATTERN, _R50K_SPECIAL, n_vocab=50_257),
    "p50k_base": _Recipe("r50k_base", _R50K_PATTERN, _R50K_SPECIAL, n_vocab=50_281, spaces_from=50_257),
    "p50k_edit": _Recipe(
        "r50k_base",
        _R50K_PATTERN,
        _R50K_SPECIAL | {"<|fim_prefix|>": 50281, "<|fim_middle|>": 50282, "<|fim_suffix|>": 50283},
        spaces_from=50_257,
    ),
    "cl100k_base": _Recipe("cl100k_base", _CL100K_PATTERN, _CL100K_SPECIAL),
    "o200k_base": _Recipe("o200k_base", _O200K_PATTERN, _O200K_SPECIAL),
    "o200k_harmony": _Recipe("o200k_base", _O200K_PATTERN, _O200K_SPECIAL | _HARMONY | _HARMONY_RESERVED),
}

ENCODINGS: dict[str, Encoding] = {}
"""The encodings that have been asked for."""

_lock = threading.RLock()


def _constructor(name: str) -> Callable[[], dict[str, Any]]:
    def arguments() -> dict[str, Any]:
        """The arguments of :class:`Encoding` for it."""
        recipe = _RECIPES[name]
        return {
            "name": name,
            "pat_str": recipe.pattern,
            "mergeable_ranks": recipe.ranks(),
            "special_tokens": dict(recipe.special_tokens),
        } | ({} if recipe.n_vocab is None else {"explicit_n_vocab": recipe.n_vocab})

    return arguments


ENCODING_CONSTRUCTORS: dict[str, Callable[[], dict[str, Any]]] = {
    name: _constructor(name) for name in _RECIPES
}
"""Functions that give the arguments of :class:`Encoding`, by name; an encoding that is added here can be got."""


def get_encoding(encoding_name: str) -> Encoding:
    """The encoding of this name; the same object each time.

    Raises:
        ValueError: There is none.

    >>> get_encoding("r50k_base").encode("by the way")
    [1525, 262, 835]
    """
    if not isinstance(encoding_name, str):
        raise ValueError(f"Expected a string in get_encoding, got {type(encoding_name)}")
    with _lock:
        if encoding_name not in ENCODINGS:
            if encoding_name not in ENCODING_CONSTRUCTORS:
                raise ValueError(
                    f"Unknown encoding {encoding_name}.\n"
                    f"There are: {', '.join(ENCODING_CONSTRUCTORS)}.\n"
                    "For another one, make a portmanteau.compat.tiktoken.Encoding of its ranks, its pattern and its "
                    "special tokens."
                )
            ENCODINGS[encoding_name] = _made(encoding_name)
        return ENCODINGS[encoding_name]


def _made(name: str) -> Encoding:
    """A new encoding, without its ranks as a dict where the bundled file will do."""
    recipe = _RECIPES.get(name)
    if recipe is None or recipe.spaces_from is not None:
        return Encoding(**ENCODING_CONSTRUCTORS[name]())
    return Encoding._of_bundled(
        name, recipe.vocabulary, recipe.pattern, dict(recipe.special_tokens), recipe.ranks
    )


def list_encoding_names() -> list[str]:
    """The names that :func:`get_encoding` takes.

    >>> list_encoding_names()
    ['gpt2', 'r50k_base', 'p50k_base', 'p50k_edit', 'cl100k_base', 'o200k_base', 'o200k_harmony']
    """
    return list(ENCODING_CONSTRUCTORS)
