"""Rank files on disk, as dicts from token to rank."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import NoReturn

from portmanteau.errors import UnsupportedError, VocabularyError
from portmanteau.files import read_bytes, write_atomically

__all__ = ["dump_tiktoken_bpe", "load_tiktoken_bpe", "read_file"]


def read_file(blobpath: str) -> bytes:
    """The content of a file on disk. Portmanteau downloads nothing.

    Raises:
        UnsupportedError: ``blobpath`` is an address.
        FileError: The file cannot be read.
    """
    if "://" in blobpath:
        raise UnsupportedError(f"{blobpath}: Portmanteau downloads nothing; fetch the file and name its path")
    return read_bytes(blobpath)


def load_tiktoken_bpe(tiktoken_bpe_file: str, expected_hash: str | None = None) -> dict[bytes, int]:
    r"""The ranks in a rank file. O(bytes).

    Args:
        tiktoken_bpe_file: A path. Each line has a token in base64, a space and its rank.
        expected_hash: SHA-256 of the file in hexadecimal digits, if it is to be checked.

    Raises:
        VocabularyError: The checksum is another, or a line is malformed.
        UnsupportedError: An address was given.
        FileError: The file cannot be read.

    >>> from pathlib import Path
    >>> _ = Path("tiny.tiktoken").write_bytes(b"YQ== 0\nYg== 1\n")
    >>> load_tiktoken_bpe("tiny.tiktoken")
    {b'a': 0, b'b': 1}
    """
    content = read_file(tiktoken_bpe_file)
    found = hashlib.sha256(content).hexdigest()
    if expected_hash is not None and found != expected_hash:
        raise VocabularyError(
            f"{tiktoken_bpe_file}: the SHA-256 of the file is {found}, expected {expected_hash}; fetch it again",
            path=tiktoken_bpe_file,
        )
    ranks = {}
    for number, line in enumerate(content.splitlines(), start=1):
        if not line:
            continue
        try:
            token, rank = line.split()
            ranks[base64.b64decode(token)] = int(rank)
        except ValueError as error:
            raise VocabularyError(
                f"{tiktoken_bpe_file}, line {number}: Error parsing line {line!r} in {tiktoken_bpe_file}: {error}",
                path=tiktoken_bpe_file,
                line=number,
            ) from error
    return ranks


def dump_tiktoken_bpe(bpe_ranks: Mapping[bytes, int], tiktoken_bpe_file: str) -> None:
    r"""Writes ranks to a rank file, in order of rank. The file appears whole or not at all.

    Raises:
        FileError: The file cannot be written.

    >>> from pathlib import Path
    >>> dump_tiktoken_bpe({b"b": 1, b"a": 0}, "tiny.tiktoken")
    >>> Path("tiny.tiktoken").read_bytes()
    b'YQ== 0\nYg== 1\n'
    """
    ordered = sorted(bpe_ranks.items(), key=lambda pair: pair[1])
    content = b"".join(base64.b64encode(token) + b" %d\n" % rank for token, rank in ordered)
    write_atomically(tiktoken_bpe_file, lambda stream: stream.write(content))


def __getattr__(name: str) -> NoReturn:
    raise AttributeError(
        f"portmanteau.compat.tiktoken.load has no {name!r}; it reads rank files with load_tiktoken_bpe, and "
        "portmanteau.Tokenizer.load reads vocab.json with merges.txt"
    )
