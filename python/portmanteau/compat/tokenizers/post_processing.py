"""What is put around encoded texts: the ``post_processor`` of a ``tokenizer.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from portmanteau.compat.tokenizers.encoding import Encoding
from portmanteau.compat.tokenizers.parts import FixedPart
from portmanteau.errors import UnsupportedError, VocabularyError

__all__ = ["PostProcessor", "of_json", "post_processed"]


class PostProcessor(Protocol):
    """One step, which may be made of several."""

    def n_added(self, is_pair: bool) -> int:
        """How many special tokens it adds to a text, or to a pair."""

    def process(self, encodings: list[Encoding], add_special_tokens: bool) -> list[Encoding]:
        """Makes of one encoding for each sequence those that are then put together. It may change what it is given."""


def post_processed(
    processor: PostProcessor | None, encodings: list[Encoding], add_special_tokens: bool
) -> Encoding:
    """One encoding for a text or a pair of texts, with the special tokens that belong to it."""
    if processor is None:
        if len(encodings) == 1:
            return encodings[0]
        for sequence, encoding in enumerate(encodings):
            encoding.set_sequence_id(sequence)
        return Encoding.merge(encodings, growing_offsets=False)
    for sequence, encoding in enumerate(encodings):
        for each in (encoding, *encoding._overflowing):
            each.set_sequence_id(sequence)
        encoding._typed(sequence)
    processed = processor.process(encodings, add_special_tokens)
    return processed[0] if len(processed) == 1 else Encoding.merge(processed, growing_offsets=False)


def of_json(section: Mapping[str, Any] | None) -> PostProcessor | None:
    """The post-processor that a section of a ``tokenizer.json`` describes.

    Raises:
        UnsupportedError: It is of another type, or more than one step adds tokens.
        VocabularyError: A template names a special token without ids.
    """
    if section is None:
        return None
    kind = section.get("type")
    if kind == "ByteLevel":
        return ByteLevel(section.get("trim_offsets", True), section.get("add_prefix_space", True))
    if kind == "TemplateProcessing":
        return Template(section["single"], section["pair"], section.get("special_tokens", {}))
    if kind == "RobertaProcessing":
        trim = ByteLevel(section.get("trim_offsets", True), section.get("add_prefix_space", True))
        return Roberta(section["sep"], section["cls"], trim)
    if kind == "BertProcessing":
        return Bert(section["sep"], section["cls"])
    if kind == "Sequence":
        return Steps([step for step in map(of_json, section.get("processors", [])) if step is not None])
    raise UnsupportedError(
        f"the post_processor {kind!r} is not supported; there are ByteLevel, TemplateProcessing, RobertaProcessing, "
        "BertProcessing and Sequence"
    )


class ByteLevel:
    """Leaves white space out of offsets. It adds no tokens."""

    def __init__(self, trim_offsets: bool, add_prefix_space: bool) -> None:
        self._trim_offsets, self._add_prefix_space = trim_offsets, add_prefix_space

    def n_added(self, is_pair: bool) -> int:
        """See :class:`PostProcessor`."""
        return 0

    def trim(self, encodings: Sequence[Encoding]) -> None:
        """Leaves white space out of the offsets, if that is asked for."""
        if self._trim_offsets:
            for encoding in encodings:
                for each in (encoding, *encoding._overflowing):
                    each._trim(self._add_prefix_space)

    def process(self, encodings: list[Encoding], add_special_tokens: bool) -> list[Encoding]:
        """See :class:`PostProcessor`."""
        self.trim(encodings)
        for sequence, encoding in enumerate(encodings):
            encoding.set_sequence_id(sequence)
        return encodings


class Template:
    """Puts sequences and special tokens together as a template says."""

    def __init__(
        self,
        single: Sequence[Mapping[str, Any]],
        pair: Sequence[Mapping[str, Any]],
        special_tokens: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self._templates = {False: single, True: pair}
        self._special = {
            name: (np.array(token["ids"], np.uint32), tuple(token["tokens"]))
            for name, token in special_tokens.items()
        }
        for piece in (*single, *pair):
            name = piece["SpecialToken"]["id"] if "SpecialToken" in piece else None
            if name is not None and name not in self._special:
                raise VocabularyError(
                    f"the template names the special token {name!r}, whose ids are not given"
                )

    def n_added(self, is_pair: bool) -> int:
        """See :class:`PostProcessor`."""
        pieces = (piece.get("SpecialToken") for piece in self._templates[is_pair])
        return sum(len(self._special[piece["id"]][0]) for piece in pieces if piece is not None)

    def process(self, encodings: list[Encoding], add_special_tokens: bool) -> list[Encoding]:
        """See :class:`PostProcessor`."""
        made = []
        for piece in self._templates[len(encodings) == 2]:
            if "Sequence" in piece:
                sequence = int(piece["Sequence"]["id"] != "A")
                encoding = encodings[sequence]._copy()
                encoding._typed(piece["Sequence"]["type_id"])
                encoding.set_sequence_id(sequence)
                made.append(encoding)
            elif add_special_tokens:
                ids, tokens = self._special[piece["SpecialToken"]["id"]]
                made.append(Encoding._of([FixedPart(ids, tokens, piece["SpecialToken"]["type_id"])]))
        return made


class Roberta:
    """``<s> A </s>``, and for a pair ``<s> A </s></s> B </s>``; all of type 0."""

    def __init__(self, sep: tuple[str, int], cls: tuple[str, int], trim: ByteLevel) -> None:
        self._sep, self._cls, self._trim = _special(sep, 0), _special(cls, 0), trim

    def n_added(self, is_pair: bool) -> int:
        """See :class:`PostProcessor`."""
        return 4 if is_pair else 2

    def process(self, encodings: list[Encoding], add_special_tokens: bool) -> list[Encoding]:
        """See :class:`PostProcessor`."""
        self._trim.trim(encodings)
        for encoding in encodings:
            encoding._typed(0)
        if not add_special_tokens:
            return encodings
        for encoding in encodings:
            for each in encoding._overflowing:
                each._typed(0)
        return [
            _between(encoding, [self._sep if sequence else self._cls], self._sep, sequence)
            for sequence, encoding in enumerate(encodings)
        ]


class Bert:
    """``[CLS] A [SEP]``, and for a pair ``[CLS] A [SEP] B [SEP]``."""

    def __init__(self, sep: tuple[str, int], cls: tuple[str, int]) -> None:
        self._sep, self._cls = sep, _special(cls, 0)

    def n_added(self, is_pair: bool) -> int:
        """See :class:`PostProcessor`."""
        return 3 if is_pair else 2

    def process(self, encodings: list[Encoding], add_special_tokens: bool) -> list[Encoding]:
        """See :class:`PostProcessor`."""
        if not add_special_tokens:
            return encodings
        return [
            _between(
                encoding, [] if sequence else [self._cls], _special(self._sep, min(sequence, 1)), sequence
            )
            for sequence, encoding in enumerate(encodings)
        ]


class Steps:
    """Several steps, one after the other."""

    def __init__(self, steps: Sequence[PostProcessor]) -> None:
        self._steps = steps
        if sum(step.n_added(is_pair=True) > 0 for step in steps) > 1:
            raise UnsupportedError(
                "a post_processor of which more than one step adds tokens is not supported; put them into one template"
            )

    def n_added(self, is_pair: bool) -> int:
        """See :class:`PostProcessor`."""
        return sum(step.n_added(is_pair) for step in self._steps)

    def process(self, encodings: list[Encoding], add_special_tokens: bool) -> list[Encoding]:
        """See :class:`PostProcessor`."""
        for step in self._steps:
            encodings = step.process(encodings, add_special_tokens)
        return encodings


def _special(token: tuple[str, int], type_id: int) -> FixedPart:
    content, token_id = token
    return FixedPart(np.array([token_id], np.uint32), (content,), type_id)


def _between(encoding: Encoding, before: list[FixedPart], after: FixedPart, sequence: int) -> Encoding:
    """An encoding, and what overflows from it, between special tokens."""
    made = Encoding._of([*before, *encoding._parts, after])
    made._ranges = {sequence: (len(before), len(made) - 1)}
    made._overflowing = [_between(each, before, after, sequence) for each in encoding._overflowing]
    return made
