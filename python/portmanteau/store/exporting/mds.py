"""MosaicML streaming: a folder of ``.mds`` shards and their ``index.json``, byte for byte as ``MDSWriter`` makes them.

A sample is a sequence: ``tokens`` ``[capacity]``, ``seq_lengths`` ``[segments]``, labels if they are not the ids, and
channels. Of documents, a sample is one that is not empty, since MDS has no empty arrays: ``tokens``, channels, and
``document``, its number.

A shard, little-endian, has the number of samples as uint32, the first byte of each sample and the end of the last as
uint32, the description of columns as JSON, and the samples. A sample has the number of bytes of each column that is not
of one size as uint32, then the columns, sorted by name. An array whose shape the description does not name begins with
a byte (4 for its one dimension, plus 0, 1 or 2 for the size of a number of 1, 2 or 4 bytes) and its length.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from portmanteau.errors import UnsupportedError
from portmanteau.store.exporting import targets
from portmanteau.store.exporting.rows import DOCUMENT, INPUT_IDS, SEQ_LENGTHS, TOKENS, Chunk, Rows
from portmanteau.store.format import little_endian

if TYPE_CHECKING:
    import numpy.typing as npt

_SHARD_BYTES = 1 << 26
#: Places in a shard are uint32.
_MOST_BYTES = 2**32 - 1


def write(rows: Rows, chunks: Iterable[Chunk], path: Path, replace: bool) -> None:
    """Writes the folder; ``index.json`` comes last."""
    with targets.folder(path, replace, "index.json", written=r"shard\.\d{5,}\.mds|index\.json") as folder:
        shards = _Shards(folder, _encodings(rows))
        for chunk in chunks:
            for sample in _samples(chunk):
                shards.add(sample)
        shards.finish()


def _encodings(rows: Rows) -> dict[str, str]:
    """The encodings of columns, sorted by name, as the description of a shard has them."""
    shape = "" if rows.width is None else f":{rows.width}"
    encodings = {
        TOKENS if name == INPUT_IDS else name: f"ndarray:{dtype}{shape}"
        for name, dtype in rows.dtypes.items()
    }
    beside = {SEQ_LENGTHS: "ndarray:uint32"} if rows.are_sequences else {DOCUMENT: "int"}
    return dict(sorted((encodings | beside).items()))


def _samples(chunk: Chunk) -> Iterator[dict[str, npt.NDArray[Any]]]:
    """The columns of each row that is not empty."""
    offsets = chunk.offsets.tolist()
    arrays = {
        TOKENS if name == INPUT_IDS else name: np.ascontiguousarray(array, little_endian(array.dtype.name))
        for name, array in chunk.arrays.items()
    }
    segments = chunk.segments
    seq_offsets = None if segments is None else segments.offsets.tolist()
    for row in range(len(chunk)):
        start, end = offsets[row : row + 2]
        if start == end:
            continue
        sample = {name: array[start:end] for name, array in arrays.items()}
        if segments is None or seq_offsets is None:
            sample[DOCUMENT] = np.array(chunk.first + row, "<i8")
        else:
            lengths = segments.lengths[seq_offsets[row] : seq_offsets[row + 1]]
            sample[SEQ_LENGTHS] = lengths.astype("<u4", copy=False)
        yield sample


class _Shards:
    """The shards of a folder; the samples of one are kept until it is written."""

    def __init__(self, folder: Path, encodings: dict[str, str]) -> None:
        self._folder = folder
        self._sizes = {name: _size(encoding) for name, encoding in encodings.items()}
        self._description = {
            "version": 2,
            "format": "mds",
            "compression": None,
            "hashes": [],
            "size_limit": _SHARD_BYTES,
            "column_names": list(encodings),
            "column_encodings": list(encodings.values()),
            "column_sizes": list(self._sizes.values()),
        }
        self._head = json.dumps(self._description, sort_keys=True).encode()
        self._index: list[dict[str, Any]] = []
        self._samples: list[bytes] = []
        self._bytes = 0

    def add(self, sample: dict[str, npt.NDArray[Any]]) -> None:
        """Adds a sample; a shard ends before the sample with which it would be too large."""
        encoded = self._encoded(sample)
        # A sample takes its bytes and its place; a shard has a count, one place more, and the description.
        n_bytes = 4 + 4 + len(self._head) + self._bytes + 4 + len(encoded)
        if self._samples and n_bytes > _SHARD_BYTES:
            self._write()
        elif n_bytes > _MOST_BYTES:
            raise UnsupportedError(
                f"a row has {len(encoded)} bytes, and MDS takes less than {_MOST_BYTES}; export a plan, whose "
                "sequences have a capacity"
            )
        self._samples.append(encoded)
        self._bytes += 4 + len(encoded)

    def finish(self) -> None:
        """Writes the last shard, and the index."""
        self._write()
        index = json.dumps({"version": 2, "shards": self._index}, sort_keys=True)
        (self._folder / "index.json").write_text(index, encoding="utf-8")

    def _encoded(self, sample: dict[str, npt.NDArray[Any]]) -> bytes:
        columns = [
            _with_shape(sample[name]) if size is None else sample[name].tobytes()
            for name, size in self._sizes.items()
        ]
        sizes = [
            len(column) for column, size in zip(columns, self._sizes.values(), strict=True) if size is None
        ]
        return b"".join([np.array(sizes, "<u4").tobytes(), *columns])

    def _write(self) -> None:
        n_samples = len(self._samples)
        first = 4 + 4 * (n_samples + 1) + len(self._head)
        places = first + np.cumsum([0, *map(len, self._samples)], dtype=np.int64)
        name = f"shard.{len(self._index):05}.mds"
        with (self._folder / name).open("xb") as stream:
            stream.write(np.array(n_samples, "<u4").tobytes() + places.astype("<u4").tobytes() + self._head)
            stream.writelines(self._samples)
        raw = {"basename": name, "bytes": int(places[-1]), "hashes": {}}
        self._index.append({"samples": n_samples, "raw_data": raw, "zip_data": None, **self._description})
        self._samples, self._bytes = [], 0


def _size(encoding: str) -> int | None:
    """The number of bytes of a column, if it is the same in all samples."""
    if encoding == "int":
        return 8
    _, dtype, *shape = encoding.split(":")
    return np.dtype(dtype).itemsize * int(shape[0]) if shape else None


def _with_shape(array: npt.NDArray[Any]) -> bytes:
    exponent = 0 if len(array) < 1 << 8 else 1 if len(array) < 1 << 16 else 2
    return bytes([1 << 2 | exponent]) + len(array).to_bytes(1 << exponent, "little") + array.tobytes()
