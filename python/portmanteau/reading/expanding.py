"""The files that paths, patterns and addresses name."""

from __future__ import annotations

import glob
import os
import urllib.parse
from collections.abc import Iterable, Iterator
from pathlib import Path

from portmanteau.errors import FileError
from portmanteau.reading.addresses import (
    ARROW_SCHEMES,
    is_address,
    local_path,
    located,
    scheme_of,
    split_query,
)
from portmanteau.reading.dataset_folders import data_files
from portmanteau.reading.opening import reading_errors, wrong_file
from portmanteau.reading.patterns import has_wildcard, matches, split_pattern

__all__ = ["Paths", "expand"]

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


def expand(paths: Paths) -> list[str]:
    """The files that paths, glob patterns and addresses name, each pattern's in sorted order.

    A path that exists is taken as it is, even if it looks like a pattern. ``**`` matches any number of
    folders. A file that is named twice is listed twice. A folder that ``datasets.Dataset.save_to_disk`` has
    written stands for its data files, in their order.

    An address is ``scheme://…``, of any file system of pyarrow or fsspec; it may be a pattern, in which ``?``
    begins the query. ``file://`` becomes a local path.

    Raises:
        FileError: A path does not exist or cannot be reached, a pattern matches no file, a path is another
            folder, or there is no path at all.
        MissingDependencyError: An address needs a package that is not installed.

    >>> from pathlib import Path
    >>> _ = Path("b.txt").write_text("b"), Path("a.txt").write_text("a")
    >>> expand("*.txt")
    ['a.txt', 'b.txt']
    """
    named = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    files: list[str] = []
    for name in named:
        path = os.fspath(name)
        if scheme_of(path) == "file":
            path = local_path(path)
        files += _at_address(path) if is_address(path) else _on_disk(path)
    if not files:
        raise FileError("no files were given; name at least one")
    return files


def _on_disk(path: str) -> list[str]:
    if Path(path).is_dir():
        return _of_folder(path)
    if Path(path).exists():
        return [path]
    # Path.glob takes no absolute patterns.
    files = sorted(filter(os.path.isfile, glob.glob(path, recursive=True)))  # noqa: PTH207
    if not files:
        raise _not_there(path)
    return files


def _at_address(path: str) -> list[str]:
    from pyarrow import fs

    head, query = split_query(path)
    if has_wildcard(head):
        files = sorted(_matching(head, query))
        if not files:
            raise _not_there(path)
        return files
    with reading_errors(path):
        system, within = located(path)
        found = system.get_file_info(within)
    if found.type == fs.FileType.NotFound:
        raise _not_there(path)
    return _of_folder(path) if found.type == fs.FileType.Directory else [path]


def _matching(head: str, query: str) -> Iterator[str]:
    """The addresses that match a pattern."""
    from pyarrow import fs

    folder, pattern = split_pattern(head)
    with reading_errors(folder + query):
        system, within = located(folder + query)
        selector = fs.FileSelector(within, allow_not_found=True, recursive="/" in pattern or "**" in pattern)
        found = [info.path for info in system.get_file_info(selector) if info.type == fs.FileType.File]
    is_escaped = scheme_of(head) in ARROW_SCHEMES
    for path in found:
        name = path[len(within.rstrip("/")) + 1 :]
        if matches(name, pattern):
            yield f"{folder}/{urllib.parse.quote(name) if is_escaped else name}{query}"


def _of_folder(folder: str) -> list[str]:
    files = data_files(folder)
    if files is None:
        example = (
            f"{split_query(folder)[0].rstrip('/')}/**/*.jsonl" if not is_address(folder) else "…/*.jsonl"
        )
        raise wrong_file(folder, f"this is a folder; name its files, for example {example}")
    return files


def _not_there(path: str) -> FileError:
    return wrong_file(path, "no file has this name or matches this pattern; check the path")
