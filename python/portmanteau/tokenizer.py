"""``Tokenizer``: loads, encodes, decodes, saves."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from portmanteau import _rust, data
from portmanteau.batch import TokenBatch
from portmanteau.columns import is_column, string_column
from portmanteau.errors import DecodingError, EncodingError, Error, FileError, VocabularyError
from portmanteau.files import file_error, read_bytes, write_atomically
from portmanteau.reading import Paths
from portmanteau.streaming import TokenStream
from portmanteau.threads import thread_count
from portmanteau.tokenizer_class import warn_of_replaced_pretokenizer

__all__ = ["Tokenizer"]

PathLike = str | os.PathLike[str]
Special = str | Collection[str]

BUNDLED: Mapping[str, tuple[str, Mapping[str, int]]] = {
    "r50k_base": ("r50k_tiktoken", {"<|endoftext|>": 50256}),
    "cl100k_base": (
        "cl100k_tiktoken",
        {
            "<|endoftext|>": 100257,
            "<|fim_prefix|>": 100258,
            "<|fim_middle|>": 100259,
            "<|fim_suffix|>": 100260,
            "<|endofprompt|>": 100276,
        },
    ),
    "o200k_base": ("o200k", {"<|endoftext|>": 199999, "<|endofprompt|>": 200018}),
}
"""Pretokenizer and special tokens of the bundled vocabularies, which their files do not hold."""

_BUNDLED_SHA256 = {
    "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930": "r50k_base",
    "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7": "cl100k_base",
    "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d": "o200k_base",
}
"""SHA-256 of the rank files that OpenAI publishes them as, to recognize a copy by."""

_RANK_FILE = re.compile(rb"[A-Za-z0-9+/]+=* [0-9]+\r?\n")
"""The first line of a rank file, by which it is recognized under another name, as Llama 3's ``tokenizer.model``."""

_POLICIES = ("text", "parse", "error")
_UNITS = ("bytes", "characters")


class Tokenizer:
    """An exact byte-level BPE tokenizer: ids equal those of tiktoken or Hugging Face ``tokenizers``.

    Make one with :meth:`load`, :meth:`from_tiktoken`, :meth:`from_huggingface`, or by training. It never changes, so
    threads may share it; it pickles, and works in forked and spawned processes.

    >>> import portmanteau as pm
    >>> tokenizer = pm.Tokenizer.load("o200k_base")
    >>> tokenizer.encode("by the way")
    array([2345,  290, 2006], dtype=uint32)
    >>> tokenizer.decode([2345, 290, 2006])
    'by the way'
    """

    _core: _rust.Tokenizer
    _bundled_name: str | None

    def __init__(self) -> None:
        """Not for use: see :meth:`load`."""
        raise TypeError(
            "make a tokenizer with Tokenizer.load(…), Tokenizer.from_tiktoken(…), pm.train_bpe(…)"
        )

    @classmethod
    def _from_core(cls, core: _rust.Tokenizer, bundled_name: str | None = None) -> Tokenizer:
        tokenizer = cls.__new__(cls)
        tokenizer._core = core
        tokenizer._bundled_name = bundled_name
        return tokenizer

    # ── loading and saving ──────────────────────────────────────────────────────────────────────────────────────

    @classmethod
    def load(
        cls,
        source: PathLike,
        *,
        pretokenizer: str | None = None,
        special_tokens: Mapping[str, int] | Sequence[str] | None = None,
    ) -> Tokenizer:
        """Loads a tokenizer by name or from a file.

        Args:
            source: ``"r50k_base"``, ``"cl100k_base"`` or ``"o200k_base"`` (bundled, offline); a ``tokenizer.json``; a
                ``.tiktoken`` rank file, whatever its name; Mistral's ``tekken.json``, or another ``.json`` with
                ``tekken`` in its name; a ``vocab.json`` or ``merges.txt`` with the other beside it; or a folder that
                holds one of these.
            pretokenizer: For rank files and ``vocab.json``, which do not say it: a name (``"r50k"``, ``"cl100k"``,
                ``"o200k"``, ``"superbpe_stage2"``, …) or a regular expression, in tiktoken's dialect for a rank
                file and in Hugging Face's for ``vocab.json``, where the default is ``"r50k"``, GPT-2's.
            special_tokens: For a rank file, their ids by content; for ``vocab.json``, which of its tokens they are.

        Raises:
            VocabularyError: The file is malformed or contradicts itself, or does not say its pretokenizer.
            UnsupportedError: It is a tokenizer of another kind (WordPiece, Unigram, …), named in the message.
            PatternError: The pretokenizer is unknown or does not compile.
            FileError: There is no such file, or it cannot be read.

        O(size of the file).
        """
        if isinstance(source, str) and source in BUNDLED:
            _refuse_options("a bundled vocabulary", pretokenizer, special_tokens)
            return cls._from_core(_load_bundled(source), source)
        path = _find_file(Path(source))
        if path.name.endswith(("vocab.json", "merges.txt")):
            return cls._load_merges(path, pretokenizer, special_tokens)
        content = read_bytes(path)
        if path.suffix == ".tiktoken" or _RANK_FILE.match(content):
            return cls._load_tiktoken(path, content, pretokenizer, special_tokens)
        is_tekken = "tekken" in path.name and path.suffix == ".json"
        _refuse_options("a tekken.json" if is_tekken else "a tokenizer.json", pretokenizer, special_tokens)
        read = _rust.Tokenizer.from_tekken if is_tekken else _rust.Tokenizer.from_huggingface
        tokenizer = cls._from_core(_at_path(path, lambda: read(content)))
        if not is_tekken:
            warn_of_replaced_pretokenizer(path, tokenizer.pretokenizer, stacklevel=3)
        return tokenizer

    @classmethod
    def _load_tiktoken(
        cls,
        path: Path,
        content: bytes,
        pretokenizer: str | None,
        special_tokens: Mapping[str, int] | Sequence[str] | None,
    ) -> Tokenizer:
        known = _BUNDLED_SHA256.get(hashlib.sha256(content).hexdigest())
        if pretokenizer is None and special_tokens is None and known is not None:
            return cls._from_core(_load_bundled(known), known)
        if pretokenizer is None:
            message = (
                "a rank file does not say how text is cut before merging; pass pretokenizer= with a name "
                f"({', '.join(name for name, _, _ in _rust.named_pretokenizers())}) or a regular expression"
            )
            raise VocabularyError(f"{path}: {message}", path=path)
        if not isinstance(special_tokens, (Mapping, type(None))):
            message = "the special tokens of a rank file need ids: pass a dict of content to id"
            raise VocabularyError(f"{path}: {message}", path=path)
        pairs = list((special_tokens or {}).items())
        return cls._from_core(
            _at_path(path, lambda: _rust.Tokenizer.from_tiktoken(content, pretokenizer, pairs))
        )

    @classmethod
    def _load_merges(
        cls, path: Path, pretokenizer: str | None, special_tokens: Mapping[str, int] | Sequence[str] | None
    ) -> Tokenizer:
        stem = path.name.removesuffix("vocab.json").removesuffix("merges.txt")
        vocab, merges = path.with_name(f"{stem}vocab.json"), path.with_name(f"{stem}merges.txt")
        contents = read_bytes(vocab), read_bytes(merges)
        special = list(special_tokens or ())
        core = _at_path(
            vocab, lambda: _rust.Tokenizer.from_merges(*contents, pretokenizer or "r50k", special)
        )
        return cls._from_core(core)

    @classmethod
    def from_tiktoken(cls, encoding: Any) -> Tokenizer:
        """The tokenizer of a live ``tiktoken.Encoding``, with the same ids.

        Raises:
            VocabularyError: The encoding contradicts itself.
            PatternError: Its pattern does not compile.

        >>> import portmanteau as pm, tiktoken
        >>> encoding = tiktoken.Encoding(
        ...     "bytes", pat_str=".", mergeable_ranks={bytes([b]): b for b in range(256)}, special_tokens={"<|x|>": 256}
        ... )
        >>> pm.Tokenizer.from_tiktoken(encoding).encode("ab")
        array([97, 98], dtype=uint32)
        """
        if not hasattr(encoding, "_mergeable_ranks"):
            raise TypeError(f"expected a tiktoken.Encoding, got {type(encoding).__name__}")
        ranks = list(encoding._mergeable_ranks.items())
        special_tokens = list(encoding._special_tokens.items())
        try:
            return cls._from_core(_rust.Tokenizer.from_ranks(ranks, encoding._pat_str, special_tokens))
        except (TypeError, OverflowError) as error:
            raise VocabularyError(f"the ranks must map bytes to ids in 0 … 2**24 - 1: {error}") from None

    @classmethod
    def from_huggingface(cls, tokenizer: Any) -> Tokenizer:
        """The tokenizer of a live ``tokenizers.Tokenizer`` or ``PreTrainedTokenizerFast``, with the same ids.

        Raises:
            UnsupportedError: It is not byte-level BPE; the message names what it is.
            VocabularyError: It contradicts itself.
        """
        backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
        if not hasattr(backend, "to_str"):
            raise TypeError(f"expected a tokenizers.Tokenizer, got {type(tokenizer).__name__}")
        return cls._from_core(_rust.Tokenizer.from_huggingface(backend.to_str().encode()))

    def save(self, path: PathLike) -> None:
        """Writes a ``tokenizer.json`` that Hugging Face loads with the same ids, or a ``.tiktoken`` rank file.

        The ending of ``path`` decides. The file appears whole or not at all. A rank file holds neither the
        pretokenizer nor special tokens; what reads it must be told.

        Warns if a ``tokenizer_config.json`` beside a ``tokenizer.json`` has the ``tokenizer_class`` GPT2Tokenizer, for
        which ``transformers`` replaces the pretokenizer; so does :meth:`load`.

        Raises:
            UnsupportedError: The format cannot say what this tokenizer does; the message says why.
            FileError: The file cannot be written.
        """
        tiktoken = Path(path).suffix == ".tiktoken"
        content = self._core.to_tiktoken() if tiktoken else self._core.to_huggingface()
        write_atomically(path, lambda stream: stream.write(content))
        if not tiktoken:
            warn_of_replaced_pretokenizer(Path(path), self.pretokenizer, stacklevel=3)

    # ── encoding ────────────────────────────────────────────────────────────────────────────────────────────────

    def encode(
        self, text: str | bytes, *, special: Special = "text", threads: int | None = None
    ) -> npt.NDArray[np.uint32]:
        """The ids of a text, ``uint32[n]``.

        Args:
            text: A ``str``, or ``bytes`` in UTF-8.
            special: What becomes of special (control) tokens that the text spells out. ``"text"``: they are text like
                any other, so that what a user wrote cannot control the model. ``"parse"``: they become their ids; a set
                of special tokens does so for these alone. ``"error"``: they raise. Added tokens that are not special
                always become their ids, as with Hugging Face.
            threads: How many threads share a long text; all cores when ``None``. The ids do not depend on it.

        Raises:
            EncodingError: ``text`` is no text, not UTF-8 or has a lone surrogate (``offset`` says where); it has a
                special token and ``special="error"``; one of its bytes has no token in this vocabulary.

        O(n log n) in the longest pretoken, O(n) in the text.

        >>> import portmanteau as pm
        >>> tokenizer = pm.Tokenizer.load("o200k_base")
        >>> tokenizer.encode("<|endoftext|>").tolist()
        [27, 91, 419, 1440, 919, 91, 29]
        >>> tokenizer.encode("<|endoftext|>", special="parse").tolist()
        [199999]
        """
        return self._core.encode(
            text, self._special_argument(special), thread_count(threads, refuse=EncodingError)
        )

    def encode_with_offsets(
        self, text: str | bytes, *, special: Special = "text", unit: str = "bytes"
    ) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
        r"""The ids of a text with the place of each in it: ``uint32[n]`` and ``int64[n, 2]``, rows of start and end.

        The places count in the text as given, whatever is made of it before encoding:

        - Tokens follow one another without gaps, so that the slices of the text, joined, are the text. Exceptions are
          what the pretokenizer of a ``tokenizer.json`` removes, and an added token of white space within white space
          that the added token before it swallowed: it lies in both.
        - An added token covers the white space that it swallows (``lstrip``, ``rstrip``). A prefix space that the
          tokenizer adds covers nothing. A token that stands for bytes which the vocabulary lacks covers these bytes.
        - In characters, a token that is a part of a character covers the whole of it, as in Hugging Face's offsets.
        - Where normalization changed the text, a token covers all that its characters were made from: ``é`` composed
          from two characters covers both (in Hugging Face's offsets, the first of them).

        Args:
            text: A ``str``, or ``bytes`` in UTF-8.
            special: As for :meth:`encode`.
            unit: ``"bytes"`` of the text in UTF-8, or ``"characters"``, which are indices of a ``str``.

        Raises:
            EncodingError: As for :meth:`encode`; or the unit is none of these.

        Time as for :meth:`encode`, and O(n).

        >>> import portmanteau as pm
        >>> tokenizer = pm.Tokenizer.load("o200k_base")
        >>> ids, offsets = tokenizer.encode_with_offsets("naïve 🦜")
        >>> [tokenizer.token_bytes(token_id) for token_id in ids]
        [b'na', b'\xc3\xaf', b've', b' \xf0\x9f', b'\xa6', b'\x9c']
        >>> offsets.tolist()
        [[0, 2], [2, 4], [4, 6], [6, 9], [9, 10], [10, 11]]
        >>> tokenizer.encode_with_offsets("naïve 🦜", unit="characters")[1].tolist()
        [[0, 2], [2, 3], [3, 5], [5, 7], [6, 7], [6, 7]]
        """
        if unit not in _UNITS:
            raise EncodingError(f"unit={unit!r} is none of {', '.join(_UNITS)}")
        return self._core.encode_with_offsets(text, self._special_argument(special), unit)

    def streaming(self, *, special: Special = "text") -> TokenStream:
        """Encodes a text that comes in chunks, in memory that does not grow with it: see :class:`TokenStream`.

        Args:
            special: As for :meth:`encode`; a token may come in several chunks.

        >>> import portmanteau as pm
        >>> with pm.Tokenizer.load("o200k_base").streaming(special="parse") as stream:
        ...     arrays = [stream.feed(b"by the way<|endof"), stream.feed(b"text|>"), stream.finish()]
        >>> [token_id for ids in arrays for token_id in ids.tolist()]
        [2345, 290, 2006, 199999]
        """
        return TokenStream(_rust.TokenStream(self._core, self._special_argument(special)))

    def encode_batch(
        self, documents: Iterable[str | bytes] | Any, *, special: Special = "text", threads: int | None = None
    ) -> TokenBatch:
        """The ids of several documents.

        Args:
            documents: An iterable of ``str`` or UTF-8 ``bytes``, or any Arrow string or binary column (pyarrow, polars,
                Hugging Face datasets), which is read without a copy.
            special: As for :meth:`encode`.
            threads: How many threads work, on long documents together; all cores when ``None``. The ids do not depend
                on it.

        Raises:
            EncodingError: As for :meth:`encode`; ``document`` says which one.

        >>> import portmanteau as pm
        >>> pm.Tokenizer.load("o200k_base").encode_batch(["by the way", "off we go"])
        TokenBatch(documents=2, ids=6)
        """
        _refuse_one_text(documents, "encode_batch", "encode")
        argument, n_threads = self._special_argument(special), thread_count(threads, refuse=EncodingError)
        if is_column(documents):
            return TokenBatch(*self._core.encode_column(list(string_column(documents)), argument, n_threads))
        return TokenBatch(*self._core.encode_batch(documents, argument, n_threads))

    def encode_files(
        self,
        paths: Paths,
        *,
        special: Special = "text",
        text_column: str = "text",
        batch_bytes: int = 64 << 20,
        threads: int | None = None,
        progress: bool = True,
    ) -> Iterator[TokenBatch]:
        r"""The ids of the documents in files, in order, a batch at a time: memory does not grow with the files.

        Args:
            paths: Paths and glob patterns of text, JSON Lines or Parquet files, compressed or not; see
                :mod:`portmanteau.reading`. Plain text is one document a file.
            special: As for :meth:`encode`.
            text_column: The key or column of the text in JSON Lines and Parquet files.
            batch_bytes: About how much text a batch holds, in characters; a longer document makes a longer batch.
            threads: As for :meth:`encode_batch`.
            progress: Whether to show progress on a terminal. Elsewhere none is shown.

        Yields:
            Batches of whole documents, each from one file or several.

        Raises:
            FileError: A file does not exist, cannot be read or is not what its name says.
            EncodingError: As for :meth:`encode_batch`; ``path`` says in which file, and ``document`` which of its.

        >>> import portmanteau as pm
        >>> from pathlib import Path
        >>> _ = Path("two.jsonl").write_text('{"text": "by the way"}\n{"text": "off we go"}\n')
        >>> list(pm.Tokenizer.load("o200k_base").encode_files("two.jsonl"))
        [TokenBatch(documents=2, ids=6)]
        """
        from portmanteau.file_encoding import encode_files

        return encode_files(
            self,
            paths,
            special=special,
            text_column=text_column,
            batch_bytes=batch_bytes,
            threads=threads,
            progress=progress,
        )

    def count(self, text: str | bytes, *, special: Special = "text", threads: int | None = None) -> int:
        """The number of ids of a text; no array of them is made.

        The arguments are those of :meth:`encode`.

        Raises:
            EncodingError: As for :meth:`encode`.

        >>> import portmanteau as pm
        >>> pm.Tokenizer.load("o200k_base").count("by the way")
        3
        """
        return self._core.count(
            text, self._special_argument(special), thread_count(threads, refuse=EncodingError)
        )

    def count_batch(
        self, documents: Iterable[str | bytes] | Any, *, special: Special = "text", threads: int | None = None
    ) -> npt.NDArray[np.int64]:
        """The number of ids of each of several documents, ``int64[documents]``; no array of the ids is made.

        The arguments are those of :meth:`encode_batch`.

        Raises:
            EncodingError: As for :meth:`encode_batch`.

        >>> import portmanteau as pm
        >>> pm.Tokenizer.load("o200k_base").count_batch(["by the way", "", "off we go"])
        array([3, 0, 3])
        """
        _refuse_one_text(documents, "count_batch", "count")
        argument, n_threads = self._special_argument(special), thread_count(threads, refuse=EncodingError)
        if is_column(documents):
            return self._core.count_column(list(string_column(documents)), argument, n_threads)
        return self._core.count_batch(documents, argument, n_threads)

    def pretokens(self, text: str | bytes) -> list[str]:
        """The pieces that no token crosses, in order: what the pretokenizer makes of a text.

        Raises:
            EncodingError: ``text`` is no text, not UTF-8 or has a lone surrogate.

        >>> import portmanteau as pm
        >>> pm.Tokenizer.load("cl100k_base").pretokens("It's 12345.")
        ['It', "'s", ' ', '123', '45', '.']
        """
        return self._core.pretokens(text)

    def _special_argument(self, special: Special) -> str | list[int]:
        if isinstance(special, str):
            if special in _POLICIES:
                return special
            raise EncodingError(
                f"special={special!r} is none of {', '.join(_POLICIES)}, nor a set of special tokens"
            )
        unknown = [content for content in special if content not in self.special_tokens]
        if unknown:
            raise EncodingError(
                f"{unknown[0]!r} is not a special token; there are {', '.join(self.special_tokens)}"
            )
        return [self.special_tokens[content] for content in special]

    # ── decoding ────────────────────────────────────────────────────────────────────────────────────────────────

    def decode_bytes(self, ids: npt.ArrayLike) -> bytes:
        """The bytes of the tokens, one after the other. O(bytes).

        Raises:
            DecodingError: An id has no token (``token_id`` says which, ``offset`` its place), or ``ids`` are not
                integers.

        >>> import portmanteau as pm
        >>> pm.Tokenizer.load("o200k_base").decode_bytes([2345, 290])
        b'by the'
        """
        return self._core.decode_bytes(_id_array(ids))

    def decode(self, ids: npt.ArrayLike, *, errors: str = "replace") -> str:
        """The text of the tokens. O(bytes).

        Args:
            ids: Integers in any shape that NumPy takes.
            errors: What becomes of bytes that are not UTF-8, as in ``bytes.decode``: a token may hold a part of a
                character, so ids that were cut anywhere need ``"replace"``.

        Raises:
            DecodingError: As for :meth:`decode_bytes`.
            UnicodeDecodeError: With ``errors="strict"``.
        """
        return self.decode_bytes(ids).decode("utf-8", errors)

    def decode_batch(
        self, batch: TokenBatch | Iterable[npt.ArrayLike], *, errors: str = "replace"
    ) -> list[str]:
        """The text of every document of a batch, or of every sequence of ids of an iterable.

        Raises:
            DecodingError: As for :meth:`decode_bytes`; ``document`` says which one.

        >>> import portmanteau as pm
        >>> tokenizer = pm.Tokenizer.load("o200k_base")
        >>> tokenizer.decode_batch(tokenizer.encode_batch(["by the way", ""]))
        ['by the way', '']
        """
        if not isinstance(batch, TokenBatch):
            arrays = [_id_array(ids) for ids in batch]
            lengths = [0, *(len(ids) for ids in arrays)]
            batch = TokenBatch(np.concatenate([np.empty(0, np.uint32), *arrays]), np.cumsum(lengths))
        return [text.decode("utf-8", errors) for text in self._core.decode_batch(batch.ids, batch.offsets)]

    # ── what it is ──────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def vocab_size(self) -> int:
        """One more than the largest id, special tokens included: the rows that an embedding table needs."""
        return self._core.vocab_size

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes of a token.

        Raises:
            DecodingError: No token has this id (ids may have holes).
        """
        found = self._core.token_bytes(token_id) if 0 <= token_id < self.vocab_size else None
        if found is None:
            message = f"no token has id {token_id}; ids are below {self.vocab_size} and may have holes"
            raise DecodingError(message, token_id=token_id)
        return found

    def token_id(self, token: bytes | str) -> int | None:
        """The id of the token with exactly these bytes, or ``None``; an ordinary token before an added one."""
        return self._core.token_id(token.encode() if isinstance(token, str) else token)

    @cached_property
    def special_tokens(self) -> dict[str, int]:
        """The ids of the special tokens by content, in order of id."""
        return dict(self._core.special_tokens)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 in 64 hexadecimal digits over everything that decides ids.

        Tokenizers with equal fingerprints give equal ids for every text. The same vocabulary in another file format may
        have another fingerprint.
        """
        return self._core.fingerprint()

    @property
    def pretokenizer(self) -> str | None:
        """The name of the pretokenizer, else its regular expression, or ``None`` where it is a longer list of steps."""
        return self._core.pretokenizer_name or self._core.pretokenizer_regex

    def __repr__(self) -> str:
        """One line: size, merges, pretokenizer."""
        name = f"{self._bundled_name!r}, " if self._bundled_name else ""
        return (
            f"Tokenizer({name}vocab_size={self.vocab_size}, merges={self._core.n_merges}, "
            f"pretokenizer={self.pretokenizer!r})"
        )

    def __eq__(self, other: object) -> bool:
        """Whether both give the same ids to every text, as far as their fingerprints tell."""
        return self.fingerprint == other.fingerprint if isinstance(other, Tokenizer) else NotImplemented

    def __hash__(self) -> int:
        """By fingerprint."""
        return hash(self.fingerprint)

    def __reduce__(self) -> tuple[Callable[..., Tokenizer], tuple[Any, ...]]:
        """Pickles as the name of a bundled vocabulary, or as the content of a file."""
        if self._bundled_name:
            return _load_again, ("bundled", self._bundled_name)
        if self._core.has_merge_list:
            return _load_again, ("huggingface", self._core.to_huggingface())
        special_tokens = list(self.special_tokens.items())
        pattern = self._core.pretokenizer_name or self._core.pretokenizer_regex
        return _load_again, ("tiktoken", self._core.to_tiktoken(), pattern, special_tokens)


def _load_again(kind: str, *state: Any) -> Tokenizer:
    """Undoes :meth:`Tokenizer.__reduce__`."""
    if kind == "bundled":
        return Tokenizer.load(*state)
    read = _rust.Tokenizer.from_huggingface if kind == "huggingface" else _rust.Tokenizer.from_tiktoken
    return Tokenizer._from_core(read(*state))


def _load_bundled(name: str) -> _rust.Tokenizer:
    pretokenizer, special_tokens = BUNDLED[name]
    path = data.vocabulary_path(name)
    content = read_bytes(path)
    special = list(special_tokens.items())
    return _at_path(path, lambda: _rust.Tokenizer.from_bundled(content, pretokenizer, special))


def _find_file(path: Path) -> Path:
    """The file to load: ``path``, or the one in the folder ``path``."""
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except FileNotFoundError as error:
        if path.suffix == "" and path.parent == Path():
            message = f"{path}: no such file, and no bundled vocabulary of that name; there are {', '.join(BUNDLED)}"
            raise FileError(message, path=path) from None
        raise file_error(path, "read the file", error) from None
    except OSError as error:
        raise file_error(path, "read the file", error) from None
    except ValueError as error:
        raise FileError(f"{path}: no file can have this name: {error}", path=path) from None
    if not is_folder:
        return path
    for name in ("tokenizer.json", "vocab.json", "tekken.json"):
        if (path / name).exists():
            return path / name
    rank_files = sorted(path.glob("*.tiktoken"))
    if len(rank_files) == 1:
        return rank_files[0]
    message = (
        "the folder holds no tokenizer.json, vocab.json or tekken.json and not exactly one .tiktoken file; "
        "name the file"
    )
    raise FileError(f"{path}: {message}", path=path)


def _at_path(path: Path, load: Callable[[], _rust.Tokenizer]) -> _rust.Tokenizer:
    """Runs ``load``; an error says which file it is about."""
    try:
        return load()
    except Error as error:
        error.args = (f"{path}: {error}",)
        error.path = str(path)
        raise


def _refuse_one_text(documents: object, method: str, method_for_one: str) -> None:
    if isinstance(documents, (str, bytes)):
        raise EncodingError(f"{method} takes several documents; use {method_for_one} for one, or pass [text]")


def _refuse_options(what: str, pretokenizer: str | None, special_tokens: object) -> None:
    if pretokenizer is not None or special_tokens is not None:
        raise VocabularyError(
            f"{what} says its pretokenizer and special tokens itself; leave the options out"
        )


def _id_array(ids: npt.ArrayLike) -> npt.NDArray[np.uint32]:
    try:
        array = np.asarray(ids)
    except ValueError as error:
        raise DecodingError(f"ids are integers in one array: {error}") from None
    if array.size == 0:
        return np.empty(0, np.uint32)
    if not np.issubdtype(array.dtype, np.integer):
        raise DecodingError(f"ids are integers, got {array.dtype}")
    flat = array.reshape(-1)
    if array.dtype != np.uint32:
        outside = np.flatnonzero((flat < 0) | (flat > 0xFFFF_FFFF))
        if outside.size:
            place = int(outside[0])
            message = f"id {flat[place]} at place {place} is not a token id, which is in 0 … 2**32 - 1"
            raise DecodingError(message, offset=place)
    return np.ascontiguousarray(flat, dtype=np.uint32)
