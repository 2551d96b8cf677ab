"""What every export format gets: rows of positions, a chunk at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from portmanteau.errors import UnsupportedError
from portmanteau.packing.consumers import IGNORED

if TYPE_CHECKING:
    import numpy.typing as npt

    from portmanteau.packing.arguments import Int64Array, Uint32Array
    from portmanteau.store.dataset import Dataset

#: A chunk has about so many positions: 16 MB of ids.
CHUNK_POSITIONS = 1 << 22

INPUT_IDS = "input_ids"
LABELS = "labels"
SEQ_LENGTHS = "seq_lengths"
SEQ_OFFSETS = "seq_offsets"
TOKENS = "tokens"
DOCUMENT = "document"
#: Names that channels cannot have in an export, since formats give them to something else.
_TAKEN = (INPUT_IDS, SEQ_LENGTHS, SEQ_OFFSETS, TOKENS, DOCUMENT)
#: What a channel of labels may be: it has to hold -100.
_LABEL_DTYPES = ("int16", "int32", "int64")


@dataclass(frozen=True)
class Segments:
    """The segments of the rows of a chunk: what attends to itself alone."""

    lengths: Uint32Array
    """How many positions each takes, those that pad it to the alignment included, uint32 ``[segments]``."""
    offsets: Int64Array
    """Segments ``offsets[i]:offsets[i + 1]`` are in row ``i`` of the chunk, int64 ``[rows + 1]``."""


@dataclass(frozen=True)
class Chunk:
    """Rows that follow one another."""

    first: int
    """The number of the first row."""
    offsets: Int64Array
    """Positions ``offsets[i]:offsets[i + 1]`` are row ``i`` of the chunk, int64 ``[rows + 1]``, from 0 on."""
    arrays: Mapping[str, npt.NDArray[Any]]
    """What every position has, ``[positions]``, by the names and with the dtypes of :attr:`Rows.dtypes`."""
    segments: Segments | None
    """None if each row is a document."""

    def __len__(self) -> int:
        return len(self.offsets) - 1


@dataclass(frozen=True)
class Rows:
    """All that is exported, as far as it is known before the first chunk."""

    n_rows: int
    are_sequences: bool
    """Whether rows are sequences, and chunks have segments; or else documents."""
    n_positions: int
    """Of all rows; where rows of sequences are not padded and segments are, without the padding of segments."""
    width: int | None
    """The number of positions in every row, if rows are sequences that are padded to the capacity."""
    vocab_size: int
    dtypes: Mapping[str, str]
    """Of what every position has, by name: ``input_ids`` first, ``labels`` if they are not the ids, and channels."""
    fingerprint: str
    """SHA-256 over all that the rows depend on, in 64 hexadecimal digits."""
    chunks: Callable[[], Iterator[Chunk]]
    """Makes the rows, in order."""

    @property
    def ids(self) -> str:
        """The dtype of ids: uint16 or uint32."""
        return self.dtypes[INPUT_IDS]


def channel_dtypes(dataset: Dataset, names: Sequence[str] | None) -> dict[str, str]:
    """The dtypes of channels that are exported, all of them if no names are given.

    Raises:
        UnsupportedError: There is no such channel, or its name is taken.
    """
    known = dataset.channels
    chosen = list(known) if names is None else list(names)
    for name in chosen:
        if name not in known:
            raise UnsupportedError(
                f"channels has {name!r}; the dataset {dataset.path} has {', '.join(known) or 'none'}"
            )
        if name in _TAKEN:
            raise UnsupportedError(
                f"the channel {name!r} cannot be exported, since the name is that of another column; leave it out "
                "with channels="
            )
        if name == LABELS and known[name] not in _LABEL_DTYPES:
            raise UnsupportedError(
                f"the channel {name!r} is {known[name]}, and labels are {', '.join(_LABEL_DTYPES)}; leave it out "
                "with channels="
            )
    return {name: known[name] for name in chosen}


def values_around(channels: Mapping[str, str], given: Mapping[str, float] | None) -> dict[str, float]:
    """What BOS and EOS have in each channel: as given, -100 in labels, or 0.

    Raises:
        UnsupportedError: A value is given for no channel that is exported, or its dtype cannot hold it.
    """
    given = given or {}
    for name in given:
        if name not in channels:
            raise UnsupportedError(
                f"around has {name!r}; the channels that are exported are {', '.join(channels) or 'none'}"
            )
    return {name: _value(name, given.get(name, padding_of(name)), channels[name]) for name in channels}


def _value(name: str, value: float, dtype: str) -> float:
    if np.dtype(dtype).kind == "f":
        return float(value)
    bounds = np.iinfo(dtype)
    if not (bounds.min <= value <= bounds.max and float(value).is_integer()):
        raise UnsupportedError(f"around gives {value!r} for {name!r}, which is {dtype}")
    return int(value)


def padding_of(name: str) -> int:
    """What a channel has on padding: -100 in labels, else 0."""
    return IGNORED if name == LABELS else 0
