"""NumPy: a folder of ``.npy`` files, which ``numpy.load(…, mmap_mode="r")`` maps.

Of sequences: ``input_ids.npy`` ``[sequences, capacity]``, and a file of the same shape for labels, if they are not the
ids, and for each channel. ``seq_lengths.npy``, uint32, has the positions that each segment takes, and segments
``seq_offsets[i]:seq_offsets[i + 1]``, int64, are in sequence ``i``.

Of documents: ``input_ids.npy`` ``[tokens]``, one document after the other, each channel alike, and ``offsets.npy``,
int64 ``[documents + 1]``.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import numpy as np

from portmanteau.store.exporting import targets
from portmanteau.store.exporting.rows import INPUT_IDS, SEQ_LENGTHS, SEQ_OFFSETS, Chunk, Rows
from portmanteau.store.format import OFFSETS, little_endian


def write(rows: Rows, chunks: Iterable[Chunk], path: Path, replace: bool) -> None:
    """Writes the folder."""
    shape = (rows.n_positions,) if rows.width is None else (rows.n_rows, rows.width)
    offsets, seq_offsets = [np.zeros(1, np.int64)], [np.zeros(1, np.int64)]
    seq_lengths = [np.empty(0, np.uint32)]
    with targets.folder(path, replace, f"{INPUT_IDS}.npy", written=r"\w+\.npy") as folder:
        with ExitStack() as stack:
            streams = {name: stack.enter_context((folder / f"{name}.npy").open("xb")) for name in rows.dtypes}
            for name, dtype in rows.dtypes.items():
                _write_header(streams[name], dtype, shape)
            for chunk in chunks:
                for name, array in chunk.arrays.items():
                    streams[name].write(np.ascontiguousarray(array, little_endian(rows.dtypes[name])).data)
                offsets.append(chunk.offsets[1:] + offsets[-1][-1])
                if chunk.segments is not None:
                    seq_lengths.append(chunk.segments.lengths)
                    seq_offsets.append(chunk.segments.offsets[1:] + seq_offsets[-1][-1])
        if not rows.are_sequences:
            np.save(folder / f"{OFFSETS}.npy", np.concatenate(offsets).astype("<i8", copy=False))
        else:
            np.save(folder / f"{SEQ_LENGTHS}.npy", np.concatenate(seq_lengths).astype("<u4", copy=False))
            np.save(folder / f"{SEQ_OFFSETS}.npy", np.concatenate(seq_offsets).astype("<i8", copy=False))


def _write_header(stream: IO[bytes], dtype: str, shape: tuple[int, ...]) -> None:
    header = {"descr": little_endian(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
