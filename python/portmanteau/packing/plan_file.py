"""Plans as files: one Arrow IPC file of one record batch with one row, in which each array is a large list."""

from __future__ import annotations

import json
import os
from typing import IO, Any

import numpy as np

from portmanteau.errors import FileError
from portmanteau.files import file_error, read_bytes, write_atomically
from portmanteau.packing.format import SequenceFormat
from portmanteau.packing.pieces import PieceTable
from portmanteau.packing.plan import PLAN_VERSION, PackPlan

_METADATA_KEY = b"portmanteau.pack_plan"


def write_plan(plan: PackPlan, path: str | os.PathLike[str]) -> None:
    """See :meth:`PackPlan.save`."""
    import pyarrow as pa

    columns = {
        name: pa.LargeListArray.from_arrays(pa.array([0, len(array)], pa.int64()), pa.array(array))
        for name, array in plan.arrays.items()
    }
    header = {**plan.options, "fingerprint": plan.fingerprint}
    schema = pa.schema([(name, column.type) for name, column in columns.items()])
    schema = schema.with_metadata({_METADATA_KEY: json.dumps(header).encode()})

    def write(stream: IO[bytes]) -> None:
        with pa.ipc.new_file(stream, schema) as writer:
            writer.write_batch(pa.record_batch(list(columns.values()), schema=schema))

    write_atomically(path, write)


def read_plan(path: str | os.PathLike[str], memory_map: bool) -> PackPlan:
    """See :meth:`PackPlan.load`."""
    import pyarrow as pa

    source = _memory_map(path) if memory_map else pa.BufferReader(read_bytes(path))
    try:
        reader = pa.ipc.open_file(source)
        header = json.loads((reader.schema.metadata or {})[_METADATA_KEY])
        version, fingerprint = header.pop("version"), header.pop("fingerprint")
        if version == PLAN_VERSION:
            batch = reader.get_batch(0)
            batch.validate(full=not memory_map)
            arrays = {name: batch.column(name).flatten().to_numpy() for name in batch.schema.names}
            plan = _plan(header, arrays)
    except (pa.ArrowException, OSError, LookupError, TypeError, ValueError) as error:
        raise _load_error(path, f"is no plan, or was cut short ({error})") from error
    if version != PLAN_VERSION:
        raise _load_error(path, f"holds a plan of version {version}, and this is version {PLAN_VERSION}")
    if memory_map:
        # What a cached property found is an entry of this dict.
        plan.__dict__["fingerprint"] = fingerprint
    elif plan.fingerprint != fingerprint:
        raise _load_error(path, "was changed since it was written")
    return plan


def _memory_map(path: str | os.PathLike[str]) -> Any:
    import pyarrow as pa

    try:
        return pa.memory_map(os.fspath(path))
    except (pa.ArrowException, OSError) as error:
        raise file_error(path, "read the file", error) from error


def _plan(header: dict[str, Any], arrays: dict[str, np.ndarray[Any, Any]]) -> PackPlan:
    for name, array in arrays.items():
        if array.dtype != (np.int64 if name == "sequence_offsets" else np.uint32):
            raise ValueError(f"{name} is an array of {array.dtype}")
    parts = "document", "start", "length"
    cut_pieces, dropped = (
        PieceTable(*(arrays.pop(f"{kind}_{part}") for part in parts)) for kind in ("cut", "dropped")
    )
    options = {**header, **arrays, "format": SequenceFormat(**header["format"])}
    return PackPlan(**options, cut_pieces=cut_pieces, dropped=dropped)


def _load_error(path: str | os.PathLike[str], message: str) -> FileError:
    return FileError(f"{os.fspath(path)}: {message}; pack again and write it with PackPlan.save", path=path)
