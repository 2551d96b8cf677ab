"""Files and folders that appear when they are complete, under names that nobody reads before."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from portmanteau.errors import FileError
from portmanteau.files import file_error


@contextmanager
def files(paths: Sequence[Path], replace: bool) -> Iterator[list[IO[bytes]]]:
    """Streams of files that appear together at the end of the ``with`` block, in this order.

    The last is the one that readers open first. Where it is replaced, the old one goes before the first new one comes,
    so that no reader takes an old file with a new one.

    Raises:
        FileError: A file is there already and is not to be replaced, or cannot be written.
    """
    for path in paths:
        if path.is_dir():
            raise FileError(f"{path}: is a folder; name a file", path=path)
        if path.exists() and not replace:
            raise _exists(path)
    _make_parent(paths[-1])
    temporary = [_temporary(path) for path in paths]
    try:
        with ExitStack() as stack:
            streams: list[IO[bytes]] = [stack.enter_context(path.open("xb")) for path in temporary]
            yield streams
            for stream in streams:
                stream.flush()
                os.fsync(stream.fileno())
        paths[-1].unlink(missing_ok=True)
        for written, path in zip(temporary, paths, strict=True):
            written.replace(path)
    except FileError:  # of a file that is read meanwhile
        raise
    except OSError as error:
        raise file_error(paths[-1], "write the file", error) from error
    finally:
        for path in temporary:
            path.unlink(missing_ok=True)


@contextmanager
def folder(path: Path, replace: bool, opened_first: str, written: str) -> Iterator[Path]:
    """A folder to write files into, which takes its name at the end of the ``with`` block.

    Args:
        path: The folder that is to appear.
        replace: Whether another export may be there, and goes. Between the two moments there is no folder.
        opened_first: The file that every export of this format has.
        written: A regular expression of the names of all its files. A folder without the first, or with other names, is
            no export, and is never replaced.

    Raises:
        FileError: The folder is there already and cannot be replaced, or cannot be written.
    """
    _check_replaceable(path, replace, opened_first, written)
    _make_parent(path)
    temporary = _temporary(path)
    try:
        temporary.mkdir()
        yield temporary
        for file in sorted(temporary.iterdir()):
            with file.open("rb+") as stream:
                os.fsync(stream.fileno())
        old = _temporary(path)
        if path.exists():
            path.replace(old)
        temporary.replace(path)
        shutil.rmtree(old, ignore_errors=True)
    except FileError:
        raise
    except OSError as error:
        raise file_error(path, "write the folder", error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _check_replaceable(path: Path, replace: bool, opened_first: str, written: str) -> None:
    if not path.exists():
        return
    if not path.is_dir():
        raise FileError(f"{path}: is a file, and this format is a folder; name another", path=path)
    names = sorted(file.name for file in path.iterdir())
    if names and not replace:
        raise _exists(path)
    foreign = [name for name in names if not re.fullmatch(written, name)]
    if names and (foreign or opened_first not in names):
        reason = f"has {foreign[0]}" if foreign else f"has no {opened_first}"
        message = (
            f"{path}: {reason}, so it is no export of this format, and is not replaced; name another folder"
        )
        raise FileError(message, path=path)


def _make_parent(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise file_error(path.parent, "make the folder", error) from error


def _exists(path: Path) -> FileError:
    return FileError(f"{path}: is there already; name another, or replace it with replace=True", path=path)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")
