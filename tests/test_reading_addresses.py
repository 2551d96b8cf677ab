"""Addresses: a server of S3 on this machine, fsspec's file system in memory, file://, and what errors show of them."""

from __future__ import annotations

import glob
import json
import os
import sys
import traceback
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import fs

import portmanteau as pm
from portmanteau import reading
from portmanteau.reading.addresses import child, located, told
from portmanteau.reading.patterns import matches

TEXTS = [f"text {number} é" for number in range(100)]


def lines(texts: list[str]) -> bytes:
    return "".join(json.dumps({"text": text}) + "\n" for text in texts).encode()


def all_rows(paths: Any, part_bytes: int = 200) -> list[str]:
    return [
        text
        for part in reading.parts(paths, part_bytes=part_bytes)
        for batch in reading.columns_of(part)
        for text in batch.columns[0].to_pylist()
    ]


def write_files(system: Any, root: str) -> None:
    """The texts, in several formats, on any file system."""
    system.create_dir(f"{root}/more", recursive=True)
    for name, content in [("b.jsonl", TEXTS[50:]), ("a.jsonl", TEXTS[:50]), ("more/c d%.jsonl", TEXTS[:7])]:
        with system.open_output_stream(f"{root}/{name}") as sink:
            sink.write(lines(content))
    with system.open_output_stream(f"{root}/a.jsonl.gz", compression="gzip") as sink:
        sink.write(lines(TEXTS))
    with system.open_output_stream(f"{root}/a.txt") as sink:
        sink.write("".join(TEXTS).encode())
    table = pa.table({"id": range(100), "text": TEXTS})
    with system.open_output_stream(f"{root}/a.parquet") as sink:
        pq.write_table(table, sink, row_group_size=9)
    for name, new in [("a.arrow", pa.ipc.new_stream), ("b.arrow", pa.ipc.new_file)]:
        with system.open_output_stream(f"{root}/{name}") as sink, new(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=9)
    with system.open_output_stream(f"{root}/a.csv") as sink:
        sink.write(("text\n" + "\n".join(TEXTS)).encode())


def assert_reads(root: str, query: str = "") -> None:
    """All formats at this address, with and without patterns."""
    for name in ("a.parquet", "a.arrow", "b.arrow", "a.csv", "a.jsonl.gz"):
        assert all_rows(f"{root}/{name}{query}") == TEXTS
        assert [text for batch in reading.documents(f"{root}/{name}{query}") for text in batch] == TEXTS
    assert all_rows(f"{root}/a.txt{query}") == ["".join(TEXTS)]
    assert all_rows(f"{root}/*.jsonl{query}", part_bytes=333) == TEXTS
    assert all_rows(f"{root}/**/*.jsonl{query}") == TEXTS + TEXTS[:7]
    assert all_rows([f"{root}/[b].jsonl{query}", f"{root}/a.jsonl{query}"]) == TEXTS[50:] + TEXTS[:50]
    assert reading.file_state(f"{root}/a.jsonl{query}").n_bytes == len(lines(TEXTS[:50]))
    with pytest.raises(pm.FileError, match="no file has this name"):
        reading.expand(f"{root}/nothing.txt{query}")
    with pytest.raises(pm.FileError, match="no file has this name"):
        reading.expand(f"{root}/*.nothing{query}")
    with pytest.raises(pm.FileError, match="this is a folder"):
        reading.expand(f"{root}/more{query}")


# ── S3 ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def s3_query() -> Iterator[str]:
    """A server of S3 on this machine, as pyarrow names it in an address."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "somebody")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "not-for-anybody")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        server.start()
        try:
            host, port = server.get_host_and_port()
            yield f"?endpoint_override={host}:{port}&scheme=http&region=us-east-1&allow_bucket_creation=true"
        finally:
            server.stop()


def test_s3(s3_query: str) -> None:
    system, root = located(f"s3://corpus/raw{s3_query}")
    system.create_dir("corpus")
    write_files(system, root)
    assert_reads("s3://corpus/raw", s3_query)
    [_, _, escaped] = reading.expand(f"s3://corpus/raw/**/*.jsonl{s3_query}")
    assert escaped == f"s3://corpus/raw/more/c%20d%25.jsonl{s3_query}"


def test_errors_of_s3_name_the_address_and_no_secret(s3_query: str) -> None:
    located(f"s3://corpus{s3_query}")[0].create_dir("corpus")
    address = f"s3://my-key:my-secret-word@corpus/bad.jsonl{s3_query}"
    system, within = located(address)
    with system.open_output_stream(within) as sink:
        sink.write(b'{"text": 1}\n')
    missing = f"s3://my-key:my-secret-word@missing-bucket/a.jsonl{s3_query}"
    nobody = (
        "s3://my-key:my-secret-word@corpus/a.jsonl?endpoint_override=127.0.0.1:9&scheme=http&region=us-east-1"
    )
    for path in [address, missing] + [nobody] * ("CI" in os.environ):
        with pytest.raises(pm.Error) as raised:
            list(reading.documents(path))
        shown = "".join(traceback.format_exception(raised.value)) + str(raised.value.path)
        assert "my-secret-word" not in shown.replace(path, "").replace(repr(path), "")
        assert "my-key" not in str(raised.value)
        assert reading.without_secrets(path) in str(raised.value)
        assert raised.value.path == reading.without_secrets(path)


# ── other file systems ───────────────────────────────────────────────────────────────────────────────────────────────


def test_fsspec() -> None:
    pytest.importorskip("fsspec")
    system, root = located("memory://some/folder")
    write_files(system, root)
    assert_reads("memory://some/folder")
    assert reading.expand("memory://some/folder/more/*") == ["memory://some/folder/more/c d%.jsonl"]


def test_file_addresses_are_local_paths(tmp_path: Path) -> None:
    write_files(fs.LocalFileSystem(), str(tmp_path))
    assert_reads(tmp_path.as_uri())
    assert reading.expand(tmp_path.as_uri() + "/a.txt") == [str(tmp_path / "a.txt")]
    assert reading.expand(tmp_path.as_uri() + "/more/c%20d%25.jsonl") == [str(tmp_path / "more/c d%.jsonl")]


def test_training_and_encoding_from_addresses(tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    system, root = located("memory://train/ing")
    write_files(system, root)
    local = tmp_path / "a.jsonl"
    local.write_bytes(lines(TEXTS))
    from_address = pm.train_bpe("memory://train/ing/*.jsonl", vocab_size=300)
    assert from_address.fingerprint == pm.train_bpe(local, vocab_size=300).fingerprint
    weights = {"memory://train/ing/b.jsonl": 2.0}
    weighted = pm.train_bpe("memory://train/ing/*.jsonl", vocab_size=300, weights=weights, byte_limit="1 GB")
    assert weighted.fingerprint == pm.train_bpe(texts=[*TEXTS, *TEXTS[50:]], vocab_size=300).fingerprint
    encoded = [
        ids.tolist() for batch in from_address.encode_files("memory://train/ing/a.parquet") for ids in batch
    ]
    assert encoded == [from_address.encode(text).tolist() for text in TEXTS]


@pytest.mark.parametrize("address", ["nowhere://a/b.jsonl", "s3://a b/c.jsonl", "abfs://x/y.jsonl"])
def test_addresses_that_cannot_be_used(address: str) -> None:
    pytest.importorskip("fsspec")
    with pytest.raises(pm.FileError) as raised:
        reading.expand(address)
    assert str(raised.value).startswith(address)


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec = pytest.importorskip("fsspec")

    def unknown(address: str) -> None:
        raise ImportError("Install somefs to access Some")

    monkeypatch.setattr(fsspec.core, "url_to_fs", unknown)
    with pytest.raises(pm.MissingDependencyError, match="Install somefs") as raised:
        reading.expand("some://me:my-secret@host/a.jsonl")
    assert "my-secret" not in str(raised.value)
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(pm.MissingDependencyError, match=r"portmanteau\[remote\]"):
        reading.expand("memory://a.jsonl")


# ── names ────────────────────────────────────────────────────────────────────────────────────────────────────────────

SECRETS = st.text("abcXYZ019-_.~%2F ", min_size=9, max_size=20).filter(lambda text: text.strip() == text)


@given(user=SECRETS, password=SECRETS, token=SECRETS)
def test_no_secret_is_told(user: str, password: str, token: str) -> None:
    escaped = [urllib.parse.quote(secret, safe="") for secret in (user, password, token)]
    address = f"https://{escaped[0]}:{escaped[1]}@host/a.jsonl?token={escaped[2]}&X-Signature={escaped[1]}"
    assert reading.without_secrets(address) == "https://host/a.jsonl"
    for secret in (address, user, password, token, *escaped, f"{user}:{password}"):
        message = told(OSError(f"403 for <{secret}>"), address)
        assert message in ("403 for <***>", "403 for <https://host/a.jsonl>", "403 for <***:***>")


def test_children_of_folders() -> None:
    assert child("s3://bucket/folder?region=here", "a.txt") == "s3://bucket/folder/a.txt?region=here"
    assert child("folder/", "a.txt") == "folder/a.txt"
    assert reading.without_secrets("folder/what?.txt") == "folder/what?.txt"
    assert not reading.is_address("C://folder")


NAMES = st.sampled_from(["a", "b.txt", ".c", "a[b]", "ab", "*"])
PATTERNS = st.sampled_from(["*", "**", "a*", "*.txt", ".*", "[ab]*", "a", "[!a]*", "a**", "?"])


@given(
    paths=st.lists(st.lists(NAMES, min_size=1, max_size=3).map("/".join), max_size=6),
    pattern=st.lists(PATTERNS, min_size=1, max_size=3).map("/".join),
)
def test_patterns_mean_what_they_mean_to_glob(
    tmp_path_factory: pytest.TempPathFactory, paths: list[str], pattern: str
) -> None:
    folder = tmp_path_factory.mktemp("glob")
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True) if _is_free(folder, path) else None
        if _is_free(folder, path):
            (folder / path).touch()
    files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    expected = {
        name.replace(os.sep, "/")
        for name in glob.glob(pattern, root_dir=folder, recursive=True)  # noqa: PTH207
        if (folder / name).is_file()
    }
    assert {path for path in files if matches(path, pattern)} == expected


def _is_free(folder: Path, path: str) -> bool:
    """Whether no file is in the way."""
    return not (folder / path).is_dir() and not any(parent.is_file() for parent in (folder / path).parents)


# ── folders of Hugging Face ──────────────────────────────────────────────────────────────────────────────────────────


def write_dataset(folder: Path, names: list[str], **state: Any) -> None:
    folder.mkdir(parents=True)
    for number, name in enumerate(names):
        table = pa.table({"text": [f"{name} {row}" for row in range(5)], "n": [number] * 5})
        with pa.OSFile(str(folder / name), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=2)
    listed = {"_data_files": [{"filename": name} for name in names]}
    (folder / "state.json").write_text(json.dumps(listed | state), encoding="utf-8")
    (folder / "dataset_info.json").write_text("{}", encoding="utf-8")


def test_datasets_on_disk(tmp_path: Path) -> None:
    names = ["data-2.arrow", "data-1.arrow"]
    write_dataset(tmp_path / "plain", names, _indices_files=None)
    texts = [f"{name} {row}" for name in names for row in range(5)]
    for path in (tmp_path / "plain", (tmp_path / "plain").as_uri(), f"{tmp_path}/plain/"):
        assert all_rows(path, part_bytes=1) == texts
    assert reading.expand([tmp_path / "plain"]) == [str(tmp_path / "plain" / name) for name in names]
    write_dataset(tmp_path / "chosen", names, _indices_files=[{"filename": "indices.arrow"}])
    with pytest.raises(pm.FileError, match=r"flatten_indices\(\)"):
        reading.expand(tmp_path / "chosen")
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["plain", "test"]}', encoding="utf-8")
    with pytest.raises(
        pm.FileError, match=r"several datasets \['plain', 'test'\]; name one, such as the folder plain"
    ):
        reading.expand(tmp_path)
    for content, words in [("{}", "no data files"), ("[", "not JSON"), ("[]", "expected a JSON object")]:
        (tmp_path / "plain" / "state.json").write_text(content, encoding="utf-8")
        with pytest.raises(pm.FileError, match=words) as raised:
            reading.expand(tmp_path / "plain")
        assert raised.value.path == str(tmp_path / "plain" / "state.json")


def test_datasets_that_hugging_face_writes(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    dataset = datasets.Dataset.from_dict({"text": TEXTS, "n": range(100)})
    dataset.save_to_disk(tmp_path / "two", num_shards=2)
    assert all_rows(tmp_path / "two") == TEXTS
    assert [part.n_rows for part in reading.parts(tmp_path / "two", part_bytes=1 << 20)] == [50, 50]
    shuffled = dataset.shuffle(seed=1)
    shuffled.save_to_disk(tmp_path / "shuffled")
    assert all_rows(tmp_path / "shuffled") == shuffled["text"][:]
    datasets.DatasetDict(train=dataset).save_to_disk(tmp_path / "splits")
    with pytest.raises(pm.FileError, match="name one, such as the folder train"):
        reading.expand(tmp_path / "splits")
    assert all_rows(tmp_path / "splits" / "train") == TEXTS


def test_datasets_at_addresses(s3_query: str, tmp_path: Path) -> None:
    write_dataset(tmp_path / "plain", ["a.arrow"])
    system, _ = located(f"s3://corpus{s3_query}")
    fs.copy_files(str(tmp_path / "plain"), "corpus/plain", destination_filesystem=system)
    assert reading.expand(f"s3://corpus/plain{s3_query}") == [f"s3://corpus/plain/a.arrow{s3_query}"]
    assert all_rows(f"s3://corpus/plain{s3_query}") == [f"a.arrow {row}" for row in range(5)]
