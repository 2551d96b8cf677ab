"""Datasets by ``docs/formats.md`` alone: with NumPy, pyarrow and json, and nothing of the library.

The datasets in ``tests/cases/store-1`` were written by the first version of the format; every later version reads them.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import portmanteau as pm
import store_cases

GOLDEN = Path(__file__).parent / "cases" / "store-1"


def read_json(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    digits = content[-68:-4]
    assert hashlib.sha256(content[:-68] + b"0" * 64 + content[-4:]).hexdigest().encode() == digits
    return json.loads(content)


class PlainDataset:
    """What the document says of a dataset."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = read_json(folder / "manifest.json")
        assert (self.manifest["format"], self.manifest["version"]) == ("portmanteau dataset", 1)
        self.fingerprint = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
        self.documents: list[list[int]] = []
        self.channels: dict[str, list[list[Any]]] = {name: [] for name in self.manifest["channels"]}
        self.byte_offsets: list[list[int]] = []
        self.origins: list[tuple[str, int]] = []
        n_of_sources = [0] * len(self.manifest["sources"])
        for shard in self.manifest["shards"]:
            record = read_json(folder / "shards" / f"{shard['name']}.json")
            assert (record.pop("format"), record.pop("version")) == ("portmanteau shard", 1)
            del record["checksum"]
            assert record == shard
            for ending, of_file in shard["files"].items():
                content = (folder / "shards" / f"{shard['name']}.{ending}").read_bytes()
                assert (len(content), hashlib.sha256(content).hexdigest()) == (
                    of_file["bytes"],
                    of_file["sha256"],
                )
            self.read_shard(shard)
            for source, _, _, documents in shard["parts"]:
                for _ in range(documents):
                    self.origins.append((self.manifest["sources"][source]["path"], n_of_sources[source]))
                    n_of_sources[source] += 1

    def read_shard(self, shard: dict[str, Any]) -> None:
        def array(ending: str, dtype: str) -> np.ndarray:
            path = self.folder / "shards" / f"{shard['name']}.{ending}"
            return np.fromfile(path, np.dtype(dtype).newbyteorder("<"))

        offsets = array("offsets", "int64").tolist()
        assert (len(offsets) - 1, offsets[-1]) == (shard["documents"], shard["tokens"])
        ids = array("ids", self.manifest["ids"]).tolist()
        beside = {name: array(name, dtype).tolist() for name, dtype in self.manifest["channels"].items()}
        long = iter(array("long_byte_lengths", "uint64").tolist() if self.manifest["byte_lengths"] else [])
        lengths = array("byte_lengths", "uint8").tolist() if self.manifest["byte_lengths"] else []
        lengths = [next(long) if length == 255 else length for length in lengths]
        assert next(long, None) is None
        for start, end in itertools.pairwise(offsets):
            self.documents.append(ids[start:end])
            for name, values in beside.items():
                self.channels[name].append(values[start:end])
            self.byte_offsets.append(np.cumsum([0, *lengths[start:end]]).tolist())

    def sequences(self, plan: str) -> list[list[int]]:
        said = read_json(self.folder / "plans" / f"{plan}.json")
        assert (said["format"], said["version"]) == ("portmanteau dataset plan", 1)
        assert said["dataset"] == self.fingerprint
        content = (self.folder / "plans" / f"{plan}.arrow").read_bytes()
        assert hashlib.sha256(content).hexdigest() == said["sha256"]
        reader = pa.ipc.open_file(content)
        header = json.loads(reader.schema.metadata[b"portmanteau.pack_plan"])
        assert header["version"] == 2
        columns = {name: values[0] for name, values in reader.read_all().to_pydict().items()}
        assert fingerprint(header, reader) == header["fingerprint"] == said["plan"]
        assert columns["document_lengths"] == [len(document) for document in self.documents]
        return [
            self.lay_out(columns, header["format"], said, first, end)
            for first, end in itertools.pairwise(columns["sequence_offsets"])
        ]

    def lay_out(
        self, columns: dict[str, list[int]], form: dict[str, Any], said: dict[str, Any], first: int, end: int
    ) -> list[int]:
        sequence = [said["bos_id"]] * form["sequence_bos"]
        for number in columns["piece_numbers"][first:end]:
            cut = number - len(self.documents)
            document = number if cut < 0 else columns["cut_document"][cut]
            tokens = [said["bos_id"]] * form["document_bos"] + self.documents[document]
            tokens += [said["eos_id"]] * form["document_eos"]
            if cut >= 0:
                start = columns["cut_start"][cut]
                tokens = tokens[start : start + columns["cut_length"][cut]]
            sequence += tokens + [said["pad_id"]] * (-len(tokens) % form["align"])
        sequence += [said["eos_id"]] * form["sequence_eos"]
        assert len(sequence) <= form["capacity"]
        return sequence + [said["pad_id"]] * (form["capacity"] - len(sequence))


def fingerprint(header: dict[str, Any], reader: pa.RecordBatchFileReader) -> str:
    options = {name: value for name, value in header.items() if name != "fingerprint"}
    digest = hashlib.sha256(json.dumps(options, sort_keys=True).encode())
    batch = reader.get_batch(0)
    for name in batch.schema.names:
        array = batch.column(name).flatten().to_numpy()
        digest.update(f"{name} {len(array)}\n".encode())
        digest.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()


def assert_same(plain: PlainDataset, dataset: pm.Dataset) -> None:
    """What the document says is what the library reads."""
    assert dataset.fingerprint == plain.fingerprint
    assert [ids.tolist() for ids in dataset] == plain.documents
    numbers = range(dataset.n_documents)
    assert [dataset.origin(number) for number in numbers] == plain.origins
    for name, values in plain.channels.items():
        assert [dataset.channel(name, number).tolist() for number in numbers] == values
    if dataset.manifest.byte_lengths:
        assert [dataset.byte_offsets(number).tolist() for number in numbers] == plain.byte_offsets
    for name in dataset.plans:
        plan = dataset.plan(name)
        packed = plan.apply(np.arange(plan.n_sequences))
        assert packed.input_ids.tolist() == plain.sequences(name)


@pytest.mark.parametrize("write", [store_cases.write_dataset, store_cases.write_weighted])
def test_the_document_says_how_a_dataset_is_read(write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dataset = write("dataset")
    assert_same(PlainDataset(Path("dataset")), dataset)
    assert len(dataset.manifest.shards) == (2 if write is store_cases.write_dataset else 1)


@pytest.mark.parametrize("name", ["prepared", "weighted"])
def test_datasets_of_the_first_version_are_read(name, tmp_path):
    folder = shutil.copytree(GOLDEN / name, tmp_path / name)
    dataset = pm.Dataset.open(folder)
    dataset.verify()
    plain = PlainDataset(folder)
    assert_same(plain, dataset)
    expected = json.loads((GOLDEN / f"{name}.json").read_text("utf-8"))
    assert plain.documents == expected["documents"]
    assert plain.channels == expected["channels"]
    assert {plan: plain.sequences(plan) for plan in dataset.plans} == expected["plans"]
    assert plain.origins == [tuple(origin) for origin in expected["origins"]]
    names = ("text", "answer") if name == "prepared" else ("text",)
    texts = ["".join(row[column] for column in names) for row in store_cases.ROWS]
    assert [dataset.tokenizer.decode(ids) for ids in dataset] == texts
    if name == "prepared":
        assert [offsets[-1] for offsets in plain.byte_offsets] == [len(text.encode()) for text in texts]
        assert max(np.diff(offsets).max(initial=0) for offsets in plain.byte_offsets) > 255


def test_a_dataset_of_a_later_version_is_refused(tmp_path):
    folder = shutil.copytree(GOLDEN / "prepared", tmp_path / "later")
    path = folder / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"version": 1', b'"version": 2'))
    with pytest.raises(
        pm.FileError, match=r"manifest\.json: is of version 2, and this library reads 1; update it"
    ):
        pm.Dataset.open(folder)
