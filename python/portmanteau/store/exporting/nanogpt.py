"""nanoGPT: one flat file of ids, such as its ``train.bin``: no header, no boundaries.

Ids are uint16, as nanoGPT reads them, or uint32 if the vocabulary is larger. Its loader takes windows at random places,
so boundaries of documents would be of no use to it; an EOS between them is all that it can see.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from portmanteau.store.exporting import targets
from portmanteau.store.exporting.rows import INPUT_IDS, Chunk, Rows
from portmanteau.store.format import little_endian


def write(rows: Rows, chunks: Iterable[Chunk], path: Path, replace: bool) -> None:
    """Writes the file."""
    dtype = little_endian(rows.ids)
    with targets.files([path], replace) as (stream,):
        for chunk in chunks:
            stream.write(np.ascontiguousarray(chunk.arrays[INPUT_IDS], dtype).data)
