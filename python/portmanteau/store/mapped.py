"""Shards of a store as arrays that lie in their files, mapped when they are first asked for."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from portmanteau.errors import FileError
from portmanteau.files import file_error
from portmanteau.store.format import OFFSETS, Manifest, little_endian

if TYPE_CHECKING:
    import numpy.typing as npt

    from portmanteau.packing.arguments import Int64Array, Shard, Uint32Array


class MappedShards:
    """The arrays of all shards of a dataset.

    Args:
        folder: The folder of shards.
        manifest: What they hold.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self._folder = folder
        self._records = manifest.shards
        lengths = {"byte_lengths": "uint8", "long_byte_lengths": "uint64"} if manifest.byte_lengths else {}
        self._dtypes = {OFFSETS: "int64", "ids": manifest.ids, **manifest.channels, **lengths}
        counts = [record.documents for record in self._records]
        self.first_documents: Int64Array = np.cumsum([0, *counts], dtype=np.int64)
        self._mapped: dict[tuple[int, str], npt.NDArray[Any]] = {}

    def array(self, shard: int, name: str) -> npt.NDArray[Any]:
        """An array of a shard, by the ending of its file; nobody may write to it.

        Raises:
            FileError: The file is missing, or has another size than the manifest says.
        """
        found = self._mapped.get((shard, name))
        if found is None:
            found = self._mapped[shard, name] = self._map(shard, name)
        return found

    def shard_of(self, document: int) -> int:
        """The shard that a document lies in."""
        return int(np.searchsorted(self.first_documents, document, "right")) - 1

    def shards_of(self, documents: Uint32Array, name: str) -> list[Shard]:
        """An array of every shard that one of these documents lies in, with the offsets of documents in it."""
        numbers = np.unique(np.searchsorted(self.first_documents, documents, "right") - 1)
        return [
            (int(self.first_documents[number]), self.array(number, name), self.array(number, OFFSETS))
            for number in numbers.tolist()
        ]

    def bounds(self, document: int) -> tuple[int, int, int]:
        """The shard of a document, and where its tokens begin and end there."""
        shard = self.shard_of(document)
        offsets = self.array(shard, OFFSETS)
        index = document - int(self.first_documents[shard])
        return shard, int(offsets[index]), int(offsets[index + 1])

    def _map(self, shard: int, name: str) -> npt.NDArray[Any]:
        record = self._records[shard]
        path = self._folder / f"{record.name}.{name}"
        dtype = np.dtype(little_endian(self._dtypes[name]))
        try:
            with path.open("rb") as stream:
                size = stream.seek(0, 2)
                expected = record.files[name].bytes
                if size != expected:
                    message = (
                        f"{path}: has {size} bytes, and the manifest says {expected}; copy the dataset again"
                    )
                    raise FileError(message, path=path)
                content = mmap.mmap(stream.fileno(), size, access=mmap.ACCESS_READ) if size else b""
        except FileError:
            raise
        except OSError as error:
            raise file_error(path, "read the file", error) from error
        array = np.frombuffer(content, dtype)
        return array if dtype.isnative else array.astype(dtype.newbyteorder("="))
