"""The whole way on the text that ships with the package: train, encode, pack, check, report.

Two tokenizers of the same size are trained on the sample's training part: BPE, and SuperBPE, whose first stage is the
same BPE. The held-out part says how well they compress text that they have not seen; the whole sample is packed.
Everything but the times is the same on every run.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np

from portmanteau import data, packing, training
from portmanteau.batch import TokenBatch
from portmanteau.errors import FileError, InternalError
from portmanteau.files import file_error
from portmanteau.token_files import TokenFile, write_tokens
from portmanteau.tokenizer import Tokenizer
from portmanteau.vocabulary import superwords

__all__ = ["CAPACITY", "Demo", "Packed", "Segment", "run"]

VOCAB_SIZE = 8192
TRANSITION_SIZE = 6400
CAPACITY = 2048
END_OF_TEXT = "<|endoftext|>"

_LANGUAGES = {
    "en": "English",
    "fa": "Persian",
    "he": "Hebrew",
    "hi": "Hindi",
    "html": "HTML",
    "javascript": "JavaScript",
    "nan": "Min Nan Chinese",
    "pt": "Portuguese",
    "python": "Python",
    "th": "Thai",
    "uk": "Ukrainian",
    "yo": "Yoruba",
    "yue": "Cantonese",
    "zh": "Chinese",
}
"""Names of the languages of the held-out text, by the part of their tag before the script."""
_LEAST_BYTES = 2000
"""Languages with less held-out text are counted together, for a few sentences say little."""


@dataclass(frozen=True)
class Packed:
    """A tokenizer, the sample in its tokens, and the sample packed in two ways."""

    name: str
    tokenizer: Tokenizer
    batch: TokenBatch
    plan: packing.PackPlan
    """Best fit decreasing."""
    concatenated: packing.PackPlan
    """The same tokens, one document after the other, cut wherever a sequence is full."""

    @property
    def documents_too_long(self) -> int:
        """Documents that no plan can leave whole: with their end-of-text token they exceed a sequence."""
        return int(np.count_nonzero(self.batch.lengths + 1 > CAPACITY))


@dataclass(frozen=True)
class Segment:
    """A piece of a document in a sequence."""

    document: data.SampleDocument
    start: int
    """The first position in the sequence."""
    length: int
    """Positions, with that of the end-of-text token where the document ends."""
    text: str


@dataclass
class Demo:
    """All that the demonstration found out; :func:`run` makes it."""

    folder: Path
    documents: list[data.SampleDocument]
    bpe: Packed
    superbpe: Packed
    seconds: dict[str, float] = field(default_factory=dict)
    """The time of each step."""
    files: list[Path] = field(default_factory=list)
    """What was written."""

    @cached_property
    def text_bytes(self) -> list[int]:
        """The bytes of each document."""
        return [len(document["text"].encode()) for document in self.documents]

    @cached_property
    def held_out(self) -> dict[str, list[int]]:
        """The held-out documents by language, the one with the most bytes first, small ones together and last."""
        by_language = defaultdict(list)
        for index, document in enumerate(self.documents):
            if document["split"] == "held_out":
                language = document["language"].partition("-")[0]
                by_language[_LANGUAGES.get(language, language)].append(index)
        sizes = {
            name: sum(self.text_bytes[index] for index in indices) for name, indices in by_language.items()
        }
        large = sorted((name for name in sizes if sizes[name] >= _LEAST_BYTES), key=lambda name: -sizes[name])
        groups = {name: by_language[name] for name in large}
        small = [name for name in sizes if sizes[name] < _LEAST_BYTES]
        if small:
            groups[f"{len(small)} others"] = [index for name in small for index in by_language[name]]
        return groups

    @cached_property
    def all_held_out(self) -> list[int]:
        """Every held-out document."""
        return [index for indices in self.held_out.values() for index in indices]

    def bytes_per_token(self, packed: Packed, documents: list[int]) -> float:
        """The bytes of these documents, divided by their tokens."""
        n_bytes = sum(self.text_bytes[index] for index in documents)
        return n_bytes / int(packed.batch.lengths[documents].sum())

    @cached_property
    def superwords(self) -> dict[int, str]:
        """The superwords of the SuperBPE tokenizer by id, without those that begin or end within a character."""
        reaching = superwords(self.superbpe.tokenizer)
        return {
            token_id: text for token_id, text in reaching.items() if "\N{REPLACEMENT CHARACTER}" not in text
        }

    @cached_property
    def longest_superwords(self) -> list[str]:
        """Ten superwords with the most characters; of equals, those that were made first."""
        return sorted(self.superwords.values(), key=lambda text: -len(text))[:10]

    @cached_property
    def most_used_superwords(self) -> list[tuple[str, int]]:
        """Ten superwords that the held-out text has most often, and how often."""
        ids = np.concatenate([self.superbpe.batch[index] for index in self.all_held_out])
        counts = np.bincount(ids, minlength=self.superbpe.tokenizer.vocab_size)
        ranked = sorted(self.superwords, key=lambda token_id: (-counts[token_id], token_id))
        return [(self.superwords[token_id], int(counts[token_id])) for token_id in ranked[:10]]

    @cached_property
    def example(self) -> tuple[int, list[Segment]]:
        """A sequence of the SuperBPE plan with several pieces to look at: its number and its segments."""
        plan, batch = self.superbpe.plan, self.superbpe.batch
        counts = np.diff(plan.sequence_offsets)
        sequence = int(np.argmin(np.abs(counts - 6)))
        packed = plan.apply(batch, eos_id=0, sequences=[sequence])
        segments = [
            Segment(
                self.documents[row["document"]],
                start,
                end - start,
                self.superbpe.tokenizer.decode(batch[row["document"]][row["token_start"] : row["token_end"]]),
            )
            for row, (start, end) in zip(
                packed.provenance.to_pylist(), pairwise(packed.cu_seqlens(0).tolist()), strict=True
            )
        ]
        return sequence, segments


def run(out: str | os.PathLike[str], *, say: Callable[[str], object] = lambda _: None) -> Demo:
    """Trains, encodes, packs, checks and writes it all down. Some seconds.

    Args:
        out: The folder to write to; it is made if need be, and files of the same names are replaced.
        say: Takes the lines of the printed report, as they come.

    Returns:
        What was found out.

    Raises:
        FileError: The folder or a file in it cannot be written.
        InternalError: A text did not survive encoding and decoding, or a token was lost in packing.
    """
    from portmanteau import report, summary

    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise file_error(folder, "make the folder", error) from error
    if not os.access(folder, os.W_OK):
        raise FileError(f"{folder}: the folder cannot be written; choose another with --out", path=folder)

    seconds: dict[str, float] = {}

    @contextmanager
    def timed(step: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        seconds[step] = time.perf_counter() - started
        say(f"  {step:34}{seconds[step]:6.2f} s")

    say("Steps")
    documents = data.sample()
    texts = [document["text"] for document in documents if document["split"] == "train"]
    with timed("train BPE"):
        # The first stage of SuperBPE, gone on with: the two differ in nothing but superwords.
        bpe = training.train_bpe(
            texts=texts, vocab_size=VOCAB_SIZE, pretokenizer="superbpe_stage1", special_tokens=[END_OF_TEXT]
        )
    with timed("train SuperBPE"):
        superbpe = training.train_superbpe(
            texts=texts, vocab_size=VOCAB_SIZE, transition_size=TRANSITION_SIZE, special_tokens=[END_OF_TEXT]
        )
    demo = Demo(
        folder,
        documents,
        _pack("BPE", bpe, documents, timed),
        _pack("SuperBPE", superbpe, documents, timed),
        seconds,
    )
    with timed("check that nothing was lost"):
        for packed in (demo.bpe, demo.superbpe):
            _check(packed, documents)
    with timed("write tokenizers, tokens and plans"):
        for packed in (demo.bpe, demo.superbpe):
            _write(demo, packed)
    with timed("write the report"):
        demo.files.append(folder / "report.html")
        missing = report.write(demo, demo.files[-1])
    for line in summary.lines(demo):
        say(line)
    if missing is not None:
        say(f"\nThe report has no plots: {missing}")
    return demo


def _pack(
    name: str,
    tokenizer: Tokenizer,
    documents: list[data.SampleDocument],
    timed: Callable[[str], AbstractContextManager[None]],
) -> Packed:
    with timed(f"encode with {name}"):
        batch = tokenizer.encode_batch([document["text"] for document in documents])
    with timed(f"pack {name} tokens"):
        plan = packing.pack(batch, CAPACITY, eos=True)
    concatenated = packing.pack(batch, CAPACITY, strategy="concat", eos=True)
    return Packed(name, tokenizer, batch, plan, concatenated)


def _check(packed: Packed, documents: list[data.SampleDocument]) -> None:
    """Proves that text, tokens and sequences hold the same."""
    decoded = packed.tokenizer.decode_batch(packed.batch, errors="strict")
    for document, text in zip(documents, decoded, strict=True):
        if text != document["text"]:
            raise InternalError(f"{packed.name} does not decode {document['id']} to what was encoded")
    end_of_text = packed.tokenizer.special_tokens[END_OF_TEXT]
    for plan in (packed.plan, packed.concatenated):
        plan.verify(packed.batch)
        sequences = plan.apply(packed.batch, pad_id=end_of_text, eos_id=end_of_text)
        found = TokenBatch(np.full_like(packed.batch.ids, 2**32 - 1), packed.batch.offsets)
        for piece in sequences.provenance.to_pylist():
            start, end = piece["token_start"], piece["token_end"]
            ids = sequences.input_ids[piece["sequence"], piece["position"] :][: end - start]
            found[piece["document"]][start:end] = ids
        if found != packed.batch:
            raise InternalError(f"the sequences of {plan} do not hold the tokens that were packed")


def _write(demo: Demo, packed: Packed) -> None:
    """Writes tokenizer, tokens and plan, and checks that they read back the same."""
    texts = [document["text"] for document in demo.documents]
    stem = demo.folder / packed.name.lower()
    tokenizer, tokens, plan = (
        stem.with_suffix(suffix) for suffix in (".json", ".tokens.arrow", ".plan.arrow")
    )
    packed.tokenizer.save(tokenizer)
    saved = Tokenizer.load(tokenizer)
    names = (document["id"] for document in demo.documents)
    write_tokens(tokens, packed.batch, tokenizer=saved, document_names=names)
    packed.plan.save(plan)
    demo.files += [tokenizer, tokens, plan]
    read_back = (
        saved.encode_batch(texts) == packed.batch
        and TokenFile.open(tokens).read() == packed.batch
        and packing.PackPlan.load(plan) == packed.plan
    )
    if not read_back:
        raise InternalError(f"the files {stem}.* do not read back as they were written")
