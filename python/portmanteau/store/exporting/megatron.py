r"""Megatron: the ``.bin`` and ``.idx`` of its ``IndexedDataset``.

``PREFIX.bin`` has the ids of all rows, one after the other. ``PREFIX.idx``, little-endian, has

- 9 bytes ``MMIDIDX\0\0``, the version 1 as uint64, the dtype of ids as one byte (4 is int32, 8 is uint16),
- the number of sequences as uint64, and the number of document indices, which is that of documents and one more,
- the number of ids of each sequence as int32, its first byte in ``.bin`` as int64, and the document indices as int64.

Here, every row is a sequence and a document, so the document indices are 0, 1, 2, ….
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from portmanteau.store.exporting import targets
from portmanteau.store.exporting.rows import INPUT_IDS, Chunk, Rows

_MAGIC = b"MMIDIDX\0\0"
_VERSION = 1
#: There is no code for uint32.
_CODES = {"uint16": ("<u2", 8), "uint32": ("<i4", 4)}


def write(rows: Rows, chunks: Iterable[Chunk], path: Path, replace: bool) -> None:
    """Writes ``PATH.bin`` and ``PATH.idx``."""
    dtype, code = _CODES[rows.ids]
    paths = [path.with_name(f"{path.name}.bin"), path.with_name(f"{path.name}.idx")]
    with targets.files(paths, replace) as (ids, index):
        lengths = [np.empty(0, np.int64)]
        for chunk in chunks:
            ids.write(np.ascontiguousarray(chunk.arrays[INPUT_IDS], dtype).data)
            lengths.append(np.diff(chunk.offsets))
        of_rows = np.concatenate(lengths)
        index.write(_MAGIC + struct.pack("<QBQQ", _VERSION, code, len(of_rows), len(of_rows) + 1))
        index.write(of_rows.astype("<i4").data)
        index.write(((np.cumsum(of_rows) - of_rows) * np.dtype(dtype).itemsize).astype("<i8").data)
        index.write(np.arange(len(of_rows) + 1, dtype="<i8").data)
