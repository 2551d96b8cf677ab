"""Samples in processes of their own, taken in turns."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from portmanteau.benchmarking import machine
from portmanteau.errors import MissingDependencyError

__all__ = ["Contender", "in_turns", "named", "run", "taking_part"]

_Contestant = TypeVar("_Contestant")
_SECONDS = 900
"""How long one sample may take where nothing else is said."""


@dataclass(frozen=True)
class Contender:
    """A library, and where it is imported from."""

    name: str
    """The name of the library."""
    module: str
    """What is imported."""
    folder: str | None = None
    """The folder that it lies in, if it is not installed beside Portmanteau."""

    @property
    def is_there(self) -> bool:
        """Whether the module can be found, without importing it."""
        if self.folder is None:
            return importlib.util.find_spec(self.module) is not None
        return importlib.machinery.PathFinder.find_spec(self.module, [self.folder]) is not None


def named(argument: str, modules: dict[str, str]) -> Contender:
    """The contender that ``NAME`` or ``NAME=FOLDER`` names.

    Raises:
        MissingDependencyError: There is no such peer, or it cannot be imported.

    >>> named("tiktoken", {"tiktoken": "tiktoken"})
    Contender(name='tiktoken', module='tiktoken', folder=None)
    """
    name, _, folder = argument.partition("=")
    if name not in modules:
        raise MissingDependencyError(f"there is no peer {name!r}; there are {', '.join(modules)}")
    contender = Contender(name, modules[name], str(Path(folder).absolute()) if folder else None)
    if not contender.is_there:
        where = f"in {folder}" if folder else "where portmanteau is"
        message = f"{name} is not installed {where}; install it, or name the folder of pip install --target"
        raise MissingDependencyError(message)
    return contender


def taking_part(peers: Sequence[str], modules: dict[str, str]) -> tuple[list[Contender], list[str]]:
    """Who takes part besides us.

    Args:
        peers: ``NAME`` for a peer that is installed; if there is one, no others take part. ``NAME=FOLDER`` for one that
            lies in a folder of its own, such as a second version; it takes part in addition.
        modules: What is imported of each peer that there is, by its name.

    Returns:
        The contenders, and the names of the peers that were looked for and are not installed.

    Raises:
        MissingDependencyError: One that was named is unknown or not there.
    """
    asked = [named(peer, modules) for peer in peers]
    if any(contender.folder is None for contender in asked):
        return asked, []
    installed = [contender for contender in map(Contender, modules, modules.values()) if contender.is_there]
    found = installed + asked
    return found, [name for name in modules if name not in {contender.name for contender in found}]


def in_turns(
    contenders: Sequence[_Contestant], rounds: int, take: Callable[[_Contestant, int], None]
) -> None:
    """Takes one sample of each contender a round, so that a slow minute of the machine hits all of them.

    >>> in_turns([Contender("a", "a"), Contender("b", "b")], 2, lambda who, turn: print(turn, who.name))
    0 a
    0 b
    1 a
    1 b
    """
    for turn in range(rounds):
        for contender in contenders:
            take(contender, turn)


def run(
    arguments: Sequence[str], *, threads: int, folder: Path, seconds: float | None = None
) -> dict[str, Any]:
    """Starts a module of Portmanteau as a process, on cores of its own where the system allows, and reads its answer.

    Args:
        arguments: The module and its arguments.
        threads: How many cores it gets, of those that this process may use; the last ones, as systems like the first.
        folder: Where it runs: an empty folder, so that it imports nothing by accident.
        seconds: How long it may take; 900 when ``None``.

    Returns:
        What it printed as JSON, or ``error`` with why it printed none.
    """
    limit = _SECONDS if seconds is None else seconds
    cores = map(str, machine.allowed_cores()[-threads:])
    command = [sys.executable, "-m", *arguments, "--threads", str(threads), "--cores", *cores]
    try:
        process = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=limit,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"took longer than {limit} s"}
    try:
        answer: dict[str, Any] = json.loads(process.stdout.strip().splitlines()[-1])
    except (IndexError, json.JSONDecodeError):
        last = process.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        return {"error": f"the process ended with {_ending(process.returncode)}: {last[0]}"}
    return answer


def _ending(code: int) -> str:
    """An exit code, or the name of the signal that it stands for."""
    if os.name == "posix" and code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"
