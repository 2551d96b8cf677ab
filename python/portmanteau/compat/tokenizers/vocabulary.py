"""The tokens of a ``tokenizer.json``: the model's, and the added ones, which take ids from where the model's end."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from portmanteau import _rust
from portmanteau.compat.tokenizers.added_token import AddedToken
from portmanteau.compat.white_space import WHITE_SPACE
from portmanteau.errors import UnsupportedError

if TYPE_CHECKING:
    from portmanteau.compat.tokenizers.parts import EncodedText

__all__ = ["AddedTokens", "Vocabulary", "count_spaces"]

_SPACES = WHITE_SPACE + "Ġ"
"""White space, and the spelling of a space in byte-level vocabularies."""

_FORMS: dict[str, Literal["NFC", "NFD", "NFKC", "NFKD"]] = {
    "NFC": "NFC",
    "NFD": "NFD",
    "NFKC": "NFKC",
    "NFKD": "NFKD",
}


class AddedTokens:
    """The added tokens of a tokenizer.

    A token whose content the model has too has the model's id; the others get the next free ones.
    """

    def __init__(self, model: dict[str, int]) -> None:
        self._model = model
        self.ids: dict[str, int] = {}
        self.by_id: dict[int, AddedToken] = {}
        self.special: set[str] = set()

    def add(self, tokens: Iterable[AddedToken]) -> int:
        """Adds tokens, in place of those with the same content, and says how many are new or changed."""
        size = len(self._model)
        following = max(size, max(self.by_id, default=-1) + 1)
        n_added = 0
        for token in tokens:
            known = self.ids.get(token.content)
            if not token.content or (known is not None and self.by_id[known] == token):
                continue
            token_id = known if known is not None else self._model.get(token.content)
            if token_id is None:
                token_id, following = following, following + 1
            self.ids[token.content] = token_id
            self.by_id[token_id] = token
            if token.special:
                self.special.add(token.content)
            n_added += 1
        return n_added

    def as_json(self) -> list[dict[str, Any]]:
        """The section of a ``tokenizer.json``, in order of id."""
        return [{"id": token_id} | token.as_json() for token_id, token in sorted(self.by_id.items())]


class Vocabulary:
    """All tokens as they are at one time, and what encodes with them. It does not change."""

    def __init__(self, core: _rust.Tokenizer, model: dict[str, int], added: AddedTokens) -> None:
        self.core = core
        self.model = model
        self.added_ids = dict(added.ids)
        self.added = {token_id: token.copy() for token_id, token in added.by_id.items()}
        self.special = frozenset(added.special)

    @classmethod
    def of_document(cls, document: dict[str, Any], added: AddedTokens) -> Vocabulary:
        """The vocabulary of the parsed content of a ``tokenizer.json``. O(size of it)."""
        core = _rust.Tokenizer.from_huggingface(json.dumps(document, ensure_ascii=False).encode())
        return cls(core, document["model"]["vocab"], added)

    @cached_property
    def by_id(self) -> list[str | None]:
        """The token of each id, as it is spelled; added tokens as they are looked for."""
        size = 1 + max(max(self.model.values(), default=-1), max(self.added, default=-1))
        tokens: list[str | None] = [None] * size
        for token, token_id in self.model.items():
            tokens[token_id] = token
        for token_id, added in self.added.items():
            tokens[token_id] = self._normalized(added.content) if added.normalized else added.content
        return tokens

    def _normalized(self, content: str) -> str:
        for name in self.core.normalization:
            content = unicodedata.normalize(_FORMS[name], content)
        return content

    @cached_property
    def _stripping(self) -> npt.NDArray[np.uint32]:
        """The ids of added tokens that take white space with them."""
        return np.array(
            [token_id for token_id, token in self.added.items() if token.lstrip or token.rstrip], np.uint32
        )

    def tokens_in(self, source: EncodedText, start: int, stop: int) -> list[str]:
        """The tokens of a part of a text, as they are spelled; added ones with the white space that they took."""
        ids = source.ids[start:stop]
        by_id: Any = self.by_id
        tokens: list[str] = list(map(by_id.__getitem__, ids.tolist()))
        if len(self._stripping):
            for place in np.flatnonzero(np.isin(ids, self._stripping)).tolist():
                first, end = source.offsets()[start + place].tolist()
                covered = source.text[first:end]
                added = self.added[int(ids[place])]
                if added.normalized and self.core.normalization and not covered.isascii():
                    self._check_took_nothing(added, covered)
                elif covered.strip(WHITE_SPACE) == tokens[place].strip(WHITE_SPACE):
                    tokens[place] = covered
        return tokens

    def _check_took_nothing(self, added: AddedToken, covered: str) -> None:
        """Raises where white space that an added token took may have been changed by normalization."""
        if covered != covered.strip(WHITE_SPACE):
            raise UnsupportedError(
                f"the added token {added.content!r} took white space that normalization may have changed; "
                "use tokenizers itself to see its spelling, or set its lstrip and rstrip to false"
            )

    @cached_property
    def _space_counts(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        return count_spaces([token or "" for token in self.by_id])

    def spaces_in(
        self, source: EncodedText, start: int, stop: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """How many characters of white space the tokens of a part of a text begin and end with, ``int64[n]`` each."""
        ids = source.ids[start:stop]
        leading, trailing = (counts[ids] for counts in self._space_counts)
        if len(self._stripping) and np.isin(ids, self._stripping).any():
            return count_spaces(self.tokens_in(source, start, stop))
        return leading, trailing

    # ── decoding ────────────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def _is_token(self) -> npt.NDArray[np.bool_]:
        return np.array([token is not None for token in self.by_id], np.bool_)

    @cached_property
    def _is_special(self) -> npt.NDArray[np.bool_]:
        return np.array([token in self.special for token in self.by_id], np.bool_)

    @cached_property
    def _spelled_otherwise(self) -> npt.NDArray[np.bool_]:
        """Added tokens that a byte-level decoder does not read as their content."""
        marks = np.zeros(len(self.by_id), np.bool_)
        for token_id in self.added:
            token = self.by_id[token_id] or ""
            marks[token_id] = spelled_bytes(token) != self.core.token_bytes(token_id)
        return marks

    def kept(self, ids: npt.NDArray[np.uint32], skip_special_tokens: bool) -> npt.NDArray[np.uint32]:
        """The ids that have a token, without those of special ones if they are to be skipped."""
        ids = ids[ids < len(self.by_id)]
        mask = self._is_token[ids]
        if skip_special_tokens:
            mask &= ~self._is_special[ids]
        return ids[mask]

    def text_of(self, ids: npt.NDArray[np.uint32]) -> str:
        """What a byte-level decoder makes of ids that have a token."""
        if self._spelled_otherwise[ids].any():
            content = b"".join(spelled_bytes(self.by_id[token_id] or "") for token_id in ids.tolist())
        else:
            content = self.core.decode_bytes(ids)
        return content.decode("utf-8", "replace")


def count_spaces(tokens: Sequence[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """How many characters of white space tokens begin and end with, ``int64[n]`` each.

    >>> [counts.tolist() for counts in count_spaces(["Ġthe", "ĠĠ", "x"])]
    [[1, 2, 0], [0, 2, 0]]
    """
    leading = [len(token) - len(token.lstrip(_SPACES)) for token in tokens]
    trailing = [len(token) - len(token.rstrip(_SPACES)) for token in tokens]
    return np.array(leading, np.int64), np.array(trailing, np.int64)


def _byte_alphabet() -> dict[str, int]:
    """The byte that each character of a byte-level spelling is: visible Latin-1 itself, the others from U+0100."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = sorted({*range(0x100)} - {*visible})
    return {chr(byte): byte for byte in visible} | {chr(0x100 + n): byte for n, byte in enumerate(hidden)}


_BYTES = _byte_alphabet()


def spelled_bytes(token: str) -> bytes:
    r"""The bytes that a byte-level decoder reads a token as: itself in UTF-8, if it is not all in the byte alphabet.

    >>> spelled_bytes("Ġthe"), spelled_bytes("the end")
    (b' the', b'the end')
    """
    try:
        return bytes([_BYTES[character] for character in token])
    except KeyError:
        return token.encode()
