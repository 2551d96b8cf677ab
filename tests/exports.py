"""What tests of exports share: readers of the formats by their definitions, with NumPy and pyarrow, and small data."""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import struct
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import portmanteau as pm
from portmanteau.store.exporting import FORMATS, documents, hugging_face, mds, sequences

SMALL, LARGE = "r50k_base", "o200k_base"
OF_SEQUENCES = [name for name, known in FORMATS.items() if known.has_sequences]
PADDED = [name for name in OF_SEQUENCES if FORMATS[name].is_padded]
CHANNELS = {"loss_weight": "float32", "kind": "uint8"}

Row = dict[str, Any]


# ── the formats by their definitions ────────────────────────────────────────────────────────────────────────────────


def read_megatron(path: Path) -> list[Row]:
    index = path.with_name(f"{path.name}.idx").read_bytes()
    assert index[:9] == b"MMIDIDX\x00\x00"
    version, code, n_sequences, n_indices = struct.unpack_from("<QBQQ", index, 9)
    assert (version, n_indices) == (1, n_sequences + 1)
    dtype = {4: np.dtype("<i4"), 8: np.dtype("<u2")}[code]
    lengths = np.frombuffer(index, "<i4", n_sequences, 34)
    pointers = np.frombuffer(index, "<i8", n_sequences, 34 + 4 * n_sequences)
    indices = np.frombuffer(index, "<i8", n_indices, 34 + 12 * n_sequences)
    assert len(index) == 34 + 12 * n_sequences + 8 * n_indices
    assert indices.tolist() == list(range(n_indices))
    content = path.with_name(f"{path.name}.bin").read_bytes()
    assert len(content) == lengths.sum() * dtype.itemsize
    return [
        {"input_ids": np.frombuffer(content, dtype, length, pointer).tolist()}
        for length, pointer in zip(lengths.tolist(), pointers.tolist(), strict=True)
    ]


def read_nanogpt(path: Path, dtype: str) -> list[int]:
    return np.fromfile(path, dtype).tolist()


def read_numpy(path: Path) -> list[Row]:
    arrays = {
        file.stem: np.load(file, mmap_mode="r" if file.stat().st_size > 128 else None)
        for file in path.iterdir()
    }
    if "offsets" in arrays:
        bounds = itertools.pairwise(arrays.pop("offsets").tolist())
        return [{name: array[start:end].tolist() for name, array in arrays.items()} for start, end in bounds]
    lengths = arrays.pop("seq_lengths").tolist()
    bounds = list(itertools.pairwise(arrays.pop("seq_offsets").tolist()))
    return [
        {name: array[row].tolist() for name, array in arrays.items()} | {"seq_lengths": lengths[start:end]}
        for row, (start, end) in enumerate(bounds)
    ]


def read_arrow(path: Path) -> list[Row]:
    state = json.loads((path / "state.json").read_text())
    tables = []
    for file in state["_data_files"]:
        with pa.memory_map(str(path / file["filename"])) as source, pa.ipc.open_stream(source) as stream:
            tables.append(stream.read_all())
    return pa.concat_tables(tables).to_pylist()


def read_parquet(path: Path) -> list[Row]:
    return pa.concat_tables([parquet.read_table(file) for file in sorted(path.iterdir())]).to_pylist()


def read_mds(path: Path) -> list[Row]:
    rows = []
    for shard in json.loads((path / "index.json").read_text())["shards"]:
        content = (path / shard["raw_data"]["basename"]).read_bytes()
        assert len(content) == shard["raw_data"]["bytes"]
        (n_samples,) = struct.unpack_from("<I", content)
        places = struct.unpack_from(f"<{n_samples + 1}I", content, 4)
        assert (n_samples, places[-1]) == (shard["samples"], len(content))
        rows += [mds_sample(content[start:end], shard) for start, end in itertools.pairwise(places)]
    return rows


def mds_sample(sample: bytes, shard: dict[str, Any]) -> Row:
    n_variable = shard["column_sizes"].count(None)
    variable = iter(struct.unpack_from(f"<{n_variable}I", sample))
    at, row = 4 * n_variable, {}
    for name, encoding, size in zip(
        shard["column_names"], shard["column_encodings"], shard["column_sizes"], strict=True
    ):
        size = size or next(variable)
        column, at = sample[at : at + size], at + size
        if encoding == "int":
            row[name] = int.from_bytes(column, "little")
            continue
        _, dtype, *shape = encoding.split(":")
        if not shape:
            n_bytes = 1 << (column[0] & 3)
            assert column[0] >> 2 == 1  # dimensions
            shape, column = [int.from_bytes(column[1 : 1 + n_bytes], "little")], column[1 + n_bytes :]
        row[name] = np.frombuffer(column, np.dtype(dtype).newbyteorder("<")).tolist()
        assert len(row[name]) == int(shape[0])
    assert at == len(sample)
    return {"input_ids": row.pop("tokens"), **row}


READERS = {
    "megatron": read_megatron,
    "arrow": read_arrow,
    "parquet": read_parquet,
    "numpy": read_numpy,
    "mds": read_mds,
}


# ── what is exported ────────────────────────────────────────────────────────────────────────────────────────────────


@functools.cache
def load(name: str) -> pm.Tokenizer:
    return pm.Tokenizer.load(name)


def make(
    folder: Path, lengths: list[int], name: str = LARGE, channels: dict[str, str] | None = None
) -> pm.Dataset:
    """A dataset of documents of these lengths, a few in a shard; all tokens differ, and so do values beside them."""
    tokenizer = load(name)
    first = 0
    batches = []
    for start in range(0, len(lengths), 3):
        part = lengths[start : start + 3]
        n = sum(part)
        ids = np.arange(first, first + n, dtype=np.uint32) * 7 % (tokenizer.vocab_size - 100)
        beside = {
            channel: (np.arange(first, first + n) % 100 + 1).astype(dtype)
            for channel, dtype in (channels or {}).items()
        }
        batches.append((pm.TokenBatch(ids, np.cumsum([0, *part])), beside))
        first += n
    return pm.write_dataset(batches, folder, tokenizer, channels=channels, shard_tokens=20)


@contextmanager
def small_chunks(positions: int = 16, files: int = 2, shard_bytes: int = 1_000):
    """Chunks, files and shards that small data has several of."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documents, "CHUNK_POSITIONS", positions)
        patch.setattr(sequences, "CHUNK_POSITIONS", positions)
        patch.setattr(hugging_face, "_CHUNKS_OF_FILE", files)
        patch.setattr(hugging_face, "_GROUP_POSITIONS", positions // 2)
        patch.setattr(mds, "_SHARD_BYTES", shard_bytes)
        yield


def content(path: Path) -> dict[str, str]:
    """The digests of the files of an export."""
    files = sorted(path.iterdir()) if path.is_dir() else sorted(path.parent.glob(f"{path.name}*"))
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def exported(dataset: pm.Dataset, path: Path, file_format: str, **options: Any) -> None:
    """Sequences where the format has them, or else documents."""
    if FORMATS[file_format].has_sequences:
        dataset.pack(16).export(path, file_format, **options)
    else:
        dataset.export(path, file_format, **options)
