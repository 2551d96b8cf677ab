"""Patterns in addresses, which mean what they mean in local paths."""

from __future__ import annotations

import fnmatch
import re

__all__ = ["has_wildcard", "matches", "split_pattern"]

WILDCARD = re.compile(r"[*\[]")
"""A question mark in an address begins its query, and so stands for no character."""


def has_wildcard(path: str) -> bool:
    """Whether a path, without its query, is a pattern.

    >>> has_wildcard("s3://bucket/*.txt"), has_wildcard("s3://bucket/a.txt")
    (True, False)
    """
    return WILDCARD.search(path) is not None


def split_pattern(path: str) -> tuple[str, str]:
    """The longest folder without a wildcard, and the pattern within it.

    >>> split_pattern("s3://bucket/folder/a*/*.txt")
    ('s3://bucket/folder', 'a*/*.txt')
    """
    names = path.split("/")
    number = next(number for number, name in enumerate(names) if has_wildcard(name))
    return "/".join(names[:number]), "/".join(names[number:])


def matches(path: str, pattern: str) -> bool:
    """Whether a path within a folder matches a pattern, as ``glob`` has it.

    ``*`` stays within one name, ``**`` is any number of folders, and a name that begins with a dot is matched only by
    a pattern that does.

    >>> [matches(path, "**/*.txt") for path in ("a.txt", "b/c/a.txt", "b/.a.txt", ".b/a.txt")]
    [True, True, False, False]
    """
    return _match(path.split("/"), pattern.split("/"))


def _match(names: list[str], patterns: list[str]) -> bool:
    if not names or not patterns:
        return names == patterns
    if patterns == ["**"]:
        return not any(name.startswith(".") for name in names)
    if patterns[0] == "**":
        goes_on = not names[0].startswith(".") and _match(names[1:], patterns)
        return goes_on or _match(names, patterns[1:])
    return _matches_name(names[0], patterns[0]) and _match(names[1:], patterns[1:])


def _matches_name(name: str, pattern: str) -> bool:
    is_seen = pattern.startswith(".") or not name.startswith(".")
    return is_seen and fnmatch.fnmatchcase(name, pattern)
