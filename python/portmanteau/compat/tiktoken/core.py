"""``Encoding``: what ``tiktoken`` encodes and decodes with, on Portmanteau's tokenizer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from portmanteau import _rust, data
from portmanteau.compat.ids import as_id, id_array
from portmanteau.compat.tiktoken import unstable
from portmanteau.compat.tiktoken.special import expression, refuse_special
from portmanteau.errors import DecodingError, EncodingError
from portmanteau.threads import thread_count
from portmanteau.tokenizer import BUNDLED

__all__ = ["Encoding"]

Allowed = Literal["all"] | AbstractSet[str]
Disallowed = Literal["all"] | Collection[str]


class Encoding:
    """An encoding as ``tiktoken.Encoding`` is one: the same methods, ids as lists of ``int``, the same errors.

    Args:
        name: Shown, and pickled by where it is a registered one.
        pat_str: The regular expression that cuts a text before merging.
        mergeable_ranks: The rank of every token, which is its id and its priority in merging. All 256 bytes must be
            there.
        special_tokens: Ids of special tokens by content.
        explicit_n_vocab: If given, the number of tokens and the largest id are checked against it.

    Raises:
        VocabularyError: The ranks contradict themselves; a ``ValueError``.
        PatternError: ``pat_str`` does not compile; a ``ValueError``.
        AssertionError: ``explicit_n_vocab`` is wrong.

    >>> encoding = Encoding(
    ...     "bytes", pat_str=".", mergeable_ranks={bytes([b]): b for b in range(256)}, special_tokens={"<|x|>": 256}
    ... )
    >>> encoding.encode("ab<|x|>", allowed_special="all")
    [97, 98, 256]
    """

    def __init__(
        self,
        name: str,
        *,
        pat_str: str,
        mergeable_ranks: dict[bytes, int],
        special_tokens: dict[str, int],
        explicit_n_vocab: int | None = None,
    ) -> None:
        self._mergeable_ranks = mergeable_ranks
        largest = max(mergeable_ranks.values())
        self._describe(name, pat_str, special_tokens, largest)
        if explicit_n_vocab:
            assert len(mergeable_ranks) + len(special_tokens) == explicit_n_vocab
            assert self.max_token_value == explicit_n_vocab - 1
        self._core = _rust.Tokenizer.from_ranks(
            list(mergeable_ranks.items()), pat_str, self._one_for_each_id()
        )

    @classmethod
    def _of_bundled(
        cls,
        name: str,
        vocabulary: str,
        pat_str: str,
        special_tokens: dict[str, int],
        ranks: Callable[[], dict[bytes, int]],
    ) -> Encoding:
        """The encoding of a bundled vocabulary; ``ranks`` gives its dict of ranks when somebody asks for it."""
        encoding = cls.__new__(cls)
        content = data.vocabulary_path(vocabulary).read_bytes()
        encoding._describe(name, pat_str, special_tokens, 0)
        encoding._core = _rust.Tokenizer.from_bundled(
            content, BUNDLED[vocabulary][0], encoding._one_for_each_id()
        )
        encoding._make_ranks = ranks
        return encoding

    _core: _rust.Tokenizer
    _make_ranks: Callable[[], dict[bytes, int]]

    def _describe(self, name: str, pat_str: str, special_tokens: dict[str, int], largest: int) -> None:
        self.name = name
        self._pat_str = pat_str
        self._special_tokens = special_tokens
        self.max_token_value = max(largest, max(special_tokens.values(), default=0))

    def _one_for_each_id(self) -> list[tuple[str, int]]:
        """The special tokens, of those that share an id the first."""
        first: dict[int, str] = {}
        for content, token_id in self._special_tokens.items():
            first.setdefault(token_id, content)
        return [(content, token_id) for token_id, content in first.items()]

    @cached_property
    def _mergeable_ranks(self) -> dict[bytes, int]:
        return self._make_ranks()

    @cached_property
    def _shared_ids(self) -> frozenset[str]:
        """The special tokens whose ids others have too."""
        ids = list(self._special_tokens.values())
        shared = (
            {token_id for token_id in ids if ids.count(token_id) > 1} if len(set(ids)) < len(ids) else set()
        )
        return frozenset(content for content, token_id in self._special_tokens.items() if token_id in shared)

    def __repr__(self) -> str:
        return f"<Encoding {self.name!r}>"

    # ── encoding ────────────────────────────────────────────────────────────────────────────────────────────────

    def encode_ordinary(self, text: str) -> list[int]:
        """The ids of a text in which special tokens are text like any other.

        Surrogate pairs become the character that they spell, and lone surrogates U+FFFD.

        >>> from portmanteau.compat import tiktoken
        >>> tiktoken.get_encoding("r50k_base").encode_ordinary("hello world")
        [31373, 995]
        """
        return _as_list(self._repairing(text, frozenset()))

    def encode(
        self,
        text: str,
        *,
        allowed_special: Allowed = frozenset(),
        disallowed_special: Disallowed = "all",
    ) -> list[int]:
        """The ids of a text.

        Args:
            text: The text; surrogates are repaired as :meth:`encode_ordinary` does.
            allowed_special: Special tokens that become their ids: a set of them, or ``"all"``.
            disallowed_special: Special tokens that raise; with ``"all"``, those that are not allowed. What is in
                neither is text like any other.

        Raises:
            ValueError: The text has a disallowed special token.

        >>> from portmanteau.compat import tiktoken
        >>> encoding = tiktoken.get_encoding("r50k_base")
        >>> encoding.encode("<|endoftext|>", allowed_special={"<|endoftext|>"})
        [50256]
        >>> encoding.encode("<|endoftext|>", disallowed_special=())
        [27, 91, 437, 1659, 5239, 91, 29]
        """
        allowed, disallowed = self._resolved(allowed_special, disallowed_special)
        refuse_special(text, disallowed)
        return _as_list(self._repairing(text, allowed))

    def encode_to_numpy(
        self,
        text: str,
        *,
        allowed_special: Allowed = frozenset(),
        disallowed_special: Disallowed = "all",
    ) -> npt.NDArray[np.uint32]:
        """As :meth:`encode`, as an array ``uint32[n]``. Surrogates raise ``UnicodeEncodeError``."""
        allowed, disallowed = self._resolved(allowed_special, disallowed_special)
        refuse_special(text, disallowed)
        return self._ids(_checked_text(text), allowed)

    def encode_ordinary_batch(self, text: list[str], *, num_threads: int = 8) -> list[list[int]]:
        """As :meth:`encode_ordinary` for each of several texts, on several threads."""
        return self._batch(text, frozenset(), frozenset(), num_threads)

    def encode_batch(
        self,
        text: list[str],
        *,
        num_threads: int = 8,
        allowed_special: Allowed = frozenset(),
        disallowed_special: Disallowed = "all",
    ) -> list[list[int]]:
        """As :meth:`encode` for each of several texts, on several threads.

        >>> from portmanteau.compat import tiktoken
        >>> tiktoken.get_encoding("r50k_base").encode_batch(["hello world", "goodbye world"])
        [[31373, 995], [11274, 16390, 995]]
        """
        allowed, disallowed = self._resolved(allowed_special, disallowed_special)
        return self._batch(text, allowed, disallowed, num_threads)

    def encode_with_unstable(
        self,
        text: str,
        *,
        allowed_special: Allowed = frozenset(),
        disallowed_special: Disallowed = "all",
    ) -> tuple[list[int], list[list[int]]]:
        """The ids of a text that more text may follow: those that are settled, and what the rest may become.

        The sequences come in no particular order. See :mod:`portmanteau.compat.tiktoken.unstable`.
        """
        allowed, disallowed = self._resolved(allowed_special, disallowed_special)
        refuse_special(text, disallowed)
        return unstable.completions(self, _checked_text(text), allowed)

    def encode_single_token(self, text_or_bytes: str | bytes) -> int:
        """The id of a token, special ones included.

        Raises:
            KeyError: There is no such token.

        >>> from portmanteau.compat import tiktoken
        >>> tiktoken.get_encoding("r50k_base").encode_single_token("hello")
        31373
        """
        token = text_or_bytes.encode("utf-8") if isinstance(text_or_bytes, str) else bytes(text_or_bytes)
        token_id = self._core.token_id(token)
        if token_id is None and self._shared_ids:
            token_id = self._special_tokens.get(token.decode("utf-8", "replace"))
        if token_id is None:
            raise KeyError(token)
        return token_id

    def _resolved(
        self, allowed_special: Allowed, disallowed_special: Disallowed
    ) -> tuple[AbstractSet[str], frozenset[str]]:
        """What the two arguments stand for."""
        allowed: Any = self.special_tokens_set if allowed_special == "all" else allowed_special
        if disallowed_special == "all":
            return allowed, frozenset(self.special_tokens_set - allowed)
        return allowed, frozenset(disallowed_special)

    def _repairing(self, text: str, allowed: AbstractSet[str]) -> npt.NDArray[np.uint32]:
        try:
            return self._ids(text, allowed)
        except EncodingError:
            return self._ids(_without_surrogates(text), allowed)

    def _ids(self, text: str, allowed: AbstractSet[str]) -> npt.NDArray[np.uint32]:
        if not isinstance(text, str):
            raise TypeError(f"{type(text).__name__!r} object is not an instance of 'str'")
        found = self._ambiguous(allowed)
        if found and any(content in text for content in found):
            return self._ids_by_parts(text, allowed)
        return self._core.encode(text, self._policy(allowed), thread_count(None, refuse=EncodingError))

    def _policy(self, allowed: AbstractSet[str]) -> str | list[int]:
        """What the tokenizer is told of special tokens."""
        if not isinstance(allowed, (set, frozenset)):
            raise TypeError(f"argument 'allowed_special': {type(allowed).__name__!r} object is not a set")
        if not allowed:
            return "text"
        if allowed >= self.special_tokens_set:
            return "parse"
        return [self._special_tokens[content] for content in allowed & self.special_tokens_set]

    def _ambiguous(self, allowed: AbstractSet[str]) -> frozenset[str]:
        """Special tokens that their id does not tell apart from others, where that matters."""
        return (
            self._shared_ids if self._shared_ids and not self._shared_ids.isdisjoint(allowed) else frozenset()
        )

    def _ids_by_parts(self, text: str, allowed: AbstractSet[str]) -> npt.NDArray[np.uint32]:
        """The ids of a text that is cut at its allowed special tokens first."""
        parts = expression(frozenset(allowed & self.special_tokens_set)).split(text)
        batch, offsets = self._core.encode_batch(parts[::2], "text", 1)
        special = [self._special_tokens[content] for content in parts[1::2]]
        return np.insert(batch, offsets[1:-1], np.array(special, np.uint32))

    def _batch(
        self, texts: Iterable[str], allowed: AbstractSet[str], disallowed: frozenset[str], num_threads: int
    ) -> list[list[int]]:
        texts = list(texts)
        if num_threads <= 0:
            raise ValueError("max_workers must be greater than 0")
        for text in texts:
            refuse_special(text, disallowed)
            if not isinstance(text, str):
                raise TypeError(f"{type(text).__name__!r} object is not an instance of 'str'")
        if self._ambiguous(allowed):
            return [_as_list(self._repairing(text, allowed)) for text in texts]
        policy, threads = self._policy(allowed), thread_count(num_threads, refuse=EncodingError)
        try:
            ids, offsets = self._core.encode_batch(texts, policy, threads)
        except EncodingError:
            texts = [_without_surrogates(text) for text in texts]
            ids, offsets = self._core.encode_batch(texts, policy, threads)
        flat = ids.tolist()
        return [flat[start:end] for start, end in pairwise(offsets.tolist())]

    # ── decoding ────────────────────────────────────────────────────────────────────────────────────────────────

    def decode_bytes(self, tokens: Sequence[int]) -> bytes:
        """The bytes of the tokens, one after the other.

        Raises:
            KeyError: An id has no token.

        >>> from portmanteau.compat import tiktoken
        >>> tiktoken.get_encoding("r50k_base").decode_bytes([31373, 995])
        b'hello world'
        """
        try:
            return self._core.decode_bytes(id_array(tokens))
        except DecodingError as error:
            raise KeyError(f"Invalid token for decoding: {error.token_id}") from None

    def decode(self, tokens: Sequence[int], errors: str = "replace") -> str:
        """The text of the tokens. ``errors`` says what becomes of bytes that are not UTF-8, as in ``bytes.decode``.

        Raises:
            KeyError: An id has no token.
        """
        return self.decode_bytes(tokens).decode("utf-8", errors=errors)

    def decode_single_token_bytes(self, token: int) -> bytes:
        """The bytes of a token, special ones included.

        Raises:
            KeyError: There is no such token.
        """
        index = as_id(token)
        found = self._core.token_bytes(index)
        if found is None:
            raise KeyError(str(index))
        return found

    def decode_tokens_bytes(self, tokens: Sequence[int]) -> list[bytes]:
        """The bytes of each token.

        >>> from portmanteau.compat import tiktoken
        >>> tiktoken.get_encoding("r50k_base").decode_tokens_bytes([31373, 995])
        [b'hello', b' world']
        """
        return [self.decode_single_token_bytes(token) for token in tokens]

    def decode_with_offsets(self, tokens: Sequence[int]) -> tuple[str, list[int]]:
        """The text of the tokens, and the character of it at which each begins.

        A token that begins within a character has the place of that character.

        Raises:
            UnicodeDecodeError: The bytes are not UTF-8.

        >>> from portmanteau.compat import tiktoken
        >>> tiktoken.get_encoding("r50k_base").decode_with_offsets([31373, 995])
        ('hello world', [0, 5])
        """
        parts = self.decode_tokens_bytes(tokens)
        joined = b"".join(parts)
        if not parts:
            return "", []
        starts = np.cumsum([0, *map(len, parts)])[:-1]
        follows = (np.frombuffer(joined, np.uint8) & 0xC0) == 0x80
        before = np.cumsum(np.append(0, ~follows))
        offsets = np.maximum(before[starts] - follows[starts], 0)
        return joined.decode("utf-8", errors="strict"), offsets.tolist()

    def decode_batch(
        self, batch: Sequence[Sequence[int]], *, errors: str = "replace", num_threads: int = 8
    ) -> list[str]:
        """As :meth:`decode` for each of several sequences of ids."""
        return [part.decode("utf-8", errors=errors) for part in self.decode_bytes_batch(batch)]

    def decode_bytes_batch(self, batch: Sequence[Sequence[int]], *, num_threads: int = 8) -> list[bytes]:
        """As :meth:`decode_bytes` for each of several sequences of ids."""
        arrays = [id_array(tokens) for tokens in batch]
        offsets = np.cumsum([0, *map(len, arrays)])
        try:
            return self._core.decode_batch(np.concatenate([np.empty(0, np.uint32), *arrays]), offsets)
        except DecodingError as error:
            raise KeyError(f"Invalid token for decoding: {error.token_id}") from None

    # ── what it is ──────────────────────────────────────────────────────────────────────────────────────────────

    def token_byte_values(self) -> list[bytes]:
        """The bytes of all tokens but the special ones, sorted."""
        return list(self._sorted_tokens)

    @cached_property
    def _sorted_tokens(self) -> list[bytes]:
        return sorted(self._mergeable_ranks)

    @property
    def eot_token(self) -> int:
        """The id of ``<|endoftext|>``.

        Raises:
            KeyError: There is no such token.
        """
        return self._special_tokens["<|endoftext|>"]

    @cached_property
    def special_tokens_set(self) -> set[str]:
        """The special tokens."""
        return set(self._special_tokens)

    def is_special_token(self, token: int) -> bool:
        """Whether an id is that of a special token."""
        assert isinstance(token, int)
        return token in self._special_token_values

    @cached_property
    def _special_token_values(self) -> set[int]:
        return set(self._special_tokens.values())

    @property
    def n_vocab(self) -> int:
        """One more than the largest id."""
        return self.max_token_value + 1

    def _encode_single_piece(self, text_or_bytes: str | bytes) -> list[int]:
        """The ids of bytes that are not cut before merging."""
        piece = text_or_bytes.encode() if isinstance(text_or_bytes, str) else text_or_bytes
        return unstable.merged(piece, self._mergeable_ranks)

    def _encode_bytes(self, text: bytes) -> list[int]:
        """The ids of bytes that need not be UTF-8."""
        return unstable.ids_of_bytes(self, text)

    def __reduce__(self) -> tuple[Callable[..., Encoding], tuple[Any, ...]]:
        """Pickles by name where it is registered under its name, else by what it was made of."""
        from portmanteau.compat.tiktoken import registry

        if registry.ENCODINGS.get(self.name) is self:
            return registry.get_encoding, (self.name,)
        arguments = {
            "name": self.name,
            "pat_str": self._pat_str,
            "mergeable_ranks": self._mergeable_ranks,
            "special_tokens": self._special_tokens,
        }
        return _of_arguments, (arguments,)


def _of_arguments(arguments: Mapping[str, Any]) -> Encoding:
    return Encoding(**arguments)


def _checked_text(text: str) -> str:
    """The text, if UTF-8 can express it.

    Raises:
        UnicodeEncodeError: It has a surrogate.
    """
    if not isinstance(text, str):
        raise TypeError(f"{type(text).__name__!r} object is not an instance of 'str'")
    if not text.isascii():
        text.encode("utf-8")
    return text


def _without_surrogates(text: str) -> str:
    """The text with surrogate pairs as the characters that they spell, and U+FFFD for lone ones."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _as_list(ids: npt.NDArray[np.uint32]) -> list[int]:
    as_list: list[int] = ids.tolist()
    return as_list
