"""What happened in a training: collected while it runs, and written as a page with the same facts as JSON beside it."""

from __future__ import annotations

import dataclasses
import hashlib
import heapq
import json
import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from portmanteau._rust import __version__
from portmanteau.compression_curve import Growth, TokenCounts, bytes_per_token, facts
from portmanteau.errors import EncodingError, FileError, UnsupportedError
from portmanteau.files import check_writable, write_atomically
from portmanteau.inspecting import inspect_tokenizer

if TYPE_CHECKING:
    from portmanteau._rust import TrainingOutcome
    from portmanteau.count_folders import CountFolder
    from portmanteau.sources import Batch
    from portmanteau.tokenizer import Tokenizer

__all__ = ["Facts", "Phase", "Recorder", "Source", "Stage", "facts_path"]

SAMPLE_BYTES = 1_000_000
"""Of each source, at most, to measure compression on."""
PIECE_BYTES = 1 << 16
"""Longer documents give a piece of this size to the sample."""
MOST_VETOED = 100

Listener = Callable[[str, int, int], object]


@dataclass
class Source:
    """Text that a path or pattern named, or all texts."""

    name: str
    weight: float
    """How often its documents count."""
    documents: int = 0
    bytes: int = 0
    """Before documents that are too long are cut."""


@dataclass
class Phase:
    """A part of the work. Phases come in the order in which they began."""

    name: str
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    """Of all threads of the process."""
    peak_memory_bytes: int | None = None
    """The most memory that the process held, looked at about every 50 ms; ``None`` where the system does not tell."""


@dataclass
class Stage:
    """A stage of training: words, then superwords; or what was added to a tokenizer."""

    name: str
    vocab_size: int
    """In the end."""
    new_tokens: int
    merges: int
    distinct_units: int | None
    """Pretokens that differ; ``None`` if a memory limit kept them from being told apart."""
    first_count: float | None
    """How often the first pair that was merged occurred, with weights."""
    last_count: float | None


@dataclass
class Facts:
    """All that the report says; counts are with weights, and divided by what they were scaled with."""

    versions: dict[str, str]
    options: dict[str, Any]
    text: dict[str, Any]
    """Sums over ``sources``; places that were not UTF-8; documents that were cut, and the bytes lost by it; and how
    many documents were counted before training went on from a checkpoint, which are not in ``sources``."""
    time: dict[str, Any]
    """Sums over ``phases``, and the most memory of all."""
    stages: list[Stage]
    words_per_token: list[dict[str, Any]]
    """Of the tokens of the superword stage: how many, and which share, have so many words. Empty without that stage."""
    vetoed: dict[str, Any]
    """Pairs that were frequent enough to be merged, and may not be tokens: how many, how many tokens they would make,
    and the most frequent of these, each with the count of its most frequent pair."""
    compression: dict[str, Any]
    """Bytes per token of a sample of the text, before (words alone, or the tokenizer trained on) and after. Text that
    was counted before, into a folder or a checkpoint, gives no sample."""
    tokenizer: dict[str, Any]
    """As ``portmanteau inspect`` shows it."""

    def as_json(self) -> str:
        """One JSON object."""
        return json.dumps(
            {"kind": "training"} | dataclasses.asdict(self), ensure_ascii=False, indent=2, allow_nan=False
        )


class Stopwatch:
    """Time and memory by phase.

    >>> stopwatch = Stopwatch()
    >>> for phase in ("reading", "counting", "reading"):
    ...     stopwatch.go_over_to(phase, again=True)
    >>> stopwatch.stop()
    >>> [phase.name for phase in stopwatch.phases]
    ['reading', 'counting']
    """

    def __init__(self) -> None:
        self.phases: list[Phase] = []
        self._now: Phase | None = None
        self._wall = time.perf_counter()
        self._cpu = time.process_time()

    def go_over_to(self, name: str, *, again: bool = False) -> None:
        """Ends the phase, and begins another; with ``again``, goes on with one of this name."""
        if self._now is not None and self._now.name == name:
            self.look()
            return
        self.stop()
        known = [phase for phase in self.phases if phase.name == name] if again else []
        self._now = known[0] if known else Phase(name)
        if not known:
            self.phases.append(self._now)
        self.look()

    def look(self) -> None:
        """Looks at the memory of the process."""
        memory = memory_bytes()
        if self._now is not None and memory is not None:
            self._now.peak_memory_bytes = max(self._now.peak_memory_bytes or 0, memory)

    def stop(self) -> None:
        """Ends the phase."""
        wall, cpu = time.perf_counter(), time.process_time()
        if self._now is not None:
            self._now.wall_seconds += wall - self._wall
            self._now.cpu_seconds += cpu - self._cpu
            self.look()
        self._now, self._wall, self._cpu = None, wall, cpu


class Sample:
    """Documents of a source, each with the same chance, up to about a number of bytes; of long ones a piece.

    >>> sample = Sample(seed=0, name="texts", n_bytes=20)
    >>> for number in range(1000):
    ...     sample.add(f"text {number:05}", None)
    >>> [len(text) for text in sample.texts]
    [10, 10]
    """

    def __init__(self, seed: int, name: str, n_bytes: int = SAMPLE_BYTES) -> None:
        self._key = hashlib.blake2b(f"{seed}\0{name}".encode(), digest_size=16).digest()
        self._most_bytes = n_bytes
        self._n_bytes = 0
        self._n_seen = 0
        # The documents with the smallest hashes; the largest of these first.
        self._chosen: list[tuple[int, int, bytes]] = []

    @property
    def texts(self) -> list[bytes]:
        """The sample, in the order of the text."""
        return [text for _, _, text in sorted(self._chosen, key=lambda chosen: chosen[1])]

    def add(self, text: str | bytes, document_byte_limit: int | None) -> None:
        """Offers a document, of which training sees no more than so many bytes."""
        number = self._n_seen
        self._n_seen += 1
        digest = hashlib.blake2b(number.to_bytes(8, "little"), digest_size=8, key=self._key).digest()
        rank = int.from_bytes(digest, "little")
        if self._n_bytes >= self._most_bytes and self._chosen and rank >= -self._chosen[0][0]:
            return
        content = text if isinstance(text, bytes) else text.encode()
        piece = _piece(content[:document_byte_limit], rank)
        heapq.heappush(self._chosen, (-rank, number, piece))
        self._n_bytes += len(piece)
        while self._n_bytes - len(self._chosen[0][2]) >= self._most_bytes:
            self._n_bytes -= len(heapq.heappop(self._chosen)[2])


def _piece(content: bytes, number: int) -> bytes:
    """Some whole lines of a long text, as ``number`` says."""
    start = 0
    if len(content) > PIECE_BYTES:
        start = number % (len(content) - PIECE_BYTES)
        piece = content[start : start + PIECE_BYTES]
        first, last = piece.find(b"\n") + 1, piece.rfind(b"\n") + 1
        content = piece[first:last] or piece
    return content.decode("utf-8", "ignore").encode()


class Recorder:
    """Notes what happens while a tokenizer is trained, and writes the report."""

    def __init__(self, path: str | os.PathLike[str], options: Mapping[str, Any], *, seed: int) -> None:
        """Checks that the report can be written.

        Raises:
            FileError: It cannot, or ``path`` does not end in ``.html``.
        """
        self.path = Path(path)
        check_writable(self.path)
        check_writable(facts_path(self.path))
        self.stopwatch = Stopwatch()
        self.document_byte_limit: int | None = None
        self._options = dict(options)
        self._seed = seed
        self._sources: dict[tuple[str, int], Source] = {}
        self._samples: dict[tuple[str, int], Sample] = {}
        self._scale = 1
        self._n_documents_before = 0
        self._cut_off = (0, 0)
        self.stopwatch.go_over_to("reading", again=True)

    def begin(self, scale: int, document_byte_limit: int | None, *, n_documents_before: int) -> None:
        """What counts are multiplied with, how long documents may be, and how many a checkpoint has."""
        self._scale = scale
        self.document_byte_limit = document_byte_limit
        self._n_documents_before = n_documents_before

    def begin_with_counts(self, folders: Sequence[CountFolder], scale: int) -> None:
        """Text was counted before, and the folders have been read; with what their counts were multiplied."""
        self._scale = scale
        for folder in folders:
            source = Source(str(folder.path), 1, folder.documents, folder.text_bytes)
            self._sources[source.name, scale] = source

    def counting(self) -> None:
        """A batch was read and is counted now."""
        self.stopwatch.go_over_to("counting", again=True)

    def counted(self, batch: Batch, n_bytes: int, cut_off: tuple[int, int]) -> None:
        """A batch was counted; the next one is read after this."""
        self.stopwatch.go_over_to("sampling for the report", again=True)
        key = (batch.origin, batch.multiplier)
        if key not in self._sources:
            self._sources[key] = Source(batch.origin, _number(batch.multiplier, self._scale))
            self._samples[key] = Sample(self._seed, batch.origin)
        source, sample = self._sources[key], self._samples[key]
        source.documents += len(batch.texts)
        source.bytes += n_bytes
        for text in batch.texts:
            sample.add(text, self.document_byte_limit)
        self._cut_off = cut_off
        self.stopwatch.go_over_to("reading", again=True)

    def training(self, also: Listener | None) -> Listener:
        """All text is counted; returns what the trainer calls from now on, which passes it on to ``also``."""
        self.stopwatch.go_over_to("preparing")

        def listen(phase: str, done: int, total: int) -> None:
            self.stopwatch.go_over_to(phase)
            if also is not None:
                also(phase, done, total)

        return listen

    def finish(
        self, tokenizer: Tokenizer, outcome: TrainingOutcome, *, base: Tokenizer | None, n_replaced: int
    ) -> Facts:
        """Training has ended: writes the report, and returns what is in it.

        Raises:
            FileError: A file cannot be written.
        """
        from portmanteau import training_page

        self.stopwatch.stop()
        found = self.facts(tokenizer, outcome, base=base, n_replaced=n_replaced)
        as_json = found.as_json()
        write_atomically(facts_path(self.path), lambda stream: stream.write(as_json.encode()))
        page = training_page.page_of(found).encode()
        write_atomically(self.path, lambda stream: stream.write(page))
        return found

    def facts(
        self, tokenizer: Tokenizer, outcome: TrainingOutcome, *, base: Tokenizer | None, n_replaced: int
    ) -> Facts:
        """All that is in the report."""
        sources = list(self._sources.values())
        phases = self.stopwatch.phases
        memory = [phase.peak_memory_bytes for phase in phases if phase.peak_memory_bytes is not None]
        stages = _stages(tokenizer, outcome, base, self._scale)
        before = base.vocab_size if base is not None else _size_of_words(tokenizer, outcome)
        has_superwords = len(stages) > 1 or bool(self._options.get("superwords"))
        vetoed: dict[bytes, int] = {}
        for token, count in outcome["vetoed"]:
            vetoed[token] = max(count, vetoed.get(token, 0))
        most_vetoed = sorted(vetoed.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_VETOED]
        return Facts(
            versions={
                "portmanteau": __version__,
                "python": platform.python_version(),
                "numpy": np.__version__,
                "system": platform.platform(),
            },
            options=self._options,
            text={
                "documents": sum(source.documents for source in sources),
                "bytes": sum(source.bytes for source in sources),
                "documents_before": self._n_documents_before,
                "replaced_places": n_replaced,
                "documents_cut": self._cut_off[0],
                "bytes_cut_off": self._cut_off[1],
                "sources": [dataclasses.asdict(source) for source in sources],
            },
            time={
                "wall_seconds": sum(phase.wall_seconds for phase in phases),
                "cpu_seconds": sum(phase.cpu_seconds for phase in phases),
                "peak_memory_bytes": max(memory, default=None),
                "phases": [dataclasses.asdict(phase) for phase in phases],
            },
            stages=stages,
            words_per_token=_words_per_token(tokenizer, before) if has_superwords else [],
            vetoed={
                "pairs": len(outcome["vetoed"]),
                "tokens": len(vetoed),
                "most_frequent": [
                    {"text": token.decode("utf-8", "replace"), "count": _number(count, self._scale)}
                    for token, count in most_vetoed
                ],
            },
            compression=self._compression(tokenizer, outcome, base),
            tokenizer=inspect_tokenizer(tokenizer),
        )

    def _compression(
        self, tokenizer: Tokenizer, outcome: TrainingOutcome, base: Tokenizer | None
    ) -> dict[str, Any]:
        try:
            growth = Growth(tokenizer)
        except UnsupportedError:
            growth = None
        size_of_words = _size_of_words(tokenizer, outcome)
        has_before = base is not None or size_of_words < tokenizer.vocab_size
        together = TokenCounts(tokenizer)
        n_before: int | None = 0
        rows = []
        for key, sample in self._samples.items():
            source, texts = self._sources[key], sample.texts
            counted = TokenCounts(tokenizer)
            try:
                for _ in counted.of(texts):
                    pass
            except EncodingError:  # of weight 0, with bytes that nothing else has
                continue
            before = None
            if base is not None:
                before = int(base.count_batch(texts).sum())
            elif has_before and growth is not None:
                before = growth.at(size_of_words, growth.tokens(counted.counts))
            n_before = None if before is None or n_before is None else n_before + before
            together.add(counted)
            row = {"name": source.name, "weight": source.weight}
            rows.append(row | _ratios(counted.n_bytes, before, int(counted.counts.sum())))
        curve = None
        if growth is not None and together.n_bytes:
            curve = facts(growth, together)
        return {
            "seed": self._seed,
            "before": ("the tokenizer trained on" if base is not None else "words alone")
            if has_before
            else None,
            "sources": rows,
            "total": _ratios(together.n_bytes, n_before, int(together.counts.sum())),
            "curve": curve,
        }


def facts_path(path: str | os.PathLike[str]) -> Path:
    """Where the facts of a report go.

    Raises:
        FileError: The report's name does not end in ``.html``.

    >>> facts_path("report.html").name
    'report.json'
    """
    if Path(path).suffix.lower() not in (".html", ".htm"):
        raise FileError(f"{os.fspath(path)}: a report is a page; name it report.html", path=path)
    return Path(path).with_suffix(".json")


def memory_bytes() -> int | None:
    """The memory that the process holds; where only the most so far is known, that; ``None`` where nothing is.

    >>> memory = memory_bytes()
    >>> memory is None or memory > 1_000_000
    True
    """
    try:
        pages = int(Path("/proc/self/statm").read_bytes().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError, AttributeError):
        pass
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _number(count: int, scale: int) -> float:
    """A count divided by what it was scaled with."""
    return count // scale if count % scale == 0 else count / scale


def _ratios(n_bytes: int, before: int | None, after: int) -> dict[str, Any]:
    def ratio(n_tokens: int | None) -> float | None:
        if not n_tokens:
            return None
        return float(bytes_per_token(n_bytes, np.array(n_tokens, np.int64)))

    return {"sample_bytes": n_bytes, "before": ratio(before), "after": ratio(after)}


def _stages(
    tokenizer: Tokenizer, outcome: TrainingOutcome, base: Tokenizer | None, scale: int
) -> list[Stage]:
    counts = outcome["merge_counts"].tolist()
    sizes = [_size_of_words(tokenizer, outcome), tokenizer.vocab_size]
    ends = [outcome["stage1_merges"] or 0, len(counts)]
    names = ["words", "superwords"]
    if base is not None or len(outcome["distinct_units"]) == 1:
        sizes, ends, names = sizes[1:], ends[1:], ["added tokens" if base is not None else "words"]
    stages = []
    start, size = 0, base.vocab_size if base is not None else _first_size(tokenizer, outcome)
    for name, vocab_size, end, units in zip(names, sizes, ends, outcome["distinct_units"], strict=True):
        own = counts[start:end]
        stages.append(
            Stage(
                name=name,
                vocab_size=vocab_size,
                new_tokens=vocab_size - size,
                merges=end - start,
                distinct_units=units,
                first_count=_number(own[0], scale) if own else None,
                last_count=_number(own[-1], scale) if own else None,
            )
        )
        start, size = end, vocab_size
    return stages


def _first_size(tokenizer: Tokenizer, outcome: TrainingOutcome) -> int:
    """Special tokens and single bytes."""
    return tokenizer.vocab_size - len(np.unique(outcome["merge_token_ids"]))


def _size_of_words(tokenizer: Tokenizer, outcome: TrainingOutcome) -> int:
    """The ids up to the first superword. Merges that were dropped are not among them."""
    made = outcome["merge_token_ids"][: outcome["stage1_merges"]]
    return _first_size(tokenizer, outcome) + len(np.unique(made))


def _words_per_token(tokenizer: Tokenizer, first: int) -> list[dict[str, Any]]:
    """Of the tokens from an id on."""
    numbers = Counter(
        len([word for word in tokenizer.token_bytes(token_id).split(b" ") if word])
        for token_id in range(first, tokenizer.vocab_size)
    )
    n_tokens = sum(numbers.values())
    return [
        {"words": words, "tokens": numbers[words], "share": numbers[words] / n_tokens}
        for words in sorted(numbers)
    ]
