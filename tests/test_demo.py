"""The demonstration: what it prints is true, what it writes can be gone on with, and it says the same every time."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

import portmanteau as pm
from portmanteau import data, demo, inspecting, summary
from portmanteau.packing import PackPlan
from portmanteau.token_files import TokenFile
from portmanteau.vocabulary import is_superword, superwords

STEPS = 11


@pytest.fixture(scope="session")
def shown(tmp_path_factory) -> tuple[demo.Demo, list[str]]:
    """A run of the demonstration, and the lines that it printed."""
    lines: list[str] = []
    return demo.run(tmp_path_factory.mktemp("demo"), say=lines.append), lines


def test_the_numbers_are_those_of_the_files(shown):
    found, lines = shown
    for packed in (found.bpe, found.superbpe):
        stem = found.folder / packed.name.lower()
        tokenizer = pm.Tokenizer.load(stem.with_suffix(".json"))
        tokens = TokenFile.open(stem.with_suffix(".tokens.arrow"))
        plan = PackPlan.load(stem.with_suffix(".plan.arrow"))
        assert tokenizer.vocab_size == demo.VOCAB_SIZE
        assert tokens.tokenizer_fingerprint == tokenizer.fingerprint
        assert tokens.document_names == [document["id"] for document in data.sample()]
        assert tokenizer.decode_batch(tokens.read()) == [document["text"] for document in data.sample()]
        plan.verify(tokens.lengths)
        held_out = [document["text"] for document in data.sample("held_out")]
        n_bytes = sum(len(text.encode()) for text in held_out)
        ratio = n_bytes / len(tokenizer.encode_batch(held_out).ids)
        assert found.bytes_per_token(packed, found.all_held_out) == ratio
        (total,) = [line for line in lines if line.startswith("  all held-out text")]
        assert f" {ratio:.2f} " in total
        (row,) = [line for line in lines if line.startswith(f"  {packed.name}, best fit")]
        cells = [int(cell.replace(",", "")) for cell in re.findall(r" ([\d,]+)(?= |$)", row)]
        n_tokens = len(tokens.read().ids) + len(held_out) + len(data.sample("train"))
        cut = int(np.count_nonzero(tokens.lengths + 1 > demo.CAPACITY))
        assert cells == [n_tokens, plan.n_sequences, -(-n_tokens // demo.CAPACITY), cut, 0]


def test_superbpe_beats_bpe_on_english_and_best_fit_cuts_less_than_concatenation(shown):
    found, _ = shown
    english = found.held_out["English"]
    ratio = found.bytes_per_token(found.superbpe, english) / found.bytes_per_token(found.bpe, english)
    assert ratio > 1.1
    assert found.superbpe.plan.documents_cut == found.superbpe.documents_too_long
    assert found.superbpe.concatenated.documents_cut > 1.3 * found.superbpe.documents_too_long
    assert found.superbpe.plan.n_sequences <= 1.01 * found.superbpe.plan.lower_bound


def test_the_two_tokenizers_differ_in_superwords_only_from_the_transition_on(shown):
    found, _ = shown
    bpe, superbpe = found.bpe.tokenizer, found.superbpe.tokenizer
    for token_id in range(demo.TRANSITION_SIZE):
        assert bpe.token_bytes(token_id) == superbpe.token_bytes(token_id)
    assert superwords(bpe) == {}
    assert min(found.superwords) >= demo.TRANSITION_SIZE
    assert all(is_superword(text.encode()) for text in found.longest_superwords)


def test_the_use_of_superwords_is_counted_right(shown):
    found, _ = shown
    text, count = found.most_used_superwords[0]
    token_id = found.superbpe.tokenizer.token_id(text)
    ids = [found.superbpe.tokenizer.encode(document["text"]) for document in data.sample("held_out")]
    assert sum(int(np.count_nonzero(document == token_id)) for document in ids) == count


def test_the_segments_shown_are_in_the_sequence(shown):
    found, _ = shown
    sequence, segments = found.example
    end = found.superbpe.tokenizer.special_tokens[demo.END_OF_TEXT]
    packed = found.superbpe.plan.apply(found.superbpe.batch, pad_id=end, eos_id=end, sequences=[sequence])
    assert [segment.start for segment in segments] == packed.cu_seqlens(0)[:-1].tolist()
    for segment in segments:
        ids = packed.input_ids[0, segment.start : segment.start + segment.length]
        assert found.superbpe.tokenizer.decode(ids).removesuffix(demo.END_OF_TEXT) == segment.text
        assert segment.text in segment.document["text"]


def test_every_file_that_is_listed_exists_and_can_be_inspected(shown):
    found, lines = shown
    assert sorted(found.files) == sorted(found.folder.iterdir())
    for path in found.files:
        assert f"  {path}" in lines
        if path.suffix != ".html":
            assert inspecting.inspect(path)["source"] == str(path)


class Page(HTMLParser):
    """The tags of a page, and whether they are closed in order."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.n_plots = 0
        self.feed(content)

    def handle_starttag(self, tag, attributes):
        if tag not in ("meta", "br"):
            self.open.append(tag)
        self.n_plots += tag == "svg"
        self.addresses += [value for name, value in attributes if name in ("src", "href", "xlink:href")]

    def handle_startendtag(self, tag, attributes):
        self.addresses += [value for name, value in attributes if name in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_report_is_one_file_that_needs_no_network(shown):
    pytest.importorskip("matplotlib")
    found, _ = shown
    content = (found.folder / "report.html").read_text(encoding="utf-8")
    page = Page(content)
    assert page.open == []
    assert page.n_plots == 4
    assert all(address.startswith("#") for address in page.addresses)
    assert "@import" not in content
    for number, _ in summary.cards(found):
        assert number in content


def test_without_matplotlib_the_report_has_no_plots_and_says_how_to_get_them(tmp_path, monkeypatch, shown):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    lines: list[str] = []
    found = demo.run(tmp_path, say=lines.append)
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert page.open == []
    assert page.n_plots == 0
    assert "pip install 'portmanteau[report]'" in lines[-1]
    # A second run says and writes the same, but for the times and the folder.
    original, printed = shown
    assert [line.replace(str(tmp_path), str(original.folder)) for line in lines[STEPS:-1]] == printed[STEPS:]
    for path in original.files:
        if path.suffix != ".html":
            assert (tmp_path / path.name).read_bytes() == path.read_bytes()
    assert found.seconds.keys() == original.seconds.keys()


def test_the_plots_are_the_same_every_time(shown):
    plots = pytest.importorskip("portmanteau.plots")
    pytest.importorskip("matplotlib")
    assert plots.draw(shown[0]) == plots.draw(shown[0])
