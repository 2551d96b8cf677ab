"""How long Portmanteau and its peers take to train on one text, and in how much memory.

Every sample writes its merges. They are compared before anything is said of its figures: with those of Hugging Face's
``BpeTrainer``, or with ours where it takes no part. The figures of a library with other merges stand in the record and
are marked in the tables, but nothing is measured against them. A library that takes far longer than ours in the first
round is not run again: it decides nothing, and would take most of the time.

SuperBPE has no second implementation to install; its reference is a path through two libraries. Hugging Face trains
the first stage, and bpe-continue goes on from there with the pretokenizer of the second. Ours then keeps no token from
becoming a superword, as bpe-continue does, and is timed a second time with the rules that it has by default.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from portmanteau._rust import __version__
from portmanteau.benchmarking import machine, merges, sampling, training_text
from portmanteau.benchmarking.sampling import Contender
from portmanteau.benchmarking.trainers import OURS, PEERS, Task
from portmanteau.benchmarking.training_text import TrainingText, Unit
from portmanteau.benchmarking.training_verdict import (
    BOTH_STAGES,
    DEFAULT_RULES,
    FIRST_STAGE,
    SECOND_STAGE,
    TARGETS,
    clock,
    memory,
    on_growth,
    on_peers,
)
from portmanteau.errors import TrainingError
from portmanteau.training import train_bpe

__all__ = ["METHOD", "METHOD_OF_SUPERBPE", "compare", "contenders"]

_SLOW = 5.0
_LONG = 10.0
"""A peer that takes so many times as long as ours in the first round, and so many seconds, takes part in no other."""

_SECONDS = 3600
"""How long one sample may take."""

METHOD = (
    "A sample is a fresh process on cores of its own, and the libraries take turns. What a library imports is imported "
    "before the clock runs; then it trains on the files of the text, which it reads itself. Each makes the same number "
    "of merges, whether its first tokens are all bytes or those that occur. Times are medians of the rounds (in "
    "brackets the best), with those of child processes; peak is the most memory that the process held, and adds what "
    "of it the library brought, its imports included. The merges are compared first: a figure marked † is of a library "
    f"with other merges, against which nothing is measured. A peer that takes more than {_LONG:g} s, and {_SLOW:g} "
    "times as long as ours, takes part in the first round only."
)
"""How the figures come about, for those who read them."""

METHOD_OF_SUPERBPE = (
    "No library to install trains SuperBPE, so the reference is a path through two: tokenizers trains the first stage, "
    "and bpe-continue goes on from there with the pretokenizer of the second. Both stages take the sum of their times "
    "and the larger of their memories. Ours does both in one call, as there without rules against superwords, whose "
    "merges are compared, and again with the rules that it has by default."
)
"""The same, of what is particular to SuperBPE."""

_TIMES = ("cpu_seconds", "wall_seconds")
_MEMORY = ("bare_megabytes", "before_megabytes", "peak_megabytes")
_WORKER = "portmanteau.benchmarking.training_worker"
_SUPERWORDS = "superbpe_stage2"


def contenders(peers: Sequence[str] = ()) -> tuple[list[Contender], list[str]]:
    """Who takes part besides us, as :func:`portmanteau.benchmarking.sampling.taking_part` says."""
    return sampling.taking_part(peers, {name: peer.modules[0] for name, peer in PEERS.items()})


def compare(
    corpora: Mapping[str, str],
    peers: Sequence[Contender],
    *,
    vocab_sizes: Sequence[int],
    transition_size: int | None = None,
    pretokenizer: str | None = None,
    unit: Unit = "line",
    rounds: int = 3,
    threads: int = 1,
    megabytes: float | None = None,
    text_column: str = "text",
) -> dict[str, Any]:
    """Compares on one text, for each size of a vocabulary.

    Args:
        corpora: Files of text by name; they are one text together.
        peers: Who takes part besides us.
        vocab_sizes: The numbers of ids to train to.
        transition_size: The number of ids after the first stage of SuperBPE; plain BPE is trained when ``None``.
        pretokenizer: What cuts the text; ``"r50k"`` for BPE and ``"superbpe"`` for SuperBPE when ``None``.
        unit: What is one record: a line or a document.
        rounds: How many samples of each library.
        threads: How many threads, and cores, each gets. With one, libraries are compared by processor time, which
            other processes disturb less; with more, by the clock on the wall.
        megabytes: How much of the text to use, in 10^6 bytes, the same share of each file; all when ``None``.
        text_column: The key or column of the text.

    Returns:
        The record: plain data for ``json``, without paths and host names.

    Raises:
        TrainingError: A vocabulary has no room for a merge, or no stage of SuperBPE has one.
        Error: A text cannot be read, or the pretokenizer does not compile.
    """
    from tqdm import tqdm

    if pretokenizer is None:
        pretokenizer = "r50k" if transition_size is None else "superbpe"
    section = _section("superbpe_stage1" if pretokenizer == "superbpe" else pretokenizer)
    with tempfile.TemporaryDirectory() as scratch:
        text = training_text.prepare(
            list(corpora.values()),
            Path(scratch),
            unit=unit,
            megabytes=megabytes,
            text_column=text_column,
        )
        tasks = [_task(text, size, transition_size, pretokenizer, section) for size in vocab_sizes]
        everyone = [_taking_part(peers, task) for task in tasks]
        with tqdm(
            total=rounds * sum(map(len, everyone)),
            unit=" samples",
            desc="comparing",
            disable=not sys.stderr.isatty(),
        ) as bar:
            results: list[dict[str, Any]] = []
            for entrants in everyone:
                folder = Path(scratch, f"task {len(results)}")
                results.append(_Comparison(entrants, folder, threads, bar.update).compare(rounds))
    return {
        "comparison": "train",
        "portmanteau": __version__,
        "machine": machine.facts(),
        "threads": threads,
        "rounds": rounds,
        "unit": "CPU seconds" if threads == 1 else "seconds",
        "text": {
            "names": list(corpora),
            "megabytes": round(text.n_bytes / 1e6, 3),
            "documents": text.n_documents,
            "lines": text.n_lines,
            "records": unit,
        },
        "targets": TARGETS,
        "results": results,
        "verdict": on_growth(results, clock(threads)),
    }


# ── what is trained, by whom ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Entrant:
    """A library and what it is asked to train."""

    contender: Contender
    task: Task
    what: str = ""
    """What that is, where it is not all that the comparison is about."""


def _task(
    text: TrainingText, vocab_size: int, transition_size: int | None, pretokenizer: str, section: str
) -> Task:
    """The task, if every stage of it has a merge to make."""
    least, first = len(text.alphabet), transition_size or vocab_size
    if first <= least:
        raise TrainingError(
            f"{first} ids leave no merge: the text has {least} different bytes; ask for more ids"
        )
    if transition_size is not None and transition_size >= vocab_size:
        message = (
            f"transition_size is {transition_size}, which leaves no superword before vocab_size {vocab_size}"
        )
        raise TrainingError(f"{message}; choose a smaller one")
    return Task(text, vocab_size, pretokenizer, section, transition_size)


def _section(pretokenizer: str) -> str:
    """The pretokenizer as a section of a ``tokenizer.json``."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "tokenizer.json")
        train_bpe(texts=[], vocab_size=256, pretokenizer=pretokenizer, progress=False).save(path)
        return json.dumps(json.loads(path.read_text(encoding="utf-8"))["pre_tokenizer"])


def _taking_part(peers: Sequence[Contender], task: Task) -> list[_Entrant]:
    """Ours first; where one library trains what another goes on from, that before it."""
    ours = Contender(OURS.name, OURS.modules[0])
    if task.transition_size is None:
        others = [peer for peer in peers if not PEERS[peer.name].goes_on_only]
        return [_Entrant(ours, task), *(_Entrant(peer, task) for peer in others)]
    stage1 = replace(task, vocab_size=task.transition_size, transition_size=None)
    stage2 = replace(task, transition_size=None)
    return [
        _Entrant(ours, task),
        _Entrant(ours, replace(task, has_vetoes=True), DEFAULT_RULES),
        *(_Entrant(peer, stage1, FIRST_STAGE) for peer in peers if peer.name == "tokenizers"),
        *(_Entrant(peer, stage2, SECOND_STAGE) for peer in peers if PEERS[peer.name].goes_on_only),
    ]


# ── the comparison for one size of the vocabulary ───────────────────────────────────────────────────────────────


@dataclass
class _Comparison:
    entrants: list[_Entrant]
    folder: Path
    threads: int
    tell: Callable[[], object]
    samples: dict[_Entrant, list[dict[str, Any]]] = field(default_factory=dict)
    """What each one's processes answered."""
    lists: dict[_Entrant, list[str]] = field(default_factory=dict)
    """The merges of the first sample of each."""
    faults: dict[_Entrant, dict[str, Any]] = field(default_factory=dict)
    """Why one has no figures: ``error``, and the ``version`` if that is known."""

    def __post_init__(self) -> None:
        self.folder.mkdir()

    def compare(self, rounds: int) -> dict[str, Any]:
        def take(entrant: _Entrant, turn: int) -> None:
            if entrant not in self.faults and not (turn and self._is_slow(entrant)):
                self._take(entrant)
            self.tell()

        sampling.in_turns(self.entrants, rounds, take)
        reference = self._reference()
        libraries = [self._summary(entrant, reference) for entrant in self.entrants]
        task = self.entrants[0].task
        if task.transition_size is not None:
            libraries += _reference_paths(libraries)
        return {
            "vocab_size": task.vocab_size,
            "transition_size": task.transition_size,
            "pretokenizer": task.pretokenizer,
            "reference": None if reference is None else _label(reference, self.samples[reference]),
            "libraries": libraries,
            "verdict": on_peers(libraries, clock(self.threads)),
        }

    def _take(self, entrant: _Entrant) -> None:
        answer, lines = self._run(entrant)
        if "error" not in answer and entrant in self.lists and lines != self.lists[entrant]:
            answer = {"error": "it gave other merges the second time", "version": answer["version"]}
        if "error" in answer:
            message = answer["error"].replace(str(self.folder.parent), "…")
            self.faults[entrant] = {**answer, "error": message}
            return
        self.lists.setdefault(entrant, lines)
        self.samples.setdefault(entrant, []).append(answer)

    def _run(self, entrant: _Entrant) -> tuple[dict[str, Any], list[str]]:
        task = entrant.task
        if entrant.what == SECOND_STAGE:
            if (base := self._base()) is None:
                return {"error": "there is no first stage for it to go on from"}, []
            task = replace(task, base=str(base))
        task.save(self.folder / "task.json")
        written = self.folder / "merges.txt"
        arguments = [_WORKER, entrant.contender.name, str(self.folder / "task.json"), str(written)]
        if entrant.contender.folder is not None:
            arguments += ["--folder", entrant.contender.folder]
        answer = sampling.run(arguments, threads=self.threads, folder=self.folder, seconds=_SECONDS)
        return answer, [] if "error" in answer else written.read_text(encoding="utf-8").splitlines()

    def _base(self) -> Path | None:
        """The first stage of the first library that has trained it, the peer if there is one, for the second stage."""
        path = self.folder / "base.json"
        trained = sorted(
            (entrant for entrant in self.lists if entrant.what != DEFAULT_RULES),
            key=lambda entrant: entrant.what != FIRST_STAGE,
        )
        if trained and not path.exists():
            task = self.entrants[0].task
            size = task.transition_size or task.vocab_size
            alphabet = bytes(task.text.alphabet)
            content = merges.tokenizer_json(alphabet, self.lists[trained[0]], size, _section(_SUPERWORDS))
            path.write_text(content, encoding="utf-8")
        return path if trained else None

    def _reference(self) -> _Entrant | None:
        """The one whose merges are held to be right."""
        right = [
            entrant
            for entrant in self.entrants
            if entrant in self.lists and entrant not in self.faults and entrant.what != DEFAULT_RULES
        ]
        right.sort(key=lambda entrant: entrant.contender.name != "tokenizers")
        return right[0] if right else None

    def _is_slow(self, entrant: _Entrant) -> bool:
        ours = self.samples.get(self.entrants[0])
        if ours is None or entrant.contender.name == OURS.name:
            return False
        theirs, own = (samples[0][clock(self.threads)] for samples in (self.samples[entrant], ours))
        return bool(theirs > max(_SLOW * own, _LONG))

    def _summary(self, entrant: _Entrant, reference: _Entrant | None) -> dict[str, Any]:
        library = PEERS.get(entrant.contender.name, OURS)
        summary: dict[str, Any] = {"name": library.name, "what": entrant.what, "call": library.call}
        if entrant in self.faults:
            return summary | self.faults[entrant]
        samples = self.samples[entrant]
        summary |= {"version": samples[0]["version"]}
        summary |= {key: samples[0][key] for key in ("n_merges", "digest")}
        if difference := self._difference(entrant, reference):
            summary["other_merges"] = difference
        return summary | {key: [one[key] for one in samples] for key in (*_TIMES, *_MEMORY)}

    def _difference(self, entrant: _Entrant, reference: _Entrant | None) -> dict[str, Any] | None:
        """Where the merges leave those that are right, if they do."""
        if reference is None or entrant == reference or entrant.what == DEFAULT_RULES:
            return None
        given, right = self.lists[entrant], self.lists[reference]
        if entrant.what == SECOND_STAGE and reference.what == FIRST_STAGE:
            # Only ours, which begins with that first stage, has both stages to compare with.
            ours = self.lists.get(self.entrants[0])
            return None if ours is None else merges.first_difference(ours, given)
        if reference.what == FIRST_STAGE:
            given = given[: len(right)]
        return merges.first_difference(right, given)


def _label(entrant: _Entrant, samples: Sequence[dict[str, Any]]) -> str:
    return f"{entrant.contender.name} {samples[0]['version']}"


def _reference_paths(libraries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What both stages of SuperBPE take together where two libraries train one each; they run one after the other."""
    first = [library for library in libraries if library["what"] == FIRST_STAGE and "digest" in library]
    second = [library for library in libraries if library["what"] == SECOND_STAGE and "digest" in library]
    paths = []
    for one, other in zip(first, second, strict=False):
        path = {
            "name": f"{one['name']} {one['version']} + {other['name']}",
            "version": other["version"],
            "what": BOTH_STAGES,
            "call": "one after the other",
            "n_merges": other["n_merges"],
            "digest": other["digest"],
        }
        if "other_merges" in other:
            path["other_merges"] = other["other_merges"]
        for seconds in _TIMES:
            pairs = zip(one[seconds], other[seconds], strict=False)
            path[seconds] = [round(sum(pair), 6) for pair in pairs]
        larger = max(one, other, key=lambda library: memory(library) or 0.0)
        paths.append(path | {key: larger[key] for key in _MEMORY})
    return paths
