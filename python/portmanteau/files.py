"""Reading whole files and writing them so that a half-written one never looks complete."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import IO

from portmanteau.errors import FileError

__all__ = ["check_writable", "read_bytes", "write_atomically"]


def file_error(path: str | os.PathLike[str], doing: str, error: OSError) -> FileError:
    """The :class:`FileError` for an operating-system error, with its path."""
    wrapped = FileError(f"{os.fspath(path)}: cannot {doing}: {error.strerror or error}", path=path)
    wrapped.errno = error.errno
    return wrapped


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The content of a file.

    Raises:
        FileError: The file cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise file_error(path, "read the file", error) from error


def write_atomically(path: str | os.PathLike[str], write: Callable[[IO[bytes]], object]) -> None:
    """Lets ``write`` fill a temporary file beside ``path``, flushes it to disk and renames it to ``path``.

    Whatever goes wrong, ``path`` holds either what it held before or the whole new content.

    Raises:
        FileError: The folder does not exist or cannot be written, or the disk is full; or ``write`` raises it.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")
    try:
        with temporary.open("xb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
    except FileError:  # of another file, such as one that is read meanwhile
        raise
    except OSError as error:
        raise file_error(path, "write the file", error) from error
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raises before the work, not after it, if a file cannot be written.

    Raises:
        FileError: It cannot; the message says why.
    """
    folder = Path(path).absolute().parent
    if Path(path).is_dir():
        problem = "this is a folder; name a file in it"
    elif not folder.is_dir():
        problem = f"there is no folder {folder}; make it first"
    elif not os.access(folder, os.W_OK):
        problem = f"the folder {folder} cannot be written; choose another"
    else:
        return
    raise FileError(f"{os.fspath(path)}: {problem}", path=path)
