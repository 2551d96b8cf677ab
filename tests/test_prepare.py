"""``prepare``: the same documents as reading gives, the same ids as the tokenizer makes, from every kind of input."""

from __future__ import annotations

import csv
import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import portmanteau as pm
from portmanteau import reading

TEXTS = [
    "by the way",
    "",
    "off we go, by the way",
    "naïve café — 東京 🙂",
    "a\nb\r\n\tc",
    "x" * 700,
    "<|endoftext|>",
]


@pytest.fixture(scope="module")
def tokenizer() -> pm.Tokenizer:
    return pm.Tokenizer.load("o200k_base")


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


def write_json_lines(path: str, texts: list[str], **more: list[Any]) -> None:
    rows = [
        {"text": text} | {name: values[row] for name, values in more.items()}
        for row, text in enumerate(texts)
    ]
    Path(path).write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")


def contents(folder: Path | str) -> dict[str, bytes]:
    """Every file of a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()
    }


def assert_holds(dataset: pm.Dataset, texts: list[str], tokenizer: pm.Tokenizer) -> None:
    """The dataset has the ids of these texts, and is whole."""
    assert dataset.n_documents == len(texts)
    expected = tokenizer.encode_batch(texts)
    np.testing.assert_array_equal(dataset.lengths, expected.lengths)
    for ids, of_text in zip(dataset, expected, strict=True):
        np.testing.assert_array_equal(ids, of_text)
    assert dataset.n_tokens == len(expected.ids)
    assert dataset.text_bytes == sum(len(text.encode()) for text in texts)
    dataset.verify(tokenizer)


# ── kinds of input ──────────────────────────────────────────────────────────────────────────────────────────────────


def write_parquet(path: str) -> None:
    pq.write_table(pa.table({"text": TEXTS, "other": range(len(TEXTS))}), path, row_group_size=2)


def write_arrow_file(path: str) -> None:
    with pa.ipc.new_file(path, pa.schema([("text", pa.large_string())])) as writer:
        for start in range(0, len(TEXTS), 3):
            writer.write_batch(
                pa.record_batch({"text": pa.array(TEXTS[start : start + 3], pa.large_string())})
            )


def write_arrow_stream(path: str) -> None:
    with pa.ipc.new_stream(path, pa.schema([("text", pa.string())])) as writer:
        writer.write_batch(pa.record_batch({"text": pa.array(TEXTS)}))


def write_csv(path: str) -> None:
    with Path(path).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, delimiter="\t" if path.endswith(".tsv") else ",")
        writer.writerows([["n", "text"], *([number, text] for number, text in enumerate(TEXTS))])


def write_compressed(path: str) -> None:
    write_json_lines("plain", TEXTS)
    with pa.output_stream(path, compression="zstd" if path.endswith(".zst") else "gzip") as stream:
        stream.write(Path("plain").read_bytes())


WRITERS = {
    "a.parquet": write_parquet,
    "a.jsonl": lambda path: write_json_lines(path, TEXTS),
    "a.jsonl.zst": write_compressed,
    "a.jsonl.gz": write_compressed,
    "a.csv": write_csv,
    "a.tsv": write_csv,
    "a.arrow": write_arrow_file,
    "stream.arrow": write_arrow_stream,
}


@pytest.mark.parametrize("shard_bytes", [40, "1 MB"])
@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_dataset(name, shard_bytes, tokenizer):
    WRITERS[name](name)
    dataset = pm.prepare(name, tokenizer, "out", shard_bytes=shard_bytes, threads=1)
    assert_holds(dataset, TEXTS, tokenizer)
    assert [dataset.origin(row) for row in range(len(TEXTS))] == [(name, row) for row in range(len(TEXTS))]
    assert list(reading.documents(name)) == [TEXTS]


def test_a_dataset_of_hugging_face_on_disk(tokenizer):
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_dict({"text": TEXTS}).save_to_disk("saved", num_shards=2)
    dataset = pm.prepare("saved", tokenizer, "out")
    assert_holds(dataset, TEXTS, tokenizer)
    assert dataset.origin(len(TEXTS) - 1)[0].endswith(".arrow")


def test_files_of_several_formats_are_one_dataset(tokenizer):
    """Their columns have offsets of 32 and of 64 bits, and lie in one batch."""
    names = ["a.parquet", "a.arrow", "a.jsonl"]
    for name in names:
        WRITERS[name](name)
    Path("b.txt").write_text("one document\n", "utf-8")
    dataset = pm.prepare([*names, "b.txt"], tokenizer, "out")
    assert len(dataset.manifest.shards) == 1
    assert_holds(dataset, [*TEXTS * 3, "one document\n"], tokenizer)
    assert dataset.origin(len(TEXTS)) == ("a.arrow", 0)
    assert dataset.origin(3 * len(TEXTS)) == ("b.txt", 0)


def test_many_small_files_lie_in_few_shards(tokenizer):
    texts = [f"document {number}" for number in range(1000)]
    for number, text in enumerate(texts):
        Path(f"{number:04}.txt").write_text(text)
    dataset = pm.prepare("*.txt", tokenizer, "out", shard_bytes=5000)
    assert 2 <= len(dataset.manifest.shards) <= 4
    assert_holds(dataset, texts, tokenizer)
    assert dataset.origin(777) == ("0777.txt", 0)


@pytest.mark.parametrize("scheme", ["file", "memory"])
def test_addresses(scheme, tokenizer, tmp_path):
    write_json_lines("a.jsonl", TEXTS)
    address, source = (tmp_path / "a.jsonl").as_uri(), str(tmp_path / "a.jsonl")
    if scheme == "memory":
        fsspec = pytest.importorskip("fsspec")
        address = source = "memory://folder/a.jsonl"
        with fsspec.open(address, "wb") as stream:
            stream.write(Path("a.jsonl").read_bytes())
    dataset = pm.prepare(address, tokenizer, "out", shard_bytes=100)
    assert_holds(dataset, TEXTS, tokenizer)
    assert dataset.origin(1) == (source, 1)
    # The same again finds that all is there.
    assert pm.prepare(address, tokenizer, "out", shard_bytes=100).fingerprint == dataset.fingerprint


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the packages that make the server
def test_a_server_of_s3(tokenizer, monkeypatch):
    boto3 = pytest.importorskip("boto3")
    server_of = pytest.importorskip("moto.server").ThreadedMotoServer
    secret = "a-secret-that-nobody-sees"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    server = server_of(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        port = server.get_host_and_port()[1]
        client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1")
        client.create_bucket(Bucket="bucket")
        write_json_lines("a.jsonl", TEXTS)
        write_parquet("b.parquet")
        for name in ("a.jsonl", "b.parquet"):
            client.put_object(Bucket="bucket", Key=f"folder/{name}", Body=Path(name).read_bytes())
        query = f"?region=us-east-1&scheme=http&endpoint_override=127.0.0.1%3A{port}"
        addresses = [f"s3://key:{secret}@bucket/folder/{name}{query}" for name in ("a.jsonl", "b.parquet")]
        dataset = pm.prepare(addresses, tokenizer, "out", shard_bytes=100)
        assert_holds(dataset, TEXTS * 2, tokenizer)
        assert dataset.origin(len(TEXTS)) == ("s3://bucket/folder/b.parquet", 0)
        assert not [name for name, content in contents("out").items() if secret.encode() in content]
        write_json_lines("c.jsonl", ["<|endoftext|>"])
        client.put_object(Bucket="bucket", Key="folder/c.jsonl", Body=Path("c.jsonl").read_bytes())
        with pytest.raises(pm.EncodingError, match=r"s3://bucket/folder/c\.jsonl, row 0: ") as caught:
            pm.prepare(addresses[0].replace("a.jsonl", "c.jsonl"), tokenizer, "refused", special="error")
        assert secret not in str(caught.value)
    finally:
        server.stop()


# ── what a row becomes ──────────────────────────────────────────────────────────────────────────────────────────────

text_of_any_kind = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.tuples(text_of_any_kind, text_of_any_kind), max_size=30),
    shard_bytes=st.integers(100, 2000),
    byte_offsets=st.booleans(),
)
def test_several_columns_make_one_document(rows, shard_bytes, byte_offsets, tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("columns")
    write_json_lines(str(folder / "a.jsonl"), [question for question, _ in rows], answer=[b for _, b in rows])
    dataset = pm.prepare(
        folder / "a.jsonl",
        tokenizer,
        folder / "out",
        text_column=["text", "answer"],
        shard_bytes=shard_bytes,
        byte_offsets=byte_offsets,
        threads=1,
    )
    assert dataset.n_documents == len(rows)
    for number, row in enumerate(rows):
        parts = [tokenizer.encode(text) for text in row]
        np.testing.assert_array_equal(dataset[number], np.concatenate(parts))
        expected = np.repeat([0, 1], [len(part) for part in parts])
        np.testing.assert_array_equal(dataset.channel("column", number), expected)
        if byte_offsets:
            lengths = [len(tokenizer.decode_bytes([token_id])) for token_id in dataset[number].tolist()]
            np.testing.assert_array_equal(dataset.byte_offsets(number), np.cumsum([0, *lengths]))
    dataset.verify()


def test_tokens_of_hundreds_of_bytes_have_their_byte_offsets(tmp_path):
    """One length fits a byte; 255 and more do not."""
    texts = [letter * count for letter in "ab" for count in (1, 254, 255, 256, 3000)]
    tokenizer = pm.train_bpe(texts=texts * 3, vocab_size=300, unit="document", pretokenizer=r"[^\n]+|\n")
    write_json_lines("a.jsonl", texts)
    dataset = pm.prepare("a.jsonl", tokenizer, "out", byte_offsets=True, shard_bytes=300)
    longest = 0
    for number, text in enumerate(texts):
        lengths = [len(tokenizer.decode_bytes([token_id])) for token_id in dataset[number].tolist()]
        longest = max(longest, *lengths)
        np.testing.assert_array_equal(dataset.byte_offsets(number), np.cumsum([0, *lengths]))
        assert sum(lengths) == len(text)
    assert longest > 255
    dataset.verify()


def test_special_tokens_are_what_was_asked_for(tokenizer):
    write_json_lines("a.jsonl", TEXTS)
    parsed = pm.prepare("a.jsonl", tokenizer, "parsed", special="parse")
    assert parsed[6].tolist() == [199999]
    chosen = pm.prepare("a.jsonl", tokenizer, "chosen", special=["<|endoftext|>"])
    assert chosen[6].tolist() == [199999]
    with pytest.raises(pm.EncodingError, match=r"a\.jsonl, row 6: the text contains the special token"):
        pm.prepare("a.jsonl", tokenizer, "refused", special="error")


def test_an_error_says_from_where_its_row_counts(tokenizer):
    write_json_lines("a.jsonl", [*TEXTS[:6] * 4, "<|endoftext|>"])
    size = Path("a.jsonl").stat().st_size
    with pytest.raises(
        pm.EncodingError, match=rf"a\.jsonl, row 0 of the part from byte {size - 30} on: "
    ) as caught:
        pm.prepare("a.jsonl", tokenizer, "out", special="error", shard_bytes=size - 30)
    assert caught.value.path == "a.jsonl"


def test_a_null_is_an_error_or_an_empty_document(tokenizer):
    Path("a.jsonl").write_text('{"text": "by the way"}\n{"text": null}\n')
    with pytest.raises(pm.EncodingError, match=r"a\.jsonl, line 2 .* is null"):
        pm.prepare("a.jsonl", tokenizer, "refused")
    assert_holds(pm.prepare("a.jsonl", tokenizer, "out", null_text="empty"), ["by the way", ""], tokenizer)


def test_bytes_that_are_not_utf8_are_an_error_or_replaced(tokenizer):
    Path("a.jsonl").write_bytes(b'{"text": "caf\xe9"}\n')
    with pytest.raises(pm.EncodingError, match=r"a\.jsonl, line 1 \(byte 13\)"):
        pm.prepare("a.jsonl", tokenizer, "refused")
    with pytest.warns(UserWarning, match="1 places of the text were not UTF-8"):
        dataset = pm.prepare("a.jsonl", tokenizer, "out", errors="replace")
    assert_holds(dataset, ["caf\ufffd"], tokenizer)


@pytest.mark.parametrize("name", ["empty.jsonl", "empty.parquet", "empty.csv"])
def test_no_rows_are_a_dataset_without_documents(name, tokenizer):
    if name.endswith("parquet"):
        pq.write_table(pa.table({"text": pa.array([], pa.string())}), name)
    else:
        Path(name).write_text("text\n" if name.endswith("csv") else "")
    dataset = pm.prepare(name, tokenizer, "out", byte_offsets=True)
    assert_holds(dataset, [], tokenizer)
    assert dataset.pack(8).n_sequences == 0
    dataset.verify()


# ── the same arguments, the same bytes ──────────────────────────────────────────────────────────────────────────────


def test_threads_and_jobs_do_not_change_a_byte(tokenizer):
    write_json_lines("a.jsonl", [f"{number} {TEXTS[number % 7]}" for number in range(500)])
    options: dict[str, Any] = {"shard_bytes": 4000, "byte_offsets": True}
    pm.prepare("a.jsonl", tokenizer, "one", threads=1, **options)
    pm.prepare("a.jsonl", tokenizer, "three", threads=3, **options)
    assert len(contents("one")) > 40
    assert contents("three") == contents("one")
    # Jobs, in any order; only the last to end completes the dataset.
    for index in (2, 0):
        assert pm.prepare("a.jsonl", tokenizer, "jobs", num_shards=3, shard_index=index, **options) is None
    with pytest.raises(pm.FileError, match="is not complete; run prepare again"):
        pm.Dataset.open("jobs")
    assert pm.prepare("a.jsonl", tokenizer, "jobs", num_shards=3, shard_index=1, **options) is not None
    assert contents("jobs") == contents("one")


def test_jobs_at_the_same_time(tokenizer):
    write_json_lines("a.jsonl", [f"{number} {TEXTS[number % 7]}" for number in range(3000)])
    arguments = ["a.jsonl", "--tokenizer", "o200k_base", "--shard-bytes", "9kB", "--threads", "1"]
    prepare = [sys.executable, "-m", "portmanteau", "prepare", *arguments]
    subprocess.run([*prepare, "-o", "one"], check=True, stderr=subprocess.DEVNULL)
    jobs = [
        subprocess.Popen(
            [*prepare, "-o", "jobs", "--num-shards", "3", "--shard-index", str(index)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(3)
    ]
    said = [job.communicate(timeout=120)[1] for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0, 0], said
    assert any("wrote jobs: 3,000 documents" in line for line in said), said
    assert contents("jobs") == contents("one")


def test_what_is_there_is_not_made_again(tokenizer, monkeypatch):
    write_json_lines("a.jsonl", TEXTS * 20)
    dataset = pm.prepare("a.jsonl", tokenizer, "out", shard_bytes=1000)
    before = contents("out")
    with monkeypatch.context() as patch:
        patch.setattr("portmanteau.reading.columns_of", lambda *_, **__: pytest.fail("the text was read"))
        assert pm.prepare("a.jsonl", tokenizer, "out", shard_bytes=1000).fingerprint == dataset.fingerprint
    # What is missing or cut off is made, and nothing else.
    Path("out/shards/00001.ids").unlink()
    Path("out/shards/00002.offsets").write_bytes(b"")
    Path("out/shards/00003.json").write_text("{}")
    unchanged = Path("out/shards/00004.ids").stat().st_mtime_ns
    pm.prepare("a.jsonl", tokenizer, "out", shard_bytes=1000)
    assert contents("out") == before
    assert Path("out/shards/00004.ids").stat().st_mtime_ns == unchanged


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"text_column": "other"}, r"it was begun with text_columns \['text'\]"),
        ({"special": "parse"}, "it was begun with special 'text', and now it is 'parse'"),
        ({"shard_bytes": 999}, "it was begun with shard_bytes 1000"),
        ({"byte_offsets": True}, "it was begun with byte_offsets False"),
        ({"tokenizer": "r50k_base"}, "it was begun with another tokenizer"),
        ({"inputs": ["a.jsonl", "b.jsonl"]}, "it was begun without b.jsonl"),
        ({"inputs": ["a.jsonl", "a.jsonl"]}, "it was begun with other inputs, or in another order"),
    ],
)
def test_other_arguments_are_refused_and_change_nothing(change, said, tokenizer):
    for name in ("a.jsonl", "b.jsonl"):
        write_json_lines(name, TEXTS, other=TEXTS)
    pm.prepare("a.jsonl", tokenizer, "out", shard_bytes=1000)
    before = contents("out")
    arguments = {"inputs": "a.jsonl", "tokenizer": tokenizer, "shard_bytes": 1000} | change
    if isinstance(arguments["tokenizer"], str):
        arguments["tokenizer"] = pm.Tokenizer.load(arguments["tokenizer"])
    with pytest.raises(pm.FileError, match=said):
        pm.prepare(out="out", **arguments)
    assert contents("out") == before


def test_a_dataset_of_another_version_is_taken_if_it_is_complete(tokenizer, monkeypatch):
    write_json_lines("a.jsonl", TEXTS)
    dataset = pm.prepare("a.jsonl", tokenizer, "out", shard_bytes=400)
    before = contents("out")
    monkeypatch.setattr("portmanteau.store.job.__version__", "99.0")
    assert pm.prepare("a.jsonl", tokenizer, "out", shard_bytes=400).fingerprint == dataset.fingerprint
    assert contents("out") == before
    with pytest.raises(pm.FileError, match="it was begun by version"):
        pm.prepare("a.jsonl", tokenizer, "out", shard_bytes=300)
    # Shards of two versions are not mixed.
    Path("out/shards/00001.json").unlink()
    with pytest.raises(
        pm.FileError, match=r"it was begun by version .*, and this is 99\.0; write to another"
    ):
        pm.prepare("a.jsonl", tokenizer, "out", shard_bytes=400)


def test_a_source_that_changed_is_refused(tokenizer, monkeypatch):
    write_json_lines("a.jsonl", TEXTS)
    write_json_lines("b.jsonl", TEXTS)
    pm.prepare(["a.jsonl", "b.jsonl"], tokenizer, "out")
    write_json_lines("b.jsonl", TEXTS[1:])
    with pytest.raises(
        pm.FileError, match=r"out: b\.jsonl has changed since the work began; write to another folder"
    ):
        pm.prepare(["a.jsonl", "b.jsonl"], tokenizer, "out")
    # One that changes while it is read.
    of = reading.columns_of

    def changing(part, **options):
        yield from of(part, **options)
        os.utime(part.path, ns=(1, 1))

    monkeypatch.setattr("portmanteau.reading.columns_of", changing)
    with pytest.raises(pm.FileError, match=r"a\.jsonl has changed since the work began"):
        pm.prepare("a.jsonl", tokenizer, "other")
    assert not [name for name in contents("other") if name.startswith("shards")]


def test_no_file_of_the_user_is_written_over():
    """A tokenizer that lies in the folder, and a dataset that was made otherwise."""
    write_json_lines("a.jsonl", TEXTS)
    ours = pm.train_bpe(texts=TEXTS * 3, vocab_size=270)
    Path("out").mkdir()
    Path("out/tokenizer.json").write_text("{}")
    with pytest.raises(pm.FileError, match=r"tokenizer\.json: is another tokenizer"):
        pm.prepare("a.jsonl", ours, "out")
    assert Path("out/tokenizer.json").read_text() == "{}"
    shutil.rmtree("out")
    pm.write_dataset(ours.encode_batch(TEXTS), "out", ours)
    before = contents("out")
    with pytest.raises(pm.FileError, match="there is a dataset that prepare did not make"):
        pm.prepare("a.jsonl", ours, "out")
    assert contents("out") == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"text_column": []}, "text_column is"),
        ({"text_column": ["text", "text"]}, "text_column is"),
        ({"null_text": "skip"}, "null_text is 'skip'"),
        ({"shard_bytes": 0}, "shard_bytes is 0; it must be a number of bytes"),
        ({"shard_bytes": "much"}, "shard_bytes is 'much'"),
        ({"num_shards": 0}, "shard_index is 0 of 0 jobs"),
        ({"num_shards": 2, "shard_index": 2}, "shard_index is 2 of 2 jobs; it must be from 0 to 1"),
        ({"threads": 0}, "threads is 0"),
        ({"special": ["<|nothing|>"]}, "nothing"),
        ({"errors": "ignore"}, "errors is 'ignore'; it must be 'error' or 'replace'"),
    ],
)
def test_options_that_cannot_be_are_refused_before_anything_is_written(options, said, tokenizer):
    write_json_lines("a.jsonl", TEXTS)
    with pytest.raises(pm.Error, match=said):
        pm.prepare("a.jsonl", tokenizer, "out", **options)
    assert not Path("out").exists()


def test_inputs_that_cannot_be_read_leave_no_folder(tokenizer):
    Path("b.parquet").write_bytes(b"PAR1")
    for name, said in (
        ("a.jsonl", "no file has this name"),
        ("b.parquet", "cannot read the file as Parquet"),
    ):
        with pytest.raises(pm.FileError, match=said):
            pm.prepare(name, tokenizer, "out")
    assert not Path("out").exists()


def test_gzip_members_and_crlf(tokenizer):
    with gzip.open("a.jsonl.gz", "wb") as stream:
        stream.write(b'{"text": "by the way"}\r\n\r\n{"text": "off we go"}')
    assert_holds(pm.prepare("a.jsonl.gz", tokenizer, "out"), ["by the way", "off we go"], tokenizer)
