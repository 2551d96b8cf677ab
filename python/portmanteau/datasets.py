"""Hugging Face ``datasets``: text columns to ids, and rows of ids packed into sequences. Arrow in, Arrow out.

``map_tokenize`` encodes a column; ``pack`` lays rows out in sequences, with all that lies beside their tokens. The rows
that it makes are those of TRL's ``pack_dataset`` (``input_ids`` and ``seq_lengths``, without padding), so TRL's
collator takes them unchanged. A ``Dataset`` is packed as a whole. Results are cached as those of ``Dataset.map``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from portmanteau import _rust, packing
from portmanteau._rust import __version__
from portmanteau.errors import EncodingError, MissingDependencyError, PackingError
from portmanteau.packing.arguments import error_in, integer
from portmanteau.store.encoding import COLUMN, DocumentEncoder
from portmanteau.store.format import IDS
from portmanteau.threads import thread_count
from portmanteau.tokenizer import Tokenizer

try:
    import datasets
    import pyarrow as pa
except ImportError as error:
    raise MissingDependencyError(
        "portmanteau.datasets needs Hugging Face datasets; install it with pip install 'portmanteau[datasets]'"
    ) from error

if TYPE_CHECKING:
    import numpy.typing as npt

    from portmanteau.packing import PackPlan
    from portmanteau.packing.arguments import Int64Array, Shard, Uint32Array
    from portmanteau.packing.planning import LongDocuments, Strategy

__all__ = ["map_tokenize", "pack"]

#: A ``Dataset``, an ``IterableDataset``, or a dictionary of splits of either.
AnyDataset = TypeVar("AnyDataset")

_IGNORED = -100
#: About how many tokens of a ``Dataset`` are laid out at a time: a record batch of its file.
_TOKENS_AT_ONCE = 1 << 20
#: What rows of ids alone cannot have: no column says where the tokens are that it adds or repeats.
_REFUSED = {
    "bos": "give bos_id to map_tokenize",
    "eos": "give eos_id to map_tokenize",
    "align": "rows have no padding; let the collator pad",
    "overlap": "tokens would be learnt twice",
}


def map_tokenize(
    dataset: AnyDataset,
    tokenizer: Tokenizer,
    *,
    text_column: str | Sequence[str] = "text",
    loss_on: str | Sequence[str] | None = None,
    special: str | Collection[str] = "text",
    bos_id: int | None = None,
    eos_id: int | None = None,
    remove_columns: bool = True,
    batch_size: int = 1000,
    num_proc: int | None = None,
    threads: int | None = None,
) -> AnyDataset:
    """Encodes the text of a dataset: a column ``input_ids``, and ``labels`` if ``loss_on`` is given.

    Args:
        dataset: A ``Dataset``, an ``IterableDataset``, or a dictionary of splits of either.
        tokenizer: The tokenizer.
        text_column: The column that holds the text. With several, a row is what they make one after the other; each is
            encoded alone, so that no token reaches from one into the next.
        loss_on: Names of text columns: only their tokens have labels, and an EOS if the last column is among them.
        special: As for :meth:`Tokenizer.encode`.
        bos_id: If given, a token before every row that is not empty.
        eos_id: If given, a token after every row that is not empty.
        remove_columns: Whether the other columns are left out.
        batch_size: How many rows are encoded at a time.
        num_proc: For a ``Dataset``: how many processes encode; none but this one if ``None``.
        threads: How many threads encode in each process. By default all cores, and one with ``num_proc``.

    Returns:
        A dataset of the same kind with ``input_ids`` and ``labels``, ``list<int32>``. Labels are not shifted; they are
        -100 where there is none.

    Raises:
        EncodingError: An argument cannot be, or a text cannot be encoded; the message names the row.
        PackingError: ``bos_id`` or ``eos_id`` is no id of the tokenizer, or ``dataset`` is none.

    O(text); memory is that of a batch. The text is read where it lies, without a Python object for each row. The
    fingerprint of the result is that of the dataset, the tokenizer, the options and the version of the library.

    >>> import datasets
    >>> import portmanteau as pm
    >>> texts = datasets.Dataset.from_dict({"text": ["by the way", "off we go"]})
    >>> map_tokenize(texts, pm.Tokenizer.load("o200k_base"), eos_id=199999)["input_ids"][1]
    [2864, 581, 810, 199999]
    """
    if not isinstance(tokenizer, Tokenizer):
        raise EncodingError(
            f"tokenizer is a {type(tokenizer).__name__}; make a portmanteau.Tokenizer of it with from_huggingface"
        )
    names = [text_column] if isinstance(text_column, str) else list(text_column)
    wanted = [loss_on] if isinstance(loss_on, str) else list(loss_on or ())
    if not names or len(set(names)) < len(names) or len(names) > 256:
        raise EncodingError(f"text_column is {names}; name between 1 and 256 different columns")
    if unknown := [name for name in wanted if name not in names]:
        raise EncodingError(f"loss_on has {unknown[0]!r}; the text columns are {', '.join(names)}")
    marks = [
        None if token_id is None else integer(name, token_id, 0, tokenizer.vocab_size - 1)
        for name, token_id in (("bos_id", bos_id), ("eos_id", eos_id))
    ]
    if threads is None and num_proc is not None and num_proc > 1:
        threads = 1
    n_threads = thread_count(threads, refuse=EncodingError)
    tokenizer.encode("", special=special)
    encode = _Encode(
        DocumentEncoder(tokenizer, special, len(names), False, n_threads),
        tuple(names),
        tuple(names.index(name) for name in wanted) if loss_on is not None else None,
        marks[0],
        marks[1],
        remove_columns,
    )
    description = [
        tokenizer.fingerprint,
        names,
        wanted if loss_on is not None else None,
        special if isinstance(special, str) else sorted(special),
        marks,
        remove_columns,
    ]
    return _of_splits(dataset, lambda split: _encoded(split, encode, description, batch_size, num_proc))


def _encoded(split: Any, encode: _Encode, description: Any, batch_size: int, num_proc: int | None) -> Any:
    """One split, encoded."""
    kept = dict(split.features or {})
    if split.column_names is not None and (missing := set(encode.names) - set(split.column_names)):
        raise EncodingError(
            f"the dataset has no column {min(missing)!r}; it has {', '.join(split.column_names)}"
        )
    features = datasets.Features({} if encode.remove_columns else kept)
    for name in encode.made:
        features[name] = datasets.Sequence(datasets.Value("int32"))
    options: dict[str, Any] = {
        "batched": True,
        "batch_size": batch_size,
        "with_indices": True,
        # An iterable dataset may not say what it has.
        "features": features if kept or encode.remove_columns else None,
    }
    if not isinstance(split, datasets.Dataset):
        if num_proc is not None:
            raise EncodingError(
                "num_proc is for a Dataset; an IterableDataset is encoded by the process that reads it"
            )
        return _as_before(split.with_format("arrow").map(encode, **options), split)
    if not len(split):
        return datasets.Dataset.from_dict({name: [] for name in features}, features=features)
    mapped = split.with_format("arrow").map(
        encode,
        num_proc=num_proc,
        new_fingerprint=_fingerprint(split, "map_tokenize", description),
        desc="Encoding",
        **options,
    )
    return _as_before(mapped, split)


def pack(
    dataset: AnyDataset,
    capacity: int,
    *,
    columns: Sequence[str] | None = None,
    strategy: Strategy = "best_fit_decreasing",
    long_documents: LongDocuments = "split",
    batch_size: int = 10_000,
    num_proc: int | None = None,
    **options: Any,
) -> AnyDataset:
    """Packs rows of ids into sequences, as TRL's ``pack_dataset`` lays them out.

    Args:
        dataset: A ``Dataset``, an ``IterableDataset``, or a dictionary of splits of either.
        capacity: The most tokens in a sequence.
        columns: What has a value for each token: ``input_ids``, and masks or labels, which stay beside their tokens.
            All columns of the dataset by default. The others are left out.
        strategy: As for :func:`portmanteau.pack`.
        long_documents: As for :func:`portmanteau.pack`.
        batch_size: For an ``IterableDataset``: how many rows are packed together. A ``Dataset`` is packed as a whole.
        num_proc: For a ``Dataset``: how many processes lay sequences out; none but this one if ``None``.
        options: Others of :func:`portmanteau.pack`, but for ``bos``, ``eos``, ``align`` and ``overlap``.

    Returns:
        A dataset of the same kind with a row for each sequence: the columns, lists of the type that they had, and
        ``seq_lengths``, ``list<int32>``, the lengths of the documents in the sequence. Rows are not padded.

    Raises:
        PackingError: An option cannot be, a column does not hold lists of numbers, or the lists of a row differ in
            length; the message names the row.

    As :func:`portmanteau.pack`, and O(tokens) to lay them out; memory is 20 bytes a row for each column, and that of
    a million tokens. What is read of an ``IterableDataset`` is packed ``batch_size`` rows at a time, each time as a
    whole. So its ``state_dict`` resumes exactly, and reads no more than so many rows again.

    >>> import datasets
    >>> rows = datasets.Dataset.from_dict({"input_ids": [[1, 2, 3], [4, 5, 6, 7, 8], [9]]})
    >>> pack(rows, 6)[:]
    {'input_ids': [[4, 5, 6, 7, 8, 9], [1, 2, 3]], 'seq_lengths': [[5, 1], [3]]}
    """
    for name, reason in _REFUSED.items():
        if name in options:
            raise PackingError(f"{name} is not for rows of a dataset: {reason}")
    options |= {"capacity": capacity, "strategy": strategy, "long_documents": long_documents}
    names = None if columns is None else tuple(columns)
    return _of_splits(dataset, lambda split: _packed(split, names, options, batch_size, num_proc))


def _packed(
    split: Any,
    columns: tuple[str, ...] | None,
    options: dict[str, Any],
    batch_size: int,
    num_proc: int | None,
) -> Any:
    """One split, packed."""
    if not isinstance(split, datasets.Dataset):
        if num_proc is not None:
            raise PackingError(
                "num_proc is for a Dataset; an IterableDataset is packed by the process that reads it"
            )
        n_rows = integer("batch_size", batch_size, 1, 2**31 - 1)
        packed = split.with_format("arrow").map(_Pack(columns, options), batched=True, batch_size=n_rows)
        return _as_before(packed, split)
    order = None if split._indices is None else split._indices.column(0).to_numpy().astype(np.uint32)
    rows = _TokenRows(split.data, _names_of(split.data, columns), order)
    plan = packing.pack(rows.lengths, **options)
    features = datasets.Features.from_arrow_schema(rows.schema)
    if not plan.n_sequences:
        return datasets.Dataset.from_dict({name: [] for name in features}, features=features)
    fingerprint = _fingerprint(split, "pack", [rows.names, plan.fingerprint])
    sequences = datasets.Dataset.from_dict({"sequence": np.arange(plan.n_sequences)}, split=split.split)
    mapped = sequences.with_format("arrow").map(
        _LayOut(rows, plan),
        batched=True,
        batch_size=max(1, _TOKENS_AT_ONCE // plan.capacity),
        features=features,
        num_proc=num_proc,
        new_fingerprint=fingerprint,
        # Where `split.map` would write: beside its files, or nowhere if it lies in memory.
        cache_file_name=split._get_cache_file_path(fingerprint) if split.cache_files else None,
        desc="Packing",
    )
    return _as_before(mapped, split)


# ── what both do ────────────────────────────────────────────────────────────────────────────────────────────────────


def _of_splits(dataset: AnyDataset, work: Callable[[Any], Any]) -> AnyDataset:
    """The work on a dataset, or on each split of a dictionary."""
    if isinstance(dataset, (datasets.DatasetDict, datasets.IterableDatasetDict)):
        splits: AnyDataset = type(dataset)({name: work(split) for name, split in dataset.items()})
        return splits
    if not isinstance(dataset, (datasets.Dataset, datasets.IterableDataset)):
        kind = type(dataset).__name__
        raise PackingError(f"dataset is a {kind}; give a Dataset or an IterableDataset of Hugging Face")
    if isinstance(dataset, datasets.Dataset) and dataset.format["type"] == "custom":
        raise PackingError(
            "the dataset has a transform, which only changes what is read row by row; call map with it first"
        )
    worked: AnyDataset = work(dataset)
    return worked


def _as_before(mapped: Any, split: Any) -> Any:
    """A dataset that gives rows in the form in which another does: Python objects, NumPy arrays, tensors."""
    if isinstance(split, datasets.Dataset):
        form = split.format
        return mapped.with_format(form["type"], **form["format_kwargs"])
    return mapped.with_format(split._formatting.format_type if split._formatting else None)


def _fingerprint(split: Any, what: str, description: Any) -> str:
    """What ``datasets`` finds a result in its cache by."""
    content = json.dumps([what, __version__, split._fingerprint, description])
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def _lists(offsets: npt.NDArray[Any], values: Any) -> Any:
    """An Arrow array of lists."""
    if offsets[-1] > 2**31 - 1:
        raise EncodingError(
            f"{offsets[-1]} tokens are too many for a batch of rows; choose a smaller batch_size"
        )
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)


# ── encoding ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Encode:
    """What ``map`` calls with a table of some rows."""

    encoder: DocumentEncoder
    names: tuple[str, ...]
    loss_on: tuple[int, ...] | None
    """The numbers of the text columns that have labels."""
    bos_id: int | None
    eos_id: int | None
    remove_columns: bool

    @property
    def made(self) -> list[str]:
        """The columns that it makes."""
        return ["input_ids"] if self.loss_on is None else ["input_ids", "labels"]

    def __call__(self, table: pa.Table, indices: Sequence[int]) -> pa.Table:
        try:
            offsets, arrays = self.encoder.encode([table.column(name) for name in self.names])
        except EncodingError as error:
            if error.document is None:
                raise
            row = indices[error.document]
            message = f"row {row}: {str(error).partition(': ')[2]}"
            raise EncodingError(message, document=row, offset=error.offset) from None
        # The columns of tokens; a BOS is of none, an EOS of the last.
        of_columns = arrays.get(COLUMN, np.zeros(len(arrays[IDS]), np.uint8)).astype(np.int16)
        starts, ends, there = offsets[:-1], offsets[1:], np.diff(offsets) > 0
        around = [
            (token_id, column, places[there])
            for token_id, column, places in (
                (self.bos_id, -1, starts),
                (self.eos_id, len(self.names) - 1, ends),
            )
            if token_id is not None
        ]
        ids = arrays[IDS].astype(np.int32)
        if around:
            # Where a row ends and the next one begins, the EOS comes first, since it is named first.
            places = np.stack([places for _, _, places in around], axis=1).reshape(-1)
            n_rows = np.count_nonzero(there)
            ids = np.insert(ids, places, np.tile([token_id for token_id, _, _ in around], n_rows))
            of_columns = np.insert(of_columns, places, np.tile([column for _, column, _ in around], n_rows))
            offsets = offsets + np.concatenate([[0], np.cumsum(there * len(around))])
        made = {"input_ids": _lists(offsets, pa.array(ids))}
        if self.loss_on is not None:
            made["labels"] = _lists(
                offsets, pa.array(np.where(np.isin(of_columns, self.loss_on), ids, _IGNORED))
            )
        kept = {} if self.remove_columns else {name: table.column(name) for name in table.column_names}
        return pa.table({**kept, **made})


# ── packing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _names_of(table: Any, columns: tuple[str, ...] | None) -> tuple[str, ...]:
    """The columns to pack, of those that there are."""
    names = tuple(table.column_names if columns is None else columns)
    if unknown := [name for name in ("input_ids", *names) if name not in table.column_names]:
        raise PackingError(
            f"the dataset has no column {unknown[0]!r}; it has {', '.join(table.column_names)}"
        )
    if "seq_lengths" in names:
        raise PackingError("the dataset has a column 'seq_lengths', so it is packed; pack rows of documents")
    return ("input_ids", *(name for name in names if name != "input_ids"))


class _TokenColumn:
    """A column of lists of numbers, as Rust reads it: the bits of the numbers, chunk by chunk."""

    def __init__(self, name: str, column: pa.ChunkedArray) -> None:
        kind = column.type
        is_list = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
        is_number = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)
        if not any(test(kind) for test in is_list) or not any(test(kind.value_type) for test in is_number):
            raise PackingError(
                f"column {name!r} is {kind}, no list of a number for each token; leave it out with columns="
            )
        is_large = pa.types.is_large_list(kind)
        self.type = pa.large_list(kind.value_type) if is_large else pa.list_(kind.value_type)
        """What a packed column is, an Arrow type."""
        self._stored = pa.uint8() if pa.types.is_boolean(kind.value_type) else kind.value_type
        self.dtype = np.dtype(self._stored.to_pandas_dtype())
        self.bits = np.dtype(f"u{self.dtype.itemsize}")
        self.shards: list[Shard] = []
        """The number of the first row, the bits of all values, the offsets of rows."""
        lengths = [np.empty(0, np.int64)]
        first = 0
        for chunk in column.chunks:
            offsets, values, of_chunk = self._chunk(chunk)
            self.shards.append((first, values, offsets))
            lengths.append(of_chunk)
            first += len(chunk)
        self._firsts = np.array([shard[0] for shard in self.shards], np.int64)
        self.lengths = np.concatenate(lengths)
        """The number of values in each row, -1 where one is null, int64 ``[rows]``."""

    def _chunk(self, chunk: pa.Array) -> tuple[Int64Array, npt.NDArray[Any], Int64Array]:
        """The offsets, the bits and the lengths of the rows of a chunk."""
        chunk = chunk.cast(pa.large_list(self._stored))
        offsets = chunk.offsets.to_numpy()
        lengths = np.diff(offsets)
        if chunk.null_count:
            lengths[chunk.is_null().to_numpy(zero_copy_only=False)] = -1
        values = chunk.values.slice(offsets[0], offsets[-1] - offsets[0])
        if values.null_count:
            places = np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False)) + offsets[0]
            lengths[np.searchsorted(offsets, places, "right") - 1] = -1
        _, buffer = values.buffers()
        if buffer is None or not len(values):
            return offsets - offsets[0], np.empty(0, self.bits), lengths
        bits = np.frombuffer(buffer, self.bits, len(values), values.offset * self.bits.itemsize)
        return offsets - offsets[0], bits, lengths

    def shards_of(self, rows: Uint32Array) -> list[Shard]:
        """Those that have any of these rows."""
        return [self.shards[number] for number in np.unique(np.searchsorted(self._firsts, rows, "right") - 1)]

    def packed(self, offsets: Int64Array, bits: npt.NDArray[Any]) -> pa.Array:
        """Lists of these values."""
        return _lists(offsets, pa.array(bits.view(self.dtype))).cast(self.type)


@dataclass(frozen=True, eq=False)
class _TokenRows:
    """Rows with values for each token; pickles as the table, which may be a file."""

    table: Any
    names: tuple[str, ...]
    order: Uint32Array | None
    """Which rows of the table there are; all if ``None``."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _TokenRows, (self.table, self.names, self.order)

    @cached_property
    def columns(self) -> dict[str, _TokenColumn]:
        """By name, ``input_ids`` first."""
        return {name: _TokenColumn(name, self.table.column(name)) for name in self.names}

    @property
    def schema(self) -> pa.Schema:
        """What packed rows have."""
        of_columns = [(name, column.type) for name, column in self.columns.items()]
        return pa.schema([*of_columns, ("seq_lengths", pa.list_(pa.int32()))])

    @cached_property
    def lengths(self) -> Int64Array:
        """The number of tokens in each row, int64.

        Raises:
            PackingError: A row has a null, or lists of several lengths.
        """
        of_columns = {name: column.lengths for name, column in self.columns.items()}
        if self.order is not None:
            of_columns = {name: lengths[self.order] for name, lengths in of_columns.items()}
        expected = of_columns["input_ids"]
        for name, lengths in of_columns.items():
            if len(lengths) and lengths.min() < 0:
                raise error_in(
                    f"has a null in {name!r}; fill it, or leave the row out", int(lengths.argmin())
                )
            if (other := np.flatnonzero(lengths != expected)).size:
                row = int(other[0])
                raise error_in(f"has {expected[row]} ids and {lengths[row]} values in {name!r}", row)
        return expected

    @cached_property
    def _lengths_in_table(self) -> Uint32Array:
        """Those of all rows of the table; none is looked at that is not in the order."""
        return np.maximum(self.columns["input_ids"].lengths, 0).astype(np.uint32)

    def laid_out(self, plan: PackPlan, sequences: Int64Array | None = None) -> pa.Table:
        """Sequences of a plan of these rows, or all of them."""
        pieces = plan._take(sequences)
        counts = pieces.length.astype(np.int64)
        lengths = pieces.sums(counts)
        if self.order is not None:
            pieces = replace(pieces, document=self.order[pieces.document])
        width = int(lengths.max(initial=1))
        there = np.arange(width) < lengths[:, np.newaxis]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        layout = SimpleNamespace(
            format=pieces.format, pieces=pieces, sequence_offsets=pieces.sequence_offsets
        )
        made = {}
        for name, column in self.columns.items():
            bits = np.empty((len(lengths), width), column.bits)
            shards = column.shards_of(pieces.document)
            _rust.fill_values(layout, shards, self._lengths_in_table, 0, 0, bits)
            made[name] = column.packed(offsets, bits[there])
        made["seq_lengths"] = _lists(pieces.sequence_offsets, pa.array(counts.astype(np.int32)))
        return pa.table(made, schema=self.schema)


@dataclass(frozen=True, eq=False)
class _LayOut:
    """What ``map`` calls with a table of numbers of sequences."""

    rows: _TokenRows
    plan: PackPlan

    def __call__(self, table: pa.Table) -> pa.Table:
        return self.rows.laid_out(self.plan, table.column("sequence").to_numpy())


@dataclass(frozen=True)
class _Pack:
    """What ``map`` calls with a table of some rows of an iterable dataset."""

    names: tuple[str, ...] | None
    options: Mapping[str, Any]

    def __call__(self, table: pa.Table) -> pa.Table:
        rows = _TokenRows(table, _names_of(table, self.names), None)
        return rows.laid_out(packing.pack(rows.lengths, **self.options))
