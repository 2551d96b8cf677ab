"""Writing one shard of a token store: its files grow together, and appear together when it is complete."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from portmanteau.errors import FileError
from portmanteau.files import file_error, write_atomically
from portmanteau.store import format as store_format
from portmanteau.store.format import FileRecord, ShardRecord, SourcePart, little_endian

if TYPE_CHECKING:
    import numpy.typing as npt


class ShardWriter:
    """The files of a shard, under other names until :meth:`finish`.

    What an earlier process left of the same shard is removed first. Leaving the ``with`` block without
    :meth:`finish` removes what was written.

    Memory is that of one batch, whatever the size of the shard.
    """

    def __init__(self, folder: Path, name: str, dtypes: Mapping[str, str]) -> None:
        """Begins a shard.

        Args:
            folder: The folder of shards.
            name: The name of this one.
            dtypes: What it has for each token, by what the name of the file ends with: ``ids`` and others.

        Raises:
            FileError: The folder cannot be written.
        """
        self._folder, self._name = folder, name
        self._dtypes = {store_format.OFFSETS: "int64", **dtypes}
        self._files: dict[str, _File] = {}
        self._documents = self._tokens = 0
        remove_partial(folder, f"{name}.")
        try:
            for ending in self._dtypes:
                self._files[ending] = _File(folder / f"{name}.{ending}")
            self._write(store_format.OFFSETS, np.zeros(1, np.int64))
        except BaseException:
            self._discard()
            raise

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._discard()

    def add(self, offsets: npt.NDArray[np.int64], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Adds documents.

        Args:
            offsets: Where they begin and where the last one ends, int64 ``[documents + 1]``, from 0 on.
            arrays: What there is for each token, by the names given at the beginning.

        Raises:
            FileError: The disk is full, or the folder is gone.
        """
        self._write(store_format.OFFSETS, offsets[1:] + self._tokens)
        for ending, array in arrays.items():
            self._write(ending, array)
        self._documents += len(offsets) - 1
        self._tokens += int(offsets[-1])

    def finish(self, text_bytes: int, parts: Sequence[SourcePart]) -> ShardRecord:
        """Puts the files on the disk and gives them their names; then the record of the shard, last.

        Raises:
            FileError: The disk is full, or the folder is gone.
        """
        files = {ending: file.finish() for ending, file in self._files.items()}
        record = ShardRecord(self._name, self._documents, self._tokens, text_bytes, parts, files)
        for file in self._files.values():
            file.rename()
        _sync_names(self._folder)
        content = store_format.record_content(record)
        write_atomically(record_path(self._folder, self._name), lambda stream: stream.write(content))
        return record

    def _write(self, ending: str, array: npt.NDArray[Any]) -> None:
        self._files[ending].write(np.ascontiguousarray(array, little_endian(self._dtypes[ending])))

    def _discard(self) -> None:
        for file in self._files.values():
            file.discard()


def record_path(folder: Path, name: str) -> Path:
    """Where the record of a shard is."""
    return folder / f"{name}.json"


def remove_partial(folder: Path, beginning: str = "") -> None:
    """Removes what processes that were killed left of files whose names begin so.

    Raises:
        FileError: The folder cannot be written.
    """
    try:
        for path in folder.glob(f".{beginning}*.partial"):
            path.unlink(missing_ok=True)
    except OSError as error:
        raise file_error(error.filename or folder, "remove the file", error) from error


def _sync_names(folder: Path) -> None:
    """Puts the names of files on the disk, so that after a power cut there is no record of files without names."""
    if os.name == "nt":  # where a folder cannot be opened
        return
    try:
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some file systems of networks have no such call
            raise file_error(folder, "write the folder", error) from error


class _File:
    """A file that is hashed while it is written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")
        self._digest = hashlib.sha256()
        self._size = 0
        try:
            self._stream: IO[bytes] = self._temporary.open("xb", buffering=0)
        except OSError as error:
            raise file_error(path, "write the file", error) from error

    def write(self, array: npt.NDArray[Any]) -> None:
        content = memoryview(array.reshape(-1).view(np.uint8).data)
        self._digest.update(content)
        self._size += len(content)
        try:
            while content:
                content = content[self._stream.write(content) :]
        except OSError as error:
            raise file_error(self._path, "write the file", error) from error

    def finish(self) -> FileRecord:
        try:
            os.fsync(self._stream.fileno())
            self._stream.close()
        except OSError as error:
            raise file_error(self._path, "write the file", error) from error
        return FileRecord(self._size, self._digest.hexdigest())

    def rename(self) -> None:
        try:
            self._temporary.replace(self._path)
        except OSError as error:
            if isinstance(error, FileNotFoundError):
                message = f"{self._path}: its temporary file was removed while it was written; run this again"
                raise FileError(message, path=self._path) from error
            raise file_error(self._path, "write the file", error) from error

    def discard(self) -> None:
        # On a disk that is full or gone, the error that led here says more than those that follow.
        with contextlib.suppress(OSError):
            self._stream.close()
        with contextlib.suppress(OSError):
            self._temporary.unlink(missing_ok=True)
