"""From text columns to ids: what a shard gets for each batch of rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from portmanteau import reading
from portmanteau.columns import string_column
from portmanteau.errors import EncodingError
from portmanteau.reading.formats import format_of
from portmanteau.store.format import BYTE_LENGTHS, IDS, LONG, LONG_BYTE_LENGTHS, id_dtype

if TYPE_CHECKING:
    import numpy.typing as npt

    from portmanteau.tokenizer import Tokenizer

#: What lies beside the ids of rows with several columns: the number of the column that a token is of.
COLUMN = "column"


#: What the first of a part is, by the format of its file.
_UNITS = {"JSON Lines": "byte", "Parquet": "row group", "Arrow": "record batch"}


def placed(error: EncodingError, part: reading.Part, row: int) -> EncodingError:
    """The error of a document of a batch, with its file and the row of its part."""
    path = reading.without_secrets(part.path)
    place = f"{path}, row {row}"
    if part.first:
        place += f" of the part from {_UNITS[format_of(part.path).kind]} {part.first} on"
    return EncodingError(f"{place}: {str(error).partition(': ')[2]}", path=path, offset=error.offset)


@dataclass(frozen=True)
class DocumentEncoder:
    """Makes documents of rows."""

    tokenizer: Tokenizer
    special: str | Collection[str]
    n_columns: int
    byte_lengths: bool
    threads: int

    @property
    def channels(self) -> dict[str, str]:
        """What it makes beside the ids, with dtypes."""
        return {COLUMN: "uint8"} if self.n_columns > 1 else {}

    @property
    def dtypes(self) -> dict[str, str]:
        """The dtypes of all that it makes."""
        lengths = {BYTE_LENGTHS: "uint8", LONG_BYTE_LENGTHS: "uint64"} if self.byte_lengths else {}
        return {IDS: id_dtype(self.tokenizer.vocab_size), **self.channels, **lengths}

    def encode(self, columns: Sequence[Any]) -> tuple[npt.NDArray[np.int64], dict[str, npt.NDArray[Any]]]:
        """The documents of rows.

        Args:
            columns: Arrow columns of text, equally long. A document is what those of its row make, one after the other;
                each is encoded alone, so that no token reaches from one into the next.

        Returns:
            Offsets of documents, int64 ``[rows + 1]``, and arrays by the names of :attr:`dtypes`, with an element for
            each token; but ``long_byte_lengths`` has one for each that ``byte_lengths`` has no room for.
        """
        encoded = [self._encode_column(column) for column in columns]
        offsets, arrays = encoded[0] if len(encoded) == 1 else _interleaved(encoded)
        if self.byte_lengths:
            lengths = arrays[BYTE_LENGTHS]
            arrays[LONG_BYTE_LENGTHS] = lengths[lengths >= LONG].astype(np.uint64)
            arrays[BYTE_LENGTHS] = np.minimum(lengths, LONG).astype(np.uint8)
        return offsets, arrays

    def _encode_column(self, column: Any) -> tuple[npt.NDArray[np.int64], dict[str, npt.NDArray[Any]]]:
        if not self.byte_lengths:
            batch = self.tokenizer.encode_batch(column, special=self.special, threads=self.threads)
            return batch.offsets, {IDS: batch.ids}
        (ids, offsets), lengths = self.tokenizer._core.encode_column_with_byte_lengths(
            list(string_column(column)), self.tokenizer._special_argument(self.special), self.threads
        )
        return offsets, {IDS: ids, BYTE_LENGTHS: lengths}


def _interleaved(
    encoded: Sequence[tuple[npt.NDArray[np.int64], dict[str, npt.NDArray[Any]]]],
) -> tuple[npt.NDArray[np.int64], dict[str, npt.NDArray[Any]]]:
    """Documents from those of each column, with the number of the column beside every token."""
    lengths = np.stack([np.diff(offsets) for offsets, _ in encoded], axis=1)
    ends = np.cumsum(lengths.reshape(-1)).reshape(lengths.shape)
    n_tokens = int(ends[-1, -1]) if ends.size else 0
    arrays = {name: np.empty(n_tokens, array.dtype) for name, array in encoded[0][1].items()}
    arrays[COLUMN] = np.empty(n_tokens, np.uint8)
    for number, (offsets, of_column) in enumerate(encoded):
        # Where a column's part of a document goes, less where it comes from.
        shift = ends[:, number] - offsets[1:]
        places = np.arange(offsets[-1]) + np.repeat(shift, lengths[:, number])
        for name, array in of_column.items():
            arrays[name][places] = array
        arrays[COLUMN][places] = number
    return np.concatenate([np.zeros(1, np.int64), ends[:, -1]]), arrays
