"""Bytes per token at every size that a vocabulary had while it grew, from one encoding of the text.

A tokenizer with the first merges of the list alone is a smaller vocabulary. What it would make of a text follows from
what the whole one makes of it: every token that is built with a merge that is cut off becomes its two parts
again. (Why that is exact is said in ``rust/bpe/src/merge_order.rs``.) So the numbers of tokens at all sizes come of the
counts of the ids: from the last merge to the first, a token's count is passed on to its parts. The text is still cut by
the pretokenizer of the tokenizer, whatever one it had while it grew.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from portmanteau.columns import is_column
from portmanteau.errors import UnsupportedError
from portmanteau.vocabulary import is_superword

if TYPE_CHECKING:
    from portmanteau.batch import TokenBatch
    from portmanteau.tokenizer import Tokenizer

__all__ = ["Growth", "TokenCounts", "bytes_per_token", "curve", "facts", "is_round"]

Facts = dict[str, Any]

_BATCH_DOCUMENTS = 256


def curve(
    tokenizer: Tokenizer, texts: Iterable[str | bytes] | Any, *, threads: int | None = None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Bytes per token of a text at all sizes of the vocabulary.

    Args:
        tokenizer: Any tokenizer whose merges have ranks.
        texts: An iterable of ``str`` or UTF-8 ``bytes``, or an Arrow string column.
        threads: How many threads encode; all cores, by default.

    Returns:
        The sizes, ``int64[n]``: ids in all, special tokens and single bytes included, from none of the merges to all of
        them, one token more at a time. And for each the bytes of the text divided by its tokens,
        ``float64[n]``; NaN if there is no text.

    Raises:
        UnsupportedError: The tokenizer has a token for unknown bytes or lists a pair twice, or the text has tokens that
            come of no merge.
        EncodingError: As for :meth:`Tokenizer.encode_batch`.

    The cost is that of encoding the text once, and O(n log n) in the bytes of the vocabulary.

    >>> import portmanteau as pm
    >>> from portmanteau.inspecting import curve
    >>> tokenizer = pm.train_bpe(texts=["low low low lower lower newest newest widest"], vocab_size=260)
    >>> sizes, bytes_per_token = curve(tokenizer, ["low lower lowest"])
    >>> sizes.tolist(), bytes_per_token.round(2).tolist()
    ([256, 257, 258, 259, 260], [1.0, 1.23, 1.6, 2.0, 2.29])
    """
    growth = Growth(tokenizer)
    counted = TokenCounts(tokenizer, threads=threads)
    for _ in counted.of(texts):
        pass
    return growth.sizes, bytes_per_token(counted.n_bytes, growth.tokens(counted.counts))


class TokenCounts:
    """How often each id comes up in texts."""

    def __init__(self, tokenizer: Tokenizer, *, threads: int | None = None) -> None:
        self.counts = np.zeros(tokenizer.vocab_size, np.int64)
        """By token id."""
        self.n_bytes = 0
        self.n_documents = 0
        self._tokenizer = tokenizer
        self._threads = threads

    def of(self, texts: Iterable[str | bytes] | Any) -> Iterator[int]:
        """Adds texts, and yields the number of documents of each batch that is done."""
        if is_column(texts):
            batches: Iterator[Any] = iter([texts])
        else:
            remaining = iter(texts)
            batches = iter(lambda: list(itertools.islice(remaining, _BATCH_DOCUMENTS)), [])
        for documents in batches:
            batch = self._tokenizer.encode_batch(documents, threads=self._threads)
            self.n_bytes += self._bytes_of(documents)
            self._add(batch)
            yield len(batch)

    def add(self, other: TokenCounts) -> None:
        """Adds what was counted elsewhere with the same tokenizer."""
        self.counts += other.counts
        self.n_bytes += other.n_bytes
        self.n_documents += other.n_documents

    def _add(self, batch: TokenBatch) -> None:
        self.counts += np.bincount(batch.ids, minlength=len(self.counts))
        self.n_documents += len(batch)

    @staticmethod
    def _bytes_of(documents: Any) -> int:
        if is_column(documents):
            import pyarrow as pa
            import pyarrow.compute as pc

            column = (
                documents
                if isinstance(documents, (pa.Array, pa.ChunkedArray))
                else pa.chunked_array(documents)
            )
            return int(pc.sum(pc.binary_length(column)).as_py() or 0)
        return sum(len(text if isinstance(text, bytes) else text.encode()) for text in documents)


class Growth:
    """How a vocabulary grew.

    Raises:
        UnsupportedError: That cannot be told; the message says why.

    >>> import portmanteau as pm
    >>> growth = Growth(pm.Tokenizer.load("o200k_base"))
    >>> growth.sizes[0].item(), growth.sizes[-1].item(), growth.first_superword
    (277, 200019, None)
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        order = tokenizer._core.merge_order()
        if order is None:
            raise UnsupportedError(
                "it cannot be told how this vocabulary grew: it has a token for unknown bytes, lists a pair twice, or "
                "has more than two million merges"
            )
        left, right, merged, needs, new_token_ranks = order
        self.sizes: npt.NDArray[np.int64] = (
            tokenizer.vocab_size - len(new_token_ranks) + np.arange(len(new_token_ranks) + 1)
        )
        """From no merge to all of them, one token more at a time."""
        self._tokenizer = tokenizer
        self._merges = left.tolist(), right.tolist(), merged.tolist()
        # By size: the number of these merges that are left. They are those below the rank that makes the next token.
        self._n_merges = np.append(np.searchsorted(needs, new_token_ranks), len(needs))

    def tokens(self, counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The number of tokens of a text at each size, by the counts of its ids. O(merges).

        Raises:
            UnsupportedError: One of the ids comes of no merge, but only where a whole pretoken is that token.
        """
        lefts, rights, made = self._merges
        self._check_ids(counts)
        remaining = counts.tolist()
        n_tokens = [sum(remaining)]
        for left, right, token_id in zip(reversed(lefts), reversed(rights), reversed(made), strict=True):
            count = remaining[token_id]
            remaining[token_id] = 0
            remaining[left] += count
            remaining[right] += count
            n_tokens.append(n_tokens[-1] + count)
        n_tokens.reverse()
        by_merges: npt.NDArray[np.int64] = np.array(n_tokens, np.int64)
        at_sizes: npt.NDArray[np.int64] = by_merges[self._n_merges]
        return at_sizes

    def at(self, size: int, values: npt.NDArray[Any]) -> Any:
        """The value at a size; at the nearest that there is.

        >>> import numpy as np, portmanteau as pm
        >>> growth = Growth(pm.train_bpe(texts=["low low low"], vocab_size=258))
        >>> growth.at(257, np.array([1.0, 1.5, 2.0]))
        1.5
        """
        place = int(np.clip(size - self.sizes[0], 0, len(self.sizes) - 1))
        return values[place].item()

    @property
    def first_superword(self) -> int | None:
        """The size at which the first superword is there, if there are any."""
        for number, token_id in enumerate(self._merges[2]):
            if is_superword(self._tokenizer.token_bytes(token_id)):
                return int(self.sizes[np.searchsorted(self._n_merges, number + 1)])
        return None

    def _check_ids(self, counts: npt.NDArray[np.int64]) -> None:
        core = self._tokenizer._core
        known = np.zeros(len(counts), np.bool_)
        known[self._merges[2]] = True
        known[[token_id for _, token_id in core.added_tokens]] = True
        for token_id in np.flatnonzero((counts > 0) & ~known).tolist():
            token = self._tokenizer.token_bytes(token_id)
            if len(token) > 1:
                raise UnsupportedError(
                    f"the token {token!r} ({token_id}), which the text has, comes of no merge but of a rule for whole "
                    "words, so it cannot be told what it would be in a smaller vocabulary"
                )


def bytes_per_token(n_bytes: int, n_tokens: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """The bytes divided by each number of tokens; NaN for no tokens.

    >>> import numpy as np
    >>> bytes_per_token(6, np.array([6, 3, 0])).tolist()
    [1.0, 2.0, nan]
    """
    return n_bytes / np.where(n_tokens > 0, n_tokens, np.nan)


def is_round(size: int) -> bool:
    """Whether a size is 1, 1.5, 2, 3, 5 or 7 times a power of ten.

    >>> [size for size in range(1000, 20001) if is_round(size)]
    [1000, 1500, 2000, 3000, 5000, 7000, 10000, 15000, 20000]
    """
    return str(size).rstrip("0") in {"1", "15", "2", "3", "5", "7"}


def facts(growth: Growth, counted: TokenCounts, n_points: int = 200) -> Facts:
    """The curve as JSON has it: at round sizes, the smallest, the largest, the last without superwords, and some more.

    >>> import portmanteau as pm
    >>> tokenizer = pm.train_bpe(texts=["low low low lower lower newest newest widest"], vocab_size=260)
    >>> counted = TokenCounts(tokenizer)
    >>> _ = list(counted.of(["low lower lowest"]))
    >>> facts(Growth(tokenizer), counted)["points"][0]
    {'vocab_size': 256, 'tokens': 16, 'bytes_per_token': 1.0}
    """
    n_tokens = growth.tokens(counted.counts)
    first, last = int(growth.sizes[0]), int(growth.sizes[-1])
    chosen = set(np.linspace(first, last, min(n_points, last - first + 1)).astype(np.int64).tolist())
    digits = range(1, len(str(last)) + 1)
    multiples = (number * 10**power // 2 for power in digits for number in (2, 3, 4, 6, 10, 14))
    chosen |= {size for size in multiples if first <= size <= last}
    if growth.first_superword is not None:
        chosen.add(growth.first_superword - 1)
    ratios = bytes_per_token(counted.n_bytes, n_tokens)
    return {
        "documents": counted.n_documents,
        "bytes": counted.n_bytes,
        "first_superword": growth.first_superword,
        "points": [
            {
                "vocab_size": size,
                "tokens": growth.at(size, n_tokens),
                "bytes_per_token": growth.at(size, ratios) if counted.n_bytes else None,
            }
            for size in sorted(chosen)
        ],
    }
