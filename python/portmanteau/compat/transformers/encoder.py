"""The encoder beside a live ``tokenizers.Tokenizer``: its ids, its templates, and the places of its tokens.

Hugging Face's object stays the one that holds the vocabulary, and it can be changed at any time. An :class:`Encoder` is
made from it once, and :meth:`Encoder.is_of` tells whether it is still right. What a post-processor does
is found by giving it a text of two known tokens, so that every kind of post-processor is understood alike.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import tokenizers

from portmanteau.batch import TokenBatch
from portmanteau.compat.transformers.rows import Piece, Template, Window
from portmanteau.tokenizer import Tokenizer

__all__ = ["Encoder"]

_SPACES = "Ġ\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
"""What counts as a space at the ends of a token: Unicode's White_Space, and the letter that stands for a space byte."""

_OFF = ("", "0", "f", "false", "n", "no", "off")
"""The values of TOKENIZERS_PARALLELISM that mean one thread."""


class Encoder:
    """The ids of Portmanteau for a live ``tokenizers.Tokenizer``.

    Attributes:
        tokenizer: The one that encodes.
    """

    def __init__(self, backend: Any) -> None:
        """Takes the vocabulary over. O(vocabulary).

        Raises:
            UnsupportedError: It is not byte-level BPE; the message names what it is.
            VocabularyError: It contradicts itself.
        """
        self.tokenizer = Tokenizer.from_huggingface(backend)
        self._backend = backend
        self._state = _state_of(backend)
        self._templates: dict[tuple[bytes | None, bool, bool], Template | None] = {}

    def is_of(self, backend: Any) -> bool:
        """Whether it was made from this object, and nothing that decides ids has been changed in it since. O(1).

        Added tokens count by how many there are.
        """
        return self._backend is backend and self._state == _state_of(backend)

    def encode(self, texts: Sequence[str], *, split_special_tokens: bool) -> TokenBatch:
        """The ids of the texts, without a template. Time as for ``Tokenizer.encode_batch``."""
        threads = 1 if os.environ.get("TOKENIZERS_PARALLELISM", "on").lower() in _OFF else None
        return self.tokenizer.encode_batch(texts, special=_special(split_special_tokens), threads=threads)

    def template(self, *, pair: bool, add_special_tokens: bool) -> Template | None:
        """What the post-processor makes of a text or a pair, or ``None`` if it does more than put tokens around them.

        O(1): it is looked at once, and again when it has been changed.
        """
        processor = self._backend.post_processor
        state = None if processor is None else processor.__getstate__()
        key = (state, pair, add_special_tokens)
        if key not in self._templates:
            self._templates[key] = _template_of(processor, pair, add_special_tokens)
        return self._templates[key]

    def places(self, text: str, *, split_special_tokens: bool) -> npt.NDArray[np.int64] | None:
        """The places of the tokens in a text: ``int64[n, 2]``, rows of start and end in characters.

        ``None`` where the normalizer changes the text: ``tokenizers`` then gives places by rules of its own.
        Time as for ``Tokenizer.encode_with_offsets``.
        """
        normalizer = self._backend.normalizer
        if normalizer is not None and normalizer.normalize_str(text) != text:
            return None
        special = _special(split_special_tokens)
        return self.tokenizer.encode_with_offsets(text, special=special, unit="characters")[1]

    def window_places(
        self,
        text: str,
        places: npt.NDArray[np.int64],
        ids: Sequence[int],
        window: Window,
        template: Template,
    ) -> npt.NDArray[np.int64]:
        """The places of the tokens of a window, without the spaces that the template trims. O(tokens).

        Args:
            text: The whole text.
            places: ``int64[n, 2]``, those of all its tokens.
            ids: The ids of all its tokens.
            window: Which of them the row has.
            template: Says whether spaces are trimmed.
        """
        start, stop = window
        places = places[start:stop]
        if not template.trims_spaces or not len(places):
            return places
        token_ids = np.asarray(ids[start:stop], np.int64)
        before, after = self._spaces[:, token_ids]
        starts, ends = places.T
        for place in np.flatnonzero(self._is_added[token_ids]):
            # What counts for an added token is the text that it covers.
            before[place], after[place] = _spaces_around(text[starts[place] : ends[place]])
        if template.keeps_first_space:
            is_first = starts == 0
            is_first[0] = True
            before = np.where(is_first & (before == 1), 0, before)
        trimmed = np.minimum(starts + before, ends)
        ends = np.where(ends >= after, np.maximum(ends - after, trimmed), ends)
        return np.stack([trimmed, ends], axis=1)

    @cached_property
    def _spaces(self) -> npt.NDArray[np.int64]:
        """``int64[2, vocabulary]``: how many spaces each token has at its start, and at its end."""
        tokens = (self._backend.id_to_token(token_id) or "" for token_id in range(self.tokenizer.vocab_size))
        around = [_spaces_around(token) for token in tokens]
        return np.array(list(zip(*around, strict=True)), np.int64)

    @cached_property
    def _is_added(self) -> npt.NDArray[np.bool_]:
        """``bool[vocabulary]``: which tokens were added, and may cover white space around them."""
        is_added = np.zeros(self.tokenizer.vocab_size, np.bool_)
        is_added[list(self._backend.get_added_tokens_decoder())] = True
        return is_added


def _state_of(backend: Any) -> tuple[object, ...]:
    parts = (backend.normalizer, backend.pre_tokenizer)
    states = [None if part is None else part.__getstate__() for part in parts]
    return (backend.get_vocab_size(), getattr(backend.model, "dropout", None), *states)


def _spaces_around(token: str) -> tuple[int, int]:
    """The number of spaces at the start, and at the end."""
    return len(token) - len(token.lstrip(_SPACES)), len(token) - len(token.rstrip(_SPACES))


def _special(split_special_tokens: bool) -> str:
    return "text" if split_special_tokens else "parse"


def _template_of(processor: Any, pair: bool, add_special_tokens: bool) -> Template | None:
    """What a post-processor makes of texts of two tokens, each of them a space and a letter."""
    probe = tokenizers.Tokenizer(tokenizers.models.WordLevel({"Ġa": 0}, unk_token="Ġa"))
    probe.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    if processor is not None:
        probe.post_processor = processor
    text = "Ġa Ġa"
    seen = probe.encode(text, text if pair else None, add_special_tokens=add_special_tokens)
    sequences = [
        "special" if is_special else sequence
        for is_special, sequence in zip(seen.special_tokens_mask, seen.sequence_ids, strict=True)
    ]
    pieces: list[Piece] = []
    tokens = zip(sequences, seen.ids, seen.type_ids, strict=True)
    for sequence, group in groupby(tokens, key=lambda token: token[0]):
        of_group = list(group)
        if sequence == "special":
            pieces += [Piece(None, token_id, type_id) for _, token_id, type_id in of_group]
        elif isinstance(sequence, int) and len(of_group) == 2 and of_group[0] == of_group[1]:
            pieces.append(Piece(sequence, -1, of_group[0][2]))
        else:
            return None
    if [piece.text for piece in pieces if piece.text is not None] != [0, 1][: 1 + pair]:
        return None
    (first_start, _), (second_start, _) = [
        place for place, sequence in zip(seen.offsets, sequences, strict=True) if sequence == 0
    ]
    return Template(tuple(pieces), trims_spaces=second_start == 4, keeps_first_space=first_start == 0)
