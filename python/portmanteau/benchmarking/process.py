"""What a process that takes one sample does around it: it sets itself up, and prints its answer or what went wrong."""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from portmanteau.errors import UnsupportedError

__all__ = ["add_options", "answer", "set_up"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that every sample has."""
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cores", type=int, nargs="*", help="the cores to run on")
    parser.add_argument("--folder", help="import the library from this folder")


def set_up(options: argparse.Namespace) -> None:
    """Holds this process to its threads and cores, and lets it import the library; before that is imported."""
    os.environ["RAYON_NUM_THREADS"] = str(options.threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if options.threads > 1 else "false"
    if options.cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, options.cores)
    if options.folder:
        sys.path.insert(0, options.folder)


def answer(take: Callable[[], dict[str, Any]], distribution: str) -> int:
    """Takes the sample, prints it as JSON, and returns the exit code.

    Args:
        take: Takes it.
        distribution: The name that pip knows the library by; its version is told with what went wrong.

    >>> answer(lambda: {"cpu_seconds": 1.5}, "numpy")
    {"cpu_seconds": 1.5}
    0
    """
    try:
        outcome = take()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of a Rust library is not an Exception
        outcome = _failure(distribution, error)
    sys.stdout.write(json.dumps(outcome) + "\n")
    return int("error" in outcome)


def _failure(distribution: str, error: BaseException) -> dict[str, Any]:
    """The first line of what went wrong, and the version of the library if that can be found."""
    first_line = (str(error).splitlines() or [""])[0]
    is_told = isinstance(error, UnsupportedError)
    outcome = {"error": first_line if is_told else f"{type(error).__name__}: {first_line}"}
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        outcome["version"] = importlib.metadata.version(distribution)
    return outcome
