"""``PreTrainedTokenizerFast``: the original's, with its encoding replaced."""

from __future__ import annotations

from typing import Any

import tokenizers
import transformers

from portmanteau.compat.transformers.batch import Details, EncodedBatch
from portmanteau.compat.transformers.documents import Documents
from portmanteau.compat.transformers.encoder import Encoder
from portmanteau.compat.transformers.options import Options
from portmanteau.compat.transformers.rows import Row, cut
from portmanteau.tokenizer import Tokenizer

__all__ = ["PreTrainedTokenizerFast"]


class PreTrainedTokenizerFast(transformers.PreTrainedTokenizerFast):  # type: ignore[misc]  # it has no types here
    """A ``transformers.PreTrainedTokenizerFast`` whose ids Portmanteau computes.

    Make one with ``from_pretrained(folder)``, with :meth:`from_tokenizer`, or as the original is made. Everything but
    the encoding is the original's: the vocabulary, special and added tokens, decoding, chat templates, files. Words
    that are already split (``is_split_into_words``), ``sanitize_control_tokens`` and post-processors that do more than
    put special tokens around texts are left to the original too, with its ids at its speed.

    The environment variable ``TOKENIZERS_PARALLELISM`` works as for the original: ``false`` means one thread.

    Raises:
        UnsupportedError: The tokenizer is not byte-level BPE; the message names what it is. ``from_pretrained`` raises
            it, and the first call of a tokenizer that was made otherwise.
        VocabularyError: It contradicts itself.

    >>> import portmanteau as pm
    >>> special_tokens = {"eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}
    >>> tokenizer = PreTrainedTokenizerFast.from_tokenizer(pm.Tokenizer.load("r50k_base"), **special_tokens)
    >>> tokenizer(["by the way", "off we"], padding=True, return_tensors="np")["input_ids"]
    array([[ 1525,   262,   835],
           [ 2364,   356, 50256]])
    """

    _encoder: Encoder | None = None

    @classmethod
    def from_tokenizer(cls, tokenizer: Tokenizer, **options: Any) -> PreTrainedTokenizerFast:
        """The same tokenizer as ``transformers`` wants it. O(vocabulary).

        Args:
            tokenizer: A :class:`portmanteau.Tokenizer`. It adds no special tokens when encoding, so this does not
                either, unless ``add_bos_token`` or ``add_eos_token`` say so.
            options: As of the original: ``bos_token``, ``eos_token``, ``pad_token``, ``extra_special_tokens``,
                ``chat_template``, ``model_max_length``, ``padding_side``, … A token that the vocabulary lacks is added.

        Raises:
            UnsupportedError: A ``tokenizer.json`` cannot say what this tokenizer does.
        """
        backend = tokenizers.Tokenizer.from_str(tokenizer._core.to_huggingface().decode())
        return cls(tokenizer_object=backend, **options)

    @classmethod
    def _from_pretrained(cls, *arguments: Any, **options: Any) -> PreTrainedTokenizerFast:
        """What ``from_pretrained`` ends with; with an ``__init__`` here, the original would take the file apart."""
        tokenizer: PreTrainedTokenizerFast = super()._from_pretrained(*arguments, **options)
        tokenizer._current_encoder()  # what cannot be encoded is refused here, not later
        return tokenizer

    @property
    def portmanteau_tokenizer(self) -> Tokenizer:
        """The :class:`portmanteau.Tokenizer` that encodes, with all tokens that have been added. It never changes."""
        return self._current_encoder().tokenizer

    @property
    def can_save_slow_tokenizer(self) -> bool:
        """Never: ``save_pretrained`` names the class that reads what it writes, ``PreTrainedTokenizerFast``."""
        return False

    def _current_encoder(self) -> Encoder:
        encoder = self._encoder
        if encoder is None or not encoder.is_of(self._tokenizer):
            encoder = self._encoder = Encoder(self._tokenizer)
        return encoder

    def _add_tokens(self, new_tokens: Any, special_tokens: bool = False) -> int:
        before = self.added_tokens_decoder
        n_added: int = super()._add_tokens(new_tokens, special_tokens=special_tokens)
        if self.added_tokens_decoder != before:
            self._encoder = None
        return n_added

    def __getstate__(self) -> dict[str, Any]:
        """Without the encoder, which is made again from the rest."""
        return {name: value for name, value in self.__dict__.items() if name != "_encoder"}

    def _encode_plus(self, text: Any, text_pair: Any = None, **arguments: Any) -> Any:
        """Encodes one text, one pair, or a batch of either: every public method that encodes comes here."""
        original = super()._encode_plus
        options, encoder = Options.of(arguments), self._current_encoder()
        texts = options.documents(text, text_pair)
        n_texts = len(texts[0]) if texts else 1
        template = encoder.template(pair=n_texts == 2, add_special_tokens=options.add_special_tokens)
        if texts is None or template is None:
            return original(text, text_pair, **arguments)

        truncation = options.truncation(self.truncation_side)
        if truncation is not None:
            truncation.check(self.num_special_tokens_to_add())
        split = options.split_special_tokens
        split = self.split_special_tokens if split is None else split
        documents = Documents(texts, encoder, split_special_tokens=split)
        rows: list[Row] = []
        for document, ids in enumerate(documents.ids):
            of_document = cut([len(of_text) for of_text in ids], document, template, truncation)
            rows += of_document if options.return_overflowing_tokens else of_document[:1]
        data = self._columns(documents, rows, options)
        if data is None:
            return original(text, text_pair, **arguments)
        for row_ids in data["input_ids"]:
            self._eventual_warn_about_too_long_sequence(row_ids, options.max_length, options.verbose)

        def encode_again() -> list[Any]:
            first, second = [*zip(*texts, strict=True), None][:2]
            changed = {**arguments, "return_tensors": None, "verbose": False}
            encodings: list[Any] = original(first, second, **changed).encodings
            return encodings

        padding = options.padding(self.padding_side)
        pads_left = padding is not None and padding.side == "left"
        shifts = [
            (len(row_ids) - len(row)) * pads_left
            for row_ids, row in zip(data["input_ids"], rows, strict=True)
        ]
        if isinstance(text, str) and options.return_tensors is None and not options.return_overflowing_tokens:
            data = {name: column[0] if name != "length" else column for name, column in data.items()}
        batch = EncodedBatch(data, tensor_type=options.return_tensors, n_sequences=n_texts)
        return batch.describe(Details(documents, rows, shifts, encode_again))

    def _columns(
        self, documents: Documents, rows: list[Row], options: Options
    ) -> dict[str, list[Any]] | None:
        """The columns of a batch, or ``None`` where one is asked for that only ``tokenizers`` knows."""

        def wanted(name: str, answer: bool | None) -> bool:
            return name in self.model_input_names if answer is None else answer

        columns: dict[str, tuple[list[list[Any]], Any]] = {
            "input_ids": ([row.ids(documents.ids[row.document]) for row in rows], self.pad_token_id)
        }
        if wanted("token_type_ids", options.return_token_type_ids):
            columns["token_type_ids"] = [row.type_ids() for row in rows], self.pad_token_type_id
        if wanted("attention_mask", options.return_attention_mask):
            columns["attention_mask"] = [[1] * len(row) for row in rows], 0
        if options.return_special_tokens_mask:
            columns["special_tokens_mask"] = [row.special_tokens_mask() for row in rows], 1
        if options.return_offsets_mapping:
            offsets = []
            for row in rows:
                places = documents.places(row)
                if places is None:
                    return None
                of_texts = [list(zip(*of_text.T.tolist(), strict=True)) for of_text in places]
                offsets.append(row.offsets(of_texts))
            columns["offset_mapping"] = offsets, (0, 0)

        padding = options.padding(self.padding_side)
        # What truncation has cut off comes after what it kept, and does not count.
        lengths = {row.document: len(row) for row in reversed(rows)}
        target = padding.target(lengths.values()) if padding else 0
        data: dict[str, list[Any]] = {
            name: [padding.fill(row, value, target) for row in values] if padding else values
            for name, (values, value) in columns.items()
        }
        if options.return_length:
            data["length"] = [len(row_ids) for row_ids in data["input_ids"]]
        if options.return_overflowing_tokens:
            data["overflow_to_sample_mapping"] = [row.document for row in rows]
        return data
