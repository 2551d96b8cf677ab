"""What every test of the Python package gets, the examples in docstrings included."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# In CI the same examples are tried every time, so that a change fails for what it changes; elsewhere new ones.
SETTINGS = hypothesis.settings(deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.register_profile("fast", SETTINGS, max_examples=50)
hypothesis.settings.register_profile("slow", SETTINGS, max_examples=2_000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))

# tiktoken looks for a vocabulary in its cache under the SHA-1 of the address that it would download it from.
TIKTOKEN_ADDRESS = "https://openaipublic.blob.core.windows.net/encodings/{name}.tiktoken"


# Processes that tests start hear Ctrl-C, also where this one was started in the background, with the signal ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def offline_tiktoken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Make `tiktoken.get_encoding` work without the network, on the bundled vocabularies."""
    from portmanteau import data

    cache = tmp_path_factory.mktemp("tiktoken")
    for name in data.VOCABULARIES:
        address = TIKTOKEN_ADDRESS.format(name=name)
        (cache / hashlib.sha1(address.encode()).hexdigest()).write_bytes(data.vocabulary_bytes(name))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_CACHE_DIR", str(cache))
        yield cache


@pytest.fixture(autouse=True)
def examples_run_in_an_empty_folder(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A docstring example may write files by relative names."""
    if isinstance(request.node, pytest.DoctestItem):
        monkeypatch.chdir(tmp_path)
