"""What is in tokenizers, files of tokens, datasets and plans, and how well a tokenizer compresses: facts, and as text.

The facts are plain dictionaries, lists, strings and numbers, as JSON has them; their names stay the same between
versions, so that scripts can read them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from portmanteau.compression_curve import Growth, TokenCounts, curve, facts, is_round
from portmanteau.token_files import METADATA_KEY, TokenFile
from portmanteau.vocabulary import is_superword, ordinary_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy.typing as npt

    from portmanteau.packing import PackPlan
    from portmanteau.store import Dataset
    from portmanteau.tokenizer import Tokenizer

__all__ = [
    "as_text",
    "curve",
    "curve_as_text",
    "inspect",
    "inspect_curve",
    "inspect_dataset",
    "inspect_plan",
    "inspect_tokenizer",
    "inspect_tokens",
]

Facts = dict[str, Any]

_ARROW_MAGIC = b"ARROW1"
_LONGEST = 10


def inspect(source: str | os.PathLike[str]) -> Facts:
    """The facts about whatever ``source`` names; ``kind`` says what it is.

    Args:
        source: A file of tokens, a saved plan, the folder of a dataset, or a tokenizer: a file, a folder or a bundled
            name.

    Raises:
        Error: It cannot be read; as :meth:`Tokenizer.load`, :meth:`TokenFile.open`, :meth:`Dataset.open` and
            :meth:`PackPlan.load` do.

    >>> facts = inspect("o200k_base")
    >>> facts["kind"], facts["vocab_size"], facts["superwords"]
    ('tokenizer', 200019, 0)
    """
    from portmanteau.packing import PackPlan
    from portmanteau.store import Dataset
    from portmanteau.store.format import is_dataset
    from portmanteau.tokenizer import Tokenizer

    path = Path(source)
    if is_dataset(path):
        return {"kind": "dataset", "source": str(path)} | inspect_dataset(Dataset.open(path))
    if not _is_arrow_file(path):
        return {"kind": "tokenizer", "source": str(path)} | inspect_tokenizer(Tokenizer.load(source))
    if _holds_tokens(path):
        return {"kind": "tokens", "source": str(path)} | inspect_tokens(TokenFile.open(path))
    return {"kind": "plan", "source": str(path)} | inspect_plan(PackPlan.load(path))


def inspect_tokenizer(tokenizer: Tokenizer) -> Facts:
    """Size, merges, pretokenizer, special tokens, missing bytes, superwords, longest tokens.

    ``ids_are_ranks`` is true where the file is a list of ranks, so that the id of a token is its merge rank, and null
    where the merges are a list of their own. O(bytes of the vocabulary).
    """
    core = tokenizer._core
    tokens = ordinary_tokens(tokenizer)
    reaching = {token_id: token for token_id, token in tokens.items() if is_superword(token)}
    special = tokenizer.special_tokens
    return {
        "vocab_size": tokenizer.vocab_size,
        "ordinary_tokens": len(tokens),
        "merges": core.n_merges,
        "ids_are_ranks": None if core.has_merge_list else True,
        "pretokenizer": tokenizer.pretokenizer,
        "normalization": core.normalization,
        "whole_words_first": core.whole_words_first,
        "special_tokens": special,
        "other_added_tokens": {text: token_id for text, token_id in core.added_tokens if text not in special},
        "missing_bytes": core.missing_bytes,
        "fingerprint": tokenizer.fingerprint,
        "superwords": len(reaching),
        "longest_tokens": _longest(tokens),
        "longest_superwords": _longest(reaching),
    }


def inspect_tokens(tokens: TokenFile) -> Facts:
    """Documents, ids, tokenizer, and how long documents are, in ids. O(documents)."""
    lengths = tokens.lengths
    return {
        "documents": len(lengths),
        "ids": int(lengths.sum()),
        "tokenizer_fingerprint": tokens.tokenizer_fingerprint,
        "vocab_size": tokens.vocab_size,
        "document_names": tokens.document_names is not None,
        "empty_documents": int(np.count_nonzero(lengths == 0)),
        "document_lengths": _distribution(lengths),
    }


def inspect_dataset(dataset: Dataset) -> Facts:
    """Sizes, tokenizer, what lies beside the ids, how long documents are, and the names of the plans. O(documents)."""
    manifest, lengths = dataset.manifest, dataset.lengths
    return {
        "documents": dataset.n_documents,
        "tokens": dataset.n_tokens,
        "text_bytes": dataset.text_bytes or None,
        "bytes_per_token": dataset.text_bytes / dataset.n_tokens if dataset.text_bytes else None,
        "ids": manifest.ids,
        "channels": dataset.channels,
        "byte_offsets": manifest.byte_lengths,
        "tokenizer_fingerprint": manifest.tokenizer["fingerprint"],
        "vocab_size": manifest.tokenizer["vocab_size"],
        "sources": len(manifest.sources),
        "shards": len(manifest.shards),
        "empty_documents": int(np.count_nonzero(lengths == 0)),
        "document_lengths": _distribution(lengths),
        "plans": dataset.plans,
        "library": manifest.library,
        "fingerprint": dataset.fingerprint,
    }


def inspect_plan(plan: PackPlan) -> Facts:
    """Options, sizes, efficiency, what was cut and dropped. O(pieces)."""
    stats = plan.stats
    return {
        "strategy": plan.strategy,
        "capacity": plan.capacity,
        "long_documents": plan.long_documents,
        "overlap": plan.format.overlap,
        "max_documents_per_sequence": plan.max_documents_per_sequence,
        "bos": plan.format.bos,
        "eos": plan.format.eos,
        "align": plan.format.align,
        "min_fill": plan.min_fill,
        "order": plan.order,
        "documents": stats.n_documents,
        "empty_documents": plan.n_empty_documents,
        "tokens": stats.n_tokens,
        "sequences": stats.n_sequences,
        "lower_bound": stats.lower_bound,
        "efficiency": plan.efficiency,
        "padding": plan.n_positions - plan.n_tokens,
        "pieces": stats.n_pieces,
        "documents_cut": plan.documents_cut,
        "dropped_tokens": stats.n_dropped_tokens,
        "concatenated_sequences": stats.concatenation_ratio,
        "attention_cost_spread": stats.attention_cost_spread,
        "pieces_per_sequence": _distribution(np.diff(plan.sequence_offsets)),
        "fingerprint": plan.fingerprint,
    }


def inspect_curve(
    tokenizer: Tokenizer,
    batches: Iterable[Iterable[str | bytes]],
    *,
    threads: int | None = None,
    progress: Callable[[int], object] = lambda _: None,
) -> Facts:
    """Bytes per token of a text at the sizes that the vocabulary had while it grew; :func:`curve` has all of them.

    Args:
        tokenizer: Any tokenizer whose merges have ranks.
        batches: Batches of documents.
        threads: How many threads encode; all cores, by default.
        progress: Called with a number of documents that were encoded.

    Raises:
        UnsupportedError, EncodingError: As for :func:`curve`.
    """
    growth = Growth(tokenizer)
    counted = TokenCounts(tokenizer, threads=threads)
    for documents in batches:
        for n_documents in counted.of(documents):
            progress(n_documents)
    return facts(growth, counted)


def curve_as_text(facts: Facts) -> str:
    """The curve at round sizes, the smallest, the largest, and the last without superwords.

    >>> point = {"vocab_size": 1000, "tokens": 4, "bytes_per_token": 2.5}
    >>> print(curve_as_text({"documents": 1, "bytes": 10, "first_superword": None, "points": [point]}))
    documents  1
    bytes      10
    <BLANKLINE>
    vocabulary    tokens  bytes per token
         1,000         4            2.500
    """
    points, first = facts["points"], facts["first_superword"]
    lines = [as_text({name: value for name, value in facts.items() if name != "points"}), ""]
    lines.append(f"{'vocabulary':>10}{'tokens':>10}  bytes per token")
    for point in points:
        size, ratio = point["vocab_size"], point["bytes_per_token"]
        is_last_of_words = first is not None and size == first - 1
        if is_round(size) or is_last_of_words or point in (points[0], points[-1]):
            shown = "" if ratio is None else f"{ratio:.3f}"
            mark = "  with superwords" if first is not None and size >= first else ""
            lines.append(f"{size:>10,}{point['tokens']:>10,}{shown:>17}{mark}")
    return "\n".join(lines)


def as_text(facts: Facts) -> str:
    """The facts in aligned lines, without those that do not apply.

    >>> print(as_text({"kind": "plan", "documents_cut": 1200, "bos": False, "dropped": None}))
    kind           plan
    documents cut  1,200
    bos            no
    """
    shown = {name.replace("_", " "): value for name, value in facts.items() if value not in (None, [], {})}
    width = max(map(len, shown)) + 2
    return "\n".join(f"{name:{width}}{_value_text(value, width)}" for name, value in shown.items())


def _value_text(value: Any, indent: int) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4f}"
    if isinstance(value, dict):
        shown = (f"{item:.1f}" if isinstance(item, float) else item for item in value.values())
        return ", ".join(f"{key} {item}" for key, item in zip(value, shown, strict=True))
    if isinstance(value, list) and value and isinstance(value[0], dict):
        lines = [f"{token['id']:>8}  {token['text']!r}" for token in value]
        return ("\n" + " " * indent).join(lines)
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)


def _longest(tokens: dict[int, bytes]) -> list[Facts]:
    """The tokens with the most bytes, of equals those with the smallest ids."""
    chosen = sorted(tokens.items(), key=lambda item: (-len(item[1]), item[0]))[:_LONGEST]
    return [
        {"id": token_id, "bytes": len(token), "text": token.decode("utf-8", "replace")}
        for token_id, token in chosen
    ]


def _distribution(numbers: npt.NDArray[np.integer[Any]]) -> Facts:
    """Smallest, quantiles, largest and mean; none of nothing."""
    if not len(numbers):
        return {}
    quantiles = {"min": 0.0, "p25": 0.25, "median": 0.5, "p75": 0.75, "p90": 0.9, "p99": 0.99, "max": 1.0}
    values = np.quantile(numbers, list(quantiles.values()), method="lower")
    return {name: int(value) for name, value in zip(quantiles, values, strict=True)} | {
        "mean": float(numbers.mean())
    }


def _is_arrow_file(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(len(_ARROW_MAGIC)) == _ARROW_MAGIC
    except OSError:  # a folder or a bundled name; or the loader says what is wrong
        return False


def _holds_tokens(path: Path) -> bool:
    """Whether an Arrow file says that it holds tokens; one that does not say what it holds may be cut short."""
    import pyarrow as pa

    try:
        with pa.memory_map(str(path)) as mapped:
            return METADATA_KEY in (pa.ipc.open_file(mapped).schema.metadata or {})
    except (OSError, pa.ArrowException):
        return METADATA_KEY in path.read_bytes()[:4096]
