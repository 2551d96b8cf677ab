"""The text of a comparison, cut into what each measurement encodes.

Documents are shuffled, so that every part is of the same mixture, and shared out without overlap:

``cold``
    10 MB of whole documents, the first that a tokenizer sees after it was loaded.
``first pass``
    10 MB of other whole documents.
``hot``
    the documents of ``first pass`` again.
``short``
    5 MB of other documents, cut into texts of about 230 bytes.
``long``
    8 MB of other documents, joined into one string.

If there is less text, all parts shrink alike. White space at the end of a text is dropped, because there the two
published spellings of the same pretokenizer, tiktoken's and Hugging Face's, cut differently by definition.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from portmanteau import reading
from portmanteau.errors import FileError

__all__ = ["CELLS", "Texts", "cut", "of_cell", "read"]

Texts = dict[str, list[str]]
"""The texts by part; ``hot`` is not among them, as it encodes those of ``first pass``."""

CELLS = ("cold", "first pass", "hot", "short", "long")
"""What is measured, in the order in which one process does it."""

_MEGABYTES = {"cold": 10, "first pass": 10, "short": 5, "long": 8}
_SHORT_BYTES = 230


def of_cell(cell: str) -> str:
    """The part of the text that a measurement encodes.

    >>> of_cell("hot"), of_cell("cold")
    ('first pass', 'cold')
    """
    return "first pass" if cell == "hot" else cell


def read(
    paths: reading.Paths,
    *,
    text_column: str = "text",
    without: Sequence[str] = (),
    megabytes: float | None = None,
) -> tuple[Texts, int]:
    """Reads documents and cuts them into parts.

    Args:
        paths: Files and patterns, as :func:`portmanteau.reading.documents` takes them.
        text_column: The key or column of the text.
        without: Special tokens. Documents that spell one out are left out, because libraries differ in whether such
            text is a token.
        megabytes: How much of the text to use, in 10^6 bytes of UTF-8; 33, or all if there is less, when ``None``.

    Returns:
        The parts, and how many documents were left out.

    Raises:
        FileError: A file cannot be read, or there are too few documents to give each part one.
        EncodingError: A text is not Unicode.
    """
    kept: list[str] = []
    left_out = 0
    for document in (
        text.rstrip() for batch in reading.documents(paths, text_column=text_column) for text in batch
    ):
        if any(token in document for token in without):
            left_out += 1
        elif document:
            kept.append(document)
    return cut(kept, megabytes), left_out


def cut(documents: Sequence[str], megabytes: float | None = None) -> Texts:
    """Shuffles documents, always in the same way, and shares them out.

    Raises:
        FileError: There are too few documents to give each part one.

    >>> parts = cut(["by the way", "off we go", "so it goes", "and so on"])
    >>> {name: len(texts) for name, texts in parts.items()}
    {'cold': 1, 'first pass': 1, 'short': 1, 'long': 1}
    """
    order = np.random.default_rng(0).permutation(len(documents))
    sizes = np.array([len(document.encode()) for document in documents], np.int64)[order]
    shares = np.cumsum(list(_MEGABYTES.values()))
    available = min(sizes.sum(), (shares[-1] if megabytes is None else megabytes) * 1e6)
    # A document belongs to the part in which its middle lies.
    part_of = np.searchsorted(shares / shares[-1] * available, np.cumsum(sizes) - sizes / 2, side="right")
    parts = {
        part: [documents[index] for index in order[part_of == number]]
        for number, part in enumerate(_MEGABYTES)
    }
    if not all(parts.values()):
        message = "the text has too few documents to share out; give more, or files with one document a line (.jsonl)"
        raise FileError(message)
    parts["short"] = [short for document in parts["short"] for short in _short_texts(document)]
    parts["long"] = ["\n".join(parts["long"])]
    return parts


def _short_texts(document: str) -> Iterator[str]:
    """A document in pieces of about 230 bytes, cut at a space or newline where there is one near."""
    step = max(1, _SHORT_BYTES * len(document) // len(document.encode()))
    start = 0
    while start < len(document):
        end = start + step
        if end < len(document):
            space = max(
                document.rfind(" ", start + step // 2, end), document.rfind("\n", start + step // 2, end)
            )
            end = space if space > 0 else end
        if text := document[start:end].rstrip():
            yield text
        start = end


def save(parts: Texts, folder: Path) -> None:
    """Writes the parts, so that every process of a comparison encodes the same texts."""
    folder.mkdir()
    for index, texts in enumerate(parts.values()):
        encoded = [text.encode() for text in texts]
        (folder / f"{index}.utf8").write_bytes(b"".join(encoded))
        np.save(folder / f"{index}.npy", np.cumsum([0, *map(len, encoded)], dtype=np.int64))
    (folder / "parts.json").write_text(json.dumps(list(parts)), encoding="utf-8")


def load(folder: Path) -> Texts:
    """Reads what :func:`save` wrote."""
    parts: Texts = {}
    for index, part in enumerate(json.loads((folder / "parts.json").read_text(encoding="utf-8"))):
        content = memoryview((folder / f"{index}.utf8").read_bytes())
        offsets = np.load(folder / f"{index}.npy").tolist()
        parts[part] = [str(content[a:b], "utf-8") for a, b in pairwise(offsets)]
    return parts
