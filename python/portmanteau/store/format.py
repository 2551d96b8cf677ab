"""The files of a token store: their names, what its JSON files say, and the tokenizer that lies beside the ids.

``docs/formats.md`` describes them byte by byte.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from portmanteau._rust import __version__
from portmanteau.errors import FileError
from portmanteau.files import read_bytes, write_atomically
from portmanteau.tokenizer import Tokenizer

MANIFEST = "manifest.json"
JOB = "job.json"
SHARDS = "shards"
PLANS = "plans"

FORMAT = "portmanteau dataset"
JOB_FORMAT = "portmanteau job"
SHARD_FORMAT = "portmanteau shard"
VERSION = 1

#: What lies in the files of a shard: dtype, and whether it has an element for each token.
OFFSETS = "offsets"
IDS = "ids"
BYTE_LENGTHS = "byte_lengths"
LONG_BYTE_LENGTHS = "long_byte_lengths"
#: Where a byte length is this, the next of the long ones is meant.
LONG = 255
#: Dtypes of what users may lay beside the ids.
CHANNEL_DTYPES = (
    "uint8",
    "int8",
    "uint16",
    "int16",
    "uint32",
    "int32",
    "float32",
    "uint64",
    "int64",
    "float64",
)

#: The digits of a checksum before it is known, and where in the file they begin, seen from its end.
_NO_CHECKSUM = b"0" * 64
_CHECKSUM_PLACE = -68

_T = TypeVar("_T")


def id_dtype(vocab_size: int) -> str:
    """The narrowest dtype for ids below this number.

    >>> id_dtype(65_536), id_dtype(65_537)
    ('uint16', 'uint32')
    """
    return "uint16" if vocab_size <= 1 << 16 else "uint32"


def little_endian(dtype: str) -> str:
    """A dtype as it lies in files, whatever the machine."""
    import numpy as np

    return str(np.dtype(dtype).newbyteorder("<").str)


@dataclass(frozen=True)
class Source:
    """A file that documents come from."""

    path: str
    """Its path or address, as it was found."""
    bytes: int
    """Its size."""


@dataclass(frozen=True)
class SourcePart:
    """Documents of a shard that follow one another in a file."""

    source: int
    """The number of the file."""
    first: int
    """Where the part begins: a row group (Parquet), a record batch (Arrow) or a byte (JSON Lines)."""
    end: int
    """Where it ends."""
    documents: int
    """How many rows it has; each is a document."""


@dataclass(frozen=True)
class FileRecord:
    """What a file of a shard must be."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class ShardRecord:
    """What a finished shard holds: ``NNNNN.json`` beside its files, and an entry of the manifest."""

    name: str
    documents: int
    tokens: int
    text_bytes: int
    parts: Sequence[SourcePart]
    files: Mapping[str, FileRecord]
    """By what follows the name: ``offsets``, ``ids``, …"""

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> ShardRecord:
        """The record that :func:`dataclasses.asdict` made.

        Raises:
            KeyError, TypeError, ValueError: It is none.
        """
        files = {name: FileRecord(**of_file) for name, of_file in record["files"].items()}
        if not files.keys() >= {OFFSETS, IDS} or not all(map(_is_file_name, files)):
            raise ValueError(f"the files are {sorted(files)}")
        counts = {name: _count(record[name]) for name in ("documents", "tokens", "text_bytes")}
        parts = [SourcePart(*map(_count, part)) for part in record["parts"]]
        name = record["name"]
        if not _is_file_name(name):
            raise ValueError(f"a shard has the name {name!r}")
        return cls(name, **counts, parts=parts, files=files)

    def to_json(self) -> dict[str, Any]:
        """The record as JSON has it; parts are lists of four numbers."""
        parts = [[part.source, part.first, part.end, part.documents] for part in self.parts]
        return {**asdict(self), "parts": parts}


def read_record(path: Path) -> ShardRecord:
    """Reads the record that lies beside a finished shard.

    Raises:
        FileError: It is not there, or is no record.
    """
    return read_json(path, SHARD_FORMAT, VERSION, ShardRecord.from_json, "remove it, and prepare again")


def record_content(record: ShardRecord) -> bytes:
    """The content of the record that lies beside a finished shard."""
    return to_json({"format": SHARD_FORMAT, "version": VERSION, **record.to_json()})


@dataclass(frozen=True)
class Manifest:
    """``manifest.json``: what a complete dataset holds."""

    tokenizer: Mapping[str, Any]
    """Its ``fingerprint`` and ``vocab_size``, and how to load it: see :func:`describe_tokenizer`."""
    options: Mapping[str, Any]
    """What the documents were made with."""
    ids: str
    """The dtype of ids."""
    channels: Mapping[str, str]
    """The dtypes of what lies beside the ids, by name."""
    byte_lengths: bool
    """Whether it says where in its text every token begins."""
    sources: Sequence[Source]
    shards: Sequence[ShardRecord]
    library: str = field(default=__version__)

    def to_json(self) -> bytes:
        """The content of the file: the same for the same dataset."""
        head = {
            "format": FORMAT,
            "version": VERSION,
            "library": self.library,
            "tokenizer": self.tokenizer,
            "options": self.options,
            "ids": self.ids,
            "channels": self.channels,
            "byte_lengths": self.byte_lengths,
            "documents": sum(shard.documents for shard in self.shards),
            "tokens": sum(shard.tokens for shard in self.shards),
            "text_bytes": sum(shard.text_bytes for shard in self.shards),
            "sources": [asdict(source) for source in self.sources],
            "shards": [shard.to_json() for shard in self.shards],
        }
        return to_json(head)

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Reads the file.

        Raises:
            FileError: It is not there, not one, or of a later version.
        """

        def parse(content: Mapping[str, Any]) -> Manifest:
            tokenizer = dict(content["tokenizer"])
            _count(tokenizer["vocab_size"])
            str(tokenizer["fingerprint"])
            if "name" not in tokenizer and not _is_file_name(tokenizer["file"]):
                raise ValueError(f"the tokenizer is in {tokenizer['file']!r}")
            if content["ids"] not in ("uint16", "uint32"):
                raise ValueError(f"ids are {content['ids']!r}")
            channels = dict(content["channels"])
            if not set(channels.values()) <= set(CHANNEL_DTYPES) or any(
                not is_channel(name) for name in channels
            ):
                raise ValueError(f"channels are {channels}")
            return cls(
                tokenizer=tokenizer,
                options=dict(content["options"]),
                ids=content["ids"],
                channels=channels,
                byte_lengths=bool(content["byte_lengths"]),
                sources=[Source(str(each["path"]), _count(each["bytes"])) for each in content["sources"]],
                shards=[ShardRecord.from_json(each) for each in content["shards"]],
                library=str(content["library"]),
            )

        return read_json(path, FORMAT, VERSION, parse, "prepare the dataset again")


def is_dataset(path: str | os.PathLike[str]) -> bool:
    """Whether this is the folder of a dataset, complete or not."""
    return (Path(path) / SHARDS).is_dir()


def is_channel(name: str) -> bool:
    """Whether what lies beside ids can have this name, which is part of a file's.

    >>> is_channel("loss_weight"), is_channel("ids"), is_channel("a/b")
    (True, False, False)
    """
    return name.isidentifier() and name not in (OFFSETS, IDS, BYTE_LENGTHS, LONG_BYTE_LENGTHS, "json")


def _is_file_name(name: Any) -> bool:
    return isinstance(name, str) and Path(name).name == name


def _count(number: Any) -> int:
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise ValueError(f"{number!r} where a number from 0 on must be")
    return number


def to_json(content: Mapping[str, Any]) -> bytes:
    """JSON as all files of a store have it: its last value is the checksum of the file.

    Whatever of a path is not UTF-8 becomes an escape of JSON.
    """
    text = json.dumps({**content, "checksum": _NO_CHECKSUM.decode()}, indent=1, ensure_ascii=False) + "\n"
    return _with_checksum(text.encode("utf-8", "backslashreplace"))


def _with_checksum(content: bytes) -> bytes:
    """The file with the SHA-256 that it has when zeros stand where its digits do."""
    before, after = content[:_CHECKSUM_PLACE], content[_CHECKSUM_PLACE + len(_NO_CHECKSUM) :]
    return before + hashlib.sha256(before + _NO_CHECKSUM + after).hexdigest().encode() + after


def write_once(path: Path, content: bytes) -> None:
    """Writes a small file, unless it has this content. Other processes may do so at the same time.

    Raises:
        FileError: It cannot be written.
    """

    def is_there() -> bool:
        try:
            return path.read_bytes() == content
        except OSError:
            return False

    if is_there():
        return
    try:
        write_atomically(path, lambda stream: stream.write(content))
    except FileError:
        # One that came to the end of the work has removed what others had begun.
        if not is_there():
            raise


def read_json(
    path: Path, name: str, version: int, parse: Callable[[Mapping[str, Any]], _T], remedy: str
) -> _T:
    """Reads a JSON file that says its ``format`` and ``version``, and proves its checksum.

    Raises:
        FileError: It is not there, not what it must be, or of a later version.
    """
    content = read_bytes(path)
    try:
        fields = json.loads(content)
        if not isinstance(fields, dict) or fields.get("format") != name:
            raise ValueError(f"it does not say that its format is {name!r}")
        found = fields["version"]
        if found == version:
            if _with_checksum(content) != content:
                raise ValueError("its checksum is not that of its bytes")
            return parse(fields)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise FileError(
            f"{path}: is no file of a {name}, or damaged ({reason}); {remedy}", path=path
        ) from None
    raise FileError(f"{path}: is of version {found}, and this library reads {version}; update it", path=path)


# ── the tokenizer ───────────────────────────────────────────────────────────────────────────────────────────────────


def describe_tokenizer(tokenizer: Tokenizer) -> tuple[dict[str, Any], bytes]:
    """What a manifest says of a tokenizer, and the file that holds it exactly.

    Returns:
        ``fingerprint``, ``vocab_size``, and either the ``name`` of a bundled vocabulary or a ``file`` in the folder
        with its ``sha256``; for a rank file also its ``pretokenizer`` and ``special_tokens``. And the content of the
        file, empty where there is none.
    """
    said = {"fingerprint": tokenizer.fingerprint, "vocab_size": tokenizer.vocab_size}
    core = tokenizer._core
    if tokenizer._bundled_name:
        return {**said, "name": tokenizer._bundled_name}, b""
    if core.has_merge_list:
        content = core.to_huggingface()
        said |= {"file": "tokenizer.json"}
    else:
        content = core.to_tiktoken()
        said |= {
            "file": "tokenizer.tiktoken",
            "pretokenizer": tokenizer.pretokenizer,
            "special_tokens": tokenizer.special_tokens,
        }
    return {**said, "sha256": hashlib.sha256(content).hexdigest()}, content


def save_tokenizer(said: Mapping[str, Any], content: bytes, folder: Path) -> None:
    """Writes what :func:`describe_tokenizer` gave into the folder of a dataset.

    Raises:
        FileError: It cannot be written, or there is another file of this name, which is not of this dataset.
    """
    if not content:
        return
    path = folder / said["file"]
    if path.exists() and read_bytes(path) != content:
        message = (
            f"{path}: is another tokenizer; write the dataset to a folder of its own, or remove the file"
        )
        raise FileError(message, path=path)
    write_once(path, content)


def load_tokenizer(said: Mapping[str, Any], folder: Path) -> Tokenizer:
    """The tokenizer that a manifest describes.

    Raises:
        FileError: Its file is missing, or holds another tokenizer.
        VocabularyError: Its file is damaged.
    """
    if "name" in said:
        tokenizer = Tokenizer.load(str(said["name"]))
        path: str | os.PathLike[str] = folder / MANIFEST
    else:
        path = folder / str(said["file"])
        options = {name: said[name] for name in ("pretokenizer", "special_tokens") if name in said}
        tokenizer = Tokenizer.load(path, **options)
    if tokenizer.fingerprint != said["fingerprint"]:
        message = (
            f"{path}: the tokenizer has the fingerprint {tokenizer.fingerprint[:12]}…, and the ids were made with "
            f"{said['fingerprint'][:12]}…; copy the dataset again, or decode with the tokenizer that made it"
        )
        raise FileError(message, path=path)
    return tokenizer
