"""The text that training counts: batches of documents, each with how often it counts."""

from __future__ import annotations

import hashlib
import itertools
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from portmanteau import reading
from portmanteau.columns import string_column
from portmanteau.errors import TrainingError
from portmanteau.training_progress import TextSize

__all__ = ["Batch", "Source", "from_files", "from_texts"]

Text = str | bytes
"""UTF-8, if bytes."""

BATCH_DOCUMENTS = 256


@dataclass(frozen=True)
class Batch:
    """Documents that count equally often."""

    texts: Sequence[Text]
    multiplier: int
    origin: str
    """What named their file: a path or pattern, of those with a weight if it is there, or ``"texts"``."""
    end: tuple[int, int]
    """Where it ends: the number of the file, from 0 on, and how many batches of it there were."""


@dataclass
class Source:
    """Batches, and what they count in.

    Weights are fractions; counts are integers. So every weight is multiplied by the least common denominator of all,
    ``scale``, and every count comes out as so many times what it is.
    """

    batches: Iterator[Batch]
    scale: int
    policy: reading.Policy
    size: TextSize
    is_repeatable: bool = False
    """Whether it is texts that can be gone through again."""


def from_files(
    paths: reading.Paths,
    *,
    text_column: str,
    cut_text_at_lines: bool,
    weights: Mapping[str, float] | None,
    byte_limit: int | None,
    seed: int,
    policy: reading.Policy,
    first_file: int = 0,
) -> Source:
    """The documents of files.

    Args:
        paths: As :func:`portmanteau.reading.expand` takes them; a pattern that matches nothing is an error at once.
        text_column: The key or column of the text.
        cut_text_at_lines: Whether plain text comes in blocks of lines.
        weights: By path or pattern: how often the documents of these files count. Others count once.
        byte_limit: About so many bytes of text in all, drawn from every part of every file alike.
        seed: Says which.
        policy: What to do with bytes that are not UTF-8.
        first_file: The files before this number are left out; which documents are drawn is as if they were not.
    """
    files, origins = _named_files(paths)
    multipliers, scale, weighted = _multipliers(files, weights or {})
    origins = [
        reading.without_secrets(weighted.get(file, origin))
        for file, origin in zip(files, origins, strict=True)
    ]

    def batches_of(file: str) -> Iterator[list[str]]:
        return reading.documents(
            [file], text_column=text_column, cut_text_at_lines=cut_text_at_lines, policy=policy
        )

    def batches() -> Iterator[Batch]:
        share = 1.0
        if byte_limit is not None:
            n_bytes = sum(
                len(text.encode()) for file in files for batch in batches_of(file) for text in batch
            )
            share = byte_limit / max(n_bytes, 1)
            policy.n_replaced = 0
        for number in range(first_file, len(files)):
            drawn = _Draw(seed, files[number], share)
            for n_batches, texts in enumerate(batches_of(files[number]), start=1):
                yield Batch(drawn.of(texts), multipliers[number], origins[number], (number, n_batches))

    sizes = [
        reading.file_state(file).n_bytes if number >= first_file else 0 for number, file in enumerate(files)
    ]
    is_as_it_is = byte_limit is None and not any(map(reading.is_compressed, files))
    return Source(batches(), scale, policy, TextSize(sizes=sizes, text_per_byte=1 if is_as_it_is else None))


def from_texts(
    texts: Iterable[Text] | Any, *, byte_limit: int | None, seed: int, policy: reading.Policy
) -> Source:
    """The documents of an iterable or an Arrow column. Only what can be gone through twice takes a ``byte_limit``."""
    if isinstance(texts, (str, bytes)):
        raise TrainingError("texts is one text; give an iterable of texts: [text]")
    is_column = hasattr(texts, "__arrow_c_stream__") or hasattr(texts, "__arrow_c_array__")
    if byte_limit is not None and not (is_column or isinstance(texts, Sequence)):
        raise TrainingError(
            f"byte_limit needs texts that can be gone through twice, and {type(texts).__name__} cannot; give files, a "
            "list or an Arrow column"
        )

    def documents() -> Iterator[Text]:
        return _column(texts) if is_column else iter(texts or ())

    def batches() -> Iterator[Batch]:
        share = 1.0
        if byte_limit is not None:
            sizes = (len(text if isinstance(text, bytes) else text.encode()) for text in documents())
            share = byte_limit / max(sum(sizes), 1)
        drawn = _Draw(seed, "", share)
        remaining = documents()
        n_batches = 0
        while batch := list(itertools.islice(remaining, BATCH_DOCUMENTS)):
            if policy.errors == "replace":
                batch = [policy.decode(text) if isinstance(text, bytes) else text for text in batch]
            n_batches += 1
            yield Batch(drawn.of(batch), 1, "texts", (0, n_batches))

    n_texts = len(texts) if isinstance(texts, Sequence) and byte_limit is None else None
    return Source(batches(), 1, policy, TextSize(n_texts=n_texts), is_column or isinstance(texts, Sequence))


def _column(column: Any) -> Iterator[bytes]:
    for data, offsets in string_column(column):
        for start, end in itertools.pairwise(offsets.tolist()):
            yield data[start:end].tobytes()


def _named_files(paths: reading.Paths) -> tuple[list[str], list[str]]:
    """The files, and by which path or pattern each is named."""
    patterns = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    named = [(file, os.fspath(pattern)) for pattern in patterns for file in reading.expand(pattern)]
    if not named:  # which is said there
        reading.expand(())
    return [file for file, _ in named], [origin for _, origin in named]


def _multipliers(files: Sequence[str], weights: Mapping[str, float]) -> tuple[list[int], int, dict[str, str]]:
    """By file: how often its documents count, in units of 1 / the second value; and who gives files their weights."""
    by_file: dict[str, Fraction] = {}
    given_by: dict[str, str] = {}
    for pattern, weight in weights.items():
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 <= weight < math.inf:
            raise TrainingError(
                f"the weight of {reading.without_secrets(pattern)!r} is {weight!r}; it must be a number from 0 on"
            )
        matches = {Path(file).resolve() for file in reading.expand(pattern)}
        named = [file for file in files if Path(file).resolve() in matches]
        if not named:
            shown = reading.without_secrets(pattern)
            raise TrainingError(
                f"weights names {shown!r}, which is none of the files to train on; add it to them"
            )
        for file in named:
            given_by.setdefault(file, pattern)
            # The decimal that was written: 0.1 is a tenth.
            if by_file.setdefault(file, Fraction(str(weight))) != Fraction(str(weight)):
                shown = reading.without_secrets(file)
                raise TrainingError(
                    f"weights gives {shown} two weights; let only one of its patterns match the file"
                )
    scale = math.lcm(1, *(weight.denominator for weight in by_file.values()))
    return [int(by_file.get(file, Fraction(1)) * scale) for file in files], scale, given_by


class _Draw:
    """Takes a share of the documents of a file, by a hash of the seed, the file's name and the document's number."""

    def __init__(self, seed: int, file: str, share: float) -> None:
        self._prefix = f"{seed}\0{Path(file).name}\0".encode()
        self._share = share
        self._n_seen = 0

    def of(self, texts: Sequence[Text]) -> Sequence[Text]:
        if self._share >= 1:
            return texts
        first = self._n_seen
        self._n_seen += len(texts)
        return [text for number, text in enumerate(texts, start=first) if self._takes(number)]

    def _takes(self, number: int) -> bool:
        digest = hashlib.blake2b(self._prefix + str(number).encode(), digest_size=8).digest()
        return int.from_bytes(digest, "little") < self._share * 2**64
