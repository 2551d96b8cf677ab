"""How long encodings may be and must be: truncation and padding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from portmanteau.compat.tokenizers.encoding import Encoding
from portmanteau.compat.tokenizers.parts import FixedPart
from portmanteau.errors import EncodingError

__all__ = ["Padding", "Truncation"]

_STRATEGIES = {"longest_first": "LongestFirst", "only_first": "OnlyFirst", "only_second": "OnlySecond"}
_WORD_SIZE = 1 << 64


@dataclass(frozen=True)
class Truncation:
    """What is cut off of long texts."""

    max_length: int
    stride: int = 0
    strategy: str = "longest_first"
    direction: str = "right"

    def check(self, n_added: int) -> None:
        """Raises where a parameter is unknown, or the stride leaves no room for ``n_added`` special tokens.

        Raises:
            EncodingError: The message says which; a ``ValueError``.
        """
        if self.strategy not in _STRATEGIES:
            raise EncodingError(
                f"Unknown `strategy`: `{self.strategy}`. Use one of `longest_first`, `only_first`, or `only_second`"
            )
        if self.direction not in ("left", "right"):
            raise EncodingError(f"Unknown `direction`: `{self.direction}`. Use one of `left` or `right`.")
        room = self._room(n_added)
        if room < self.stride:
            raise EncodingError(
                f"tokenizer stride set to {self.stride}, which is greater than or equal to its effective max length of "
                f"{room} (= {self.max_length} original max length - {n_added} added special tokens), "
            )

    def _room(self, n_added: int) -> int:
        """The tokens left for text; endless, as in the original, where special tokens alone are too many."""
        return (self.max_length - n_added) % _WORD_SIZE

    def apply(self, encodings: Sequence[Encoding], n_added: int) -> None:
        """Truncates the encodings of a text, or of both texts of a pair, so that ``n_added`` tokens still fit.

        Raises:
            EncodingError: The sequence that is to be cut is not there or too short; a ``ValueError``.
        """
        room, left = self._room(n_added), self.direction == "left"
        if room == 0:
            for encoding in encodings:
                encoding._truncate(0, self.stride, left)
            return
        lengths = [len(encoding) for encoding in encodings]
        excess = sum(lengths) - room
        if excess <= 0:
            return
        if self.strategy == "longest_first":
            new_lengths = [room] if len(lengths) == 1 else _shared(room, *lengths)
            for encoding, length in zip(encodings, new_lengths, strict=True):
                encoding._truncate(length, self.stride, left)
            return
        target = int(self.strategy == "only_second")
        if target >= len(encodings):
            raise EncodingError("Truncation error: Second sequence not provided")
        if lengths[target] <= excess:
            raise EncodingError(
                "Truncation error: Sequence to truncate too short to respect the provided max_length"
            )
        encodings[target]._truncate(lengths[target] - excess, self.stride, left)

    def as_dict(self) -> dict[str, Any]:
        """The arguments of ``enable_truncation``."""
        return {
            "max_length": self.max_length,
            "stride": self.stride,
            "strategy": self.strategy,
            "direction": self.direction,
        }

    def as_json(self) -> dict[str, Any]:
        """The section of a ``tokenizer.json``."""
        return {
            "direction": self.direction.capitalize(),
            "max_length": self.max_length,
            "strategy": _STRATEGIES[self.strategy],
            "stride": self.stride,
        }

    @classmethod
    def of_json(cls, section: Mapping[str, Any] | None) -> Truncation | None:
        """What a section of a ``tokenizer.json`` says."""
        if section is None:
            return None
        names = {spelling: name for name, spelling in _STRATEGIES.items()}
        return cls(
            section["max_length"],
            section["stride"],
            names[section["strategy"]],
            section.get("direction", "Right").lower(),
        )


def _shared(room: int, first: int, second: int) -> tuple[int, int]:
    """The lengths of a pair that is cut to ``room`` together: the longer one first, then both alike."""
    short, long = sorted((first, second))
    long = short if short > room else max(short, room - short)
    if short + long > room:
        short = room // 2
        long = short + room % 2
    return (short, long) if first <= second else (long, short)


@dataclass(frozen=True)
class Padding:
    """What short texts are filled up with."""

    length: int | None = None
    """To how many tokens; those of the longest in the batch, if ``None``."""
    pad_to_multiple_of: int | None = None
    pad_id: int = 0
    pad_token: str = "[PAD]"
    pad_type_id: int = 0
    direction: str = "right"

    def check(self) -> None:
        """Raises where the direction is unknown.

        Raises:
            EncodingError: It is; a ``ValueError``.
        """
        if self.direction not in ("left", "right"):
            raise EncodingError(f"Unknown `direction`: `{self.direction}`. Use one of `left` or `right`")

    def apply(self, encodings: Sequence[Encoding]) -> None:
        """Pads the encodings of a batch."""
        if not encodings:
            return
        length = max(map(len, encodings)) if self.length is None else self.length
        if self.pad_to_multiple_of:
            length += -length % self.pad_to_multiple_of
        padding = FixedPart(np.array([self.pad_id], np.uint32), (self.pad_token,), self.pad_type_id, 1, 0)
        for encoding in encodings:
            encoding._pad(length, padding, self.direction == "left")

    def as_dict(self) -> dict[str, Any]:
        """The arguments of ``enable_padding``."""
        return {
            "length": self.length,
            "pad_to_multiple_of": self.pad_to_multiple_of,
            "pad_id": self.pad_id,
            "pad_token": self.pad_token,
            "pad_type_id": self.pad_type_id,
            "direction": self.direction,
        }

    def as_json(self) -> dict[str, Any]:
        """The section of a ``tokenizer.json``."""
        return {
            "strategy": "BatchLongest" if self.length is None else {"Fixed": self.length},
            "direction": self.direction.capitalize(),
            "pad_to_multiple_of": self.pad_to_multiple_of,
            "pad_id": self.pad_id,
            "pad_type_id": self.pad_type_id,
            "pad_token": self.pad_token,
        }

    @classmethod
    def of_json(cls, section: Mapping[str, Any] | None) -> Padding | None:
        """What a section of a ``tokenizer.json`` says."""
        if section is None:
            return None
        strategy = section["strategy"]
        return cls(
            None if strategy == "BatchLongest" else strategy["Fixed"],
            section["pad_to_multiple_of"],
            section["pad_id"],
            section["pad_token"],
            section["pad_type_id"],
            section["direction"].lower(),
        )
