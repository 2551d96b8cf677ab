"""The data that ships with the package: three vocabularies and a small multilingual sample of text.

Nothing here needs the network. ``NOTICE`` and ``sample/LICENSES.md`` say where each file comes from and on what
terms; ``tools/make_vocabularies.py`` and ``tools/make_sample.py`` of the source tree made them.
"""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Literal, TypedDict, get_args

__all__ = [
    "VOCABULARIES",
    "SampleDocument",
    "Split",
    "sample",
    "sample_path",
    "vocabulary_bytes",
    "vocabulary_path",
]

VOCABULARIES = ("r50k_base", "cl100k_base", "o200k_base")
"""The names that :func:`vocabulary_path` and :func:`vocabulary_bytes` take."""

Split = Literal["train", "held_out"]

_FOLDER = Path(__file__).parent


class SampleDocument(TypedDict):
    """One document of the sample."""

    id: str
    """A name that no other document has: the package it comes from, and the place in that package."""
    source: str
    """The package that the text was taken from."""
    language: str
    """A language tag (``"hi-Deva"``, ``"vi"``), or the name of a programming language (``"rust"``)."""
    split: Split
    """``"held_out"`` for about a tenth of the documents, chosen by a hash of the id; ``"train"`` for the rest."""
    text: str
    """The text."""


def vocabulary_path(name: str) -> Path:
    """A bundled vocabulary as a file, in the layout that is quick to read.

    The number of tokens in 4 bytes, little-endian; the 256 single bytes, in order of token id; of every other token
    the ids of the two earlier tokens that it is made of, in 3 bytes each: of the left ones the low bytes of all, the
    middle ones, the high ones, then the same of the right ones.

    Args:
        name: One of :data:`VOCABULARIES`.

    Raises:
        KeyError: There is no bundled vocabulary of that name.

    >>> from portmanteau import data
    >>> data.vocabulary_path("r50k_base").name
    'r50k_base.vocabulary'
    """
    if name not in VOCABULARIES:
        raise KeyError(f"no bundled vocabulary is named {name!r}; there are {', '.join(VOCABULARIES)}")
    return _FOLDER / "vocabularies" / f"{name}.vocabulary"


def vocabulary_bytes(name: str) -> bytes:
    """A bundled vocabulary as the rank file that OpenAI published, byte for byte.

    Each line holds a token in base64, a space, and the merge rank, which is also the token id.

    Args:
        name: One of :data:`VOCABULARIES`.

    Returns:
        A ``.tiktoken`` file: 0.8 MB for ``r50k_base``, 1.7 MB for ``cl100k_base``, 3.6 MB for ``o200k_base``.
        Spelling it out takes up to a tenth of a second; loading a tokenizer does not need it.

    Raises:
        KeyError: There is no bundled vocabulary of that name.

    >>> from portmanteau import data
    >>> data.vocabulary_bytes("r50k_base").splitlines()[256]
    b'IHQ= 256'
    """
    content = vocabulary_path(name).read_bytes()
    tokens = [content[place : place + 1] for place in range(4, 260)]
    n_joined = int.from_bytes(content[:4], "little") - len(tokens)
    planes = [content[start : start + n_joined] for start in range(260, len(content), n_joined)]
    for low, middle, high, low_right, middle_right, high_right in zip(*planes, strict=True):
        left = low | middle << 8 | high << 16
        right = low_right | middle_right << 8 | high_right << 16
        tokens.append(tokens[left] + tokens[right])
    return b"".join(base64.b64encode(token) + b" %d\n" % token_id for token_id, token in enumerate(tokens))


def sample_path() -> Path:
    """The sample as a file: gzip-compressed JSON Lines, one :class:`SampleDocument` a line.

    >>> from portmanteau import data
    >>> data.sample_path().name
    'sample.jsonl.gz'
    """
    return _FOLDER / "sample" / "sample.jsonl.gz"


def sample(split: Split | None = None) -> list[SampleDocument]:
    """The bundled sample: about 2 MB of prose, source code and running text in many languages.

    The documents are between one short sentence and some tens of thousands of tokens long, as in a real corpus.

    Args:
        split: Only the documents of this split; ``None`` for all.

    Returns:
        The documents, always in the same order.

    Raises:
        ValueError: ``split`` is not one of ``"train"`` and ``"held_out"``.

    >>> from portmanteau import data
    >>> {document["split"] for document in data.sample()} == {"train", "held_out"}
    True
    >>> next(document["text"] for document in data.sample() if document["language"] == "ko-Kore")[:11]
    '국제연합의 모든 사람'
    """
    if split is not None and split not in get_args(Split):
        raise ValueError(f"there is no split {split!r}; there are {', '.join(get_args(Split))}")
    with gzip.open(sample_path(), "rt", encoding="utf-8") as lines:
        documents: list[SampleDocument] = [json.loads(line) for line in lines]
    return [document for document in documents if split is None or document["split"] == split]
