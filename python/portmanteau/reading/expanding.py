"""The files that paths, patterns and addresses name."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from pathlib import Path

from portmanteau.errors import FileError
from portmanteau.reading.opening import wrong_file

__all__ = ["Paths", "expand"]

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


def expand(paths: Paths) -> list[str]:
    """The files that paths and glob patterns name, each pattern's in sorted order.

    A path that exists is taken as it is, even if it looks like a pattern. ``**`` matches any number of
    folders. A file that is named twice is listed twice.

    Raises:
        FileError: A path does not exist, a pattern matches no file, a path is a folder, or there is no path
            at all.

    >>> from pathlib import Path
    >>> _ = Path("b.txt").write_text("b"), Path("a.txt").write_text("a")
    >>> expand("*.txt")
    ['a.txt', 'b.txt']
    """
    patterns = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    files: list[str] = []
    for path in patterns:
        pattern = os.fspath(path)
        if Path(pattern).is_dir():
            raise wrong_file(
                pattern, f"this is a folder; name its files, for example {pattern.rstrip('/')}/**/*.jsonl"
            )
        if Path(pattern).exists():
            files.append(pattern)
            continue
        # Path.glob takes no absolute patterns.
        matches = sorted(filter(os.path.isfile, glob.glob(pattern, recursive=True)))  # noqa: PTH207
        if not matches:
            raise wrong_file(pattern, "no file has this name or matches this pattern; check the path")
        files.extend(matches)
    if not files:
        raise FileError("no files were given; name at least one")
    return files
