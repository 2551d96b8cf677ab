"""Folders of counts: what :func:`portmanteau.count_units` leaves behind of a part of a corpus, and training adds up.

A folder holds a file of counts for each stage, whose bytes are described in ``docs/formats.md``, and ``manifest.json``,
which is written last: a folder without it is not complete.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portmanteau import _rust
from portmanteau.errors import FileError, TrainingError
from portmanteau.files import file_error, read_bytes, write_atomically

__all__ = ["CountFolder", "Folders", "add_all", "listed", "prepare"]

Folders = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]

MANIFEST = "manifest.json"
VERSION = 1


@dataclass(frozen=True)
class CountFolder:
    """What the manifest of a folder says."""

    path: Path
    stages: Sequence[str]
    """The names of the files of counts."""
    scale: int
    """How often each text was counted, for a weight of 1: the denominator of the weights."""
    documents: int
    text_bytes: int
    """Of the documents, each once."""
    fingerprint: str
    """The SHA-256 of the manifest."""

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> CountFolder:
        """Reads the manifest of a folder.

        Raises:
            FileError: It is not there, not one, or of a later version.
        """
        folder = Path(path)
        if folder.is_dir() and not (folder / MANIFEST).exists():
            message = (
                f"{folder}: there is no {MANIFEST}, so it has no counts, or counting did not end; count again"
            )
            raise FileError(message, path=folder)
        content = read_bytes(folder / MANIFEST)
        try:
            manifest = json.loads(content)
            if manifest["format"] != "portmanteau counts":
                raise ValueError("another format")
            version, scale, stages = manifest["version"], manifest["scale"], manifest["stages"]
            n_documents, n_bytes = manifest["documents"], manifest["text_bytes"]
            if version == VERSION and not (
                all(isinstance(number, int) for number in (scale, n_documents, n_bytes))
                and scale > 0
                and stages
                and all(Path(stage["file"]).name == stage["file"] for stage in stages)
            ):
                raise ValueError("scale, stages, documents or text_bytes")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            message = (
                f"{folder / MANIFEST}: no manifest of counts ({error}); copy the folder again, or count again"
            )
            raise FileError(message, path=folder / MANIFEST) from None
        if version != VERSION:
            message = (
                f"{folder / MANIFEST}: is of version {version}, and this library reads {VERSION}; update it"
            )
            raise FileError(message, path=folder / MANIFEST)
        names = [stage["file"] for stage in stages]
        return cls(folder, names, scale, n_documents, n_bytes, hashlib.sha256(content).hexdigest())


def prepare(path: str | os.PathLike[str]) -> Path:
    """Makes a folder for counts.

    Raises:
        FileError: It cannot be made, or has counts already.
    """
    folder = Path(path)
    if (folder / MANIFEST).exists():
        raise FileError(f"{folder}: has counts already; choose another folder, or delete it", path=folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise file_error(folder, "make the folder", error) from error
    return folder


def write(folder: Path, trainer: _rust.Trainer, n_stages: int, facts: dict[str, Any]) -> None:
    """Writes what a trainer has counted into a folder, and last a manifest that also says ``facts``."""
    names = [f"stage-{stage}.counts" for stage in range(1, n_stages + 1)]
    trainer.write_counts([os.fspath(folder / name) for name in names], None)
    manifest = {
        "format": "portmanteau counts",
        "version": VERSION,
        "library": _rust.__version__,
        **facts,
        "stages": [{"file": name, "bytes": (folder / name).stat().st_size} for name in names],
    }
    content = json.dumps(manifest, ensure_ascii=False, indent=1) + "\n"
    write_atomically(folder / MANIFEST, lambda stream: stream.write(content.encode()))


def listed(paths: Folders) -> list[CountFolder]:
    """The folders that are named.

    Raises:
        TrainingError: There is none, or one is named twice.
        FileError: One has no manifest that can be read.
    """
    named = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    folders = [CountFolder.open(path) for path in named]
    if not folders:
        raise TrainingError("counts names no folder; give at least one that count_units has written")
    seen: set[Path] = set()
    for folder in folders:
        if (resolved := folder.path.resolve()) in seen:
            raise TrainingError(f"counts names {folder.path} twice; give each folder once")
        seen.add(resolved)
    return folders


def add_all(
    folders: Sequence[CountFolder],
    trainer: _rust.Trainer,
    n_stages: int,
    progress: Callable[[str, int, int], None] | None,
) -> int:
    """Adds the counts of all folders; returns their common scale.

    Raises:
        TrainingError: They are of other pretokenizers or records than the trainer's, or of fewer stages, or too
            large in a common scale.
        FileError: A file is missing or damaged.
    """
    scale = math.lcm(*(folder.scale for folder in folders))
    for folder in folders:
        if len(folder.stages) < n_stages:
            raise TrainingError(
                f"{folder.path}: has no counts of the second stage; count again with superword_pretokenizer, or with "
                "the pretokenizer 'superbpe'"
            )
        paths = [os.fspath(folder.path / name) for name in folder.stages[:n_stages]]
        trainer.add_counts(paths, scale // folder.scale, progress)
    return scale
