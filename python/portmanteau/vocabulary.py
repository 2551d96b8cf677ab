"""The tokens of a vocabulary, and which of them are superwords: tokens that reach across a space."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portmanteau.errors import DecodingError

if TYPE_CHECKING:
    from portmanteau.tokenizer import Tokenizer

__all__ = ["is_superword", "ordinary_tokens", "superwords"]


def ordinary_tokens(tokenizer: Tokenizer) -> dict[int, bytes]:
    """The tokens by token id, in order of id, without the special ones. O(bytes of the vocabulary).

    >>> import portmanteau as pm
    >>> tokens = ordinary_tokens(pm.Tokenizer.load("r50k_base"))
    >>> len(tokens), tokens[290]
    (50256, b' and')
    """
    special = set(tokenizer.special_tokens.values())
    tokens = {}
    for token_id in range(tokenizer.vocab_size):
        if token_id not in special:
            try:
                tokens[token_id] = tokenizer.token_bytes(token_id)
            except DecodingError:  # a hole between ids
                continue
    return tokens


def is_superword(token: bytes) -> bool:
    r"""Whether the text of a token holds a space between characters that are no white space. O(bytes).

    >>> [is_superword(token) for token in (b" of the", b", and", b"of ", b" of", b"\n    ")]
    [True, True, False, False, False]
    """
    return " " in token.decode("utf-8", "replace").strip()


def superwords(tokenizer: Tokenizer) -> dict[int, str]:
    """The superwords by token id, in order of id. O(bytes of the vocabulary).

    Bytes that are no UTF-8 by themselves, since a token may end within a character, are shown as ``�``.

    >>> import portmanteau as pm
    >>> superwords(pm.Tokenizer.load("r50k_base"))
    {}
    """
    tokens = ordinary_tokens(tokenizer).items()
    return {token_id: token.decode("utf-8", "replace") for token_id, token in tokens if is_superword(token)}
