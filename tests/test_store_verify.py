"""``verify``: every flipped bit, missing, foreign and added file is found, and the error names the file."""

from __future__ import annotations

import hashlib
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import portmanteau as pm
import store_cases
from portmanteau.store import format as store_format
from portmanteau.store.writing import record_path

GOLDEN = Path(__file__).parent / "cases" / "store-1"
NAMES = ("prepared", "weighted")
FILES = sorted(
    (str(path.relative_to(GOLDEN)), path.stat().st_size)
    for name in NAMES
    for path in (GOLDEN / name).rglob("*")
    if path.is_file()
)


@pytest.fixture
def folder(tmp_path) -> Path:
    """A dataset that a test may damage."""
    return shutil.copytree(GOLDEN / "prepared", tmp_path / "prepared")


def verify(folder: Path) -> None:
    pm.Dataset.open(folder).verify()


def assert_found(folder: Path, path: str) -> str:
    """The damage is found, and the error names the file."""
    with pytest.raises(pm.Error) as caught:
        verify(folder)
    assert path in str(caught.value)
    return str(caught.value)


def flipped(path: Path, place: int, bit: int) -> bytes:
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    return bytes(content)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), file=st.sampled_from([file for file in FILES if file[1]]))
def test_any_flipped_bit_is_found(data, file, tmp_path_factory):
    name, size = file
    place, bit = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, 7))
    folder = tmp_path_factory.mktemp("flipped")
    dataset, _, within = name.partition("/")
    shutil.copytree(GOLDEN / dataset, folder / dataset)
    (folder / dataset / within).write_bytes(flipped(folder / dataset / within, place, bit))
    assert_found(folder / dataset, Path(within).name)


@pytest.mark.full
@pytest.mark.parametrize("name", [name for name, _ in FILES])
def test_bytes_all_over_every_file(name, tmp_path):
    """A flipped bit of each byte of small files, and of about five hundred bytes of larger ones."""
    dataset, _, within = name.partition("/")
    folder = shutil.copytree(GOLDEN / dataset, tmp_path / dataset)
    path = folder / within
    content = path.read_bytes()
    for place in range(0, len(content), 1 + len(content) // 500):
        path.write_bytes(flipped(path, place, random.Random(place).randrange(8)))
        with pytest.raises(pm.Error):
            verify(folder)
        path.write_bytes(content)
    verify(folder)


@pytest.mark.parametrize("name", [name for name, _ in FILES])
def test_a_missing_file_is_found(name, tmp_path):
    dataset, _, within = name.partition("/")
    folder = shutil.copytree(GOLDEN / dataset, tmp_path / dataset)
    (folder / within).unlink()
    if within == "job.json":  # which readers do not need
        verify(folder)
    elif within.startswith("plans") and within.endswith("json"):
        said = assert_found(folder, Path(within).stem + ".arrow")
        assert "is no file of this dataset; remove it" in said
    else:
        assert_found(folder, folder.name if within == "manifest.json" else Path(within).name)


@pytest.mark.parametrize("name", [name for name, size in FILES if size])
@pytest.mark.parametrize("change", ["shorter", "longer", "empty"])
def test_a_file_of_another_size_is_found(name, change, tmp_path):
    dataset, _, within = name.partition("/")
    folder = shutil.copytree(GOLDEN / dataset, tmp_path / dataset)
    content = (folder / within).read_bytes()
    changed = {"shorter": content[:-1], "longer": content + b"\0", "empty": b""}[change]
    (folder / within).write_bytes(changed)
    assert_found(folder, Path(within).name)


def test_no_plan_at_all_is_as_good(folder):
    """Plans are no part of the dataset: without both of its files, there is none."""
    shutil.rmtree(folder / "plans")
    verify(folder)


@pytest.mark.parametrize(
    "path", ["shards/00002.ids", "shards/00000.other", "plans/99.arrow", "shards/00000.ids.bak"]
)
def test_a_file_that_is_not_of_the_dataset_is_found(path, folder):
    shutil.copy(folder / "shards/00000.ids", folder / path)
    assert "is no file of this dataset; remove it" in assert_found(folder, path)


def test_files_being_written_are_let_alone(folder):
    (folder / "plans/.8.arrow.1-2.partial").write_bytes(b"")
    verify(folder)


def test_shards_that_changed_places_are_found(folder):
    for ending in ("ids", "offsets", "column", "byte_lengths", "long_byte_lengths", "json"):
        one, other = (folder / "shards" / f"{name}.{ending}" for name in ("00000", "00001"))
        content = one.read_bytes()
        one.write_bytes(other.read_bytes())
        other.write_bytes(content)
    assert_found(folder, "shards/00000.")


def test_a_shard_of_another_dataset_is_found(folder, tmp_path, monkeypatch):
    """The same shapes, sizes and names, with a record that fits its files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        store_cases, "ROWS", [{**row, "answer": row["answer"][::-1]} for row in store_cases.ROWS]
    )
    store_cases.write_dataset("other")
    for path in Path("other/shards").glob("00000.*"):
        shutil.copy(path, folder / "shards")
    assert_found(folder, "shards/00000.")


def test_a_plan_of_another_dataset_is_found(folder, tmp_path):
    other = shutil.copytree(GOLDEN / "weighted", tmp_path / "weighted")
    pm.Dataset.open(other).pack(24)
    for ending in ("arrow", "json"):
        shutil.copy(other / f"plans/24.{ending}", folder / "plans")
    assert "is a plan of another dataset" in assert_found(folder, "plans/24.json")


def test_plans_that_changed_names_are_found(folder):
    shutil.copy(folder / "plans/24.arrow", folder / "plans/sequences.arrow")
    assert_found(folder, "plans/sequences.arrow")


def test_a_foreign_tokenizer_is_found(folder):
    dataset = pm.Dataset.open(folder)
    dataset.verify(store_cases.make_tokenizer())
    with pytest.raises(pm.FileError, match=r"its ids were made with the tokenizer .*, and not with"):
        dataset.verify(pm.Tokenizer.load("r50k_base"))
    texts = [row["text"] for row in store_cases.ROWS]
    pm.train_bpe(texts=texts, vocab_size=310 - 40).save(folder / "tokenizer.json")
    assert_found(folder, "tokenizer.json")
    with pytest.raises(pm.FileError, match=r"tokenizer\.json: the tokenizer has the fingerprint"):
        _ = pm.Dataset.open(folder).tokenizer


# ── what only a writer that errs could make: all checksums are right ────────────────────────────────────────────────


def forged(folder: Path, ending: str, array: np.ndarray, **changes: int) -> None:
    """Writes a file of the first shard, and what says so, with checksums that are right."""
    manifest = store_format.Manifest.read(folder / "manifest.json")
    content = array.tobytes()
    records = list(manifest.shards)
    digest = hashlib.sha256(content).hexdigest()
    files = {**records[0].files, ending: store_format.FileRecord(len(content), digest)}
    records[0] = store_format.ShardRecord(**{**vars(records[0]), "files": files, **changes})
    (folder / "shards" / f"00000.{ending}").write_bytes(content)
    record_path(folder / "shards", "00000").write_bytes(store_format.record_content(records[0]))
    forged = store_format.Manifest(**{**vars(manifest), "shards": records})
    (folder / "manifest.json").write_bytes(forged.to_json())
    shutil.rmtree(folder / "plans")


def test_an_id_beyond_the_vocabulary_is_found(folder):
    ids = np.fromfile(folder / "shards/00000.ids", "<u2")
    ids[8] = 310
    forged(folder, "ids", ids)
    assert "document 2 has the id 310, and ids are below 310" in assert_found(folder, "00000.ids")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda offsets: offsets[[0, 1, 3, 2, *range(4, len(offsets))]], "do not ascend from 0"),
        (lambda offsets: offsets + (offsets == 0), "do not ascend from 0"),
        (lambda offsets: offsets[:-1], "its numbers of documents and tokens"),
        (lambda offsets: np.append(offsets[:-1], offsets[-1] + 1), "its numbers of documents and tokens"),
    ],
    ids=["descend", "begin later", "fewer documents", "more tokens"],
)
def test_offsets_that_cannot_be_are_found(change, said, folder):
    forged(folder, "offsets", change(np.fromfile(folder / "shards/00000.offsets", "<i8")))
    assert said in assert_found(folder, "00000.offsets")


def test_a_channel_of_another_length_is_found(folder):
    forged(folder, "column", np.fromfile(folder / "shards/00000.column", np.uint8)[:-1])
    assert "it has not one value for each token" in assert_found(folder, "00000.column")


@pytest.mark.parametrize(
    "change", [lambda array: array[:-1], lambda array: np.append(array, array[:1])], ids=["less", "more"]
)
@pytest.mark.parametrize(("ending", "dtype"), [("byte_lengths", np.uint8), ("long_byte_lengths", "<u8")])
def test_byte_lengths_that_do_not_fit_are_found(ending, dtype, change, folder):
    forged(folder, ending, change(np.fromfile(folder / f"shards/00000.{ending}", dtype)))
    assert "its lengths are not those of the text" in assert_found(folder, "00000.byte_lengths")
