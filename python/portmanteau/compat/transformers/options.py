"""The arguments of a call, as the base class of ``transformers`` passes them on."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from transformers.tokenization_utils_base import TruncationStrategy

from portmanteau.compat.transformers.rows import Padding, Truncation

__all__ = ["Options"]


@dataclass(frozen=True)
class Options:
    """What the base class passes to ``_encode_plus`` besides the texts; its strategies compare as strings."""

    add_special_tokens: bool = True
    padding_strategy: str = "do_not_pad"
    truncation_strategy: str = "do_not_truncate"
    max_length: int | None = None
    stride: int = 0
    is_split_into_words: bool = False
    pad_to_multiple_of: int | None = None
    padding_side: str | None = None
    return_tensors: Any = None
    return_token_type_ids: bool | None = None
    return_attention_mask: bool | None = None
    return_overflowing_tokens: bool = False
    return_special_tokens_mask: bool = False
    return_offsets_mapping: bool = False
    return_length: bool = False
    verbose: bool = True
    split_special_tokens: bool | None = None
    sanitize_control_tokens: bool = False

    @classmethod
    def of(cls, arguments: dict[str, Any]) -> Options:
        """Those among the arguments that count."""
        return cls(**{name: arguments[name] for name in _OPTIONS & arguments.keys()})

    def padding(self, side: str) -> Padding | None:
        """How rows are padded, on this side unless ``padding_side`` says otherwise."""
        if self.padding_strategy == "do_not_pad":
            return None
        length = self.max_length if self.padding_strategy == "max_length" else None
        return Padding(length, self.pad_to_multiple_of, self.padding_side or side)

    def truncation(self, side: str) -> Truncation | None:
        """How documents are truncated, on this side."""
        if self.truncation_strategy == "do_not_truncate" or self.max_length is None:
            return None
        strategy = TruncationStrategy(self.truncation_strategy).value
        return Truncation(self.max_length, self.stride, strategy, side)

    def documents(self, text: Any, text_pair: Any) -> list[tuple[str, ...]] | None:
        """The texts of each document, or ``None`` where only ``tokenizers`` encodes them.

        They are all of one text, or all of two of which nothing that is cut off is asked for.
        """
        if self.is_split_into_words or self.sanitize_control_tokens:
            return None
        if isinstance(text, str):
            documents: list[tuple[Any, ...]] = [(text, text_pair) if text_pair else (text,)]
        elif not isinstance(text, (list, tuple)):
            return None
        elif text_pair is None:
            documents = [(one,) if isinstance(one, str) else _pair(one) for one in text]
        elif isinstance(text_pair, (list, tuple)) and len(text) == len(text_pair):
            documents = list(zip(text, text_pair, strict=True))
        else:
            return None
        n_texts = {len(document) for document in documents}
        is_plain = n_texts <= {1} or (n_texts == {2} and not self.return_overflowing_tokens)
        return documents if is_plain and all(isinstance(one, str) for d in documents for one in d) else None


_OPTIONS = {field.name for field in fields(Options)}


def _pair(document: Any) -> tuple[Any, ...]:
    return tuple(document) if isinstance(document, (list, tuple)) and len(document) == 2 else ()
