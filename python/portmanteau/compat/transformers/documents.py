"""The texts of one call with their ids, and where the tokens of its rows lie in them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from portmanteau.compat.transformers.encoder import Encoder
from portmanteau.compat.transformers.rows import Row

__all__ = ["Documents"]

Places = npt.NDArray[np.int64]


class Documents:
    """Encoded documents, each of one text or all of two.

    Attributes:
        ids: The ids of each text of each document, without special tokens.
    """

    def __init__(
        self, texts: Sequence[tuple[str, ...]], encoder: Encoder, *, split_special_tokens: bool
    ) -> None:
        """Encodes all texts at once. Time as for ``Tokenizer.encode_batch``.

        Raises:
            EncodingError: A text has a lone surrogate.
        """
        flat = [text for document in texts for text in document]
        batch = encoder.encode(flat, split_special_tokens=split_special_tokens)
        ids, offsets = batch.ids.tolist(), batch.offsets.tolist()
        of_texts = iter([ids[start:stop] for start, stop in pairwise(offsets)])
        self.ids: list[list[list[int]]] = [[next(of_texts) for _ in document] for document in texts]
        self._texts = texts
        self._encoder = encoder
        self._split_special_tokens = split_special_tokens
        self._places: dict[int, list[Places] | None] = {}

    def places(self, row: Row) -> list[Places] | None:
        """The places of the tokens of a row in its texts: for each, ``int64[n, 2]`` of start and end in characters.

        ``None`` where only ``tokenizers`` knows them: see :meth:`Encoder.places`. The document is encoded once more,
        when it is first asked for; then O(tokens).
        """
        number = row.document
        if number not in self._places:
            self._places[number] = self._places_of(self._texts[number])
        of_document = self._places[number]
        if of_document is None:
            return None
        texts = zip(self._texts[number], of_document, self.ids[number], row.windows, strict=True)
        return [self._encoder.window_places(*of_text, row.template) for of_text in texts]

    def _places_of(self, document: tuple[str, ...]) -> list[Places] | None:
        found = []
        for text in document:
            places = self._encoder.places(text, split_special_tokens=self._split_special_tokens)
            if places is None:
                return None
            found.append(places)
        return found
