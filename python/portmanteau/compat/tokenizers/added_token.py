"""``AddedToken``: a string that is looked for in a text before anything else, and becomes one id."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

__all__ = ["AddedToken", "ignored"]

FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


class AddedToken:
    """A string with an id of its own, and how it is looked for.

    Args:
        content: The string.
        single_word: Whether it counts only between characters that are no part of a word.
        lstrip: Whether it takes the white space before it.
        rstrip: Whether it takes the white space after it.
        normalized: Whether it is looked for in the normalized text; if not given, unless it is special.
        special: Whether decoding may leave it out.
        **ignored_options: Other options are ignored with a warning.

    >>> AddedToken("<mask>", lstrip=True)
    AddedToken("<mask>", rstrip=False, lstrip=True, single_word=False, normalized=True, special=False)
    """

    __slots__ = ("_flags", "content")

    content: str
    _flags: dict[str, bool]

    def __init__(self, content: str | None = None, **options: bool) -> None:
        self.content = content or ""
        self._flags = {name: bool(options.pop(name)) for name in FLAGS if name in options}
        ignored(options)

    @property
    def single_word(self) -> bool:
        """Whether it counts only between characters that are no part of a word."""
        return self._flags.get("single_word", False)

    @property
    def lstrip(self) -> bool:
        """Whether it takes the white space before it."""
        return self._flags.get("lstrip", False)

    @property
    def rstrip(self) -> bool:
        """Whether it takes the white space after it."""
        return self._flags.get("rstrip", False)

    @property
    def normalized(self) -> bool:
        """Whether it is looked for in the normalized text."""
        return self._flags.get("normalized", not self.special)

    @property
    def special(self) -> bool:
        """Whether decoding may leave it out."""
        return self._flags.get("special", False)

    @special.setter
    def special(self, special: bool) -> None:
        self._flags["special"] = special

    def as_json(self) -> dict[str, Any]:
        """The token as a ``tokenizer.json`` has it, but for its id."""
        return {"content": self.content} | {name: getattr(self, name) for name in FLAGS}

    @classmethod
    def of_json(cls, section: Mapping[str, Any]) -> AddedToken:
        """A token of a ``tokenizer.json``, with all flags set."""
        return cls(section["content"], **{name: section.get(name, False) for name in FLAGS})

    def copy(self) -> AddedToken:
        """Another one with the same flags, all of them set."""
        return self.of_json(self.as_json())

    def __str__(self) -> str:
        return self.content

    def __repr__(self) -> str:
        flags = ("rstrip", "lstrip", "single_word", "normalized", "special")
        return f'AddedToken("{self.content}", {", ".join(f"{name}={getattr(self, name)}" for name in flags)})'

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AddedToken):
            return NotImplemented
        return self.as_json() == other.as_json()

    def __hash__(self) -> int:
        return hash(self.content)

    def __getstate__(self) -> dict[str, Any]:
        return self.as_json()

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.content = state["content"]
        self._flags = {name: state[name] for name in FLAGS}


def ignored(options: Mapping[str, object]) -> None:
    """Warns of options that nothing makes use of; the original prints the same words."""
    for name in options:
        warnings.warn(f"Ignored unknown kwarg option {name}", UserWarning, stacklevel=3)
