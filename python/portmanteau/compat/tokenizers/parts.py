"""The parts that an encoding is put together from: encoded text, special tokens, padding.

A part knows its ids at once and works out the rest (tokens, words, offsets) when it is asked, because most callers want
nothing but ids. Parts do not change: to cut one or to give it another type makes a new one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from portmanteau.compat.tokenizers.vocabulary import Vocabulary

__all__ = ["EncodedText", "FixedPart", "Part", "RowsPart", "TextPart"]

Offsets = npt.NDArray[np.int64]
NO_WORD = -1


class Part(Protocol):
    """A run of tokens of an encoding."""

    @property
    def ids(self) -> npt.NDArray[np.uint32]:
        """``uint32[n]``."""

    def tokens(self) -> list[str]:
        """The tokens as the ``tokenizer.json`` spells them."""

    def words(self) -> list[int | None]:
        """The word that each token lies in."""

    def offsets(self) -> Offsets:
        """``int64[n, 2]``: the characters that each token covers."""

    def type_ids(self) -> list[int]:
        """The type of each token."""

    def special(self) -> list[int]:
        """1 for what is not of the text."""

    def attention(self) -> list[int]:
        """0 for padding."""

    def cut(self, start: int, stop: int) -> Part:
        """The tokens from ``start`` to ``stop``."""

    def typed(self, type_id: int) -> Part:
        """The same tokens with another type."""

    def trimmed(self, add_prefix_space: bool, is_first: bool) -> Part:
        """The same tokens whose offsets leave out the white space at their ends."""


class EncodedText:
    """A text and its ids, which finds out more when it is asked."""

    __slots__ = ("_offsets", "_words", "ids", "policy", "text", "vocabulary", "word")

    def __init__(
        self,
        vocabulary: Vocabulary,
        text: str,
        policy: str,
        ids: npt.NDArray[np.uint32],
        word: int | None,
    ) -> None:
        """``policy`` is what became of special tokens; ``word`` is that of all tokens, of a text that is one word."""
        self.vocabulary, self.text, self.policy, self.ids, self.word = vocabulary, text, policy, ids, word
        self._offsets: Offsets | None = None
        self._words: npt.NDArray[np.uint32] | None = None

    def offsets(self) -> Offsets:
        """``int64[n, 2]``, in characters."""
        if self._offsets is None:
            self._offsets = self.vocabulary.core.encode_with_offsets(self.text, self.policy, "huggingface")[1]
        return self._offsets

    def words(self) -> npt.NDArray[np.uint32]:
        """``uint32[n]``."""
        if self._words is None:
            self._words = (
                self.vocabulary.core.word_ids(self.text, self.policy)
                if self.word is None
                else np.full(len(self.ids), self.word, np.uint32)
            )
        return self._words


@dataclass(frozen=True)
class _Trim:
    """That white space is left out of offsets: with which option, and the token that was first of its encoding."""

    add_prefix_space: bool
    first: int | None


class TextPart:
    """Tokens of a text."""

    __slots__ = ("source", "start", "stop", "trims", "type_id")

    def __init__(
        self, source: EncodedText, start: int, stop: int, type_id: int, trims: tuple[_Trim, ...] = ()
    ) -> None:
        self.source, self.start, self.stop, self.type_id, self.trims = source, start, stop, type_id, trims

    @property
    def ids(self) -> npt.NDArray[np.uint32]:
        """See :class:`Part`."""
        return self.source.ids[self.start : self.stop]

    def tokens(self) -> list[str]:
        """See :class:`Part`."""
        return self.source.vocabulary.tokens_in(self.source, self.start, self.stop)

    def words(self) -> list[int | None]:
        """See :class:`Part`."""
        words: list[int | None] = self.source.words()[self.start : self.stop].tolist()
        return words

    def offsets(self) -> Offsets:
        """See :class:`Part`."""
        offsets = self.source.offsets()[self.start : self.stop]
        if not self.trims:
            return offsets
        leading, trailing = self.source.vocabulary.spaces_in(self.source, self.start, self.stop)
        for trim in self.trims:
            offsets = _trim(offsets, leading, trailing, trim, self.start)
        return offsets

    def type_ids(self) -> list[int]:
        """See :class:`Part`."""
        return [self.type_id] * (self.stop - self.start)

    def special(self) -> list[int]:
        """See :class:`Part`."""
        return [0] * (self.stop - self.start)

    def attention(self) -> list[int]:
        """See :class:`Part`."""
        return [1] * (self.stop - self.start)

    def cut(self, start: int, stop: int) -> TextPart:
        """See :class:`Part`."""
        return TextPart(self.source, self.start + start, self.start + stop, self.type_id, self.trims)

    def typed(self, type_id: int) -> TextPart:
        """See :class:`Part`."""
        return TextPart(self.source, self.start, self.stop, type_id, self.trims)

    def trimmed(self, add_prefix_space: bool, is_first: bool) -> TextPart:
        """See :class:`Part`."""
        trim = _Trim(add_prefix_space, self.start if is_first else None)
        return TextPart(self.source, self.start, self.stop, self.type_id, (*self.trims, trim))


def _trim(
    offsets: Offsets, leading: npt.NDArray[np.int64], trailing: npt.NDArray[np.int64], trim: _Trim, start: int
) -> Offsets:
    """Offsets without the white space at the ends of tokens; a space that was put before the text is none."""
    starts, ends = offsets[:, 0], offsets[:, 1]
    if trim.add_prefix_space:
        is_first = starts == 0
        if trim.first is not None and 0 <= trim.first - start < len(is_first):
            is_first[trim.first - start] = True
        leading = np.where(is_first & (leading == 1), 0, leading)
    starts = np.where(leading > 0, np.minimum(starts + leading, ends), starts)
    fits = (trailing > 0) & (ends >= trailing)
    return np.stack([starts, np.where(fits, np.maximum(ends - trailing, starts), ends)], axis=1)


@dataclass(frozen=True)
class FixedPart:
    """Tokens that lie in no text: special ones, padding, and those of ``encode_batch_fast``."""

    ids: npt.NDArray[np.uint32]
    content: tuple[str, ...]
    """The token of each id, or one for all."""
    type_id: int
    special_value: int = 1
    attention_value: int = 1

    def tokens(self) -> list[str]:
        """See :class:`Part`."""
        return (
            list(self.content) if len(self.content) == len(self.ids) else list(self.content) * len(self.ids)
        )

    def words(self) -> list[int | None]:
        """See :class:`Part`."""
        return [None] * len(self.ids)

    def offsets(self) -> Offsets:
        """See :class:`Part`."""
        return np.zeros((len(self.ids), 2), np.int64)

    def type_ids(self) -> list[int]:
        """See :class:`Part`."""
        return [self.type_id] * len(self.ids)

    def special(self) -> list[int]:
        """See :class:`Part`."""
        return [self.special_value] * len(self.ids)

    def attention(self) -> list[int]:
        """See :class:`Part`."""
        return [self.attention_value] * len(self.ids)

    def cut(self, start: int, stop: int) -> FixedPart:
        """See :class:`Part`."""
        return replace(self, ids=self.ids[start:stop], content=tuple(self.tokens()[start:stop]))

    def typed(self, type_id: int) -> FixedPart:
        """See :class:`Part`."""
        return replace(self, type_id=type_id)

    def trimmed(self, add_prefix_space: bool, is_first: bool) -> FixedPart:
        """See :class:`Part`. There is nothing to leave out."""
        return self


@dataclass(frozen=True)
class RowsPart:
    """Tokens of which everything is written down: unpickled, or merged with offsets that grow."""

    rows: tuple[tuple[int, str, int | None, tuple[int, int], int, int, int], ...]
    """Id, token, word, offsets, type, special, attention."""

    @classmethod
    def of(cls, part: Part, shift: int = 0) -> RowsPart:
        """What a part has, with ``shift`` added to its offsets."""
        offsets = (part.offsets() + shift).tolist()
        columns: Sequence[Sequence[object]] = (
            part.ids.tolist(),
            part.tokens(),
            part.words(),
            [(start, end) for start, end in offsets],
            part.type_ids(),
            part.special(),
            part.attention(),
        )
        return cls(tuple(zip(*columns, strict=True)))

    @cached_property
    def ids(self) -> npt.NDArray[np.uint32]:
        """See :class:`Part`."""
        return np.array([row[0] for row in self.rows], np.uint32)

    def tokens(self) -> list[str]:
        """See :class:`Part`."""
        return [row[1] for row in self.rows]

    def words(self) -> list[int | None]:
        """See :class:`Part`."""
        return [row[2] for row in self.rows]

    def offsets(self) -> Offsets:
        """See :class:`Part`."""
        return np.array([row[3] for row in self.rows], np.int64).reshape(-1, 2)

    def type_ids(self) -> list[int]:
        """See :class:`Part`."""
        return [row[4] for row in self.rows]

    def special(self) -> list[int]:
        """See :class:`Part`."""
        return [row[5] for row in self.rows]

    def attention(self) -> list[int]:
        """See :class:`Part`."""
        return [row[6] for row in self.rows]

    def cut(self, start: int, stop: int) -> RowsPart:
        """See :class:`Part`."""
        return RowsPart(self.rows[start:stop])

    def typed(self, type_id: int) -> RowsPart:
        """See :class:`Part`."""
        return RowsPart(tuple((*row[:4], type_id, *row[5:]) for row in self.rows))

    def trimmed(self, add_prefix_space: bool, is_first: bool) -> RowsPart:
        """See :class:`Part`."""
        from portmanteau.compat.tokenizers.vocabulary import count_spaces

        leading, trailing = count_spaces(self.tokens())
        trim = _Trim(add_prefix_space, 0 if is_first else None)
        offsets = _trim(self.offsets(), leading, trailing, trim, 0).tolist()
        rows = zip(self.rows, offsets, strict=True)
        return RowsPart(tuple((*row[:3], (start, end), *row[4:]) for row, (start, end) in rows))
