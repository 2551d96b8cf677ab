"""Files appear whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import subprocess
import sys

import pytest

import portmanteau as pm
from portmanteau.files import read_bytes, write_atomically


def names_in(folder):
    return [path.name for path in folder.iterdir()]


def test_a_file_appears_with_its_content_and_nothing_beside_it(tmp_path):
    target = tmp_path / "out.bin"
    write_atomically(target, lambda stream: stream.write(b"new"))
    assert target.read_bytes() == b"new"
    assert names_in(tmp_path) == ["out.bin"]


def test_a_failed_write_leaves_what_was_there(tmp_path):
    target = tmp_path / "out.bin"
    target.write_bytes(b"old")

    def fail_half_way(stream):
        stream.write(b"half of the n")
        raise OSError(28, "No space left on device")

    with pytest.raises(pm.FileError, match=r"out\.bin: cannot write the file: No space left") as raised:
        write_atomically(target, fail_half_way)
    assert raised.value.path == str(target)
    assert raised.value.errno == 28

    def interrupted(stream):
        stream.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(target, interrupted)
    assert target.read_bytes() == b"old"
    assert names_in(tmp_path) == ["out.bin"]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(pm.FileError, match="nowhere") as raised:
        pm.Tokenizer.load("r50k_base").save(tmp_path / "nowhere" / "tokenizer.json")
    assert isinstance(raised.value, OSError)
    with pytest.raises(pm.FileError, match="cannot read"):
        read_bytes(tmp_path / "nothing.json")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of a file")
def test_a_disk_that_fills_leaves_no_half_file(tmp_path):
    """The limit on file sizes stands for a disk that is full: both fail in the middle of a write."""
    program = """
import resource
import sys
import portmanteau as pm
tokenizer = pm.Tokenizer.load("r50k_base")
plan = pm.pack([3] * 100_000, 7)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
for save in (tokenizer.save, plan.save):
    try:
        save("out")
    except pm.FileError as error:
        print(error)
"""
    outcome = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.count("out: cannot write the file") == 2
    assert names_in(tmp_path) == []
