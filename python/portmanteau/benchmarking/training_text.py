"""The text of a comparison of trainers, as files that all of them can read.

Every document ends with a newline, so that the lines of the documents one after the other are the lines of one text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from portmanteau import reading
from portmanteau.errors import FileError

__all__ = ["TrainingText", "Unit", "prepare"]

Unit = Literal["line", "document"]


@dataclass(frozen=True)
class TrainingText:
    """One text: the files it lies in, and its size."""

    unit: Unit
    """What is one record, across whose end no token goes on."""
    plain: str
    """A file of plain text: the documents one after the other."""
    json_lines: str
    """A file of JSON Lines: a record under the key ``text`` in each."""
    n_bytes: int
    n_documents: int
    n_lines: int
    alphabet: tuple[int, ...]
    """The values that its bytes have."""

    @property
    def our_file(self) -> str:
        """The file in which Portmanteau finds these records."""
        return self.plain if self.unit == "line" else self.json_lines

    def records(self) -> Iterator[str]:
        """The records, read anew from the file."""
        if self.unit == "line":
            with Path(self.plain).open(encoding="utf-8", newline="\n") as stream:
                yield from stream
        else:
            with Path(self.json_lines).open(encoding="utf-8") as stream:
                for line in stream:
                    yield json.loads(line)["text"]


def prepare(
    paths: Sequence[str],
    folder: Path,
    *,
    unit: Unit = "line",
    megabytes: float | None = None,
    text_column: str = "text",
) -> TrainingText:
    """Reads documents and writes the files.

    Args:
        paths: Files and patterns, as :func:`portmanteau.reading.documents` takes them; one text together.
        folder: Where the files go; it outlives the comparison.
        unit: What is one record.
        megabytes: How much of the text to use, in 10^6 bytes of UTF-8, the same share of each path; all when ``None``.
        text_column: The key or column of the text.

    Raises:
        FileError: A file cannot be read, or there is no text.
        EncodingError: A text is not Unicode.
    """
    plain, json_lines = folder / "text.txt", folder / "records.jsonl"
    n_bytes = n_documents = n_lines = 0
    alphabet: set[int] = set()
    with plain.open("wb") as text, json_lines.open("w", encoding="utf-8", newline="\n") as records:
        for path in paths:
            budget = None if megabytes is None else megabytes * 1e6 / len(paths)
            for document in _until(budget, _documents(path, text_column)):
                encoded = document.encode()
                lines = [f"{line}\n" for line in document.split("\n")[:-1]]
                text.write(encoded)
                for record in lines if unit == "line" else [document]:
                    records.write(json.dumps({"text": record}, ensure_ascii=False) + "\n")
                alphabet.update(encoded)
                n_bytes += len(encoded)
                n_documents += 1
                n_lines += len(lines)
    if not n_documents:
        raise FileError("there is no text to train on; give files with text")
    return TrainingText(
        unit, str(plain), str(json_lines), n_bytes, n_documents, n_lines, tuple(sorted(alphabet))
    )


def _documents(path: str, text_column: str) -> Iterator[str]:
    for batch in reading.documents(path, text_column=text_column):
        for document in batch:
            if document:
                yield document if document.endswith("\n") else f"{document}\n"


def _until(n_bytes: float | None, documents: Iterator[str]) -> Iterator[str]:
    """The first documents, up to the one with which they have so many bytes."""
    taken = 0
    for document in documents:
        yield document
        taken += len(document.encode())
        if n_bytes is not None and taken >= n_bytes:
            return
