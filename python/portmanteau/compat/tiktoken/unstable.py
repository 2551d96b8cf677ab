"""What the end of a text may become when more text follows: ``Encoding.encode_with_unstable`` of ``tiktoken``.

The tokens of the last pretoken are not settled, because a longer text may merge them otherwise. Which sequences of
tokens the open bytes can begin is found as ``tiktoken`` does: for every place at which a token could straddle the end,
each token that begins with the open bytes after that place is put there, and the whole is encoded anew.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING

from portmanteau.compat.tiktoken.special import expression
from portmanteau.compat.white_space import WHITE_SPACE

if TYPE_CHECKING:
    from portmanteau.compat.tiktoken.core import Encoding

__all__ = ["completions", "ids_of_bytes", "merged"]


def merged(piece: bytes, ranks: Mapping[bytes, int]) -> list[int]:
    """The ids of bytes that are not cut before merging: of all pairs, that with the lowest rank merges first.

    O(n²) in the bytes.

    Raises:
        KeyError: A byte has no token.

    >>> merged(b"abab", {b"a": 0, b"b": 1, b"ab": 2})
    [2, 2]
    """
    if piece in ranks:
        return [ranks[piece]]
    parts = [piece[place : place + 1] for place in range(len(piece))]
    while len(parts) > 1:
        candidates = [ranks.get(left + right, inf) for left, right in pairwise(parts)]
        best = min(candidates)
        if best == inf:
            break
        place = candidates.index(best)
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
    return [ranks[part] for part in parts]


def completions(
    encoding: Encoding, text: str, allowed: AbstractSet[str]
) -> tuple[list[int], list[list[int]]]:
    """The settled ids of a text, and the sequences that its open end may become.

    Args:
        encoding: What encodes.
        text: Text that UTF-8 can express.
        allowed: Special tokens that become their ids.

    Returns:
        Ids, and sequences of ids in ascending order, each once.
    """
    ids = encoding._ids(text, allowed).tolist()
    n_open = _open_tokens(encoding, ids, _after_special(encoding, text, allowed))
    if n_open == 0:
        return ids, []
    open_bytes = encoding.decode_bytes(ids[-n_open:])
    found = _straddling(encoding, open_bytes) | _with_split_space(encoding, open_bytes)
    found |= {(encoding._mergeable_ranks[token],) for token in _tokens_from(encoding, open_bytes)}
    return ids[:-n_open], [list(sequence) for sequence in sorted(found)]


def ids_of_bytes(encoding: Encoding, content: bytes) -> list[int]:
    """The ids of bytes that need not be UTF-8: from the last pretoken of what is UTF-8 on, they are merged uncut."""
    try:
        return encoding.encode_ordinary(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        valid = error.start
    text = content[:valid].decode("utf-8")
    ids = encoding.encode_ordinary(text)
    n_open = _open_tokens(encoding, ids, text)
    settled, rest = ids[: len(ids) - n_open], encoding.decode_bytes(ids[len(ids) - n_open :])
    return settled + merged(rest + content[valid:], encoding._mergeable_ranks)


def _after_special(encoding: Encoding, text: str, allowed: AbstractSet[str]) -> str:
    """What follows the last special token."""
    special = frozenset(allowed & encoding.special_tokens_set)
    return expression(special).split(text)[-1] if special else text


def _open_tokens(encoding: Encoding, ids: Sequence[int], text: str) -> int:
    """How many of the last tokens belong to the last pretoken, and to white space that may join it."""
    if not text:
        return 0
    last_pretoken = encoding._core.pretokens(text)[-1]
    n_open = len(encoding._core.encode(last_pretoken, "text", 1))
    if _is_space(encoding, ids[-n_open]):
        while n_open < len(ids) and _is_space(encoding, ids[-n_open - 1]):
            n_open += 1
    return n_open


def _is_space(encoding: Encoding, token_id: int) -> bool:
    """Whether an ordinary token is nothing but spaces, tabs and newlines."""
    if token_id in encoding._special_token_values:
        return False
    return not encoding.decode_single_token_bytes(token_id).strip(b" \n\t")


def _tokens_from(encoding: Encoding, start: bytes) -> Iterator[bytes]:
    """The tokens that begin with these bytes."""
    tokens = encoding._sorted_tokens
    for place in range(bisect_left(tokens, start), len(tokens)):
        if not tokens[place].startswith(start):
            return
        yield tokens[place]


def _straddling(encoding: Encoding, open_bytes: bytes) -> set[tuple[int, ...]]:
    """What the open bytes become if a token straddles their end."""
    texts, sequences = [], []
    for place in range(1, len(open_bytes)):
        for token in _tokens_from(encoding, open_bytes[place:]):
            possibility = open_bytes[:place] + token
            try:
                texts.append(possibility.decode("utf-8"))
            except UnicodeDecodeError:
                sequences.append(merged(possibility, encoding._mergeable_ranks))
    sequences += encoding._batch(texts, frozenset(), frozenset(), num_threads=8)
    return {_covering(encoding, sequence, len(open_bytes)) for sequence in sequences}


def _covering(encoding: Encoding, ids: Sequence[int], n_bytes: int) -> tuple[int, ...]:
    """The first tokens, up to the one with which they have so many bytes."""
    reached = 0
    for place, token_id in enumerate(ids, start=1):
        reached += len(encoding.decode_single_token_bytes(token_id))
        if reached >= n_bytes:
            return tuple(ids[:place])
    return tuple(ids)


def _with_split_space(encoding: Encoding, open_bytes: bytes) -> set[tuple[int, ...]]:
    """The open bytes with a cut before white space at their end, which text after it may bring about."""
    if len(open_bytes) < 2:
        return set()
    for length in range(1, 5):
        last = open_bytes[-length:].decode("utf-8", "ignore")
        if len(last) == 1 and len(last.encode()) == length:
            break
    else:
        return set()
    if length == len(open_bytes) or last not in WHITE_SPACE:
        return set()
    ranks = encoding._mergeable_ranks
    return {(*merged(open_bytes[:-length], ranks), *merged(open_bytes[-length:], ranks))}
