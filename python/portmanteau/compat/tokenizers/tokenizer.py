"""``Tokenizer``: what Hugging Face ``tokenizers`` encodes and decodes with, on Portmanteau's tokenizer."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from portmanteau import _rust
from portmanteau.compat.ids import id_array
from portmanteau.compat.tokenizers import post_processing
from portmanteau.compat.tokenizers.added_token import AddedToken, ignored
from portmanteau.compat.tokenizers.encoding import Encoding
from portmanteau.compat.tokenizers.inputs import Input, batch_inputs, one_input
from portmanteau.compat.tokenizers.parameters import Padding, Truncation
from portmanteau.compat.tokenizers.parts import EncodedText, FixedPart, TextPart
from portmanteau.compat.tokenizers.vocabulary import AddedTokens, Vocabulary
from portmanteau.errors import EncodingError, Error, UnsupportedError, VocabularyError
from portmanteau.files import read_bytes, write_atomically
from portmanteau.threads import thread_count

__all__ = ["Tokenizer"]

_PARTS = ("normalizer", "pre_tokenizer", "model", "post_processor", "decoder")

_MODEL = {
    "type": "BPE",
    "dropout": None,
    "unk_token": None,
    "continuing_subword_prefix": None,
    "end_of_word_suffix": None,
    "fuse_unk": False,
    "byte_fallback": False,
    "ignore_merges": False,
}
"""What a file may leave out of its model, in the order in which the original writes it."""


class Tokenizer:
    """A tokenizer as ``tokenizers.Tokenizer`` is one: the same methods and the same answers.

    It is made with :meth:`from_file`, :meth:`from_str`, :meth:`from_buffer` or :meth:`from_pretrained`.

    >>> import portmanteau as pm
    >>> pm.Tokenizer.load("r50k_base").save("tokenizer.json")
    >>> tokenizer = Tokenizer.from_file("tokenizer.json")
    >>> tokenizer.enable_padding(pad_id=50256, pad_token="<|endoftext|>")
    >>> [encoding.ids for encoding in tokenizer.encode_batch(["by the way", "off"])]
    [[1525, 262, 835], [2364, 50256, 50256]]
    >>> tokenizer.decode([1525, 262, 835])
    'by the way'
    """

    __slots__ = (
        "__weakref__",
        "_added",
        "_document",
        "_encode_special_tokens",
        "_padding",
        "_post_processor",
        "_truncation",
        "_vocabulary",
    )

    _document: dict[str, Any]
    _added: AddedTokens
    _vocabulary: Vocabulary | None
    _encode_special_tokens: bool
    _post_processor: post_processing.PostProcessor | None
    _truncation: Truncation | None
    _padding: Padding | None

    def __init__(self, model: object) -> None:
        """Not for use: see :meth:`from_file`."""
        raise UnsupportedError(
            "a tokenizer of a live model is not supported; make one with Tokenizer.from_file, or train one with "
            "portmanteau.train_bpe"
        )

    def __getattr__(self, name: str) -> NoReturn:
        if name in _PARTS:
            instead = f"read the section {name!r} of json.loads(tokenizer.to_str()), change it, and load that"
        elif name.startswith("train"):
            instead = "train with portmanteau.train_bpe"
        elif name.startswith("async_"):
            instead = f"await asyncio.to_thread(tokenizer.{name.removeprefix('async_')}, …)"
        else:
            instead = "use tokenizers itself for it"
        raise AttributeError(f"the Tokenizer of portmanteau.compat.tokenizers has no {name!r}; {instead}")

    # ── loading and saving ──────────────────────────────────────────────────────────────────────────────────────

    @classmethod
    def _of_content(cls, content: bytes) -> Tokenizer:
        core = _rust.Tokenizer.from_huggingface(content)
        tokenizer = cls.__new__(cls)
        document = json.loads(content)
        try:
            tokenizer._truncation = Truncation.of_json(document.get("truncation"))
            tokenizer._padding = Padding.of_json(document.get("padding"))
            tokenizer._post_processor = post_processing.of_json(document.get("post_processor"))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            if isinstance(error, Error):
                raise
            raise VocabularyError(
                f"truncation, padding or post_processor are not as a tokenizer.json has them: {error!r}"
            ) from error
        tokenizer._document = document
        tokenizer._added = AddedTokens(document["model"]["vocab"])
        tokenizer._added.add(map(AddedToken.of_json, document.get("added_tokens") or ()))
        tokenizer._vocabulary = Vocabulary(core, document["model"]["vocab"], tokenizer._added)
        tokenizer._encode_special_tokens = False
        return tokenizer

    @staticmethod
    def from_str(json: str) -> Tokenizer:
        """The tokenizer of the content of a ``tokenizer.json``. O(size of it).

        Raises:
            VocabularyError: It is malformed or contradicts itself.
            UnsupportedError: It is not byte-level BPE, or has a part that is not supported; the message names it.
        """
        return Tokenizer._of_content(json.encode())

    @staticmethod
    def from_buffer(buffer: bytes) -> Tokenizer:
        """As :meth:`from_str`, from bytes."""
        return Tokenizer._of_content(bytes(buffer))

    @staticmethod
    def from_file(path: str) -> Tokenizer:
        """As :meth:`from_str`, from a file.

        Raises:
            FileError: The file cannot be read.
        """
        try:
            return Tokenizer._of_content(read_bytes(path))
        except (VocabularyError, UnsupportedError) as error:
            error.args = (f"{path}: {error}",)
            error.path = str(path)
            raise

    @staticmethod
    def from_pretrained(identifier: str, revision: str = "main", token: str | None = None) -> Tokenizer:
        """As :meth:`from_file`, from a folder that has a ``tokenizer.json``. Nothing is downloaded.

        Raises:
            UnsupportedError: There is no such folder.
        """
        path = Path(identifier) / "tokenizer.json"
        if not path.is_file():
            raise UnsupportedError(
                f"{path}: there is no such file, and Portmanteau downloads nothing; fetch it, for example with "
                f"huggingface_hub.hf_hub_download({identifier!r}, 'tokenizer.json'), and use Tokenizer.from_file"
            )
        return Tokenizer.from_file(str(path))

    def to_str(self, pretty: bool = False) -> str:
        """The content of a ``tokenizer.json``, indented if it is to be ``pretty``."""
        model = self._document["model"]
        merges = [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]
        document = (
            {"version": "1.0"}
            | self._document
            | {
                "truncation": None if self._truncation is None else self._truncation.as_json(),
                "padding": None if self._padding is None else self._padding.as_json(),
                "added_tokens": self._added.as_json(),
                "model": _MODEL | model | {"merges": merges},
            }
        )
        separators = None if pretty else (",", ":")
        return json.dumps(document, ensure_ascii=False, indent=2 if pretty else None, separators=separators)

    def save(self, path: str, pretty: bool = True) -> None:
        """Writes a ``tokenizer.json``, which appears whole or not at all.

        Raises:
            FileError: The file cannot be written.
        """
        content = self.to_str(pretty).encode()
        write_atomically(path, lambda stream: stream.write(content))

    def __reduce__(self) -> tuple[Callable[[str], Tokenizer], tuple[str]]:
        """Pickles as the content of a file, as the original does."""
        return Tokenizer.from_str, (self.to_str(),)

    def __repr__(self) -> str:
        """One line; that of the original shows the whole file."""
        return f"Tokenizer(vocab_size={self.get_vocab_size()}, added_tokens={len(self._added.by_id)})"

    # ── tokens ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _current(self) -> Vocabulary:
        """The vocabulary, read anew where tokens have been added since."""
        if self._vocabulary is None:
            document = self._document | {"added_tokens": self._added.as_json()}
            self._vocabulary = Vocabulary.of_document(document, self._added)
        return self._vocabulary

    @property
    def encode_special_tokens(self) -> bool:
        """Whether special tokens in a text are text like any other."""
        return self._encode_special_tokens

    @encode_special_tokens.setter
    def encode_special_tokens(self, value: bool) -> None:
        self._encode_special_tokens = bool(value)

    def add_tokens(self, tokens: Sequence[str | AddedToken]) -> int:
        """Adds tokens, and says how many are new or changed. The next encoding reads the vocabulary anew."""
        return self._add(tokens, special=False)

    def add_special_tokens(self, tokens: Sequence[str | AddedToken]) -> int:
        """As :meth:`add_tokens`, and they are special."""
        return self._add(tokens, special=True)

    def _add(self, tokens: Sequence[str | AddedToken], special: bool) -> int:
        added = []
        for token in tokens:
            if isinstance(token, str):
                added.append(AddedToken(token, special=special).copy())
            elif isinstance(token, AddedToken):
                token.special = token.special or special
                added.append(token.copy())
            else:
                raise TypeError("Input must be a List[Union[str, AddedToken]]")
        n_added = self._added.add(added)
        if n_added:
            self._vocabulary = None
        return n_added

    def get_added_tokens_decoder(self) -> dict[int, AddedToken]:
        """The added tokens by id, in order of id."""
        return {token_id: token.copy() for token_id, token in sorted(self._added.by_id.items())}

    def get_vocab(self, with_added_tokens: bool = True) -> dict[str, int]:
        """The ids by token."""
        model: dict[str, int] = self._document["model"]["vocab"]
        return model | self._added.ids if with_added_tokens else dict(model)

    def get_vocab_size(self, with_added_tokens: bool = True) -> int:
        """The number of tokens."""
        model = self._document["model"]["vocab"]
        return len(model) + (sum(token not in model for token in self._added.ids) if with_added_tokens else 0)

    def token_to_id(self, token: str) -> int | None:
        """The id of a token, as it is spelled; an added one before one of the model."""
        found: int | None = self._added.ids.get(token, self._document["model"]["vocab"].get(token))
        return found

    def id_to_token(self, id: int) -> str | None:
        """The token of an id, as it is spelled."""
        tokens = self._current().by_id
        index = int(id_array([id])[0])
        return tokens[index] if index < len(tokens) else None

    # ── truncation and padding ──────────────────────────────────────────────────────────────────────────────────

    def enable_truncation(self, max_length: int, **options: Any) -> None:
        """Cuts long texts from now on.

        Args:
            max_length: In tokens, special ones included.
            **options: ``stride`` (0): how many tokens a piece that overflows has of the one before it; ``strategy``:
                which text of a pair is cut, ``"longest_first"`` (default), ``"only_first"`` or ``"only_second"``;
                ``direction``: ``"right"`` (default) cuts off the end, ``"left"`` the beginning.

        Raises:
            EncodingError: An option is unknown, or the stride leaves no room; a ``ValueError``.
        """
        known = {name: options.pop(name) for name in ("stride", "strategy", "direction") if name in options}
        ignored(options)
        truncation = Truncation(max_length, **known)
        truncation.check(self.num_special_tokens_to_add(is_pair=False))
        self._truncation = truncation

    def no_truncation(self) -> None:
        """Cuts no text from now on."""
        self._truncation = None

    @property
    def truncation(self) -> dict[str, Any] | None:
        """The arguments of :meth:`enable_truncation`, or ``None``."""
        return None if self._truncation is None else self._truncation.as_dict()

    def enable_padding(self, **options: Any) -> None:
        """Pads short texts from now on.

        Args:
            **options: ``length``: to how many tokens, by default to those of the longest in the batch;
                ``pad_to_multiple_of``; ``pad_id`` (0), ``pad_type_id`` (0) and ``pad_token`` (``"[PAD]"``);
                ``direction``, ``"right"`` (default) or ``"left"``.

        Raises:
            EncodingError: The direction is neither; a ``ValueError``.
        """
        if "max_length" in options:
            options["length"] = options.pop("max_length")
        names = ("length", "pad_to_multiple_of", "pad_id", "pad_token", "pad_type_id", "direction")
        known = {name: options.pop(name) for name in names if name in options}
        ignored(options)
        padding = Padding(**known)
        padding.check()
        self._padding = padding

    def no_padding(self) -> None:
        """Pads no text from now on."""
        self._padding = None

    @property
    def padding(self) -> dict[str, Any] | None:
        """The arguments of :meth:`enable_padding`, or ``None``."""
        return None if self._padding is None else self._padding.as_dict()

    # ── encoding ────────────────────────────────────────────────────────────────────────────────────────────────

    def encode(
        self,
        sequence: Any,
        pair: Any | None = None,
        is_pretokenized: bool = False,
        add_special_tokens: bool = True,
    ) -> Encoding:
        """Encodes a text or a pair of texts.

        Args:
            sequence: A ``str``, or a list or tuple of them if it is pretokenized.
            pair: The second text of a pair.
            is_pretokenized: Whether texts are lists of words, each encoded by itself.
            add_special_tokens: Whether the post-processor adds its special tokens.

        Raises:
            TypeError: A text is none, or has a lone surrogate.
            EncodingError: Truncation is impossible, or a byte has no token; a ``ValueError``.
        """
        [encoding] = self._encode([one_input(sequence, pair, is_pretokenized)], add_special_tokens)
        return encoding

    def encode_batch(
        self, input: Sequence[Any], is_pretokenized: bool = False, add_special_tokens: bool = True
    ) -> list[Encoding]:
        """As :meth:`encode` for each of several texts or pairs (of two texts in a tuple or list), on all cores."""
        encodings = self._encode(batch_inputs(input, is_pretokenized), add_special_tokens)
        if self._padding is not None:
            self._padding.apply(encodings)
        return encodings

    def encode_batch_fast(
        self, input: Sequence[Any], is_pretokenized: bool = False, add_special_tokens: bool = True
    ) -> list[Encoding]:
        """As :meth:`encode_batch`, without offsets, words and tokens: they are ``(0, 0)``, ``None`` and empty."""
        encodings = self._encode(batch_inputs(input, is_pretokenized), add_special_tokens, only_ids=True)
        if self._padding is not None:
            self._padding.apply(encodings)
        return encodings

    def _encode(
        self, inputs: Sequence[Input], add_special_tokens: bool, only_ids: bool = False
    ) -> list[Encoding]:
        vocabulary = self._current()
        policy = "text" if self._encode_special_tokens else "parse"
        texts = [text for sequences in inputs for words in sequences for text in words.texts]
        ids, starts = _encoded(vocabulary.core, texts, policy)
        places = pairwise(starts.tolist())
        encodings = []
        for sequences in inputs:
            parts = []
            for type_id, words in enumerate(sequences):
                row: list[TextPart | FixedPart] = []
                for word, text in enumerate(words.texts):
                    start, stop = next(places)
                    own = ids[start:stop]
                    if only_ids:
                        row.append(FixedPart(own, ("",), type_id=0, special_value=0))
                        continue
                    source = EncodedText(vocabulary, text, policy, own, word if words.are_words else None)
                    row.append(TextPart(source, 0, stop - start, type_id))
                parts.append(Encoding._of(row))
            encodings.append(self._post_processed(parts, add_special_tokens))
        return encodings

    def post_process(
        self, encoding: Encoding, pair: Encoding | None = None, add_special_tokens: bool = True
    ) -> Encoding:
        """Truncates an encoding or a pair of them, adds special tokens, and pads. They stay as they are."""
        encodings = [encoding] if pair is None else [encoding, pair]
        return self._post_processed([each._copy() for each in encodings], add_special_tokens)

    def _post_processed(self, encodings: list[Encoding], add_special_tokens: bool) -> Encoding:
        if self._truncation is not None:
            n_added = self.num_special_tokens_to_add(len(encodings) == 2) if add_special_tokens else 0
            self._truncation.apply(encodings, n_added)
        encoding = post_processing.post_processed(self._post_processor, encodings, add_special_tokens)
        if self._padding is not None:
            self._padding.apply([encoding])
        return encoding

    def num_special_tokens_to_add(self, is_pair: bool) -> int:
        """How many special tokens the post-processor adds to a text, or to a pair."""
        return 0 if self._post_processor is None else self._post_processor.n_added(is_pair)

    # ── decoding ────────────────────────────────────────────────────────────────────────────────────────────────

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:
        """The text of ids. Those that have no token are left out, and special ones too unless told otherwise.

        Raises:
            UnsupportedError: The decoder of the ``tokenizer.json`` is not supported.
        """
        vocabulary = self._current()
        kept = vocabulary.kept(id_array(ids), skip_special_tokens)
        decoder = self._document.get("decoder")
        if decoder is None:
            return " ".join(vocabulary.by_id[token_id] or "" for token_id in kept.tolist())
        if not _is_byte_level(decoder):
            raise UnsupportedError(
                f"the decoder {decoder.get('type')!r} is not supported, only ByteLevel; change it in the tokenizer.json"
            )
        return vocabulary.text_of(kept)

    def decode_batch(self, sequences: Sequence[Sequence[int]], skip_special_tokens: bool = True) -> list[str]:
        """As :meth:`decode` for each of several sequences of ids."""
        return [self.decode(ids, skip_special_tokens) for ids in sequences]


def _is_byte_level(decoder: dict[str, Any]) -> bool:
    """Whether a decoder puts bytes together and does nothing else."""
    if decoder.get("type") == "Sequence":
        steps: list[dict[str, Any]] = decoder.get("decoders", [])
        return len(steps) == 1 and _is_byte_level(steps[0])
    return decoder.get("type") == "ByteLevel"


def _encoded(
    core: _rust.Tokenizer, texts: list[str], policy: str
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
    """The ids of texts one after the other, and where those of each begin."""
    threads = thread_count(None, refuse=EncodingError)
    try:
        if len(texts) == 1:
            ids = core.encode(texts[0], policy, threads)
            return ids, np.array([0, len(ids)])
        return core.encode_batch(texts, policy, threads)
    except EncodingError as error:
        try:
            "".join(texts).encode()
        except UnicodeEncodeError:
            raise TypeError(f"TextInputSequence must be str without lone surrogates: {error}") from None
        raise
