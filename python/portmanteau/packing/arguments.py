"""Checks of what callers pass to packing: lengths, batches, numbers, groups."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

import numpy as np

from portmanteau.errors import PackingError

if TYPE_CHECKING:
    import numpy.typing as npt

    Uint32Array = npt.NDArray[np.uint32]
    Int64Array = npt.NDArray[np.int64]
    #: Documents that follow one another: the number of the first, a value for each of their tokens, int64 offsets.
    Shard = tuple[int, npt.NDArray[Any], Int64Array]

#: The longest document and the largest capacity, so that positions fit the int32 of attention kernels.
MAX_LENGTH = 2**31 - 1
#: The group of a document that is in none.
_NO_GROUP = 2**32 - 1


class Documents(Protocol):
    """Token ids of documents, one after the other: a ``TokenBatch``, or anything shaped like one."""

    @property
    def ids(self) -> Any:
        """The ids of all documents, uint32."""

    @property
    def offsets(self) -> Any:
        """Where documents start, and where the last one ends, int64 ``[documents + 1]``."""


def error_in(message: str, document: int | None = None) -> PackingError:
    """An error that names the document concerned."""
    place = "" if document is None else f"document {document}: "
    return PackingError(f"{place}{message}", document=document)


def integer(name: str, value: Any, low: int, high: int) -> int:
    """An option as an int, or an error that says what it may be."""
    try:
        number = operator.index(value)
    except TypeError:
        number = low - 1
    if not low <= number <= high:
        raise PackingError(f"{name} is {value!r}; it must be an integer from {low} to {high}")
    return number


def lengths_of(lengths: Any) -> Uint32Array:
    """Any lengths that :func:`pack` takes, checked, as a contiguous uint32 array."""
    if hasattr(lengths, "ids") and hasattr(lengths, "offsets"):
        lengths = np.diff(documents_of(lengths)[1])
    elif hasattr(lengths, "__arrow_c_array__") or hasattr(lengths, "__arrow_c_stream__"):
        lengths = _arrow_lengths(lengths)
    try:
        array = np.asarray(lengths)
    except ValueError as error:
        raise PackingError(
            f"lengths must be a flat list or array, one integer a document: {error}"
        ) from error
    if array.ndim != 1:
        raise PackingError(
            f"lengths have {array.ndim} dimensions; pass a flat list or array, one integer a document"
        )
    if array.size == 0:
        return np.empty(0, np.uint32)
    if array.dtype.kind in "iu":
        wrong = (array < 0) | (array > MAX_LENGTH)
    elif array.dtype.kind == "f":
        # A NaN fails both comparisons; columns with gaps become floats in pandas, and whole ones are lengths.
        wrong = ~((array >= 0) & (array <= MAX_LENGTH)) | (array != np.floor(array))
    elif array.dtype.kind == "O":
        wrong = np.array([not _is_length(value) for value in array], dtype=bool)
    else:
        raise PackingError(f"lengths are of dtype {array.dtype}; pass one integer for each document")
    if wrong.any():
        document = int(wrong.argmax())
        message = f"has length {array[document]!s}; lengths are integers from 0 to {MAX_LENGTH}"
        raise error_in(message, document)
    return np.ascontiguousarray(array, dtype=np.uint32)


def _is_length(value: object) -> bool:
    """Whether an element of an array of objects is an integer in range."""
    try:
        return 0 <= operator.index(value) <= MAX_LENGTH  # type: ignore[arg-type]
    except TypeError:
        return False


def _arrow_lengths(column: Any) -> npt.NDArray[Any]:
    """The lengths in an Arrow column of integers, in one chunk or several."""
    import pyarrow as pa

    try:
        is_stream = hasattr(column, "__arrow_c_stream__")
        chunked = pa.chunked_array(column) if is_stream else pa.chunked_array([pa.array(column)])
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise PackingError(f"lengths must be an Arrow column of integers: {error}") from error
    if not pa.types.is_integer(chunked.type):
        raise PackingError(
            f"lengths are an Arrow column of {chunked.type}; pass one integer for each document"
        )
    if chunked.null_count:
        document = int(chunked.is_null().to_numpy().argmax())
        raise error_in("has a null for its length; fill it, or leave the document out", document)
    numbers: npt.NDArray[Any] = chunked.to_numpy()
    return numbers


def documents_of(batch: Any) -> tuple[npt.NDArray[Any], Int64Array]:
    """The two arrays of a batch, in dtypes that Rust reads (ids uint16 or uint32); copied only if they have others."""
    try:
        ids, offsets = np.asarray(batch.ids), np.asarray(batch.offsets)
    except AttributeError as error:
        raise PackingError(f"{type(batch).__name__} has no ids and offsets; pass a TokenBatch") from error
    if ids.ndim != 1 or offsets.ndim != 1 or ids.dtype.kind not in "iu" or offsets.dtype.kind not in "iu":
        raise PackingError("the ids and the offsets of a batch must be flat arrays of integers")
    if len(offsets) == 0 or offsets[0] != 0 or offsets[-1] > len(ids):
        raise PackingError(f"the offsets of a batch must run from 0 to its number of ids, {len(ids)}")
    if not np.can_cast(ids.dtype, np.uint32) and ids.size and (ids.min() < 0 or ids.max() > 2**32 - 1):
        raise PackingError("the ids of a batch must be from 0 to 2**32 - 1")
    if ids.dtype != np.uint16:
        ids = np.ascontiguousarray(ids, np.uint32)
    return np.ascontiguousarray(ids), np.ascontiguousarray(offsets, np.int64)


class ShardedDocuments(Protocol):
    """Token ids of documents that lie in several places: a :class:`portmanteau.Dataset`."""

    @property
    def n_documents(self) -> int:
        """Number of documents."""

    def shards_of(self, documents: Uint32Array) -> list[Shard]:
        """Where the ids of these documents are, uint16 or uint32; shards ascend, and may have other documents too."""


def is_sharded(batch: Any) -> TypeGuard[ShardedDocuments]:
    """Whether documents lie in several places. A check of the protocol itself takes 12 µs, a fifth of a small batch."""
    return hasattr(batch, "shards_of")


def rows_of(sequences: Any) -> Int64Array:
    """The numbers of sequences to lay out; whether the plan has them is looked up where they are taken."""
    rows = np.asarray(sequences)
    if rows.size == 0:
        return np.empty(0, np.int64)
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        raise PackingError("sequences must be a flat list of integers: the numbers of sequences of the plan")
    return np.ascontiguousarray(rows, np.int64)


def string(name: str, value: Any) -> str:
    """An option as a string."""
    if not isinstance(value, str):
        raise PackingError(f"{name} is {value!r}; it must be a string")
    return value


def groups_of(name: str, groups: Any, n_documents: int) -> Uint32Array | None:
    """A group for each document as Rust reads it: -1 and ``None`` are of no group."""
    if groups is None:
        return None
    values = np.asarray(
        [-1 if group is None else group for group in groups] if isinstance(groups, list) else groups
    )
    if values.size == 0:
        values = np.empty(0, np.int64)
    if values.ndim != 1 or values.dtype.kind not in "iu" or len(values) != n_documents:
        raise PackingError(
            f"{name} must be a flat list of integers, one for each of the {n_documents} documents, -1 for no group"
        )
    wrong = (values < -1) | (values >= _NO_GROUP)
    if wrong.any():
        document = int(wrong.argmax())
        raise error_in(
            f"has group {values[document]} in {name}; groups are integers from -1 to 2**32 - 2", document
        )
    return np.where(values == -1, _NO_GROUP, values).astype(np.uint32)


def mask_of(may_cut_after: Any) -> npt.NDArray[np.bool_] | None:
    """Whether a document may be cut after each id, as Rust reads it."""
    if may_cut_after is None:
        return None
    mask = np.asarray(may_cut_after)
    if mask.ndim != 1 or (mask.dtype != np.bool_ and mask.size):
        raise PackingError("may_cut_after must be a flat array of booleans, one for each id of all documents")
    return np.ascontiguousarray(mask, np.bool_)


def secondary_of(secondary: Any) -> list[tuple[str, Uint32Array, int]]:
    """Secondary capacities as Rust reads them: name, amount of every document, capacity."""
    if secondary is None:
        return []
    if not isinstance(secondary, Mapping):
        raise PackingError(
            "secondary must be a dict of names, each with the amounts of the documents and a capacity"
        )
    checked = []
    for name, pair in secondary.items():
        try:
            amounts, capacity = pair
        except (TypeError, ValueError):
            raise PackingError(
                f"secondary[{name!r}] must be a pair: the amounts of the documents, and the capacity"
            ) from None
        checked.append(
            (str(name), lengths_of(amounts), integer(f"the capacity of {name}", capacity, 0, MAX_LENGTH))
        )
    return checked
