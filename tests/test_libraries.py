"""A test whose library is missing is skipped, or fails where it is required; it never passes unseen."""

from __future__ import annotations

import sys

import pytest

import libraries
from libraries import library


def test_a_library_that_is_there():
    assert library("numpy.lib") is sys.modules["numpy.lib"]


@pytest.mark.parametrize("name", ["no_such_library", "no_such_library.part"])
@pytest.mark.parametrize(
    ("required", "outcome"), [(False, pytest.skip.Exception), (True, pytest.fail.Exception)]
)
def test_a_library_that_is_missing(monkeypatch, name, required, outcome):
    monkeypatch.setattr(libraries, "REQUIRED", required)
    with pytest.raises(outcome, match=f"{name} is not installed; `make loaders` installs it"):
        library(name)


def test_a_module_that_a_library_does_not_have():
    with pytest.raises(ModuleNotFoundError, match="numpy"):
        library("numpy.no_such_module")


def test_a_library_that_cannot_be_imported(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "half_a_library.py").write_text("import no_such_library\n")
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        library("half_a_library")


def test_what_a_library_warns_of_when_it_is_imported(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "a_loud_library.py").write_text("import warnings\nwarnings.warn('loud')\n")
    library("a_loud_library")
