"""Arrow and Parquet: folders that ``datasets`` of Hugging Face loads, with the columns that TRL's collator takes.

``input_ids`` is ``list<int32>``; channels are lists beside it. Rows of sequences end with their last segment, and have
``seq_lengths``, ``list<int32>``: how many positions each segment takes; together that is the length of ``input_ids``.
``labels``, ``list<int64>``, are there if they are not the ids.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from portmanteau.store.exporting import targets
from portmanteau.store.exporting.rows import INPUT_IDS, SEQ_LENGTHS, Chunk, Rows

if TYPE_CHECKING:
    import pyarrow as pa

#: Of ids and lengths: neither Spark nor the embeddings of PyTorch take unsigned ones.
_INT32 = "int32"
#: A file has about 512 MB of ids, so that loaders may read several at once.
_CHUNKS_OF_FILE = 32
#: About so many positions in a row group: all of it is decoded when one row is read.
_GROUP_POSITIONS = 1 << 17


def write_arrow(rows: Rows, chunks: Iterable[Chunk], path: Path, replace: bool) -> None:
    """Writes a folder as ``datasets.load_from_disk`` reads it, with Arrow streams that are mapped into memory."""
    import pyarrow as pa

    schema = _schema(rows)
    written = r"data-\d{5}\.arrow|state\.json|dataset_info\.json"
    with targets.folder(path, replace, "state.json", written) as folder:
        names = []
        for number, of_file in enumerate(_files(chunks)):
            names.append(f"data-{number:05}.arrow")
            with pa.OSFile(str(folder / names[-1]), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
                for chunk in of_file:
                    writer.write_batch(_batch(chunk, schema))
        state: dict[str, Any] = {
            "_data_files": [{"filename": name} for name in names],
            "_fingerprint": rows.fingerprint[:16],
            "_format_columns": None,
            "_format_kwargs": {},
            "_format_type": None,
            "_output_all_columns": False,
            "_split": None,
        }
        (folder / "dataset_info.json").write_text("{}\n", encoding="utf-8")
        (folder / "state.json").write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")


def write_parquet(rows: Rows, chunks: Iterable[Chunk], path: Path, replace: bool) -> None:
    """Writes a folder of Parquet files, whose names are in the order of rows."""
    from pyarrow import parquet

    schema = _schema(rows)
    options = {"compression": "zstd", "use_dictionary": False, "write_statistics": False}
    with targets.folder(path, replace, "00000.parquet", written=r"\d{5}\.parquet") as folder:
        for number, of_file in enumerate(_files(chunks)):
            with parquet.ParquetWriter(folder / f"{number:05}.parquet", schema, **options) as writer:
                for chunk in of_file:
                    n_positions = max(1, int(chunk.offsets[-1]))
                    rows_of_group = max(1, len(chunk) * _GROUP_POSITIONS // n_positions)
                    writer.write_batch(_batch(chunk, schema), row_group_size=rows_of_group)


def _files(chunks: Iterable[Chunk]) -> Iterator[Iterator[Chunk]]:
    """The chunks of each file, which must be taken before those of the next."""
    remaining = iter(chunks)
    for chunk in remaining:
        yield chain([chunk], islice(remaining, _CHUNKS_OF_FILE - 1))


def _schema(rows: Rows) -> pa.Schema:
    import pyarrow as pa

    dtypes = {**rows.dtypes, INPUT_IDS: _INT32}
    if rows.are_sequences:
        dtypes[SEQ_LENGTHS] = _INT32
    return pa.schema({name: pa.list_(pa.from_numpy_dtype(dtype)) for name, dtype in dtypes.items()})


def _batch(chunk: Chunk, schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    columns = {name: (chunk.offsets, array) for name, array in chunk.arrays.items()}
    if chunk.segments is not None:
        columns[SEQ_LENGTHS] = chunk.segments.offsets, chunk.segments.lengths
    lists = []
    for field in schema:
        offsets, values = columns[field.name]
        dtype = field.type.value_type.to_pandas_dtype()
        lists.append(
            pa.ListArray.from_arrays(
                pa.array(offsets.astype(np.int32)), pa.array(values.astype(dtype, copy=False))
            )
        )
    return pa.record_batch(lists, schema=schema)
