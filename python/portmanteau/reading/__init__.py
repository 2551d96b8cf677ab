"""Text from files of many formats and from addresses: as Arrow columns in parts, or as documents in batches.

What a file holds is decided by its name:

``.jsonl``, ``.ndjson``, ``.json``
    JSON Lines: one object a line, the text under one key. Blank lines are skipped.
``.csv``, ``.tsv``
    CSV and TSV with a header row, the text in one column. Blank lines are skipped.
``.parquet``
    Parquet: one document a row, the text in one column.
``.arrow``, ``.feather``, ``.ipc``
    Arrow, as a file or as a stream: the same.
anything else
    plain UTF-8 text: one document a file.

Text, JSON Lines and CSV may be compressed, with ``.zst``, ``.gz`` or ``.bz2`` after the name. A folder that
``datasets.Dataset.save_to_disk`` of Hugging Face has written stands for its Arrow streams.

:func:`expand` says which files there are, :func:`parts` what of them can be read alone, and :func:`columns_of` reads
that. :func:`documents` is all of it, for what goes from the first document to the last.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from portmanteau.reading import plain_text
from portmanteau.reading.addresses import is_address, without_secrets
from portmanteau.reading.batches import TextBatch, columns_of, file_parts, parts
from portmanteau.reading.expanding import Paths, expand
from portmanteau.reading.formats import format_of, is_compressed
from portmanteau.reading.opening import FileState, file_state
from portmanteau.reading.part import Part
from portmanteau.reading.policy import Policy, what_was_replaced

__all__ = [
    "FileState",
    "Part",
    "Paths",
    "Policy",
    "TextBatch",
    "columns_of",
    "documents",
    "expand",
    "file_parts",
    "file_state",
    "is_address",
    "is_compressed",
    "parts",
    "what_was_replaced",
    "without_secrets",
]

BATCH_BYTES = 1 << 20
BATCH_DOCUMENTS = 4096


def documents(
    paths: Paths,
    *,
    text_column: str = "text",
    cut_text_at_lines: bool = False,
    policy: Policy | None = None,
) -> Iterator[list[str]]:
    r"""The documents of files, in order, in batches of about one megabyte.

    Args:
        paths: Paths, glob patterns and addresses, as :func:`expand` takes them.
        text_column: The key or column that holds the text.
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
    columns = (text_column,)
    for path in expand(paths):
        kind, compression = format_of(path)
        if kind == "text" and cut_text_at_lines:
            for block in plain_text.in_blocks(path, compression, policy, BATCH_BYTES):
                yield [block]
            continue
        for part in file_parts(path, columns=columns, part_bytes=sys.maxsize):
            for batch in columns_of(part, columns=columns, policy=policy, batch_bytes=BATCH_BYTES):
                texts = batch.columns[0].to_pylist()
                for first in range(0, len(texts), BATCH_DOCUMENTS):
                    yield texts[first : first + BATCH_DOCUMENTS]
