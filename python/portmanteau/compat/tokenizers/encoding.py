"""``Encoding``: what a tokenizer makes of a text or a pair of texts."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np

from portmanteau.compat.tokenizers.added_token import ignored
from portmanteau.compat.tokenizers.parts import FixedPart, Part, RowsPart
from portmanteau.errors import EncodingError

__all__ = ["Encoding"]

_DIRECTIONS = ("left", "right")


class Encoding:
    """The tokens of a text or a pair of texts, one property for each column. What is not asked for is not worked out.

    >>> import portmanteau as pm
    >>> from portmanteau.compat.tokenizers import Tokenizer
    >>> pm.Tokenizer.load("r50k_base").save("tokenizer.json")
    >>> encoding = Tokenizer.from_file("tokenizer.json").encode("by the way")
    >>> len(encoding), encoding.tokens
    (3, ['by', 'Ġthe', 'Ġway'])
    >>> encoding.char_to_token(4), encoding.token_to_chars(1)
    (1, (2, 6))
    """

    __slots__ = ("__weakref__", "_overflowing", "_parts", "_ranges")

    _parts: list[Part]
    _overflowing: list[Encoding]
    _ranges: dict[int, tuple[int, int]]

    def __init__(self) -> None:
        self._parts, self._overflowing, self._ranges = [], [], {}

    @classmethod
    def _of(
        cls,
        parts: Iterable[Part],
        overflowing: Iterable[Encoding] = (),
        ranges: dict[int, tuple[int, int]] | None = None,
    ) -> Encoding:
        """An encoding of parts, none of them empty."""
        encoding = cls.__new__(cls)
        encoding._parts = [part for part in parts if len(part.ids)]
        encoding._overflowing = list(overflowing)
        encoding._ranges = dict(ranges or {})
        return encoding

    def _copy(self) -> Encoding:
        return self._of(self._parts, [encoding._copy() for encoding in self._overflowing], self._ranges)

    def __len__(self) -> int:
        return sum(len(part.ids) for part in self._parts)

    def __repr__(self) -> str:
        return (
            f"Encoding(num_tokens={len(self)}, attributes=[ids, type_ids, tokens, offsets, attention_mask, "
            "special_tokens_mask, overflowing])"
        )

    # ── columns ─────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def ids(self) -> list[int]:
        """The ids."""
        return _joined(part.ids.tolist() for part in self._parts)

    @property
    def tokens(self) -> list[str]:
        """The tokens as the ``tokenizer.json`` spells them."""
        return _joined(part.tokens() for part in self._parts)

    @property
    def type_ids(self) -> list[int]:
        """The type of each token: which sequence of a pair it is of, unless the post-processor says otherwise."""
        return _joined(part.type_ids() for part in self._parts)

    @property
    def attention_mask(self) -> list[int]:
        """0 for padding, 1 for the rest."""
        return _joined(part.attention() for part in self._parts)

    @property
    def special_tokens_mask(self) -> list[int]:
        """1 for tokens that are not of a text, 0 for the rest."""
        return _joined(part.special() for part in self._parts)

    @property
    def offsets(self) -> list[tuple[int, int]]:
        """The characters that each token covers; ``(0, 0)`` for those that are not of a text."""
        if not self._parts:
            return []
        starts, ends = np.concatenate([part.offsets() for part in self._parts]).T.tolist()
        return list(zip(starts, ends, strict=True))

    @property
    def word_ids(self) -> list[int | None]:
        """The word that each token lies in; if pretokenized, of those given; ``None`` for what is of no text."""
        return _joined(part.words() for part in self._parts)

    @property
    def words(self) -> list[int | None]:
        """As :attr:`word_ids`, which has taken its place."""
        warnings.warn(
            "Encoding.words is deprecated, please use Encoding.word_ids instead.",
            DeprecationWarning,
            stacklevel=2,
        )
        return self.word_ids

    @property
    def sequence_ids(self) -> list[int | None]:
        """The sequence that each token is of; ``None`` for what is of no text."""
        sequences: list[int | None] = [None] * len(self)
        for sequence in range(self.n_sequences):
            start, stop = self._range(sequence)
            sequences[start:stop] = [sequence] * (stop - start)
        return sequences

    @property
    def n_sequences(self) -> int:
        """The number of sequences."""
        return len(self._ranges) or 1

    @property
    def overflowing(self) -> list[Encoding]:
        """What truncation cut off, in pieces of the same greatest length."""
        return [encoding._copy() for encoding in self._overflowing]

    def set_sequence_id(self, sequence_id: int) -> None:
        """Says that all tokens are of this sequence."""
        self._ranges[_unsigned(sequence_id)] = (0, len(self))

    def _range(self, sequence: int) -> tuple[int, int]:
        """The tokens of a sequence; all, where nothing is known of it."""
        return self._ranges.get(sequence, (0, len(self)))

    # ── from one to another ─────────────────────────────────────────────────────────────────────────────────────

    def token_to_sequence(self, token_index: int) -> int | None:
        """The sequence that a token is of."""
        index = _unsigned(token_index)
        if index > len(self):
            return None
        if not self._ranges:
            return 0
        found = (sequence for sequence, (start, stop) in self._ranges.items() if start <= index < stop)
        return next(found, None)

    def token_to_chars(self, token_index: int) -> tuple[int, int] | None:
        """The characters that a token covers, in the sequence that it is of."""
        if self.token_to_sequence(token_index) is None or token_index >= len(self):
            return None
        return self.offsets[token_index]

    def token_to_word(self, token_index: int) -> int | None:
        """The word that a token lies in, of the sequence that it is of."""
        if self.token_to_sequence(token_index) is None or token_index >= len(self):
            return None
        return self.word_ids[token_index]

    def word_to_tokens(self, word_index: int, sequence_index: int = 0) -> tuple[int, int] | None:
        """The first token of a word, and the one after the last."""
        word = _unsigned(word_index)
        first, stop = self._range(_unsigned(sequence_index))
        places = []
        for place, other in enumerate(self.word_ids[first:stop], start=first):
            if other is not None and other > word:
                break
            if other == word:
                places.append(place)
        return (places[0], places[-1] + 1) if places else None

    def word_to_chars(self, word_index: int, sequence_index: int = 0) -> tuple[int, int] | None:
        """The characters from the start of a word's first token to the end of its last."""
        tokens = self.word_to_tokens(word_index, sequence_index)
        if tokens is None:
            return None
        offsets = self.offsets
        return offsets[tokens[0]][0], offsets[tokens[1] - 1][1]

    def char_to_token(self, char_pos: int, sequence_index: int = 0) -> int | None:
        """The first token that covers a character."""
        place = _unsigned(char_pos)
        first, stop = self._range(_unsigned(sequence_index))
        covering = (
            index
            for index, (start, end) in enumerate(self.offsets[first:stop], start=first)
            if start <= place < end
        )
        return next(covering, None)

    def char_to_word(self, char_pos: int, sequence_index: int = 0) -> int | None:
        """The word of the first token that covers a character."""
        token = self.char_to_token(char_pos, sequence_index)
        return None if token is None else self.token_to_word(token)

    # ── changes ─────────────────────────────────────────────────────────────────────────────────────────────────

    def pad(self, length: int, **options: Any) -> None:
        """Pads to a length, and everything in :attr:`overflowing` too. What is longer stays as it is.

        Args:
            length: In tokens.
            **options: ``direction``, ``"right"`` (default) or ``"left"``; ``pad_id`` (0), ``pad_type_id`` (0) and
                ``pad_token`` (``"[PAD]"``) of the padding.

        Raises:
            EncodingError: The direction is neither; a ``ValueError``.
        """
        direction = options.pop("direction", "right")
        if direction not in _DIRECTIONS:
            raise EncodingError(f"Unknown `direction`: `{direction}`. Use one of `left` or `right`")
        padding = FixedPart(
            np.array([options.pop("pad_id", 0)], np.uint32),
            (options.pop("pad_token", "[PAD]"),),
            options.pop("pad_type_id", 0),
            attention_value=0,
        )
        ignored(options)
        self._pad(_unsigned(length), padding, direction == "left")

    def _pad(self, length: int, padding: FixedPart, left: bool) -> None:
        for encoding in self._overflowing:
            encoding._pad(length, padding, left)
        missing = length - len(self)
        if missing <= 0:
            return
        run = FixedPart(np.repeat(padding.ids, missing), padding.content, padding.type_id, 1, 0)
        if left:
            self._parts = [run, *self._parts]
            self._ranges = {
                sequence: (start + missing, stop + missing)
                for sequence, (start, stop) in self._ranges.items()
            }
        else:
            self._parts = [*self._parts, run]

    def truncate(self, max_length: int, stride: int = 0, direction: str = "right") -> None:
        """Cuts to a greatest length; what is cut off goes to :attr:`overflowing`, in pieces.

        Args:
            max_length: In tokens.
            stride: How many tokens a piece has of the one before it.
            direction: ``"right"`` cuts off the end, ``"left"`` the beginning.

        Raises:
            EncodingError: The direction is neither, or ``stride`` is not below ``max_length``; a ``ValueError``.
        """
        if direction not in _DIRECTIONS:
            raise EncodingError(f"Invalid truncation direction value : {direction}")
        self._truncate(_unsigned(max_length), _unsigned(stride), direction == "left")

    def _truncate(self, max_length: int, stride: int, left: bool) -> None:
        n_tokens = len(self)
        if max_length >= n_tokens:
            return
        if max_length == 0:
            self._parts, self._overflowing, self._ranges = [], [self._copy()], {}
            return
        if stride >= max_length:
            raise EncodingError(
                f"`stride` must be strictly less than `max_len={max_length}` (note that `max_len` may be shorter than "
                "the max length of the original model, as it subtracts the number of special characters"
            )
        step = max_length - stride
        if left:
            ranges = [(max(stop - max_length, 0), stop) for stop in range(n_tokens, 0, -step)]
            n_needed = next(n for n, (start, _) in enumerate(ranges, start=1) if start == 0)
        else:
            ranges = [(start, min(start + max_length, n_tokens)) for start in range(0, n_tokens, step)]
            n_needed = next(n for n, (_, stop) in enumerate(ranges, start=1) if stop == n_tokens)
        first, *others = (self._cut(start, stop) for start, stop in ranges[:n_needed])
        self._parts, self._ranges = first, {}
        self._overflowing = [self._of(parts) for parts in others]

    def _cut(self, start: int, stop: int) -> list[Part]:
        """The tokens from ``start`` to ``stop``."""
        parts, place = [], 0
        for part in self._parts:
            n_tokens = len(part.ids)
            low, high = max(start - place, 0), min(stop - place, n_tokens)
            if low < high:
                parts.append(part if high - low == n_tokens else part.cut(low, high))
            place += n_tokens
        return parts

    @staticmethod
    def merge(encodings: Sequence[Encoding], growing_offsets: bool = True) -> Encoding:
        """One encoding of several, one after the other.

        Args:
            encodings: They stay as they are.
            growing_offsets: Whether the offsets of each begin where those of the one before end.
        """
        merged = Encoding()
        for encoding in encodings:
            merged._append(encoding, growing_offsets)
        return merged

    def _append(self, other: Encoding, growing_offsets: bool) -> None:
        """Puts another encoding after this one, and every combination of the two overflows."""
        overflowing = []
        for own in self._overflowing:
            overflowing += [own._with(each, growing_offsets) for each in (other, *other._overflowing)]
        overflowing += [self._with(each, growing_offsets) for each in other._overflowing]
        self._parts, self._ranges = self._followed_by(other, growing_offsets)
        self._overflowing = overflowing

    def _with(self, other: Encoding, growing_offsets: bool) -> Encoding:
        merged = self._copy()
        merged._append(other, growing_offsets)
        return merged

    def _followed_by(
        self, other: Encoding, growing_offsets: bool
    ) -> tuple[list[Part], dict[int, tuple[int, int]]]:
        n_tokens = len(self)
        ranges = self._ranges | {
            sequence: (start + n_tokens, stop + n_tokens) for sequence, (start, stop) in other._ranges.items()
        }
        added = other._parts
        if growing_offsets and self._parts:
            shift = int(self._parts[-1].offsets()[-1, 1])
            added = [RowsPart.of(part, shift) for part in added]
        return [*self._parts, *added], ranges

    def _typed(self, type_id: int) -> None:
        """Gives all tokens this type."""
        self._parts = [part.typed(type_id) for part in self._parts]

    def _trim(self, add_prefix_space: bool) -> None:
        """Leaves the white space at the ends of tokens out of the offsets."""
        self._parts = [part.trimmed(add_prefix_space, place == 0) for place, part in enumerate(self._parts)]

    def __getstate__(self) -> tuple[Any, ...]:
        """Everything is worked out to be pickled."""
        rows = tuple(chain.from_iterable(RowsPart.of(part).rows for part in self._parts))
        return rows, self._overflowing, self._ranges

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        rows, self._overflowing, self._ranges = state
        self._parts = [RowsPart(rows)] if rows else []


def _joined(columns: Iterable[list[Any]]) -> list[Any]:
    """One list of several, which are new ones."""
    lists = list(columns)
    return lists[0] if len(lists) == 1 else list(chain.from_iterable(lists))


def _unsigned(value: int) -> int:
    """A number that is not negative.

    Raises:
        OverflowError: It is negative.
        TypeError: It is no integer.
    """
    number = operator.index(value)
    if number < 0:
        raise OverflowError("can't convert negative int to unsigned")
    return number
