"""Rows of token ids from encoded texts: truncation into windows, special tokens around them, padding.

A *document* is what becomes a row: one text, or a pair. Truncation keeps a *window* of the tokens of each text; what it
cuts off becomes further windows, which overlap by ``stride`` tokens. A *template* says which special tokens stand
before, between and after the windows. The rules are those of the post-processors and the truncation of Hugging Face
``tokenizers`` 0.23. This module knows nothing of text: it works on numbers of tokens and on lists with one value each.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from portmanteau.errors import EncodingError

__all__ = ["Padding", "Piece", "Row", "Template", "Truncation", "cut", "windows"]

Window = tuple[int, int]
"""The first token of a text that a row has, and the one after the last."""


class Piece(NamedTuple):
    """A part of a template: a special token, or the place of a text."""

    text: int | None
    """0 for the first text of a document, 1 for the second, ``None`` for a special token."""
    token_id: int
    """That of the special token; -1 for a text."""
    type_id: int
    """What ``token_type_ids`` has for the tokens of the piece."""


@dataclass(frozen=True)
class Template:
    """What a post-processor makes of one text or of a pair.

    Attributes:
        pieces: In the order of the row; the texts among them are in their own order.
        trims_spaces: Whether the place of a token in the text leaves out the spaces at its ends.
        keeps_first_space: Whether the first token keeps a single space at its start all the same.
    """

    pieces: tuple[Piece, ...]
    trims_spaces: bool = False
    keeps_first_space: bool = False

    @property
    def n_special(self) -> int:
        """The number of special tokens. O(pieces)."""
        return sum(piece.text is None for piece in self.pieces)


@dataclass(frozen=True)
class Truncation:
    """How documents are cut.

    Attributes:
        max_length: The most tokens of a row, special tokens included.
        stride: The number of tokens that a window shares with the one before it.
        strategy: ``"longest_first"``, ``"only_first"`` or ``"only_second"``.
        side: ``"right"`` or ``"left"``: where tokens are cut off.
    """

    max_length: int
    stride: int
    strategy: str
    side: str

    def check(self, n_special: int) -> None:
        """Refuses a stride that cannot work with this many special tokens around a text, whatever the text. O(1).

        Raises:
            EncodingError: It is larger than the room that is left for the text.
        """
        room = self.max_length - n_special
        if self.stride > room:
            message = f"stride={self.stride} is more than max_length={self.max_length} less {n_special} special tokens"
            raise EncodingError(f"{message}; lower stride or raise max_length")


@dataclass(frozen=True)
class Padding:
    """How rows are filled up.

    Attributes:
        length: Of every row that is shorter; ``None`` for that of the longest row.
        multiple: The length is rounded up to a multiple of it, if it is not ``None``.
        side: ``"right"`` or ``"left"``: where padding is put.
    """

    length: int | None
    multiple: int | None
    side: str

    def target(self, lengths: Collection[int]) -> int:
        """The length with padding of rows that have these lengths without. O(rows).

        >>> Padding(None, 8, "right").target([3, 12])
        16
        """
        target = max(lengths, default=0) if self.length is None else self.length
        return target + -target % self.multiple if self.multiple else target

    def fill(self, values: list[Any], value: Any, target: int) -> list[Any]:
        """``values``, with ``value`` before or after them until there are ``target``. O(target).

        >>> Padding(None, None, "left").fill([7, 8], 0, 4)
        [0, 0, 7, 8]
        """
        filling = [value] * (target - len(values))
        return filling + values if self.side == "left" else values + filling


@dataclass(frozen=True)
class Row:
    """One row: a window of each text of a document, within a template.

    Attributes:
        document: Its index in the batch.
        windows: As many as the document has texts.
        template: What stands around them.
    """

    document: int
    windows: tuple[Window, ...]
    template: Template

    def __len__(self) -> int:
        """The number of tokens, without padding."""
        return self.template.n_special + sum(stop - start for start, stop in self.windows)

    def ids(self, texts: Sequence[list[int]]) -> list[int]:
        """The token ids, from all those of each text. O(tokens)."""
        ids: list[int] = []
        for text, token_id, _ in self.template.pieces:
            if text is None:
                ids.append(token_id)
            else:
                start, stop = self.windows[text]
                ids += texts[text][start:stop]
        return ids

    def offsets(self, texts: Sequence[Sequence[tuple[int, int]]]) -> list[tuple[int, int]]:
        """The offsets, from those of the window of each text; (0, 0) for special tokens. O(tokens)."""
        offsets: list[tuple[int, int]] = []
        for text, _, _ in self.template.pieces:
            offsets += [(0, 0)] if text is None else texts[text]
        return offsets

    def type_ids(self) -> list[int]:
        """The type ids of the tokens. O(tokens)."""
        return [type_id for (_, _, type_id), length in self._lengths() for _ in range(length)]

    def special_tokens_mask(self) -> list[int]:
        """1 for the tokens that the template adds, 0 for those of the texts. O(tokens)."""
        return [int(text is None) for (text, _, _), length in self._lengths() for _ in range(length)]

    def start_of(self, text: int) -> int:
        """The place in the row of the first token of a text. O(pieces)."""
        before = 0
        for piece, length in self._lengths():
            if piece.text == text:
                break
            before += length
        return before

    def _lengths(self) -> Iterator[tuple[Piece, int]]:
        for piece in self.template.pieces:
            start, stop = (0, 1) if piece.text is None else self.windows[piece.text]
            yield piece, stop - start


def windows(length: int, most: int, stride: int, side: str) -> list[Window]:
    """The windows of at most ``most`` tokens on a text of ``length``; the first is the one that truncation keeps.

    Raises:
        EncodingError: The stride leaves no room for anything new. O(windows).

    >>> windows(10, 4, 1, "right")
    [(0, 4), (3, 7), (6, 10)]
    >>> windows(10, 4, 0, "left")
    [(6, 10), (2, 6), (0, 2)]
    """
    if length <= most:
        return [(0, length)]
    if most == 0:
        return [(0, 0), (0, length)]
    if stride >= most:
        message = f"stride={stride} must be less than the {most} tokens that truncation leaves of a text; lower stride"
        raise EncodingError(message)
    if side == "left":
        return [(max(0, stop - most), stop) for stop in range(length, stride, stride - most)]
    return [(start, min(start + most, length)) for start in range(0, length - stride, most - stride)]


def cut(
    lengths: Sequence[int],
    document: int,
    template: Template,
    truncation: Truncation | None,
) -> list[Row]:
    """The rows of a document whose texts have these numbers of tokens; the first is the one that is kept.

    Of a pair there is this one only.

    Raises:
        EncodingError: The strategy cannot make the document short enough, or the stride is too large. O(rows).

    >>> template = Template((Piece(None, 1, 0), Piece(0, -1, 0)))  # a special token, then the text
    >>> [row.windows for row in cut([6], 0, template, Truncation(4, 0, "longest_first", "right"))]
    [((0, 3),), ((3, 6),)]
    """
    if truncation is None:
        return [Row(document, tuple((0, length) for length in lengths), template)]
    try:
        kept = _kept_lengths(lengths, truncation, template.n_special)
        of_texts = [
            windows(length, most, truncation.stride, truncation.side)
            for length, most in zip(lengths, kept, strict=True)
        ]
    except EncodingError as error:
        raise EncodingError(f"document {document}: {error}", document=document) from None
    n_rows = len(of_texts[0]) if len(of_texts) == 1 else 1
    return [Row(document, tuple(of_text[row] for of_text in of_texts), template) for row in range(n_rows)]


def _kept_lengths(lengths: Sequence[int], truncation: Truncation, n_special: int) -> Sequence[int]:
    """The number of tokens that is kept of each text."""
    room = truncation.max_length - n_special
    if room < 0:
        raise EncodingError(
            f"max_length={truncation.max_length} has no room for {n_special} special tokens; raise it"
        )
    excess = sum(lengths) - room
    if excess <= 0:
        return lengths
    if room == 0:
        return [0] * len(lengths)
    if truncation.strategy == "longest_first":
        return [room] if len(lengths) == 1 else _longest_first(lengths[0], lengths[1], room)
    cut_text = int(truncation.strategy == "only_second")
    if cut_text == len(lengths):
        raise EncodingError("truncation='only_second' needs a second text; pass text_pair")
    if lengths[cut_text] <= excess:
        message = f"truncation={truncation.strategy!r} must cut {excess} tokens, but that text has {lengths[cut_text]}"
        raise EncodingError(f"{message}; use 'longest_first' or a larger max_length")
    return [length - excess * (text == cut_text) for text, length in enumerate(lengths)]


def _longest_first(first: int, second: int, room: int) -> tuple[int, int]:
    """The longer of the two loses tokens until both are equally long, then both do."""
    shorter = min(first, second)
    longer = max(shorter, room - shorter)
    if shorter + longer > room:
        shorter, longer = room // 2, room - room // 2
    return (longer, shorter) if first > second else (shorter, longer)
