"""Documents from text files, JSON Lines and Parquet, compressed or not, in batches of bounded size.

What a file holds is decided by its name:

``.jsonl``, ``.ndjson``, ``.json``
    JSON Lines: one object a line, the text under one key. Blank lines are skipped.
``.parquet``
    Parquet: one document a row, the text in one column.
anything else
    plain UTF-8 text: one document a file.

Text and JSON Lines may be compressed, with ``.zst``, ``.gz`` or ``.bz2`` after the name.
"""

from __future__ import annotations

import glob
import io
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from portmanteau.errors import EncodingError, FileError
from portmanteau.files import file_error

__all__ = ["Paths", "Policy", "documents", "expand", "is_compressed", "what_was_replaced"]

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]

COMPRESSIONS = {".zst": "zstd", ".gz": "gzip", ".bz2": "bz2"}
JSON_LINES = {".jsonl", ".ndjson", ".json"}
BATCH_BYTES = 1 << 20
BATCH_DOCUMENTS = 4096


@dataclass
class Policy:
    r"""What to do with bytes that are not UTF-8.

    >>> policy = Policy("replace")
    >>> policy.decode(b"caf\xe9 au lait"), policy.n_replaced
    ('caf\ufffd au lait', 1)
    """

    errors: Literal["error", "replace"] = "error"
    """Whether they are an error, or become U+FFFD, one for every longest part of a character that is cut off."""

    n_replaced: int = 0
    """How many were replaced."""

    def decode(self, block: bytes) -> str:
        """A block as text.

        Raises:
            UnicodeDecodeError: It is not UTF-8, and that is an error.
        """
        try:
            return block.decode("utf-8")
        except UnicodeDecodeError:
            if self.errors == "error":
                raise
        text = block.decode("utf-8", "replace")
        self.n_replaced += text.count("\ufffd") - block.count("\ufffd".encode())
        return text


def what_was_replaced(n_replaced: int) -> str:
    """What a user is told of places that a :class:`Policy` has replaced."""
    return f"{n_replaced} places of the text were not UTF-8 and were replaced by U+FFFD"


def expand(paths: Paths) -> list[str]:
    """The files that paths and glob patterns name, each pattern's in sorted order.

    A path that exists is taken as it is, even if it looks like a pattern. ``**`` matches any number of
    folders. A file that is named twice is listed twice.

    Raises:
        FileError: A path does not exist, a pattern matches no file, a path is a folder, or there is no path
            at all.

    >>> from pathlib import Path
    >>> _ = Path("b.txt").write_text("b"), Path("a.txt").write_text("a")
    >>> expand("*.txt")
    ['a.txt', 'b.txt']
    """
    patterns = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    files: list[str] = []
    for path in patterns:
        pattern = os.fspath(path)
        if Path(pattern).is_dir():
            raise _file_error(
                pattern, f"this is a folder; name its files, for example {pattern.rstrip('/')}/**/*.jsonl"
            )
        if Path(pattern).exists():
            files.append(pattern)
            continue
        # Path.glob takes no absolute patterns.
        matches = sorted(filter(os.path.isfile, glob.glob(pattern, recursive=True)))  # noqa: PTH207
        if not matches:
            raise _file_error(pattern, "no file has this name or matches this pattern; check the path")
        files.extend(matches)
    if not files:
        raise FileError("no files were given; name at least one")
    return files


def is_compressed(file: str) -> bool:
    """Whether a file's name says that its size is not that of its text.

    >>> is_compressed("a.jsonl.gz"), is_compressed("a.parquet"), is_compressed("a.jsonl")
    (True, True, False)
    """
    return Path(file).suffix.lower() in (*COMPRESSIONS, ".parquet")


def documents(
    paths: Paths,
    *,
    text_column: str = "text",
    cut_text_at_lines: bool = False,
    policy: Policy | None = None,
) -> Iterator[list[str]]:
    r"""The documents of files, in order, in batches of about one megabyte.

    Args:
        paths: Paths and glob patterns, as :func:`expand` takes them.
        text_column: The key (JSON Lines) or column (Parquet) that holds the text.
        cut_text_at_lines: Plain text files come in blocks of whole lines instead of as one document, so that
            memory stays bounded.
        policy: What to do with bytes that are not UTF-8; an error, by default.

    Yields:
        Lists of ``str``. No batch holds documents of two files.

    Raises:
        FileError: A file does not exist, cannot be read, is cut off, is not what its name says, or has no
            such key or column; with ``path``, and ``line`` (JSON Lines) or row.
        EncodingError: Bytes are not UTF-8, or a text is null or not a string; with ``path``, ``line`` and
            ``offset``.

    >>> from pathlib import Path
    >>> _ = Path("two.jsonl").write_text('{"text": "by the way"}\n{"text": "off we go"}\n')
    >>> list(documents("two.jsonl"))
    [['by the way', 'off we go']]
    """
    policy = policy or Policy()
    for path in expand(paths):
        suffixes = Path(path).suffixes[-2:]
        compression = COMPRESSIONS.get(suffixes[-1].lower()) if suffixes else None
        kind = suffixes[-2 if compression else -1].lower() if len(suffixes) > bool(compression) else ""
        if kind == ".parquet" and not compression:
            yield from _batched(_parquet(path, text_column, policy))
            continue
        with _opened(path, compression) as stream:
            if kind in JSON_LINES:
                yield from _batched(_json_lines(path, stream, text_column, policy))
            else:
                yield from _text(path, stream, cut_text_at_lines, policy)


def _file_error(path: str, message: str, line: int | None = None, offset: int | None = None) -> FileError:
    return FileError(_sentence(path, message, line, offset), path=path, line=line, offset=offset)


def _encoding_error(
    path: str, message: str, line: int | None = None, offset: int | None = None
) -> EncodingError:
    return EncodingError(_sentence(path, message, line, offset), path=path, line=line, offset=offset)


def _sentence(path: str, message: str, line: int | None, offset: int | None) -> str:
    place = f"{path}, line {line}" if line is not None else path
    return f"{place} (byte {offset}): {message}" if offset is not None else f"{place}: {message}"


@contextmanager
def _opened(path: str, compression: str | None) -> Iterator[BinaryIO]:
    """The decompressed bytes of a file; every error of reading it becomes a FileError with its path."""
    import pyarrow as pa

    try:
        if compression and Path(path).stat().st_size == 0:
            raise _file_error(path, f"the file is empty, which is no {compression} file; compress it again")
        with pa.input_stream(path, compression=compression) as stream:
            yield cast(BinaryIO, io.BufferedReader(stream, BATCH_BYTES))
    except FileError:
        raise
    except OSError as error:
        if error.errno is not None:
            raise file_error(path, "read the file", error) from error
        if "Truncated" in str(error):
            remedy = "the compressed file is cut off; copy or download it again"
        else:
            remedy = f"cannot read the file ({error}); check that it is what its name says"
        raise _file_error(path, remedy) from error


def _batched(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        batch.append(text)
        size += len(text)
        if size >= BATCH_BYTES or len(batch) >= BATCH_DOCUMENTS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _decoded(path: str, block: bytes, line: int, offset: int, policy: Policy) -> str:
    """A block that starts at this line and byte of the file, as text."""
    try:
        return policy.decode(block)
    except UnicodeDecodeError as error:
        at_line = line + block.count(b"\n", 0, error.start)
        message = (
            f"byte 0x{block[error.start]:02x} is not UTF-8; convert the file, for example with iconv -t utf-8"
        )
        raise _encoding_error(path, message, at_line, offset + error.start) from None


def _text(path: str, stream: BinaryIO, cut_at_lines: bool, policy: Policy) -> Iterator[list[str]]:
    if not cut_at_lines:
        yield [_decoded(path, stream.read(), 1, 0, policy)]
        return
    line, offset = 1, 0
    while block := stream.read(BATCH_BYTES):
        if not block.endswith(b"\n"):
            block += stream.readline()
        yield [_decoded(path, block, line, offset, policy)]
        line += block.count(b"\n")
        offset += len(block)


def _json_lines(path: str, stream: BinaryIO, key: str, policy: Policy) -> Iterator[str]:
    offset = 0
    for line, content in enumerate(stream, start=1):
        start = offset
        offset += len(content)
        if content.isspace():
            continue
        decoded = _decoded(path, content, line, start, policy)
        try:
            record = json.loads(decoded)
        except (json.JSONDecodeError, RecursionError) as error:
            at = start + len(decoded[: getattr(error, "pos", 0)].encode())
            message = f"not JSON ({error}); the file must hold one JSON object a line"
            raise _file_error(path, message, line, at) from None
        if not isinstance(record, dict):
            message = (
                f"expected a JSON object, got {type(record).__name__}; the file must hold one object a line"
            )
            raise _file_error(path, message, line, start)
        if key not in record:
            message = (
                f"the object has no key {key!r}, only {sorted(record)}; name the text's key with text_column"
            )
            raise _file_error(path, message, line, start)
        text = record[key]
        if not isinstance(text, str):
            message = f"{key!r} is {json.dumps(text)[:40]}, not a string; remove such lines first"
            raise _encoding_error(path, message, line, start)
        if "\\u" in decoded and not _is_unicode(text):
            message = f"{key!r} holds a lone surrogate, which UTF-8 cannot express; replace it first"
            raise _encoding_error(path, message, line, start)
        yield text


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _parquet(path: str, column: str, policy: Policy) -> Iterator[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            if column not in schema.names:
                message = f"there is no column {column!r}, only {schema.names}; name the text's column with text_column"
                raise _file_error(path, message)
            kind = schema.field(column).type
            kind = kind.value_type if pa.types.is_dictionary(kind) else kind
            if not (
                pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
            ):
                raise _encoding_error(
                    path, f"column {column!r} holds {kind}, not strings; name another column"
                )
            row = 0
            for batch in file.iter_batches(batch_size=1024, columns=[column]):
                for text in _cells(path, batch.column(0), row, policy):
                    if text is None:
                        message = f"row {row} of column {column!r} is null; remove such rows first"
                        raise _encoding_error(path, message)
                    yield text
                    row += 1
    except (EncodingError, FileError):
        raise
    except (OSError, pa.ArrowException) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise file_error(path, "read the file", error) from error
        message = f"cannot read the file as Parquet ({error}); check that it is whole and what its name says"
        raise _file_error(path, message) from error


def _cells(path: str, column: Any, first_row: int, policy: Policy) -> list[str | None]:
    """The cells of a string column, which Arrow does not promise to be UTF-8."""
    import pyarrow as pa

    try:
        return cast("list[str | None]", column.to_pylist())
    except UnicodeDecodeError as error:
        if policy.errors == "error":
            rows = f"rows {first_row} to {first_row + len(column) - 1}"
            raise _encoding_error(
                path, f"a text in {rows} is not UTF-8 ({error}); clean the column first"
            ) from None
    plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    return [
        None if cell is None else policy.decode(cell) for cell in plain.cast(pa.large_binary()).to_pylist()
    ]
