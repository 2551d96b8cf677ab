"""Hugging Face datasets: every row is encoded as by itself, and packing loses and moves no token of any column."""

from __future__ import annotations

import importlib
import itertools
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import portmanteau as pm
from libraries import library
from portmanteau.errors import EncodingError, MissingDependencyError, PackingError

datasets = library("datasets")
adapter = library("portmanteau.datasets")
map_tokenize, pack = adapter.map_tokenize, adapter.pack

# CPython 3.12 and newer say so of every fork beside threads, and libraries have some.
forks = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")

BOS, EOS = 50255, 50256
TEXTS = ["by the way", "", "off we go", "一二三", "so", "", "the end of it all, by and by"]


@pytest.fixture(scope="module")
def tokenizer() -> pm.Tokenizer:
    return pm.Tokenizer.load("r50k_base")


def dataset_of(texts: list[str]) -> Any:
    return datasets.Dataset.from_dict({"number": list(range(len(texts))), "text": texts})


def rows_of(dataset: Any) -> list[list[int]]:
    return [row["input_ids"] for row in dataset]


# ── encoding ────────────────────────────────────────────────────────────────────────────────────────────────────────


KINDS: dict[str, Callable[[Any], Any]] = {
    "whole": lambda whole: whole,
    "chunks": lambda whole: datasets.concatenate_datasets(
        [whole.select(range(2)), whole.select(range(2, 5))]
    ),
    "slice": lambda whole: whole.select(range(1, 4)),
    "shuffled": lambda whole: whole.select([3, 0, 5, 6, 0]),
    "large": lambda whole: whole.cast_column("text", datasets.Value("large_string")),
    "formatted": lambda whole: whole.with_format("numpy"),
    "iterable": lambda whole: whole.to_iterable_dataset(num_shards=2),
    "generated": lambda whole: datasets.IterableDataset.from_generator(lambda: iter(whole)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("bos", "eos"), [(None, None), (BOS, None), (None, EOS), (BOS, EOS)])
def test_rows_are_encoded_as_by_themselves(tokenizer, kind, bos, eos):
    dataset = KINDS[kind](dataset_of(TEXTS))
    encoded = map_tokenize(dataset, tokenizer, bos_id=bos, eos_id=eos, batch_size=3)
    assert type(encoded) is type(dataset)
    expected = []
    for row in dataset:
        ids = tokenizer.encode(str(row["text"])).tolist()
        around = [[token_id] if token_id is not None and ids else [] for token_id in (bos, eos)]
        expected.append(around[0] + ids + around[1])
    assert [list(ids) for ids in rows_of(encoded)] == expected
    if encoded.features is not None:
        assert encoded.features == {"input_ids": datasets.Sequence(datasets.Value("int32"))}
    if kind == "formatted":
        assert isinstance(encoded[0]["input_ids"], np.ndarray)


def test_columns_that_stay(tokenizer):
    dataset = dataset_of(TEXTS)
    encoded = map_tokenize(dataset, tokenizer, remove_columns=False)
    assert encoded.column_names == ["number", "text", "input_ids"]
    assert encoded["text"][:] == TEXTS
    again = map_tokenize(encoded, tokenizer, remove_columns=False, eos_id=EOS)
    assert again.column_names == encoded.column_names
    assert again[0]["input_ids"] == [*encoded[0]["input_ids"], EOS]
    of_iterable = map_tokenize(dataset.to_iterable_dataset(), tokenizer, remove_columns=False)
    assert list(of_iterable) == list(encoded)


def test_splits(tokenizer):
    splits = datasets.DatasetDict(train=dataset_of(TEXTS), test=dataset_of(TEXTS[:2]))
    encoded = map_tokenize(splits, tokenizer)
    assert type(encoded) is datasets.DatasetDict
    assert {name: len(split) for name, split in encoded.items()} == {"train": len(TEXTS), "test": 2}
    iterables = datasets.IterableDatasetDict(
        {name: split.to_iterable_dataset() for name, split in splits.items()}
    )
    streamed = map_tokenize(iterables, tokenizer)
    assert {name: list(split) for name, split in streamed.items()} == {
        name: list(split) for name, split in encoded.items()
    }
    packed = pack(encoded, 8)
    assert set(packed) == set(pack(streamed, 8)) == {"train", "test"}


@given(
    rows=st.lists(st.tuples(st.sampled_from(TEXTS), st.sampled_from(TEXTS)), max_size=6),
    loss_on=st.sampled_from(["prompt", "answer", ["prompt", "answer"], []]),
    bos=st.sampled_from([None, BOS]),
    eos=st.sampled_from([None, EOS]),
)
def test_labels_of_some_columns(tokenizer, rows, loss_on, bos, eos):
    dataset = datasets.Dataset.from_dict(
        {"prompt": [prompt for prompt, _ in rows], "answer": [answer for _, answer in rows]},
        features=datasets.Features(prompt=datasets.Value("string"), answer=datasets.Value("string")),
    )
    encoded = map_tokenize(
        dataset, tokenizer, text_column=["prompt", "answer"], loss_on=loss_on, bos_id=bos, eos_id=eos
    )
    assert encoded.column_names == ["input_ids", "labels"]
    for (prompt, answer), row in zip(rows, encoded, strict=True):
        ids, labels = [], []
        for name, text in (("prompt", prompt), ("answer", answer)):
            ids += tokenizer.encode(text).tolist()
            labels += [token_id if name in loss_on else -100 for token_id in ids[len(labels) :]]
        if ids and bos is not None:
            ids, labels = [bos, *ids], [-100, *labels]
        if ids and eos is not None:
            ids, labels = [*ids, eos], [*labels, eos if "answer" in loss_on else -100]
        assert row == {"input_ids": ids, "labels": labels}


def test_special_tokens(tokenizer):
    dataset = dataset_of(["<|endoftext|>"])
    assert map_tokenize(dataset, tokenizer, special="parse")[0]["input_ids"] == [EOS]
    assert len(map_tokenize(dataset, tokenizer)[0]["input_ids"]) > 1
    with pytest.raises(EncodingError, match="row 0: "):
        map_tokenize(dataset, tokenizer, special="error")


@pytest.mark.parametrize("kind", ["whole", "iterable"])
def test_a_row_without_text(tokenizer, kind):
    dataset = datasets.Dataset.from_dict({"text": ["a", "b", "c", None]})
    if kind == "iterable":
        dataset = dataset.to_iterable_dataset()
    with pytest.raises(EncodingError, match="row 3: the column has a null"):
        list(map_tokenize(dataset, tokenizer, batch_size=2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"text_column": "txt"}, "no column 'txt'; it has number, text"),
        ({"text_column": []}, "between 1 and 256 different columns"),
        ({"text_column": ["text", "text"]}, "between 1 and 256 different columns"),
        ({"loss_on": "answer"}, "loss_on has 'answer'; the text columns are text"),
        ({"special": "maybe"}, "special"),
        ({"threads": 0}, "threads is 0"),
        ({"text_column": "number"}, "expected a column of strings"),
    ],
)
def test_what_cannot_be_encoded(tokenizer, options, message):
    with pytest.raises(EncodingError, match=message):
        map_tokenize(dataset_of(TEXTS), tokenizer, **options)


def test_what_is_refused(tokenizer):
    with pytest.raises(PackingError, match="eos_id is 50257"):
        map_tokenize(dataset_of(TEXTS), tokenizer, eos_id=50257)
    with pytest.raises(EncodingError, match="from_huggingface"):
        map_tokenize(dataset_of(TEXTS), "gpt2")
    with pytest.raises(PackingError, match="dataset is a list"):
        map_tokenize(TEXTS, tokenizer)
    transformed = dataset_of(TEXTS).with_transform(lambda rows: rows)
    with pytest.raises(PackingError, match="has a transform"):
        map_tokenize(transformed, tokenizer)
    iterable = dataset_of(TEXTS).to_iterable_dataset()
    with pytest.raises(EncodingError, match="num_proc"):
        map_tokenize(iterable, tokenizer, num_proc=2)
    with pytest.raises(PackingError, match="num_proc"):
        pack(iterable, 8, num_proc=2)


def test_without_datasets(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    monkeypatch.delitem(sys.modules, "portmanteau.datasets")
    with pytest.raises(MissingDependencyError, match=r"pip install 'portmanteau\[datasets\]'"):
        importlib.import_module("portmanteau.datasets")


# ── packing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

#: What lies beside the token with this id: another value of every type.
BESIDE = {
    "input_ids": (pa.int64(), lambda ids: ids),
    "token_type_ids": (pa.int8(), lambda ids: ids % 127),
    "assistant_masks": (pa.bool_(), lambda ids: ids % 3 == 0),
    "weights": (pa.float32(), lambda ids: ids / 2),
    "halves": (pa.float16(), lambda ids: (ids % 512).astype(np.float16)),
    "places": (pa.uint16(), lambda ids: ids % 65_536),
}


def rows_of_lengths(lengths: list[int], names: tuple[str, ...], large: bool) -> pa.Table:
    """Rows with ids from 0 on, so that each id says which token it is."""
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    ids = np.arange(offsets[-1])
    kind, lists = (pa.int64(), pa.LargeListArray) if large else (pa.int32(), pa.ListArray)
    columns = {}
    for name in names:
        value_type, beside = BESIDE[name]
        columns[name] = lists.from_arrays(pa.array(offsets, kind), pa.array(beside(ids), value_type))
    return pa.table(columns)


def check_packed(
    rows: list[dict[str, Any]], lengths: list[int], capacity: int, names: tuple[str, ...]
) -> None:
    """Every token is there once, in pieces that follow one another in a row, with what lay beside it."""
    first_ids = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    seen = []
    for row in rows:
        ids = np.array(row["input_ids"])
        assert sum(row["seq_lengths"]) == len(ids) <= capacity
        assert min(row["seq_lengths"]) > 0
        for name in names:
            np.testing.assert_array_equal(row[name], BESIDE[name][1](ids))
        for piece in np.split(ids, np.cumsum(row["seq_lengths"])[:-1]):
            document = np.searchsorted(first_ids, piece[0], "right") - 1
            assert piece.tolist() == list(range(piece[0], piece[-1] + 1))
            assert piece[-1] < first_ids[document + 1]
        seen += ids.tolist()
    assert sorted(seen) == list(range(sum(lengths)))


@given(data=st.data())
def test_nothing_is_lost(data):
    lengths = data.draw(st.lists(st.integers(0, 30), max_size=30))
    capacity = data.draw(st.integers(1, 40))
    others = data.draw(st.sets(st.sampled_from(sorted(set(BESIDE) - {"input_ids"}))))
    names = ("input_ids", *sorted(others))
    table = rows_of_lengths(lengths, names, large=data.draw(st.booleans()))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(lengths)), max_size=3)))
    bounds = [0, *cuts, len(lengths)]
    chunks = pa.concat_tables(table.slice(a, b - a) for a, b in itertools.pairwise(bounds))
    dataset = datasets.Dataset(chunks)
    if data.draw(st.booleans()):
        dataset = dataset.select(data.draw(st.permutations(range(len(lengths)))))
    strategy = data.draw(st.sampled_from(["best_fit_decreasing", "next_fit", "concat"]))
    packed = pack(dataset, capacity, strategy=strategy)
    assert packed.column_names == [*names, "seq_lengths"]
    assert packed.features["input_ids"] == dataset.features["input_ids"]
    assert packed.features["seq_lengths"] == datasets.Sequence(datasets.Value("int32"))
    check_packed(list(packed), lengths, capacity, names)
    plan = pm.pack([len(ids) for ids in rows_of(dataset)], capacity, strategy=strategy)
    assert len(packed) == plan.n_sequences
    if lengths:
        iterable = pack(dataset.to_iterable_dataset(), capacity, strategy=strategy, batch_size=7)
        check_packed(list(iterable), lengths, capacity, names)


@pytest.mark.parametrize("lists", [pa.list_, pa.large_list])
def test_some_rows_of_a_table(lists):
    """Rows that a filter left out may have anything."""
    columns = {
        "input_ids": [[1, 2], None, [3], [4, None], [5, 6, 7], [8]],
        "labels": [[1, 2], [9], [3], [4], [5, 6, 7], [8]],
    }
    dataset = datasets.Dataset(
        pa.table({name: pa.array(rows, lists(pa.int64())) for name, rows in columns.items()})
    )
    good = dataset.select([4, 0, 2])
    assert pack(good, 4)[:] == {
        "input_ids": [[5, 6, 7, 3], [1, 2]],
        "labels": [[5, 6, 7, 3], [1, 2]],
        "seq_lengths": [[3, 1], [2]],
    }
    for rows, number in (([0, 1], 1), ([3], 0), ([2, 3, 4], 1)):
        with pytest.raises(PackingError, match=f"document {number}: has a null in 'input_ids'"):
            pack(dataset.select(rows), 4)
    uneven = datasets.Dataset.from_dict({"input_ids": [[1], [1, 2, 3]], "labels": [[1], [2, 3]]})
    with pytest.raises(PackingError, match="document 1: has 3 ids and 2 values in 'labels'"):
        pack(uneven, 4)


def test_lists_of_a_fixed_length():
    features = datasets.Features(input_ids=datasets.Sequence(datasets.Value("int32"), length=3))
    dataset = datasets.Dataset.from_dict({"input_ids": [[1, 2, 3], [4, 5, 6]]}, features=features)
    assert pack(dataset.select([1]), 8)[:] == {"input_ids": [[4, 5, 6]], "seq_lengths": [[3]]}
    assert pack(dataset, 8).features["input_ids"] == datasets.Sequence(datasets.Value("int32"))


def test_nothing_to_pack(tokenizer):
    empty = dataset_of(TEXTS).select([])
    encoded = map_tokenize(empty, tokenizer, eos_id=EOS)
    assert (len(encoded), encoded.column_names) == (0, ["input_ids"])
    for dataset in (encoded, map_tokenize(dataset_of(["", ""]), tokenizer, eos_id=EOS)):
        packed = pack(dataset, 8)
        assert (len(packed), packed.column_names) == (0, ["input_ids", "seq_lengths"])
        assert packed.features == pack(map_tokenize(dataset_of(["a"]), tokenizer), 8).features
    nothing = datasets.IterableDataset.from_generator(lambda: iter(()))
    assert list(pack(map_tokenize(nothing, tokenizer), 8)) == []


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"text": ["a"]}, {}, "no column 'input_ids'; it has text"),
        (
            {"input_ids": [[1]], "text": ["a"]},
            {},
            "column 'text' is string, no list of a number for each token; leave",
        ),
        ({"input_ids": [[[1]]]}, {}, "no list of a number for each token"),
        ({"input_ids": [[1]], "seq_lengths": [[1]]}, {}, "so it is packed"),
        ({"input_ids": [[1]]}, {"columns": ["labels"]}, "no column 'labels'"),
        ({"input_ids": [[1]]}, {"capacity": 0}, "capacity is 0"),
        (
            {"input_ids": [[1]]},
            {"eos": True},
            "eos is not for rows of a dataset: give eos_id to map_tokenize",
        ),
        ({"input_ids": [[1]]}, {"align": 8}, "align is not for rows"),
        ({"input_ids": [[1] * 9]}, {"long_documents": "error"}, "document 0: "),
        ({"input_ids": [[1]]}, {"strategy": "best"}, "strategy"),
    ],
)
@pytest.mark.parametrize("kind", ["whole", "iterable"])
def test_what_cannot_be_packed(columns, options, message, kind):
    dataset = datasets.Dataset.from_dict(columns)
    if kind == "iterable":
        dataset = dataset.to_iterable_dataset()
    with pytest.raises(PackingError, match=message):
        list(pack(dataset, **{"capacity": 4, **options}))


def test_columns_that_are_left_out(tokenizer):
    encoded = map_tokenize(dataset_of(TEXTS), tokenizer, remove_columns=False)
    assert pack(encoded, 8, columns=["input_ids"]).column_names == ["input_ids", "seq_lengths"]
    assert pack(encoded, 8, columns=[])[:] == pack(encoded, 8, columns=["input_ids"])[:]


# ── files, processes, caches ────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def on_disk(tmp_path) -> Any:
    """A dataset in files, in several record batches."""
    dataset = dataset_of([f"{text} {number}" for number in range(300) for text in TEXTS])
    dataset.save_to_disk(tmp_path / "texts")
    return datasets.load_from_disk(tmp_path / "texts")


@forks
def test_processes_make_the_same(tokenizer, on_disk):
    alone = map_tokenize(on_disk.to_iterable_dataset(), tokenizer, eos_id=EOS)
    encoded = map_tokenize(on_disk, tokenizer, eos_id=EOS, num_proc=2)
    assert rows_of(encoded) == rows_of(alone)
    packed = pack(encoded, 50, num_proc=2)
    assert packed[:] == pack(datasets.Dataset(encoded.data.table), 50)[:]
    in_memory = datasets.Dataset(pa.table({"input_ids": rows_of(alone)}))
    assert pack(in_memory, 50, num_proc=2)["seq_lengths"][:] == packed["seq_lengths"][:]


def test_results_lie_in_the_cache(tokenizer, on_disk):
    def times() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in folder.iterdir()}

    folder = Path(on_disk.cache_files[0]["filename"]).parent
    packed = pack(map_tokenize(on_disk, tokenizer, eos_id=EOS), 64)
    assert [Path(file["filename"]).parent for file in packed.cache_files] == [folder]
    before = times()
    again = pack(map_tokenize(on_disk, tokenizer, eos_id=EOS), 64)
    assert times() == before
    assert again._fingerprint == packed._fingerprint
    assert again[:] == packed[:]
    encoded = map_tokenize(on_disk, tokenizer, eos_id=EOS)
    others = [
        map_tokenize(on_disk, tokenizer),
        map_tokenize(on_disk, tokenizer, eos_id=EOS, bos_id=BOS),
        map_tokenize(on_disk, pm.Tokenizer.load("cl100k_base"), eos_id=EOS),
        map_tokenize(on_disk, tokenizer, eos_id=EOS, special="parse"),
        map_tokenize(on_disk, tokenizer, eos_id=EOS, remove_columns=False),
        map_tokenize(on_disk, tokenizer, eos_id=EOS, loss_on="text"),
        map_tokenize(on_disk.select(range(9)), tokenizer, eos_id=EOS),
        pack(encoded, 65),
        pack(encoded, 64, strategy="next_fit"),
        pack(encoded.select(range(5, 9)), 64),
    ]
    files = {file["filename"] for other in others for file in other.cache_files}
    assert len(files) == len(others)
    assert not files & {str(path) for path in before}


def test_fingerprints_are_the_same_in_other_processes(tokenizer, on_disk):
    program = f"""
import datasets, portmanteau as pm
from portmanteau.datasets import map_tokenize, pack
texts = datasets.load_from_disk({str(Path(on_disk.cache_files[0]["filename"]).parent)!r})
encoded = map_tokenize(texts, pm.Tokenizer.load("r50k_base"), eos_id={EOS}, special=["<|endoftext|>"])
print(encoded._fingerprint, pack(encoded, 64)._fingerprint)
"""
    outcome = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stderr
    encoded = map_tokenize(on_disk, tokenizer, eos_id=EOS, special=["<|endoftext|>"])
    assert outcome.stdout.split() == [encoded._fingerprint, pack(encoded, 64)._fingerprint]


def test_without_a_cache(tokenizer, on_disk):
    folder = Path(on_disk.cache_files[0]["filename"]).parent
    before = sorted(folder.iterdir())
    datasets.disable_caching()
    try:
        packed = pack(map_tokenize(on_disk, tokenizer), 64)
        assert packed.cache_files
    finally:
        datasets.enable_caching()
    assert sorted(folder.iterdir()) == before


# ── datasets that are read as they go ───────────────────────────────────────────────────────────────────────────────


def streamed(tokenizer: pm.Tokenizer, num_shards: int = 3) -> Any:
    texts = dataset_of([f"{text} {number}" for number in range(12) for text in TEXTS])
    encoded = map_tokenize(
        texts.to_iterable_dataset(num_shards=num_shards), tokenizer, eos_id=EOS, batch_size=5
    )
    return pack(encoded, 40, batch_size=20)


def test_resume_is_exact(tokenizer):
    rows = list(streamed(tokenizer))
    for place in range(len(rows) + 1):
        dataset = streamed(tokenizer)
        iterator = iter(dataset)
        assert [next(iterator) for _ in range(place)] == rows[:place]
        state = pickle.loads(pickle.dumps(dataset.state_dict()))
        other = streamed(tokenizer)
        other.load_state_dict(state)
        assert list(other) == rows[place:]


def test_nodes_share_the_shards(tokenizer):
    distributed = library("datasets.distributed")
    rows = list(streamed(tokenizer))
    of_nodes = [list(distributed.split_dataset_by_node(streamed(tokenizer), rank, 3)) for rank in range(3)]
    ids = sorted(token for node in of_nodes for row in node for token in row["input_ids"])
    assert all(of_nodes)
    assert ids == sorted(token for row in rows for token in row["input_ids"])


@forks
def test_workers_of_torch(tokenizer):
    data = library("torch.utils.data")
    dataset = pickle.loads(pickle.dumps(streamed(tokenizer)))  # as it goes to a worker that is spawned
    rows = list(data.DataLoader(dataset, batch_size=None, num_workers=2, multiprocessing_context="fork"))
    ids = sorted(token for row in rows for token in row["input_ids"])
    assert ids == sorted(token for row in streamed(tokenizer) for token in row["input_ids"])


# ── what TRL makes of it ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def sft_trainer() -> Any:
    return library("trl.trainer.sft_trainer")


def test_the_rows_are_those_of_trl(tokenizer):
    """The same columns of the same types, and no more rows."""
    trl = library("trl")
    encoded = map_tokenize(dataset_of([text for text in TEXTS for _ in range(30)]), tokenizer, eos_id=EOS)
    theirs = trl.pack_dataset(encoded, 16, "bfd_split")
    packed = pack(encoded, 16)
    assert packed.features == theirs.features
    assert len(packed) <= len(theirs)
    of_both = [sorted(itertools.chain.from_iterable(rows_of(dataset))) for dataset in (packed, theirs)]
    assert of_both[0] == of_both[1]


@settings(max_examples=25)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=10),
    rows_at_once=st.integers(1, 3),
    with_labels=st.booleans(),
)
def test_the_collator_of_trl_takes_the_rows(sft_trainer, lengths, rows_at_once, with_labels):
    """What it makes of packed rows is what it makes of the documents in them, one after the other."""
    collate = sft_trainer.DataCollatorForLanguageModeling(pad_token_id=0, padding_free=True)
    ends = np.cumsum(lengths)
    ids = [list(range(end - length, end)) for length, end in zip(lengths, ends.tolist(), strict=True)]
    columns = {"input_ids": ids}
    if with_labels:
        columns["labels"] = [[-100 if token % 3 else token for token in row] for row in ids]
    packed = pack(datasets.Dataset.from_dict(columns), 12)
    documents = {row[0]: row for row in ids}
    for first in range(0, len(packed), rows_at_once):
        rows = [packed[row] for row in range(first, min(first + rows_at_once, len(packed)))]
        alone = []
        for row in rows:
            starts = np.concatenate([[0], np.cumsum(row["seq_lengths"])[:-1]])
            for start in starts:
                document = documents[row["input_ids"][start]]
                labels = (
                    {"labels": [-100 if token % 3 else token for token in document]} if with_labels else {}
                )
                alone.append({"input_ids": document, **labels})
        made, expected = collate(rows), collate(alone)
        assert list(made) == list(expected)
        for name, value in expected.items():
            np.testing.assert_array_equal(made[name], value, err_msg=name)
            assert "max" in name or made[name].dtype == value.dtype
