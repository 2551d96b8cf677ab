"""What a call returns: the ``BatchEncoding`` of ``transformers``, whose details are made when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from transformers import BatchEncoding

from portmanteau.compat.transformers.documents import Documents
from portmanteau.compat.transformers.rows import Row
from portmanteau.errors import EncodingError

__all__ = ["Details", "EncodedBatch"]


class Details:
    """What a batch can tell besides its arrays.

    Args:
        documents: The encoded texts.
        rows: Those of the batch.
        shifts: How much padding each row has before its tokens.
        encode_again: Lets ``tokenizers`` encode the same, and returns an ``Encoding`` for each row.
    """

    def __init__(
        self,
        documents: Documents,
        rows: Sequence[Row],
        shifts: Sequence[int],
        encode_again: Callable[[], list[Any]],
    ) -> None:
        self._documents, self._rows, self._shifts = documents, rows, shifts
        self._encode_again = encode_again
        self._encodings: list[Any] | None = None

    def encodings(self) -> list[Any]:
        """A ``tokenizers.Encoding`` for each row; ``tokenizers`` encodes the texts when they are first asked for.

        Raises:
            EncodingError: The tokenizer has been changed since, and its ids are other ones.
        """
        if self._encodings is None:
            encodings = self._encode_again()
            for row, shift, encoding in zip(self._rows, self._shifts, encodings, strict=True):
                if encoding.ids[shift : shift + len(row)] != row.ids(self._documents.ids[row.document]):
                    message = (
                        "the tokenizer has been changed since this batch was encoded; encode the text again"
                    )
                    raise EncodingError(f"document {row.document}: {message}", document=row.document)
            self._encodings = encodings
        return self._encodings

    def char_to_token(self, row: int, character: int, text: int) -> int | None:
        """The first token of a row that a character of a text belongs to, if any. O(tokens) in vectors.

        Raises:
            LookupError: Only ``tokenizers`` knows: the row has no such text, or its places follow other rules.
        """
        of_row = self._rows[row]
        places = self._documents.places(of_row)
        if places is None or not 0 <= text < len(places):
            raise LookupError
        starts, ends = places[text].T
        found = np.flatnonzero((starts <= character) & (character < ends))
        return self._shifts[row] + of_row.start_of(text) + int(found[0]) if len(found) else None


class EncodedBatch(BatchEncoding):  # type: ignore[misc]  # transformers has no types here
    """A ``BatchEncoding`` that makes its ``tokenizers.Encoding`` objects only when something asks for them.

    ``tokens()``, ``word_ids()``, ``batch[0]`` and the like answer as the original's, for the price of encoding once
    more with ``tokenizers``. So does pickling, which takes them along; ``dict(batch)`` pickles without.
    ``char_to_token`` needs none of this.
    """

    _details: Details | None = None
    _given: Any = None

    def describe(self, details: Details) -> EncodedBatch:
        """Takes the details, and returns itself."""
        self._details = details
        return self

    @property
    def _encodings(self) -> Any:
        """What the base class keeps there."""
        return self._given if self._details is None else self._details.encodings()

    @_encodings.setter
    def _encodings(self, encodings: Any) -> None:
        self._given = encodings

    @property
    def is_fast(self) -> bool:
        """Whether it can tell where tokens come from."""
        return self._details is not None or self._given is not None

    def char_to_token(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """The token of a character, as the original says it.

        Args:
            batch_or_char_index: The row, or the character where the batch is of one row.
            char_index: The character in the text, if the row was given.
            sequence_index: 0 for the first text of the row, 1 for the second.
        """
        row, character = (0, batch_or_char_index) if char_index is None else (batch_or_char_index, char_index)
        if self._details is not None:
            try:
                return self._details.char_to_token(row, character, sequence_index)
            except LookupError:
                pass
        found: int | None = super().char_to_token(batch_or_char_index, char_index, sequence_index)
        return found
