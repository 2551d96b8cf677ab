"""Text that is packed as it is read: every document once an epoch, the same rows for all ranks and workers, states."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import portmanteau as pm
from portmanteau.errors import EncodingError, FileError, PackingError
from portmanteau.loading import lanes
from test_loading import equal

TEXTS = [
    f"Document {number}: " + "by the way, " * (number % 7) + f"end of {number}." for number in range(120)
]


def write_lines(path: Path, texts: list[str]) -> Path:
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return path


@pytest.fixture(scope="module")
def tokenizer() -> pm.Tokenizer:
    return pm.Tokenizer.load("r50k_base")


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lines(tmp_path_factory.mktemp("lines") / "text.jsonl", TEXTS)


def loader_of(path, tokenizer, **options) -> pm.TextLoader:
    defaults = {
        "batch_size": 8,
        "n_lanes": 8,
        "part_bytes": 400,
        "eos_id": 50256,
        "pad_id": 50256,
        "window": 2,
    }
    return pm.TextLoader(path, tokenizer, 32, **{**defaults, **options})


def documents_in(batches, tokenizer) -> list[str]:
    """The texts of whole documents, which end with an EOS, sorted."""
    found = []
    for batch in batches:
        for ids, segments in zip(batch["input_ids"], batch["segment_ids"], strict=True):
            for segment in range(1, segments.max() + 1):
                found.append(tokenizer.decode(ids[segments == segment].astype(np.uint32)))
    return sorted(text.removesuffix("<|endoftext|>") for text in found)


ARRAYS = ("input_ids", "position_ids", "segment_ids", "labels")


@pytest.mark.parametrize("n_lanes", [1, 2, 8])
@pytest.mark.parametrize("shuffle", [False, True])
def test_every_document_comes_once_an_epoch(lines, tokenizer, n_lanes, shuffle):
    texts = [text for text in TEXTS if len(tokenizer.encode(text)) < 32]
    assert len(texts) > 100
    loader = loader_of(
        lines, tokenizer, n_lanes=n_lanes, shuffle=shuffle, epochs=2, long_documents="drop", arrays=ARRAYS
    )
    batches = list(loader)
    assert documents_in(batches, tokenizer) == sorted(texts * 2)
    assert loader.step == len(batches)
    assert list(loader) == []


def test_rows_are_those_of_the_packer(lines, tokenizer):
    """One lane and no drawn order: what `StreamPacker` makes of each part, one after the other."""
    loader = loader_of(lines, tokenizer, n_lanes=1, batch_size=1, shuffle=False, epochs=1, arrays=ARRAYS)
    rows = []
    for part in pm.reading.parts(lines, part_bytes=400):
        packer = pm.StreamPacker(32, eos_id=50256, pad_id=50256, window=2, dtype="int64")
        for batch in pm.reading.columns_of(part):
            for packed in (packer.push(tokenizer.encode_batch(batch.columns[0])), packer.finish()):
                rows += [
                    {
                        name: packed.labels()[[row]] if name == "labels" else getattr(packed, name)[[row]]
                        for name in ARRAYS
                    }
                    for row in range(len(packed))
                ]
    batches = list(loader)
    assert len(batches) == len(rows) > 20
    assert all(equal(batch, row) for batch, row in zip(batches, rows, strict=True))


def test_parts_are_drawn_anew_in_every_epoch(lines, tokenizer):
    loader = loader_of(lines, tokenizer, n_lanes=1, batch_size=1, epochs=4)
    rows = [row.tobytes() for batch in loader for row in batch["input_ids"]]
    n = len(rows) // 4
    epochs = [rows[epoch * n : (epoch + 1) * n] for epoch in range(4)]
    assert len({tuple(epoch) for epoch in epochs}) == 4
    other_seed = loader_of(lines, tokenizer, n_lanes=1, batch_size=1, epochs=4, seed=1)
    assert [row.tobytes() for batch in other_seed for row in batch["input_ids"]] != rows


def test_how_much_is_read_at_a_time_changes_nothing(lines, tokenizer, monkeypatch):
    def some():
        loader = loader_of(lines, tokenizer)
        return [batch for batch, _ in zip(loader, range(20), strict=False)]

    expected = some()
    monkeypatch.setattr(lanes, "BATCH_BYTES", 60)
    assert all(equal(one, other) for one, other in zip(some(), expected, strict=True))


def test_formats_of_files_give_the_same_rows(tmp_path, lines, tokenizer):
    """Parts differ with the format, and so one part each."""
    pq.write_table(pa.table({"text": TEXTS}), tmp_path / "text.parquet")
    options = {"n_lanes": 1, "part_bytes": 1 << 20, "epochs": 1}
    one = list(loader_of(lines, tokenizer, **options))
    other = list(loader_of(tmp_path / "text.parquet", tokenizer, **options))
    assert all(equal(*pair) for pair in zip(one, other, strict=True))


GOLDEN = [19035, 17318, 15136, 19048, 8644, 17342, 8257, 9773, 4317, 9225, 9166, 4019]


def test_the_order_is_that_of_every_version(lines, tokenizer):
    loader = loader_of(lines, tokenizer, seed=3, n_lanes=2, batch_size=2)
    assert [int(row[1]) for batch, _ in zip(loader, range(20), strict=False) for row in batch["input_ids"]][
        -12:
    ] == GOLDEN


# ── ranks, workers, states ──────────────────────────────────────────────────────────────────────────────────────────


@given(
    st.lists(
        st.tuples(st.integers(0, 12), st.sampled_from([1, 2, 4, 8]), st.integers(1, 4)),
        min_size=1,
        max_size=5,
    )
)
@settings(max_examples=25)
def test_any_ranks_and_workers_go_on(lines, tokenizer, runs):
    whole = loader_of(lines, tokenizer)
    states = [json.loads(json.dumps(whole.state_dict()))]
    for n_steps, n_ranks, n_workers in runs:
        loaders = [
            loader_of(lines, tokenizer, rank=rank, world_size=n_ranks).of_worker(worker, n_workers)
            for rank in range(n_ranks)
            for worker in range(n_workers)
        ]
        for loader in loaders:
            loader.load_state_dict(states)
        for _ in range(n_steps):
            expected = whole.next_batch()
            rows: dict[int, dict] = {}
            for number, loader in enumerate(loaders):
                rank, worker = divmod(number, n_workers)
                batch = loader.next_batch()
                if batch is not None:
                    of_rank = range(rank * 8 // n_ranks, (rank + 1) * 8 // n_ranks)
                    for place, lane in enumerate(of_rank[worker::n_workers]):
                        rows[lane] = {name: array[place : place + 1] for name, array in batch.items()}
            together = {name: np.concatenate([rows[lane][name] for lane in range(8)]) for name in expected}
            assert equal(together, expected)
        states = [json.loads(json.dumps(loader.state_dict())) for loader in loaders]
        assert max(len(json.dumps(state)) for state in states) < 400


def test_states_of_lanes_that_have_ended(lines, tokenizer):
    def new():
        return loader_of(lines, tokenizer, epochs=1)

    loader = new()
    batches = list(loader)
    assert (batches[-1]["labels"] == -100).all(axis=1).any()  # lanes end one before the other
    for step in range(len(batches) + 1):
        one, other = new(), new()
        given = [one.next_batch() for _ in range(step)]
        other.load_state_dict(json.loads(json.dumps(one.state_dict())))
        rest = list(other)
        assert len(given) + len(rest) == len(batches)
        assert all(equal(*pair) for pair in zip(rest, batches[step:], strict=True))


def test_it_pickles_where_it_is(lines, tokenizer):
    loader = loader_of(lines, tokenizer)
    for _ in range(5):
        loader.next_batch()
    copy = pickle.loads(pickle.dumps(loader))
    for _ in range(30):
        assert equal(copy.next_batch(), loader.next_batch())


def test_foreign_states_are_refused(tmp_path, lines, tokenizer):
    loader = loader_of(lines, tokenizer)
    state = loader.state_dict()
    changed = write_lines(tmp_path / "text.jsonl", TEXTS[1:])
    for other in (
        loader_of(changed, tokenizer),
        loader_of(lines, tokenizer, seed=1),
        loader_of(lines, tokenizer, window=3),
        loader_of(lines, tokenizer, n_lanes=4),
        loader_of(lines, tokenizer, part_bytes=300),
        loader_of(lines, pm.Tokenizer.load("cl100k_base"), eos_id=0, pad_id=0),
        loader_of(lines, tokenizer, special="parse"),
    ):
        with pytest.raises(PackingError, match="another text, tokenizer or other options"):
            other.load_state_dict(state)
    for wrong in ({}, [], None, {**state, "lanes": 3}, {**state, "step": None}, [state, {}]):
        with pytest.raises(PackingError, match=r"no state of a TextLoader|give the states"):
            loader.load_state_dict(wrong)
    later = {**state, "step": 1, "lanes": {"1": [0, 3]}}
    with pytest.raises(PackingError, match="different steps"):
        loader.load_state_dict([state, later])
    with pytest.raises(PackingError, match="has no lane 0"):
        loader.load_state_dict(later)
    with pytest.raises(PackingError, match="version 7"):
        loader.load_state_dict({**state, "version": 7})
    # The same options, said otherwise.
    same = pm.TextLoader(
        str(lines), tokenizer, 32, window=2, pad_id=50256, eos_id=50256, part_bytes=400, batch_size=8, align=1
    )
    same.load_state_dict(state)


def test_sets_of_special_tokens_have_one_fingerprint(lines):
    tokenizer = pm.Tokenizer.load("o200k_base")
    names = sorted(tokenizer.special_tokens)
    options = {"eos_id": 0, "pad_id": 0}
    one = loader_of(lines, tokenizer, special=set(names), **options)
    assert one.fingerprint == loader_of(lines, tokenizer, special=names[::-1], **options).fingerprint


# ── what can go wrong ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.timeout(60)
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("texts", [[""] * 40, TEXTS[:40]], ids=["empty", "all too long"])
def test_text_without_sequences_is_an_error_and_no_endless_loop(tmp_path, tokenizer, shuffle, texts):
    path = write_lines(tmp_path / "text.jsonl", texts)
    options = {"part_bytes": 50, "n_lanes": 4, "shuffle": shuffle, "long_documents": "drop"}
    loader = pm.TextLoader(path, tokenizer, 3, batch_size=4, **options)
    for _ in range(2):
        with pytest.raises(PackingError, match="would read without end and find no sequence"):
            loader.next_batch()
    assert list(pm.TextLoader(path, tokenizer, 3, batch_size=4, epochs=2, **options)) == []


@pytest.mark.timeout(60)
def test_empty_parts_are_passed_over(tmp_path, tokenizer):
    """With a drawn order, every lane comes to the parts that have text; without, some never do."""
    texts = [""] * 30 + ["by the way"] + [""] * 30
    path = write_lines(tmp_path / "text.jsonl", texts)
    options = {"part_bytes": 60, "n_lanes": 4}
    loader = loader_of(path, tokenizer, **options)
    for _ in range(6):
        assert (loader.next_batch()["labels"] >= 0).any(axis=1).all()
    other = loader_of(path, tokenizer, **options)
    other.load_state_dict(loader.state_dict())
    assert equal(other.next_batch(), loader.next_batch())
    with pytest.raises(PackingError, match="would read without end"):
        loader_of(path, tokenizer, shuffle=False, **options).next_batch()


def test_an_error_skips_nothing(tmp_path, tokenizer):
    good = write_lines(tmp_path / "text.jsonl", TEXTS).read_bytes()
    path = tmp_path / "text.jsonl"
    bad = good.replace(b"Document 60", b"Document \xff\xff")
    path.write_bytes(bad)
    assert len(bad) == len(good)
    loader = loader_of(path, tokenizer, epochs=1)
    for _ in range(3):
        with pytest.raises(EncodingError, match=r"text\.jsonl"):
            list(loader)
    steps = loader.step
    path.write_bytes(good)
    expected = list(loader_of(path, tokenizer, epochs=1))
    rest = list(loader)
    assert len(rest) == len(expected) - steps
    assert all(equal(*pair) for pair in zip(rest, expected[steps:], strict=True))


def test_an_error_of_encoding_names_file_and_row(tmp_path, tokenizer):
    path = write_lines(tmp_path / "text.jsonl", [*TEXTS[:5], "by <|endoftext|> way"])
    loader = loader_of(path, tokenizer, special="error", n_lanes=1, part_bytes=1 << 20)
    with pytest.raises(EncodingError, match=r"text.jsonl, row 5: .*endoftext") as caught:
        loader.next_batch()
    assert caught.value.path == str(path)
    path.unlink()
    with pytest.raises(FileError, match=r"text\.jsonl"):
        loader.next_batch()


def test_lanes_are_as_many_as_the_text_has_parts_for(lines, tokenizer):
    def lanes_of(batch_size, part_bytes):
        return pm.TextLoader(lines, tokenizer, 32, batch_size=batch_size, part_bytes=part_bytes).n_lanes

    assert lanes_of(8, 1 << 20) == 1
    assert lanes_of(8, lines.stat().st_size // 4) in (4, 5)
    assert lanes_of(256, 60) == 64
    assert lanes_of(6, 400) == 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_lanes": 3}, "8 rows, 3 lanes and 1 ranks"),
        ({"world_size": 3}, "8 rows, 8 lanes and 3 ranks"),
        ({"part_bytes": 1 << 20}, "the text has 1 parts, and 8 lanes need as many"),
        ({"world_size": 2, "epochs": 1}, "leave epochs out"),
        ({"epochs": 0}, "epochs is 0"),
        ({"arrays": ["tokens"]}, "choose from input_ids"),
        ({"dtype": "int8"}, "dtype is 'int8'"),
        ({"window": 0}, "window is 0"),
        ({"rank": 1}, "rank is 1"),
        ({"seed": 2**64}, "seed is"),
    ],
)
def test_what_a_loader_of_text_cannot_be(lines, tokenizer, options, message):
    with pytest.raises(PackingError, match=message):
        loader_of(lines, tokenizer, **options)


def test_workers_are_numbered(lines, tokenizer):
    with pytest.raises(PackingError, match="worker is 2"):
        loader_of(lines, tokenizer).of_worker(2, 2)
