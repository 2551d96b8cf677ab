"""JSON Lines read line by line: slower than by blocks, but it says of every line exactly what is wrong with it.

Where the two ways could differ, this one is right: it reads what :mod:`portmanteau.reading.json_lines` does not take.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from portmanteau.reading.asked import Asked
from portmanteau.reading.opening import encoding_error, wrong_file
from portmanteau.reading.policy import what_is_wrong

__all__ = ["BlockPlace", "block_of_texts"]


INF = re.compile(r'("(?:[^"\\]|\\.)*")|-?Inf(?!inity)')
"""A string, or the number ``Inf``, which Python does not know."""


@dataclass(frozen=True)
class BlockPlace:
    """Where a block of lines is, for errors."""

    path: str
    offset: int
    """The byte of the file, decompressed, at which it begins."""
    n_lines_before: Callable[[], int | None]
    """The number of lines of the file before it, found out when an error asks; ``None`` if nobody knows."""


def block_of_texts(block: bytes, place: BlockPlace, asked: Asked) -> list[Any]:
    """The texts of a block of whole lines, one large string array for each column.

    Raises:
        FileError: A line is not a JSON object, or has no such key.
        EncodingError: A line is not UTF-8, or a text is not a string, or has a lone surrogate.
    """
    import pyarrow as pa

    rows = list(_rows(block, place, asked))
    return [
        pa.array([row[number] for row in rows], pa.large_string()) for number in range(len(asked.columns))
    ]


@dataclass(frozen=True)
class _LinePlace:
    block: BlockPlace
    number: int
    """Of the line within the block, from 0 on."""
    offset: int

    def wrong_file(self, message: str, offset: int | None = None) -> Exception:
        return wrong_file(self.block.path, message, self._line(), self.offset if offset is None else offset)

    def encoding_error(self, message: str, offset: int | None = None) -> Exception:
        return encoding_error(
            self.block.path, message, self._line(), self.offset if offset is None else offset
        )

    def _line(self) -> int | None:
        before = self.block.n_lines_before()
        return None if before is None else before + self.number + 1


def _rows(block: bytes, place: BlockPlace, asked: Asked) -> Iterator[list[str]]:
    offset = place.offset
    for number, content in enumerate(io.BytesIO(block)):
        line = _LinePlace(place, number, offset)
        offset += len(content)
        if content.isspace():
            continue
        try:
            decoded = asked.policy.decode(content)
        except UnicodeDecodeError as error:
            raise line.encoding_error(what_is_wrong(error), line.offset + error.start) from None
        record = _record(decoded, line)
        yield [_text(record, key, decoded, line, asked) for key in asked.columns]


def _record(decoded: str, line: _LinePlace) -> dict[str, Any]:
    try:
        record = _parsed(decoded)
    except (json.JSONDecodeError, RecursionError) as error:
        at = line.offset + len(decoded[: getattr(error, "pos", 0)].encode())
        message = f"not JSON ({error}); the file must hold one JSON object a line"
        raise line.wrong_file(message, at) from None
    if not isinstance(record, dict):
        message = f"expected a JSON object, got {type(record).__name__}; the file must hold one object a line"
        raise line.wrong_file(message)
    return record


def _parsed(decoded: str) -> Any:
    """A line as JSON, in which ``NaN``, ``Infinity`` and ``Inf`` are numbers, as they are to pyarrow."""
    try:
        return json.loads(decoded, parse_int=_number)
    except json.JSONDecodeError:
        # Of the same length, so that places in the line stay what they are.
        mended = INF.sub(lambda found: found[1] or "NaN".rjust(len(found[0])), decoded)
        if mended == decoded:
            raise
    return json.loads(mended, parse_int=_number)


def _number(digits: str) -> int | float:
    """An integer, which Python does not make of thousands of digits."""
    return int(digits) if len(digits) < 4000 else float(digits)


def _text(record: dict[str, Any], key: str, decoded: str, line: _LinePlace, asked: Asked) -> str:
    if key not in record:
        message = (
            f"the object has no key {key!r}, only {sorted(record)}; name the text's key with text_column"
        )
        raise line.wrong_file(message)
    text = record[key]
    if text is None and asked.null_text == "empty":
        return ""
    if not isinstance(text, str):
        message = f"{key!r} is {json.dumps(text)[:40]}, not a string; remove such lines first"
        raise line.encoding_error(message)
    if "\\u" in decoded and not _is_unicode(text):
        message = f"{key!r} holds a lone surrogate, which UTF-8 cannot express; replace it first"
        raise line.encoding_error(message)
    return text


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
