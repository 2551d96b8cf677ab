"""Which format a file has, which its name decides."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Literal, NamedTuple

from portmanteau.reading.addresses import split_query
from portmanteau.reading.opening import wrong_file

__all__ = ["Format", "format_of", "is_compressed"]

COMPRESSIONS = {".zst": "zstd", ".gz": "gzip", ".bz2": "bz2"}

Kind = Literal["JSON Lines", "CSV", "TSV", "Parquet", "Arrow", "text"]

KINDS: dict[str, Kind] = {
    ".jsonl": "JSON Lines",
    ".ndjson": "JSON Lines",
    ".json": "JSON Lines",
    ".csv": "CSV",
    ".tsv": "TSV",
    ".parquet": "Parquet",
    ".arrow": "Arrow",
    ".feather": "Arrow",
    ".ipc": "Arrow",
}


class Format(NamedTuple):
    """What a file holds, and how it is compressed, as pyarrow names it."""

    kind: Kind
    compression: str | None


def format_of(path: str) -> Format:
    """The format of a file or an address, by its name.

    Raises:
        FileError: It is a Parquet or Arrow file compressed as a whole, of which no part could be read alone.

    >>> format_of("a.jsonl.zst"), format_of("s3://bucket/a.parquet?region=here"), format_of("book")
    (Format(kind='JSON Lines', compression='zstd'), Format(kind='Parquet', compression=None),
     Format(kind='text', compression=None))
    """
    suffixes = [suffix.lower() for suffix in PurePosixPath(split_query(path)[0]).suffixes]
    compression = COMPRESSIONS.get(suffixes[-1]) if suffixes else None
    if compression is not None:
        suffixes.pop()
    kind = KINDS.get(suffixes[-1], "text") if suffixes else "text"
    if compression is not None and kind in ("Parquet", "Arrow"):
        raise wrong_file(path, f"{kind} files are not read compressed as a whole; decompress it first")
    return Format(kind, compression)


def is_compressed(path: str) -> bool:
    """Whether a file's name says that its size is not that of its text.

    >>> is_compressed("a.jsonl.gz"), is_compressed("a.parquet"), is_compressed("a.jsonl")
    (True, True, False)
    """
    kind, compression = format_of(path)
    return compression is not None or kind in ("Parquet", "Arrow")
