"""The libraries that tests hold Portmanteau to: how a test gets one, and what happens where it is not installed."""

from __future__ import annotations

import importlib
import os
import warnings
from types import ModuleType

import pytest

REQUIRED = os.environ.get("PORTMANTEAU_REQUIRE_LOADERS") == "1"
"""Whether a library that `make loaders` installs must be there, as in CI."""


def library(name: str) -> ModuleType:
    """The library of this dotted name. Where it is not installed the test is skipped, or fails if it is required.

    What the library warns of while it is imported is its own affair. One that is there and cannot be imported, or that
    has no such module, is an error: a skip would hide that the test never runs.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name.partition(".")[0]:
                raise
    message = f"{name} is not installed; `make loaders` installs it"
    if REQUIRED:
        pytest.fail(message, pytrace=False)
    pytest.skip(message, allow_module_level=True)
