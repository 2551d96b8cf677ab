"""Checkpoints of training: a folder from which training that was interrupted goes on.

While text is counted, what was counted since the last time is written every few minutes to files of counts, and then
``progress.json``, which says how far the text is and which of the files belong to that. Once all is counted, files are
not read again, and the merges are kept in ``merges``, by Rust. The formats are described in ``docs/formats.md``.

Every file is written beside its place and renamed. Files whose names ``progress.json`` does not have were written just
before the process ended; they are written anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from portmanteau import _rust
from portmanteau.errors import FileError, TrainingError
from portmanteau.files import file_error, read_bytes, write_atomically
from portmanteau.reading import Policy
from portmanteau.sources import Batch

__all__ = ["Checkpoint"]

Report = Callable[[str, int, int], None] | None

FORMAT = {"format": "portmanteau checkpoint", "version": 1}
TEXT_START = 64
"""How much of each text tells it from another, beside its length."""


class Checkpoint:
    """The folder of one training; without a folder, it does nothing.

    Args:
        folder: It is made if it is not there. What is in it of other names is left alone.
        seconds: The time from one checkpoint to the next.
        options: What the result depends on beside the text, as JSON has it.
        text: What tells the text from another: files with sizes and times, or folders of counts.
        n_stages: The number of files of counts.

    Raises:
        TrainingError: The folder has the checkpoint of another training, or another process uses it.
        FileError: It cannot be read or written, or a file is damaged.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str] | None,
        seconds: float = 300,
        *,
        options: Mapping[str, Any] | None = None,
        text: Mapping[str, Any] | None = None,
        n_stages: int = 1,
    ) -> None:
        self._folder = None if folder is None else Path(folder)
        self._seconds = seconds
        self._n_stages = n_stages
        self._next = time.monotonic() + seconds
        self._lock: IO[bytes] | None = None
        self._position = (0, 0)
        self._digest = ""
        self._state: dict[str, Any] = {
            **FORMAT,
            "library": _rust.__version__,
            "options": options,
            "text": text,
            "position": [0, 0],
            "documents": 0,
            "cut_off": [0, 0],
            "replaced": 0,
            "texts_digest": "",
            "parts": [],
            "is_counted": False,
            "is_done": False,
        }
        if self._folder is not None:
            self._open(self._folder)

    def __enter__(self) -> Checkpoint:
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            self._lock.close()

    # ── where training goes on ──────────────────────────────────────────────────────────────────────────────────

    @property
    def first_file(self) -> int:
        """The number of the file in which counting goes on."""
        return int(self._state["position"][0])

    @property
    def is_counted(self) -> bool:
        """Whether all text is counted."""
        return bool(self._state["is_counted"])

    @property
    def n_documents(self) -> int:
        """How many documents were counted."""
        return int(self._state["documents"])

    @property
    def n_replaced(self) -> int:
        """How many places of the text that was counted were not UTF-8."""
        return int(self._state["replaced"])

    def give_to(self, trainer: _rust.Trainer, progress: Report) -> None:
        """Adds what was counted before."""
        for names in self._state["parts"]:
            trainer.add_counts([self._path(name) for name in names], 1, progress)
        cut_documents, cut_bytes = self._state["cut_off"]
        trainer.go_on_after(self._state["documents"], (cut_documents, cut_bytes))

    def merging(self) -> tuple[str, float, str] | None:
        """Where Rust keeps the merges, and how often; and what the result depends on beside the counts."""
        if self._folder is None:
            return None
        told = json.dumps([self._state["library"], self._state["options"]], sort_keys=True)
        return self._path("merges"), self._seconds, told

    def skips(self, batch: Batch, policy: Policy) -> bool:
        """Whether a batch was counted before."""
        if self._folder is None:
            return False
        end, known = batch.end, tuple(self._state["position"])
        self._position = end
        if "texts" in self._state["text"]:
            self._digest = _digest(self._digest, batch)
        if end > known:
            if self.is_counted:
                raise self._other("there are more texts than were counted")
            return False
        if end == known:
            policy.n_replaced = self.n_replaced
            if self._digest != self._state["texts_digest"]:
                raise self._other("the texts are others than those that were counted")
        return True

    # ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────

    def after_batch(self, trainer: _rust.Trainer, policy: Policy, progress: Report) -> None:
        """Writes what was counted, if it is time."""
        if self._folder is not None and time.monotonic() >= self._next:
            self._write_part(trainer, policy, progress)
            self._write_progress()

    def after_counting(self, trainer: _rust.Trainer, policy: Policy, progress: Report) -> None:
        """Writes what is not written yet; from now on the text is not needed."""
        if self._folder is None or self.is_counted:
            return
        if self._position < tuple(self._state["position"]):
            raise self._other("there are fewer texts than were counted")
        if self._position > tuple(self._state["position"]):
            self._write_part(trainer, policy, progress)
        self._state["is_counted"] = True
        self._write_progress()

    def finish(self) -> None:
        """Notes that training is done."""
        if self._folder is not None and not self._state["is_done"]:
            self._state["is_done"] = True
            self._write_progress()

    def _write_part(self, trainer: _rust.Trainer, policy: Policy, progress: Report) -> None:
        number = len(self._state["parts"]) + 1
        names = [f"part-{number:04}.stage-{stage}.counts" for stage in range(1, self._n_stages + 1)]
        paths = [self._path(name) for name in names]
        trainer.write_counts(paths, progress)
        trainer.add_counts(paths, 1, progress)
        self._state["parts"].append(names)
        self._state |= {
            "position": list(self._position),
            "documents": trainer.n_documents(),
            "cut_off": list(trainer.cut_off()),
            "replaced": policy.n_replaced,
            "texts_digest": self._digest,
        }

    def _write_progress(self) -> None:
        content = json.dumps(self._state, ensure_ascii=False, indent=1) + "\n"
        path = self._path("progress.json")
        self._sync()
        write_atomically(path, lambda stream: stream.write(content.encode()))
        self._sync()
        self._next = time.monotonic() + self._seconds

    def _sync(self) -> None:
        """Puts the names of the files on the disk, where a folder can be opened for that."""
        if sys.platform == "win32" or self._folder is None:
            return
        with contextlib.suppress(OSError):
            folder = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    # ── opening ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _path(self, name: str) -> str:
        return os.fspath((self._folder or Path()) / name)

    def _open(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = (folder / "lock").open("ab")
        except OSError as error:
            raise file_error(folder, "make the checkpoint", error) from error
        if not _locks(self._lock):
            self._lock.close()
            raise TrainingError(
                f"{folder}: another training uses this checkpoint; wait for it, or name another folder"
            )
        try:
            self._clean(folder)
            if (folder / "progress.json").exists():
                self._go_on(folder / "progress.json")
            elif (folder / "merges").exists():
                message = f"{folder}: there is a file merges, but no progress.json; name another folder, or delete it"
                raise FileError(message, path=folder)
            else:
                self._write_progress()
        except BaseException:
            self._lock.close()
            raise

    def _clean(self, folder: Path) -> None:
        """Removes what a process that was killed left half-written."""
        for pattern in (".part-*.counts.*.tmp", ".merges.*.tmp", ".progress.json.*.partial"):
            for path in folder.glob(pattern):
                path.unlink(missing_ok=True)

    def _go_on(self, path: Path) -> None:
        content = read_bytes(path)
        try:
            saved = json.loads(content)
            if not isinstance(saved, dict) or saved.get("format") != FORMAT["format"]:
                raise ValueError("another format")
            if saved.get("version") == FORMAT["version"] and saved.keys() != self._state.keys():
                raise ValueError("other keys")
        except (ValueError, RecursionError) as error:
            message = (
                f"{path}: this is no progress of training ({error}); name another folder, or delete this one"
            )
            raise FileError(message, path=path) from None
        # As JSON has them.
        now = json.loads(json.dumps(self._state))
        for name in ("version", "library"):
            if saved[name] != now[name]:
                raise self._other(f"it was written by {name} {saved[name]}, and this is {now[name]}")
        differences = _differences(saved["options"], now["options"]) + _text_differences(
            saved["text"], now["text"]
        )
        if differences:
            raise self._other("; ".join(differences))
        self._state = saved

    def _other(self, what: str) -> TrainingError:
        return TrainingError(
            f"{self._folder}: this is the checkpoint of another training: {what}. Give the same arguments to go on "
            "with it; name another folder, or delete this one, to begin anew"
        )


def _digest(before: str, batch: Batch) -> str:
    """A digest of texts: of their lengths and how they begin."""
    digest = hashlib.blake2b(before.encode(), digest_size=16)
    for text in batch.texts:
        start = text[:TEXT_START]
        digest.update(b"%d " % len(text))
        digest.update(start if isinstance(start, bytes) else start.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _differences(saved: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    names = [*saved, *(name for name in now if name not in saved)]
    differing = [name for name in names if saved.get(name) != now.get(name)]
    return [f"{name} was {saved.get(name)!r} and is {now.get(name)!r}" for name in differing]


def _text_differences(saved: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    if saved.keys() != now.keys():
        return [f"it was of {', '.join(saved)}, and this is of {', '.join(now)}"]
    for kind, before in saved.items():
        after = now[kind]
        if before == after:
            continue
        if not isinstance(before, list):
            return [f"there were {before} {kind} and are {after}"]
        paths_before, paths_after = ([entry[0] for entry in entries] for entries in (before, after))
        if paths_before == paths_after:
            changed = [entry[0] for entry, old in zip(after, before, strict=True) if entry != old]
            return [f"{path} has changed" for path in changed[:3]]
        gone = [f"{path} is not there any more" for path in paths_before if path not in paths_after]
        new = [f"{path} is new" for path in paths_after if path not in paths_before]
        return [*gone, *new][:3] or [f"the {kind} are in another order"]
    return []


if sys.platform == "win32":
    import msvcrt

    def _locks(file: IO[bytes]) -> bool:
        """Locks a file until it is closed; whether that was possible."""
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _locks(file: IO[bytes]) -> bool:
        """Locks a file until it is closed; whether that was possible."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            return True
        return True
