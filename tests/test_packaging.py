"""The package as it is installed: its files, its metadata, what importing it costs, and the types of the extension."""

from __future__ import annotations

import hashlib
import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

import portmanteau
from portmanteau import data

PACKAGE = Path(portmanteau.__file__).parent
REPOSITORY = Path(__file__).parents[1]


def installed_files() -> list[str]:
    files = importlib.metadata.files("portmanteau")
    assert files is not None
    return [file.as_posix() for file in files]


def test_the_package_is_marked_as_typed():
    assert (PACKAGE / "py.typed").is_file()
    assert (PACKAGE / "_rust.pyi").is_file()


@pytest.mark.parametrize("name", ["LICENSE-MIT", "LICENSE-APACHE", "NOTICE"])
def test_the_installed_metadata_hold_the_licences(name):
    (installed,) = [file for file in installed_files() if file.endswith(f".dist-info/licenses/{name}")]
    path = importlib.metadata.distribution("portmanteau").locate_file(installed)
    assert Path(str(path)).read_bytes() == (REPOSITORY / name).read_bytes()


def test_the_metadata_say_what_the_manifest_says():
    metadata = importlib.metadata.metadata("portmanteau")
    assert metadata["License-Expression"] == "MIT OR Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.10"
    required = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert sorted(line.split(">")[0] for line in required) == ["numpy", "pyarrow", "tqdm"]


def test_the_version_is_the_one_of_the_workspace():
    version = importlib.metadata.version("portmanteau")
    assert portmanteau.__version__ == version
    assert f'\nversion = "{version}"\n' in (REPOSITORY / "Cargo.toml").read_text(encoding="utf-8")


def test_importing_brings_numpy_and_nothing_heavier():
    program = "import sys, portmanteau; print(*{name.partition('.')[0] for name in sys.modules})"
    imported = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    heavy = {"pyarrow", "tqdm", "matplotlib", "tiktoken", "tokenizers", "torch", "pandas", "polars"}
    assert "numpy" in imported.stdout.split()
    assert not heavy & set(imported.stdout.split())
    assert imported.stderr == ""


def test_every_public_name_exists_and_is_documented():
    for name in portmanteau.__all__:
        value = getattr(portmanteau, name)
        if callable(value):
            assert value.__doc__, f"portmanteau.{name} has no docstring"


def test_the_stub_of_the_extension_agrees_with_it():
    """Names, arguments and defaults of `_rust.pyi` are those of the binary."""
    command = [sys.executable, "-m", "mypy.stubtest", "portmanteau._rust"]
    command += ["--mypy-config-file", str(REPOSITORY / "pyproject.toml")]
    outcome = subprocess.run(command, cwd=PACKAGE.parent, capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


@pytest.mark.parametrize("name", data.VOCABULARIES)
def test_the_vocabularies_are_the_published_files(name, monkeypatch):
    """tiktoken compares the digest of each file that it loads with the one it was published with."""
    from tiktoken_ext import openai_public

    published = {}
    monkeypatch.setattr(
        openai_public,
        "load_tiktoken_bpe",
        lambda address, expected_hash: published.update(hash=expected_hash),
    )
    getattr(openai_public, name)()
    assert hashlib.sha256(data.vocabulary_bytes(name)).hexdigest() == published["hash"]


def test_an_unknown_vocabulary_is_named():
    with pytest.raises(KeyError, match="gpt9"):
        data.vocabulary_bytes("gpt9")


def test_the_sample_is_what_its_note_says():
    documents = data.sample()
    note = (data.sample_path().parent / "LICENSES.md").read_text(encoding="utf-8")
    assert len({document["id"] for document in documents}) == len(documents)
    assert all(f"`{document['source']}`" in note for document in documents)
    languages = {document["language"].partition("-")[0] for document in documents}
    assert languages >= {"ar", "de", "en", "es", "fr", "hi", "ja", "ko", "ru", "vi", "zh"}
    assert len(data.sample("train")) + len(data.sample("held_out")) == len(documents)
    with pytest.raises(ValueError, match="there is no split 'test'"):
        data.sample("test")
