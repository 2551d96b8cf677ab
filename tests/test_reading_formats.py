"""Parquet, Arrow, CSV and plain text, read in parts and in batches of any size, held to what was written."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import ipc

import portmanteau as pm
from portmanteau import reading
from portmanteau.reading import csv_files

TEXTS = [
    "by the way",
    "",
    "off we go\n",
    'naïve "🦜", he said',
    "1",
    "2020-01-01",
    "NULL",
    "\r\n",
    "a,b\tc",
] * 30
STRINGS = [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]


def rows_of(path: Path, part_bytes: int = 1 << 30, columns: Any = ("text",), **options: Any) -> list[Any]:
    """All rows of a file, which is checked to be as the parts say."""
    rows: list[Any] = []
    before: reading.Part | None = None
    for part in reading.parts(path, columns=columns, part_bytes=part_bytes):
        assert part.first == (0 if before is None else before.end)
        n_rows = 0
        for batch in reading.columns_of(part, columns=columns, **options):
            assert batch.first_row == n_rows
            assert all(column.type in (pa.string(), pa.large_string()) for column in batch.columns)
            assert all(column.null_count == 0 for column in batch.columns)
            texts = [column.to_pylist() for column in batch.columns]
            rows += texts[0] if len(columns) == 1 else zip(*texts, strict=True)
            n_rows += batch.n_rows
        assert part.n_rows in (None, n_rows)
        before = part
    return rows


# ── every format ─────────────────────────────────────────────────────────────────────────────────────────────────────


def write_parquet(path: Path, table: pa.Table) -> None:
    pq.write_table(table, path, row_group_size=7)


def write_arrow_file(path: Path, table: pa.Table) -> None:
    with pa.OSFile(str(path), "wb") as sink, ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=7)


def write_arrow_stream(path: Path, table: pa.Table) -> None:
    with pa.OSFile(str(path), "wb") as sink, ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=7)


def write_compressed_stream(path: Path, table: pa.Table) -> None:
    options = ipc.IpcWriteOptions(compression="zstd")
    with pa.OSFile(str(path), "wb") as sink, ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=7)


def write_feather(path: Path, table: pa.Table) -> None:
    pa.feather.write_feather(table, path, compression="lz4", chunksize=7)


COLUMNAR: dict[str, tuple[str, Callable[[Path, pa.Table], None]]] = {
    "Parquet": ("a.parquet", write_parquet),
    "Arrow file": ("a.arrow", write_arrow_file),
    "Arrow stream": ("a.ARROW", write_arrow_stream),
    "compressed Arrow stream": ("a.ipc", write_compressed_stream),
    "Feather": ("a.feather", write_feather),
}


@pytest.mark.parametrize("kind", STRINGS, ids=str)
@pytest.mark.parametrize("name", COLUMNAR)
def test_columns_of_every_kind(tmp_path: Path, name: str, kind: pa.DataType) -> None:
    if pa.types.is_string_view(kind) and name == "Feather":
        pytest.skip("Feather has no string views")
    file, write = COLUMNAR[name]
    dates = pa.array(["1"] * len(TEXTS))
    column = pa.array(TEXTS, kind) if pa.types.is_string_view(kind) else pa.array(TEXTS).cast(kind)
    write(tmp_path / file, pa.table({"id": range(len(TEXTS)), "text": column, "other": dates}))
    for part_bytes in (1, 100, 700, 1 << 30):
        for batch_bytes in (1, 50, 1 << 20):
            assert rows_of(tmp_path / file, part_bytes, batch_bytes=batch_bytes) == TEXTS
    both = rows_of(tmp_path / file, 300, ["other", "text"])
    assert both == [("1", text) for text in TEXTS]
    assert [text for batch in reading.documents(tmp_path / file) for text in batch] == TEXTS


@pytest.mark.parametrize("name", COLUMNAR)
def test_nulls_and_bytes_that_are_not_utf8(tmp_path: Path, name: str) -> None:
    file, write = COLUMNAR[name]
    path = tmp_path / file
    write(path, pa.table({"text": [*TEXTS[:40], None, "end"]}))
    with pytest.raises(pm.EncodingError, match="row 40 of column 'text' is null") as raised:
        rows_of(path, 1)
    assert raised.value.path == str(path)
    assert rows_of(path, 100, null_text="empty") == [*TEXTS[:40], "", "end"]
    bad = pa.array([*(text.encode() for text in TEXTS[:40]), b"caf\xe9 au lait"], pa.binary()).view(
        pa.string()
    )
    write(path, pa.table({"text": bad}))
    with pytest.raises(pm.EncodingError, match=r"row 40 of column 'text' is not UTF-8 .* at byte 3"):
        rows_of(path, 1)
    policy = reading.Policy("replace")
    assert rows_of(path, 1, policy=policy) == [*TEXTS[:40], "caf\ufffd au lait"]
    assert policy.n_replaced == 1


@pytest.mark.parametrize("name", COLUMNAR)
def test_columns_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    file, write = COLUMNAR[name]
    path = tmp_path / file
    table = pa.table({"text": ["a"], "n": [1], "bytes": [b"a"]})
    write(path, table)
    for column, error, words in [
        ("Text", pm.FileError, "no column 'Text', only ['text', 'n', 'bytes']"),
        ("n", pm.EncodingError, "column 'n' holds int64, not strings"),
        ("bytes", pm.EncodingError, "column 'bytes' holds binary, not strings"),
    ]:
        with pytest.raises(error) as raised:
            next(reading.parts(path, columns=[column], part_bytes=100))
        assert words in str(raised.value)
        assert raised.value.path == str(path)
    if name != "Feather":
        write(path, pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], ["text", "text"]))
        with pytest.raises(pm.FileError, match="several columns 'text'"):
            rows_of(path)


@pytest.mark.parametrize("name", COLUMNAR)
def test_files_without_rows(tmp_path: Path, name: str) -> None:
    file, write = COLUMNAR[name]
    write(tmp_path / file, pa.table({"text": pa.array([], pa.string())}))
    assert rows_of(tmp_path / file) == []
    assert list(reading.documents(tmp_path / file)) == []


@pytest.mark.parametrize("name", COLUMNAR)
def test_damaged_files_end_in_an_error_or_in_text(tmp_path: Path, name: str) -> None:
    """Whatever bytes are changed or missing, what comes is our error or text, and never a crash."""
    file, write = COLUMNAR[name]
    path = tmp_path / file
    write(path, pa.table({"text": TEXTS[:30], "n": range(30)}))
    good = path.read_bytes()
    source = random.Random(name)
    refused: list[pm.Error] = []
    for number in range(300):
        damaged = bytearray(good)
        # Of damaged pages of Parquet, pyarrow itself may abort the process.
        if number % 3 == 0 or name == "Parquet":
            del damaged[source.randrange(len(damaged)) :]
        else:
            for _ in range(source.randrange(1, 4)):
                damaged[source.randrange(len(damaged))] = source.randrange(256)
        path.write_bytes(damaged)
        try:
            rows_of(path, 100)
        except (pm.FileError, pm.EncodingError) as error:
            refused.append(error)
    assert len(refused) > 100
    assert all(str(path) in str(error) for error in refused)


# ── Parquet and Arrow alone ──────────────────────────────────────────────────────────────────────────────────────────


def test_row_groups_join_up_to_a_size(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    texts = ["x" * 1000 + str(number) for number in range(100)]
    pq.write_table(
        pa.table({"text": texts}),
        path,
        row_group_size=10,
        use_dictionary=False,
        compression="none",
        write_statistics=False,
    )
    parts = list(reading.parts(path, part_bytes=35_000))
    assert [(part.first, part.end, part.n_rows) for part in parts] == [
        (0, 3, 30),
        (3, 6, 30),
        (6, 9, 30),
        (9, 10, 10),
    ]
    assert all(10_000 * (part.end - part.first) < part.n_bytes < 35_000 for part in parts)
    assert [part.end for part in reading.parts(path, part_bytes=1)] == list(range(1, 11))


def test_batches_are_of_about_the_size_asked_for(tmp_path: Path) -> None:
    texts = ["x" * (number % 7 * 500) for number in range(3000)]
    table = pa.table({"text": texts})
    pq.write_table(table, tmp_path / "a.parquet")
    write_arrow_file(tmp_path / "a.arrow", table)
    with pa.OSFile(str(tmp_path / "b.arrow"), "wb") as sink, ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    for name in ("a.parquet", "a.arrow", "b.arrow"):
        [part] = reading.parts(tmp_path / name, part_bytes=1 << 30)
        sizes = [
            sum(map(len, batch.columns[0].to_pylist())) + 8 * batch.n_rows
            for batch in reading.columns_of(part, batch_bytes=100_000)
        ]
        assert all(90_000 < size < 200_000 for size in sizes[:-1]), (name, sizes)


def test_streams_with_dictionaries_are_one_part(tmp_path: Path) -> None:
    column = pa.array(TEXTS).cast(pa.dictionary(pa.int32(), pa.string()))
    write_arrow_stream(tmp_path / "a.arrow", pa.table({"text": column}))
    [part] = reading.parts(tmp_path / "a.arrow", part_bytes=1)
    assert part.n_rows == len(TEXTS)


def test_the_text_of_a_mapped_file_is_not_copied(tmp_path: Path) -> None:
    write_arrow_stream(tmp_path / "a.arrow", pa.table({"text": TEXTS}))
    before = pa.total_allocated_bytes()
    [part] = reading.parts(tmp_path / "a.arrow", part_bytes=1 << 30)
    batches = list(reading.columns_of(part, batch_bytes=1))
    assert sum(batch.n_rows for batch in batches) == len(TEXTS)
    assert pa.total_allocated_bytes() - before < 10_000


def test_compressed_columnar_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.parquet.gz").write_bytes(gzip.compress(b"PAR1"))
    with pytest.raises(pm.FileError, match="Parquet files are not read compressed as a whole"):
        list(reading.documents(tmp_path / "a.parquet.gz"))


# ── CSV ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

# Older versions of Python write a carriage return alone without quotes, and a reader takes it for the end of a line.
CELLS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=20
) | st.sampled_from(["", '"', '""', "a,b", "a\tb", "a\nb", "a\r\nb", "NULL", "NA", "1", "2020-01-01", " x "])


@given(
    rows=st.lists(st.tuples(st.just("id"), CELLS), max_size=8),
    name=st.sampled_from(["a.csv", "a.tsv"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_csv_as_python_writes_it(rows: Any, name: str, quoting: Any, end: str) -> None:
    written = io.StringIO()
    delimiter = "\t" if name == "a.tsv" else ","
    writer = csv.writer(written, delimiter=delimiter, quoting=quoting, lineterminator=end)
    writer.writerows([("id", "text"), *rows])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text(written.getvalue(), encoding="utf-8", newline="")
        assert rows_of(path) == [text for _, text in rows]


def test_rows_longer_than_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_files, "BLOCK_BYTES", (64, 1000, 100_000))
    texts = ["short\n"] * 50 + ["long\n" * 100] + ["short"] * 50 + ["longer\n" * 1000, "end"]
    path = tmp_path / "a.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "text"), *((1, text) for text in texts)])
    assert rows_of(path, batch_bytes=100) == texts
    path.write_text('text\n"never closed' + "x\n" * 100_000, encoding="utf-8")
    with pytest.raises(pm.FileError, match="after row 0 comes one longer than"):
        rows_of(path)


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (b"", pm.FileError, "no header row"),
        (b"\n\n", pm.FileError, "no header row"),
        (b"id,text\n1,a\n2\n", pm.FileError, "row 1 has 1 cells, and the header 2"),
        (b"id,text\n1,a,b\n", pm.FileError, "row 0 has 3 cells, and the header 2"),
        (b"id,Text\n1,a\n", pm.FileError, "no column 'text', only ['id', 'Text']"),
        (b"text,text\n1,a\n", pm.FileError, "several columns 'text'"),
        (b"id,text\n1,a\n\n1,caf\xe9\n", pm.EncodingError, "row 1 of column 'text' is not UTF-8"),
    ],
)
def test_wrong_csv(tmp_path: Path, content: bytes, error: type[pm.Error], words: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(error) as raised:
        rows_of(tmp_path / "a.csv")
    assert words in str(raised.value)
    assert raised.value.path == str(tmp_path / "a.csv")  # type: ignore[attr-defined]


def test_odd_csv(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    for content, texts in [
        (b"text\n", []),
        (b"id,text\n", []),
        (b"\xef\xbb\xbftext,id\r\na,1\r\n\r\n\r\nb,2", ["a", "b"]),
        (b'id,text\n1,5" pipe\n', ['5" pipe']),
        (b'id,text\n1,\n2,""\n', ["", ""]),
        (b'"a ""text""",text\n1,b\n', ["b"]),
    ]:
        path.write_bytes(content)
        assert rows_of(path) == texts


# ── plain text and compression ───────────────────────────────────────────────────────────────────────────────────────

COMPRESSED: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": lambda data: gzip.compress(data[:10]) + gzip.compress(data[10:]),
    ".bz2": lambda data: bz2.compress(data[:10]) + bz2.compress(data[10:]),
    ".zst": lambda data: b"".join(
        pa.Codec("zstd").compress(half, asbytes=True) for half in (data[:10], data[10:])
    ),
}


@pytest.mark.parametrize("ending", COMPRESSED)
def test_compressed_text_and_csv(tmp_path: Path, ending: str) -> None:
    text = "".join(TEXTS)
    for name in ("a.txt", "a", "a.md"):
        path = tmp_path / (name + ending)
        path.write_bytes(COMPRESSED[ending](text.encode()))
        assert rows_of(path, 1) == [text]
        [part] = reading.parts(path, part_bytes=1)
        assert (part.first, part.end, part.n_rows) == (0, path.stat().st_size, 1)
        assert part.n_bytes == part.end * (4 if ending else 1)
    path = tmp_path / f"a.csv{ending}"
    path.write_bytes(COMPRESSED[ending](b'id,text\n1,"by\nthe way"\n2,off we go\n'))
    assert rows_of(path, 1) == ["by\nthe way", "off we go"]


def test_plain_text_is_one_document_of_one_column(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_bytes(b"")
    assert rows_of(tmp_path / "empty.txt") == [""]
    with pytest.raises(pm.FileError, match="no columns"):
        rows_of(tmp_path / "empty.txt", columns=["a", "b"])
    (tmp_path / "a.txt").write_bytes(b"ab\nc\xffd")
    with pytest.raises(pm.EncodingError, match="byte 0xff is not UTF-8") as raised:
        rows_of(tmp_path / "a.txt")
    assert (raised.value.line, raised.value.offset) == (2, 4)
    policy = reading.Policy("replace")
    assert rows_of(tmp_path / "a.txt", policy=policy) == ["ab\nc\ufffdd"]


@given(content=st.text("ab\n", max_size=60), block_bytes=st.integers(1, 20))
def test_blocks_of_lines_are_the_text(content: str, block_bytes: int) -> None:
    from portmanteau.reading.lines import blocks_of_lines

    blocks = [
        (lines.content.tobytes(), lines.newlines.copy())
        for lines in blocks_of_lines(io.BytesIO(content.encode()), block_bytes)
    ]
    assert b"".join(block for block, _ in blocks) == content.encode()
    assert all(block.endswith(b"\n") for block, _ in blocks[:-1])
    for block, newlines in blocks:
        assert newlines.tolist() == np.flatnonzero(np.frombuffer(block, np.uint8) == 10).tolist()
