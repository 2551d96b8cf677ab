"""JSON Lines read by pyarrow in blocks and in ranges of bytes, held to Python's json, line by line."""

from __future__ import annotations

import gzip
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import portmanteau as pm
from portmanteau import reading
from portmanteau.reading import json_lines
from portmanteau.reading.asked import Asked
from portmanteau.reading.exact_json import BlockPlace, block_of_texts
from portmanteau.reading.lines import blocks_of_lines


def asked(
    *columns: str, null_text: Any = "error", errors: Any = "error", batch_bytes: int = 1 << 20
) -> Asked:
    return Asked(columns or ("text",), reading.Policy(errors), null_text, batch_bytes)


def exactly(content: bytes, *columns: str) -> list[list[str]] | Exception:
    """What the line reader makes of lines."""
    place = BlockPlace("a.jsonl", 0, lambda: 0)
    try:
        return [column.to_pylist() for column in block_of_texts(content, place, asked(*columns))]
    except pm.Error as error:
        return error


def by_pyarrow(content: bytes, *columns: str) -> list[list[str]] | None:
    """What pyarrow makes of lines, if it is asked at all and answers."""
    lines = list(blocks_of_lines(io.BytesIO(content), len(content) + 1))
    if not lines:
        return None
    found = json_lines._by_pyarrow(lines[0], columns or ("text",))
    return None if found is None else [column.to_pylist() for column in found]


def assert_agree(content: bytes, *columns: str) -> None:
    fast = by_pyarrow(content, *columns)
    if fast is not None:
        assert fast == exactly(content, *columns)


# ── one block ────────────────────────────────────────────────────────────────────────────────────────────────────────

PLAIN = [
    b'{"text":"a"}\n',
    b'{"text":"a"}\n{"text":"b"}',
    b'{"text":"a"}\r\n\r\n  {"text":"b"}\t\r\n',
    b'\n\n{"text":"a"}\n \n{"text":"b"}\n\n',
    b'{"text":"2020-01-01"}\n{"text":"12"}\n{"text":"true"}\n{"text":"null"}\n{"text":""}\n',
    b'{"id": 1, "text": "\\u00e9 \\ud83d\\ude00 \\n \\/ \\" \\u0000"}\n',
    b'{"te\\u0078t":"a"}\n',
    b'{"meta":{"text":"inner"},"text":"outer"}\n',
    b'{"text":"outer","meta":[{"text":"inner"},{"text":1}]}\n',
    b'{"text":"a","n":' + b"9" * 10_000 + b"}\n",
    b'{"text":"a","n":NaN}\n{"text":"b","n":-Infinity}\n',
    b'{"text":"a","n":-Inf,"m":[Inf, 1]}\n',
    b'{"text":"a","n":1}\n{"text":"b","n":"x"}\n{"text":"c","n":[]}\n{"text":"d"}\n',
    b'{"text":"a","n":1,"n":2}\n',
    b'{"text":"}\\n{"}\n',
    b'{"text":"' + b"long " * 100_000 + b'"}\n',
]


@pytest.mark.parametrize("content", PLAIN, ids=range(len(PLAIN)))
def test_what_pyarrow_reads(content: bytes) -> None:
    assert by_pyarrow(content) == exactly(content)


ODD = [
    b'{"text":"a","text":"b"}\n',
    b'{"text":"a","x":"\\ud800"}\n',
    b'{"text":"a","x":"\\udc00"}\n',
    b'{"text":"a","n":1e999}\n',
    b"",
    b"\n\n",
    b'\x0c\n{"text":"a"}\n',
]
WRONG = [
    b'\xef\xbb\xbf{"text":"a"}\n',
    b'{"text":"a"}{"text":"b"}\n',
    b'{"text":"a"} {"text":"b"}\n',
    b'{"text":\n"a"}\n',
    b'{"text":"a"}\n{"text":"b","x":[\n{"y":1}\n,\n{"y":2}\n]}\n{"text":"c"}\n',
    b'{"text":"a","x":{}\n,"y":1}\n{"text":"b"}{"text":"c"}\n',
    b'{"text":"a","x":[\n{"y":1}]}\n{"text":"b"}{"text":"c"}\n',
    b'{"text":"a"}\n{"text":"b"\n',
    b'{"text":"a"}\n}\n',
    b'{"text":"a"}\n{\n',
    b'[{"text":"a"}]\n',
    b'"text"\n',
    b'{"text":"a"}x\n',
    b'{"text":"a"} x}\n',
    b'{"text":"a"}\x00\n',
    b'{"text":"a"}\n\x00{"text":"b"}\n',
    b'{"text":"a\x00"}\n',
    b'{"text":"a\x01"}\n',
    b'{"text":"a\nb"}\n',
    b'{"text":"\xff"}\n',
    b'{"text":"\xed\xa0\x80"}\n',
    b'{"text":"a","x":"\xff"}\n',
    b'{"text":"\\ud800"}\n',
    b'{"text":"\\udc00"}\n',
    b'{"text":"\\ud83d\\u0041"}\n',
    b'{"text":"a"}\n{"text":null}\n',
    b'{"text":"a"}\n{}\n',
    b'{"text":"a"}\n{"Text":"b"}\n',
    b'{"text":1}\n',
    b'{"text":["a"]}\n',
    b'{"text":{"text":"a"}}\n',
    b'{"text":"a","text":null}\n',
    b'{"text":"a",}\n',
    b'{"text":"a","n":01}\n',
    b'{"text":"a","n":+1}\n',
    b'{"text":"a","n":nan}\n',
    b'{"text":"\\x41"}\n',
    b'{"text":"a"}\x0c\n',
    b'{"text":"a"}\xc2\xa0\n',
    b"{'text':'a'}\n",
    b'{"text":"a"/**/}\n',
]


@pytest.mark.parametrize("content", ODD, ids=range(len(ODD)))
def test_what_is_left_to_the_line_reader(content: bytes) -> None:
    assert by_pyarrow(content) is None or by_pyarrow(content) == exactly(content)
    assert isinstance(exactly(content), list)


@pytest.mark.parametrize("content", WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_never_read(content: bytes) -> None:
    assert by_pyarrow(content) is None
    assert isinstance(exactly(content), pm.Error)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["text", "}\n{", "\ud800", "😀"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["text", "a", ""]), inner),
    max_leaves=5,
)
TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    ["2020-01-01", "1", "}{", '"', "\\"]
)
RECORDS = st.fixed_dictionaries({"text": TEXT}, optional={"a": JSON, "b": TEXT, "meta": JSON, "": JSON})
LINE_ENDS = st.sampled_from(["\n", "\n", "\n", "\r\n", "\n\n", " \n", "\n "])


DAMAGE = (
    [bytes([byte]) for byte in b'{}[]\n\r\f\0\xff\\ ",:0-e.']
    + [b"}\n{", b"\xef\xbb\xbf", b"Inf", b"NaN", b"null", b"\\ud800", b"\\udc00"]
    + [b'"text":"x",', b'{"text":"x"}', b'"text":', b""]
)


@st.composite
def json_lines_files(draw: st.DrawFn) -> bytes:
    """Lines as many programs write them."""
    pieces = []
    for record in draw(st.lists(RECORDS, max_size=6)):
        is_ascii = draw(st.booleans())
        separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", " : ")]))
        line = json.dumps(record, ensure_ascii=is_ascii, separators=separators)
        pieces.append(line.encode("utf-8", "surrogatepass") + draw(LINE_ENDS).encode())
    content = b"".join(pieces)
    return content if draw(st.booleans()) else content.rstrip(b"\n")


@given(content=json_lines_files())
@example(content=b'{"text":"","a":"\\ud800"}\n')
def test_files_that_programs_write(content: bytes) -> None:
    assert_agree(content)
    assert_agree(content, "text", "b")


@given(content=json_lines_files(), data=st.data())
def test_files_that_are_damaged(content: bytes, data: st.DataObject) -> None:
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(damaged)))
        what = data.draw(st.sampled_from(DAMAGE))
        n_removed = data.draw(st.integers(0, 2))
        damaged[at : at + n_removed] = what
    assert_agree(bytes(damaged))


def test_the_fast_way_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of a file that programs write, no block is left to the line reader; CRLF and blank lines included."""
    monkeypatch.setattr(json_lines, "block_of_texts", lambda *_: pytest.fail("read line by line"))
    texts = [f"text {number} }}\n{{ é 😀 Inf" for number in range(1000)]
    for end in ("\n", "\r\n", "\n\n"):
        for is_ascii in (True, False):
            lines = [json.dumps({"id": 1, "text": text}, ensure_ascii=is_ascii) + end for text in texts]
            (tmp_path / "a.jsonl").write_bytes("".join(lines).encode())
            found = [text for batch in reading.documents(tmp_path / "a.jsonl") for text in batch]
            assert found == texts


# ── ranges of bytes ──────────────────────────────────────────────────────────────────────────────────────────────────


def rows_of(path: Path, part_bytes: int, batch_bytes: int = 1 << 20, **options: Any) -> list[list[str]]:
    rows = []
    for part in reading.parts(path, part_bytes=part_bytes):
        n_rows = 0
        for batch in reading.columns_of(part, batch_bytes=batch_bytes, **options):
            assert batch.first_row == n_rows
            n_rows += batch.n_rows
            rows.append(batch.columns[0].to_pylist())
    return rows


@given(
    content=json_lines_files(),
    part_bytes=st.integers(1, 80),
    batch_bytes=st.sampled_from([1, 7, 64, 1 << 20]),
)
@example(content=b"", part_bytes=1, batch_bytes=1)
@example(content=b'{"text":"abc"}\n{"text":"d"}', part_bytes=15, batch_bytes=1)
def test_parts_together_are_the_file(content: bytes, part_bytes: int, batch_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.jsonl"
        path.write_bytes(content)
        parts = list(reading.parts(path, part_bytes=part_bytes))
        ends = [(part.first, part.end) for part in parts]
        assert [first for first, _ in ends] == list(range(0, len(content), part_bytes))
        assert [end for _, end in ends[:-1]] == [first for first, _ in ends[1:]]
        assert not ends or ends[-1][1] == len(content)
        expected = exactly(content)
        if isinstance(expected, Exception):
            return
        assert [text for rows in rows_of(path, part_bytes, batch_bytes) for text in rows] == expected[0]
        for part in parts:
            begun, start = b"", 0
            for line in io.BytesIO(content):
                begun += line if part.first <= start < part.end else b""
                start += len(line)
            texts = [text for batch in reading.columns_of(part) for text in batch.columns[0].to_pylist()]
            assert [texts] == exactly(begun)


def test_an_error_in_a_part_names_the_line_of_the_file(tmp_path: Path) -> None:
    lines = [json.dumps({"text": f"text {number}"}) for number in range(50)]
    lines[33] = '{"text": 7}'
    path = tmp_path / "a.jsonl"
    path.write_text("\n\n".join(lines), encoding="utf-8")
    at = path.read_bytes().index(b'{"text": 7')
    for part_bytes in (10, 100, 300, 10_000):
        for batch_bytes in (16, 1 << 20):
            with pytest.raises(pm.EncodingError, match="'text' is 7, not a string") as raised:
                rows_of(path, part_bytes, batch_bytes)
            assert (raised.value.line, raised.value.offset, raised.value.path) == (67, at, str(path))
    packed = tmp_path / "a.jsonl.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(pm.EncodingError) as raised:
        rows_of(packed, 100, 16)
    assert (raised.value.line, raised.value.offset) == (67, at)


def test_nulls_can_be_empty_texts(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text":"a"}\n{"text":null}\n\n{"text":"b"}\n')
    assert rows_of(path, 1000, null_text="empty") == [["a", "", "b"]]
    path.write_bytes(b'{"text":null}\n{}\n')
    with pytest.raises(pm.FileError, match="no key 'text'"):
        rows_of(path, 1000, null_text="empty")


def test_bytes_that_are_not_utf8_can_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text":"caf\xe9"}\n' + '{"text":"é\ufffd"}\n'.encode())
    policy = reading.Policy("replace")
    assert rows_of(path, 1000, policy=policy) == [["caf\ufffd", "é\ufffd"]]
    assert policy.n_replaced == 1


def test_several_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"q":"1+1","a":"2"}\n{"a":"4","q":"2+2"}\n')
    [part] = reading.parts(path, columns=["a", "q"], part_bytes=1000)
    [batch] = reading.columns_of(part, columns=["a", "q", "a"])
    assert [column.to_pylist() for column in batch.columns] == [["2", "4"], ["1+1", "2+2"], ["2", "4"]]
    assert all(column.type == pa.large_string() for column in batch.columns)


def test_numbers_of_thousands_of_digits() -> None:
    """Python refuses to make an int of them; that is no error of a file whose text is elsewhere."""
    content = b'{"n": ' + b"7" * 5000 + b', "text": "a"}\n'
    assert exactly(content) == [["a"]]
    assert by_pyarrow(content) == [["a"]]


def test_what_pyarrow_calls_infinite() -> None:
    """Inf is no number of JSON or of Python; within a string it is text."""
    assert exactly(b'{"n": [Inf, -Inf, Infinity], "text": "Inf \\" Inf"}\n') == [['Inf " Inf']]
    error = exactly(b'{"n": [Inf, Inf3], "text": "a"}\n')
    assert isinstance(error, pm.FileError)
    assert error.offset == 15
