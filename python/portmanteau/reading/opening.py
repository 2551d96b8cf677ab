"""Opening files and addresses, decompressed, with every error of another library as one of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from portmanteau.errors import EncodingError, Error, FileError
from portmanteau.files import file_error
from portmanteau.reading.addresses import is_address, located, told, without_secrets

__all__ = [
    "BUFFER_BYTES",
    "FileState",
    "encoding_error",
    "file_state",
    "opened",
    "reading_errors",
    "stream_of",
    "wrong_file",
]


BUFFER_BYTES = 8 << 20
"""What is fetched at once."""


class FileState(NamedTuple):
    """What tells whether a file has changed."""

    n_bytes: int
    modified_ns: int | None
    """When it was written, in nanoseconds since 1970; ``None`` where the file system does not say."""


def wrong_file(path: str, message: str, line: int | None = None, offset: int | None = None) -> FileError:
    """The error of a file that is not what it should be."""
    return FileError(
        _sentence(path, message, line, offset), path=without_secrets(path), line=line, offset=offset
    )


def encoding_error(
    path: str, message: str, line: int | None = None, offset: int | None = None
) -> EncodingError:
    """The error of a text that cannot be encoded."""
    return EncodingError(
        _sentence(path, message, line, offset), path=without_secrets(path), line=line, offset=offset
    )


def _sentence(path: str, message: str, line: int | None, offset: int | None) -> str:
    where = f"{without_secrets(path)}, line {line}" if line is not None else without_secrets(path)
    return f"{where} (byte {offset}): {message}" if offset is not None else f"{where}: {message}"


@contextmanager
def reading_errors(path: str, kind: str | None = None) -> Iterator[None]:
    """Every error of reading a file becomes a FileError with its path; ``kind`` is what it is read as, if it is."""
    import pyarrow as pa

    try:
        yield
    except Error:
        raise
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:  # the last of names of columns
        _raise(path, kind, error)
    except Exception as error:
        # The file systems of fsspec raise what their clients raise, which need not be an OSError.
        if not is_address(path) or type(error).__module__ == "builtins":
            raise
        _raise(path, kind, error)


def _raise(path: str, kind: str | None, error: Exception) -> NoReturn:
    if isinstance(error, OSError) and error.errno is not None and not is_address(path):
        raise file_error(path, "read the file", error) from error
    if kind is None:
        message = f"cannot be reached ({told(error, path)}); check the path"
    elif "Truncated" in str(error):
        message = "the compressed file is cut off; copy or download it again"
    else:
        message = f"cannot read the file as {kind} ({told(error, path)}); check that it is what its name says"
    # The error of an address may hold its secrets, and a traceback would show it.
    raise wrong_file(path, message) from (None if is_address(path) else error)


def file_state(path: str) -> FileState:
    """The size of a file or an address in bytes, and when it was written.

    Raises:
        FileError: It cannot be reached.

    >>> from pathlib import Path
    >>> _ = Path("a.txt").write_text("by the way")
    >>> file_state("a.txt").n_bytes
    10
    """
    if not is_address(path):
        try:
            state = Path(path).stat()
        except OSError as error:
            raise file_error(path, "read the file", error) from error
        return FileState(state.st_size, state.st_mtime_ns)
    with reading_errors(path):
        system, within = located(path)
        found = system.get_file_info(within)
        if found.size is None:  # the server does not say, or it is no file
            with system.open_input_file(within) as file:
                return FileState(file.size(), found.mtime_ns)
        return FileState(found.size, found.mtime_ns)


@contextmanager
def opened(path: str, kind: str, *, mapped: bool = False) -> Iterator[Any]:
    """A file or an address as a ``pyarrow.NativeFile`` that can be read from any byte on.

    Args:
        path: The file.
        kind: What it is read as, for errors.
        mapped: Whether a local file is mapped into memory, so that nothing of it is copied.

    Raises:
        FileError: It cannot be read, here or later within the block.
    """
    import pyarrow as pa

    with reading_errors(path, kind):
        if is_address(path):
            system, within = located(path)
            file = system.open_input_file(within)
        elif mapped and Path(path).stat().st_size:
            file = pa.memory_map(path)
        else:
            file = pa.OSFile(path)
        with file:
            yield file


@contextmanager
def stream_of(path: str, kind: str, compression: str | None) -> Iterator[Any]:
    """The decompressed bytes of a file or an address, from its beginning to its end.

    Raises:
        FileError: It cannot be read, or is no such compressed file, here or later within the block.
    """
    import pyarrow as pa

    with opened(path, kind) as file:
        if compression is None:
            yield file
            return
        if file.size() == 0:
            raise wrong_file(path, f"the file is empty, which is no {compression} file; compress it again")
        if is_address(path):  # of which the decompressor would fetch 64 KiB at a time
            file = pa.BufferedInputStream(file, BUFFER_BYTES)
        with pa.CompressedInputStream(file, compression) as stream:
            yield stream
