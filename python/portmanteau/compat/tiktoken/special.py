"""Special tokens that a text must not have unless the caller says so."""

from __future__ import annotations

import os.path
import re
from functools import lru_cache
from typing import NoReturn

__all__ = ["expression", "refuse_special"]


def refuse_special(text: str, disallowed: frozenset[str]) -> None:
    """Raises where a text has one of these special tokens.

    Raises:
        ValueError: It has; the words are those of ``tiktoken``, which callers match on.
        TypeError: It is no text.
    """
    if not disallowed:
        return
    # Most texts do not even have what all of them begin with.
    if isinstance(text, str) and _common_start(disallowed) not in text:
        return
    if found := expression(disallowed).search(text):
        _raise_disallowed(found.group())


@lru_cache(maxsize=128)
def _common_start(tokens: frozenset[str]) -> str:
    return os.path.commonpath(list(tokens))


@lru_cache(maxsize=128)
def expression(tokens: frozenset[str]) -> re.Pattern[str]:
    """What finds one of these tokens, as its first group.

    >>> expression(frozenset({"<|a|>"})).split("x<|a|>y")
    ['x', '<|a|>', 'y']
    """
    return re.compile(f"({'|'.join(map(re.escape, tokens))})")


def _raise_disallowed(token: str) -> NoReturn:
    raise ValueError(
        f"Encountered text corresponding to disallowed special token {token!r}.\n"
        "If you want this text to be encoded as a special token, "
        f"pass it to `allowed_special`, e.g. `allowed_special={{{token!r}, ...}}`.\n"
        "If you want this text to be encoded as normal text, disable the check for this token "
        f"by passing `disallowed_special=(enc.special_tokens_set - {{{token!r}}})`.\n"
        "To disable this check for all special tokens, pass `disallowed_special=()`.\n"
    )
