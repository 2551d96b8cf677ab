"""Exports, read back by the definition of each format, and by the libraries they are for."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

import portmanteau as pm
from exports import (
    CHANNELS,
    FORMATS,
    LARGE,
    OF_SEQUENCES,
    PADDED,
    READERS,
    SMALL,
    Row,
    content,
    make,
    read_arrow,
    read_mds,
    read_nanogpt,
    small_chunks,
)
from libraries import library
from portmanteau.store.exporting import mds

# ── every token once, in order ──────────────────────────────────────────────────────────────────────────────────────

LENGTHS = st.lists(st.integers(0, 30), min_size=1, max_size=20).filter(any)


@given(
    lengths=LENGTHS,
    name=st.sampled_from([SMALL, LARGE]),
    bos=st.booleans(),
    eos=st.booleans(),
    has_channels=st.booleans(),
)
def test_documents_are_read_back(lengths, name, bos, eos, has_channels):
    with tempfile.TemporaryDirectory() as temporary, small_chunks():
        folder = Path(temporary)
        dataset = make(folder / "store", lengths, name, CHANNELS if has_channels else None)
        special = {"bos_id": 50_000 if bos else None, "eos_id": 50_001 if eos else None}
        expected = []
        for number, document in enumerate(dataset):
            around = len(document) > 0
            row = {"input_ids": [50_000] * (bos and around) + document.tolist() + [50_001] * (eos and around)}
            for channel in dataset.channels:
                value = [0.5 if channel == "loss_weight" else 0]
                values = dataset.channel(channel, number).tolist()
                row[channel] = value * (bos and around) + values + value * (eos and around)
            expected.append(row)
        ids_alone = [{"input_ids": row["input_ids"]} for row in expected]
        around = {"loss_weight": 0.5} if has_channels else None
        for file_format, read in READERS.items():
            path = folder / file_format
            if FORMATS[file_format].has_channels:
                dataset.export(path, file_format, **special, around=around)
            else:
                dataset.export(path, file_format, **special, channels=[])
            rows = read(path)
            if file_format == "mds":  # which has no empty arrays, so that documents say their numbers
                numbers = [row.pop("document") for row in rows]
                assert numbers == np.flatnonzero(dataset.lengths).tolist()
                assert rows == [row for row in expected if row["input_ids"]]
            else:
                assert rows == (expected if FORMATS[file_format].has_channels else ids_alone)
        dataset.export(folder / "flat", "nanogpt", **special, channels=[])
        flat = read_nanogpt(folder / "flat", "<u2" if name == SMALL else "<u4")
        assert flat == [token for row in expected for token in row["input_ids"]]


@given(
    lengths=LENGTHS,
    name=st.sampled_from([SMALL, LARGE]),
    capacity=st.integers(6, 40),
    options=st.fixed_dictionaries(
        {
            "bos": st.sampled_from([False, "document", "sequence"]),
            "eos": st.sampled_from([False, "document", "sequence"]),
            "align": st.sampled_from([1, 1, 2, 3]),
            "overlap": st.sampled_from([0, 0, 1]),
        }
    ).filter(lambda options: options["align"] == 1 or "sequence" not in (options["bos"], options["eos"])),
    has_channels=st.booleans(),
)
def test_sequences_are_read_back(lengths, name, capacity, options, has_channels):
    with tempfile.TemporaryDirectory() as temporary, small_chunks():
        folder = Path(temporary)
        dataset = make(folder / "store", lengths, name, CHANNELS if has_channels else None)
        special = {"bos_id": 50_000 if options["bos"] else None, "eos_id": 50_001 if options["eos"] else None}
        plan = dataset.pack(capacity, pad_id=50_002, **special, **options)
        padded, whole = [], []
        for number in range(plan.n_sequences):
            packed = plan.apply([number])
            row = {"input_ids": packed.input_ids[0].tolist()}
            if options["align"] > 1 or options["overlap"]:
                row["labels"] = packed.labels()[0].tolist()
            for channel in dataset.channels:
                value = 2 if channel == "kind" else 0
                row[channel] = plan.channel(packed, channel, around=value)[0].tolist()
            widths = packed.segment_widths(0).tolist()
            padded.append({**row, "seq_lengths": widths})
            whole.append(
                {key: values[: sum(widths)] for key, values in row.items()} | {"seq_lengths": widths}
            )
        around = {"kind": 2} if has_channels else None
        for file_format in OF_SEQUENCES:
            path = folder / file_format
            if FORMATS[file_format].has_channels:
                plan.export(path, file_format, around=around)
                expected = padded if file_format in PADDED else whole
            else:
                plan.export(path, file_format, channels=[])
                expected = [{"input_ids": row["input_ids"]} for row in padded]
            assert READERS[file_format](path) == expected


@given(
    lengths=LENGTHS, capacity=st.integers(1, 40), strategy=st.sampled_from(["best_fit_decreasing", "buckets"])
)
def test_documents_are_put_together_again(lengths, capacity, strategy):
    """From the rows, their lengths of segments and the plan, which has no ids: every token is there exactly once."""
    with tempfile.TemporaryDirectory() as temporary, small_chunks():
        folder = Path(temporary)
        dataset = make(folder / "store", lengths)
        plan = dataset.pack(capacity, strategy=strategy)
        for file_format in OF_SEQUENCES:
            if file_format == "megatron":  # which has no lengths of segments
                continue
            rows = {}
            for part in plan.buckets.values() if strategy == "buckets" and file_format in PADDED else [plan]:
                path = folder / f"{file_format}{part.capacity}"
                part.export(path, file_format)
                numbers = plan.plan.buckets[part.width].tolist() if part.width else range(plan.n_sequences)
                rows |= dict(zip(numbers, READERS[file_format](path), strict=True))
            assert put_together(plan, rows) == [document.tolist() for document in dataset]


def put_together(plan: pm.DatasetPlan, rows: dict[int, Row]) -> list[list[int]]:
    """The documents of rows, by the number of their sequence."""
    documents = [[-1] * length for length in plan.dataset.lengths.tolist()]
    pieces = plan.plan.pieces
    for number, row in rows.items():
        start = 0
        bounds = range(pieces.sequence_offsets[number], pieces.sequence_offsets[number + 1])
        for piece, length in zip(bounds, row["seq_lengths"], strict=True):
            document, first = int(pieces.document[piece]), int(pieces.start[piece])
            assert documents[document][first : first + length] == [-1] * length
            documents[document][first : first + length] = row["input_ids"][start : start + length]
            start += length
    return documents


def test_a_document_longer_than_a_chunk_is_one_row(tmp_path):
    dataset = make(tmp_path / "store", [3, 100, 0, 5])
    with small_chunks(positions=10):
        dataset.export(tmp_path / "rows", "arrow")
    assert [len(row["input_ids"]) for row in read_arrow(tmp_path / "rows")] == [3, 100, 0, 5]


def test_labels_of_the_dataset_are_the_labels(tmp_path):
    dataset = make(tmp_path / "store", [4, 3], channels={"labels": "int32"})
    plan = dataset.pack(10, eos_id=199_999)
    plan.export(tmp_path / "rows", "arrow")
    expected = [[-100, 2, 3, 4, -100, -100, 6, 7, -100]]
    assert [row["labels"] for row in read_arrow(tmp_path / "rows")] == expected
    plan.export(tmp_path / "arrays", "numpy", around={"labels": 199_999})
    assert np.load(tmp_path / "arrays" / "labels.npy").tolist() == [
        [-100, 2, 3, 4, 199_999, -100, 6, 7, 199_999, -100]
    ]


def test_row_groups_are_small_enough_to_read_one_row(tmp_path):
    dataset = make(tmp_path / "store", [64] * 40)
    with small_chunks(positions=1 << 10):
        dataset.pack(64).export(tmp_path / "rows", "parquet")
    files = [parquet.ParquetFile(file) for file in sorted((tmp_path / "rows").iterdir())]
    groups = [
        file.metadata.row_group(group).num_rows for file in files for group in range(file.num_row_groups)
    ]
    assert (len(files), set(groups), sum(groups)) == (2, {8}, 40)


# ── the libraries that exports are for ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", [SMALL, LARGE])
@pytest.mark.parametrize("mmap", [True, False])
def test_megatron_reads_documents(tmp_path, name, mmap):
    indexed = library("megatron.core.datasets.indexed_dataset")
    dataset = make(tmp_path / "store", [5, 0, 12, 1, 0], name)
    dataset.export(tmp_path / "documents", "megatron", eos_id=50_001)
    found = indexed.IndexedDataset(str(tmp_path / "documents"), mmap=mmap)
    assert found.index.dtype == (np.uint16 if name == SMALL else np.int32)
    assert found.document_indices.tolist() == list(range(6))
    expected = [[*document.tolist(), 50_001] if len(document) else [] for document in dataset]
    assert [found[row].tolist() for row in range(len(found))] == expected


@pytest.mark.parametrize("extra_token", [False, True])
def test_a_sample_of_megatron_is_a_sequence(tmp_path, extra_token):
    gpt_dataset = library("megatron.core.datasets.gpt_dataset")
    indexed = library("megatron.core.datasets.indexed_dataset")
    utils = library("megatron.core.datasets.utils")
    dataset = make(tmp_path / "store", [20, 7, 9, 31, 12, 3, 3, 18, 25, 1, 6, 40])
    plan = dataset.pack(32, eos_id=199_999, pad_id=200_000)
    plan.export(tmp_path / "packs", "megatron")
    tokenizer = SimpleNamespace(
        vocab_size=200_019, eod=199_999, pad=200_000, unique_identifiers={}, special_tokens_dict={}
    )
    config = gpt_dataset.GPTDatasetConfig(
        random_seed=1,
        sequence_length=32,
        split="1,0,0",
        path_to_cache=str(tmp_path / "cache"),
        tokenizer=tokenizer,
        reset_position_ids=True,
        reset_attention_mask=False,
        eod_mask_loss=True,
        create_attention_mask=False,
        add_extra_token_to_sequence=extra_token,
    )
    rows = np.arange(plan.n_sequences, dtype=np.int32)
    low = indexed.IndexedDataset(str(tmp_path / "packs"))
    found = gpt_dataset.GPTDataset(low, str(tmp_path / "packs"), rows, None, utils.Split.train, config)
    samples = [found[number] for number in range(len(found))]
    packed = plan.apply(np.arange(plan.n_sequences))
    # Ids that are padding are 0 in a sample of Megatron, where no loss is taken.
    expected = {
        tuple(np.where(row == 200_000, 0, row).tolist()): number
        for number, row in enumerate(packed.input_ids)
    }
    seen = [expected[tuple(sample["tokens"].tolist())] for sample in samples]
    # With an extra token, the last sequence has none that follows it, and is left out.
    assert len(set(seen)) == len(seen) == plan.n_sequences - extra_token
    ours = packed.for_megatron()
    for number, sample in zip(seen, samples, strict=True):
        there = ours["loss_mask"][number] == 1
        assert (sample["loss_mask"].numpy()[:-1] == ours["loss_mask"][number][:-1]).all()
        assert (sample["labels"].numpy()[there] == ours["labels"][number][there]).all()
        tokens = packed.input_ids[number] != 200_000
        assert (sample["position_ids"].numpy()[tokens] == ours["position_ids"][number][tokens]).all()
    if not extra_token:
        assert all(sample["loss_mask"][-1] == 0 for sample in samples)


@pytest.mark.parametrize("file_format", ["arrow", "parquet"])
def test_datasets_loads_it(tmp_path, file_format):
    datasets = library("datasets")
    dataset = make(tmp_path / "store", [20, 7, 9, 31, 12], channels=CHANNELS)
    plan = dataset.pack(32, eos_id=199_999)
    with small_chunks(positions=32):
        plan.export(tmp_path / "rows", file_format)
    if file_format == "arrow":
        found = datasets.load_from_disk(str(tmp_path / "rows"))
        files = [
            datasets.Dataset.from_file(str(file)) for file in sorted((tmp_path / "rows").glob("*.arrow"))
        ]
        assert [row for file in files for row in file] == list(found)
    else:
        found = datasets.load_dataset(
            str(tmp_path / "rows"), split="train", cache_dir=str(tmp_path / "cache")
        )
    assert found.column_names == ["input_ids", "loss_weight", "kind", "seq_lengths"]
    assert list(found) == READERS[file_format](tmp_path / "rows")
    of_torch = found.with_format("numpy")[0]["input_ids"]
    assert of_torch.tolist() == plan.apply([0]).input_ids[0][: len(of_torch)].tolist()


def test_two_exports_have_two_fingerprints(tmp_path):
    datasets = library("datasets")
    dataset = make(tmp_path / "store", [5, 7])
    for name, plan in {"a": dataset.pack(8), "b": dataset.pack(16), "c": dataset.pack(8)}.items():
        plan.export(tmp_path / name, "arrow")
    a, b, c = (datasets.load_from_disk(str(tmp_path / name))._fingerprint for name in "abc")
    assert a == c != b


@pytest.mark.parametrize("align", [1, 4])
def test_the_collator_of_trl_takes_the_rows(tmp_path, align):
    trainer = library("trl.trainer.sft_trainer")
    dataset = make(tmp_path / "store", [20, 7, 9, 31, 12])
    plan = dataset.pack(40, align=align, eos_id=199_999)
    plan.export(tmp_path / "rows", "arrow")
    rows = list(library("datasets").load_from_disk(str(tmp_path / "rows")))
    batch = trainer.DataCollatorForLanguageModeling(pad_token_id=0, padding_free=True)(rows)
    ours = plan.apply(np.arange(plan.n_sequences)).for_transformers(seq_idx=True)
    for name in ("input_ids", "labels", "position_ids", "cu_seq_lens_q", "cu_seq_lens_k", "seq_idx"):
        assert batch[name].tolist() == ours[name].tolist(), name
    assert batch["max_length_q"] == ours["max_length_q"]


def test_streaming_gives_every_sequence_once(tmp_path):
    streaming = library("streaming")
    plan = make(tmp_path / "store", [300, 7, 0, 9, 250, 31, 12, 700], channels=CHANNELS).pack(256)
    plan.export(tmp_path / "rows", "mds")
    streaming.base.util.clean_stale_shared_memory()
    found = streaming.StreamingDataset(local=str(tmp_path / "rows"), batch_size=1, shuffle=False)
    packed = plan.apply(np.arange(plan.n_sequences))
    for row, sample in enumerate(found):
        assert sample["tokens"].tolist() == packed.input_ids[row].tolist()
        assert sample["seq_lengths"].tolist() == packed.segment_widths(row).tolist()
    assert row == plan.n_sequences - 1


# LocalDataset leaves the index open, which CPython says when it closes the file.
@pytest.mark.filterwarnings("ignore:Exception ignored in.*index.json:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", ["documents", "sequences"])
@pytest.mark.parametrize("name", [SMALL, LARGE])
def test_streaming_reads_what_its_writer_would_write(tmp_path, monkeypatch, kind, name):
    streaming = library("streaming")
    monkeypatch.setattr(mds, "_SHARD_BYTES", 5_000)
    dataset = make(tmp_path / "store", [300, 7, 0, 9, 250, 31, 12, 700], name, CHANNELS)
    if kind == "documents":
        dataset.export(tmp_path / "ours", "mds")
    else:
        dataset.pack(256, align=2).export(tmp_path / "ours", "mds")
    columns = json.loads((tmp_path / "ours" / "index.json").read_text())["shards"][0]
    encodings = dict(zip(columns["column_names"], columns["column_encodings"], strict=True))
    found = streaming.LocalDataset(str(tmp_path / "ours"))
    samples = [found[number] for number in range(len(found))]
    with streaming.MDSWriter(columns=encodings, out=str(tmp_path / "theirs"), size_limit=5_000) as writer:
        for sample in samples:
            writer.write(sample)
    assert content(tmp_path / "ours") == content(tmp_path / "theirs")
    assert len(content(tmp_path / "ours")) > 2  # several shards
    rows = read_mds(tmp_path / "ours")
    assert [sample["tokens"].tolist() for sample in samples] == [row["input_ids"] for row in rows]
    assert samples[0]["tokens"].dtype == ("uint16" if name == SMALL else "uint32")
