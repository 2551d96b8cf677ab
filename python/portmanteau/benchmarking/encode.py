"""How fast Portmanteau and its peers encode, for each pair of a vocabulary and a text.

Every sample gives a digest of the ids of each measurement. Only a library whose digests are those of the reference,
tiktoken or Hugging Face's tokenizers 0.x, has figures; of the others the record says how many texts they get wrong. A
library that is slow in the first round is not run again: it decides nothing, and would take most of the time.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from portmanteau._rust import __version__
from portmanteau.benchmarking import machine, sampling, texts, vocabularies
from portmanteau.benchmarking.peers import OURS, PEERS
from portmanteau.benchmarking.sampling import Contender
from portmanteau.benchmarking.texts import CELLS
from portmanteau.benchmarking.vocabularies import Vocabulary
from portmanteau.errors import MissingDependencyError
from portmanteau.tokenizer import Tokenizer

__all__ = ["METHOD", "TARGETS", "compare", "contenders"]

_SLOW = 5.0
"""Megabytes a second on first pass, below which a peer takes part in the first round only."""

METHOD = (
    "A sample is a fresh process on cores of its own, and the libraries take turns. What a library imports is imported "
    "before the clock runs. It loads the vocabulary, then encodes list[str]: cold (10 MB of documents), first pass "
    "(10 MB of others), hot (the same again), short (5 MB in texts of about 230 bytes), long (one string of 8 MB); "
    "less where there is less text. Ours is Tokenizer.encode_batch; each peer gives its fastest form of ids, a flat "
    "array where it has one. A figure is the median of the rounds (in brackets the best), and stands only if every id "
    f"is the reference's. A peer below {_SLOW:g} MB a second takes part in the first round only. Peak is what loading "
    "and encoding added to the memory of the process."
)
"""How the figures come about, for those who read them."""

TARGETS = {"cold": 1.5, "first pass": 1.5, "hot": 1.2, "short": 1.5, "long": 1.0}
"""How many times the speed of the best peer we want to reach, by measurement."""

_WORKER = "portmanteau.benchmarking.worker"


def contenders(peers: Sequence[str] = ()) -> tuple[list[Contender], list[str]]:
    """Who takes part besides us, as :func:`portmanteau.benchmarking.sampling.taking_part` says."""
    return sampling.taking_part(peers, {name: peer.modules[0] for name, peer in PEERS.items()})


def compare(
    sources: Sequence[str],
    corpora: Mapping[str, str],
    peers: Sequence[Contender],
    *,
    rounds: int = 5,
    threads: int = 1,
    megabytes: float | None = None,
    text_column: str = "text",
) -> dict[str, Any]:
    """Compares on every pair of a vocabulary and a text.

    Args:
        sources: Bundled names and tokenizer files.
        corpora: Files of text by name.
        peers: Who takes part besides us.
        rounds: How many samples of each library.
        threads: How many threads, and cores, each gets. With one, speed is per second of processor time, which other
            processes disturb less; with more, per second.
        megabytes: How much of each text to use, in 10^6 bytes; 33, or all if there is less, when ``None``.
        text_column: The key or column of the text.

    Returns:
        The record: plain data for ``json``, without paths and host names.

    Raises:
        MissingDependencyError: There is no reference to check the ids with.
        Error: A vocabulary or a text cannot be read.
    """
    from tqdm import tqdm

    n_samples = len(sources) * len(corpora) * (1 + rounds * (1 + len(peers)))
    results: list[dict[str, Any]] = []
    with (
        tempfile.TemporaryDirectory() as scratch,
        tqdm(total=n_samples, unit=" samples", desc="comparing", disable=not sys.stderr.isatty()) as bar,
    ):
        for source in sources:
            folder = Path(scratch, f"vocabulary {len(results)}")
            folder.mkdir()
            vocabulary = vocabularies.prepare(source, folder)
            special_tokens = list(Tokenizer.load(vocabulary.source).special_tokens)
            for text, path in corpora.items():
                parts, left_out = texts.read(
                    path, text_column=text_column, without=special_tokens, megabytes=megabytes
                )
                pair = _Pair(vocabulary, parts, Path(scratch, f"pair {len(results)}"), threads, bar.update)
                result = pair.compare([Contender(OURS.name, OURS.modules[0]), *peers], rounds)
                results.append(
                    {"vocabulary": vocabulary.name, "text": text, "documents_left_out": left_out, **result}
                )
    return {
        "comparison": "encode",
        "portmanteau": __version__,
        "machine": machine.facts(),
        "threads": threads,
        "rounds": rounds,
        "unit": "MB per CPU second" if threads == 1 else "MB per second",
        "targets": TARGETS,
        "results": results,
    }


@dataclass
class _Pair:
    """The comparison on one vocabulary and one text."""

    vocabulary: Vocabulary
    parts: texts.Texts
    folder: Path
    threads: int
    tell: Callable[[], object]
    samples: dict[Contender, list[dict[str, Any]]] = field(default_factory=dict)
    """What each contender's processes answered."""
    faults: dict[Contender, dict[str, Any]] = field(default_factory=dict)
    """Why a contender has no figures: ``error`` with the ``version``, or ``wrong``, how many texts by measurement."""

    def __post_init__(self) -> None:
        self.folder.mkdir()
        texts.save(self.parts, self.folder / "texts")
        self.vocabulary.save(self.folder / "prepared.vocabulary")

    def compare(self, everyone: Sequence[Contender], rounds: int) -> dict[str, Any]:
        reference = self._reference(everyone)

        def take(contender: Contender, turn: int) -> None:
            if contender not in self.faults and not (turn and self._is_slow(contender)):
                self._take(contender, reference)
            self.tell()

        sampling.in_turns(everyone, rounds, take)
        libraries = [self._summary(contender) for contender in everyone]
        return {
            "reference": f"{reference['name']} {reference['version']}",
            "parts": {
                cell: {"megabytes": round(answer["megabytes"], 3), "texts": answer["texts"]}
                for cell, answer in reference["cells"].items()
            },
            "libraries": libraries,
            "verdict": _verdict(libraries),
        }

    def _reference(self, everyone: Sequence[Contender]) -> dict[str, Any]:
        """The answer of the first library that is known to be right and reads this vocabulary, its ids written."""
        candidates = [
            *(contender for contender in everyone if contender.name in ("tiktoken", "tokenizers")),
            *(Contender(name, name) for name in ("tiktoken", "tokenizers")),
        ]
        for candidate in sorted(candidates, key=lambda contender: contender.name):
            if not candidate.is_there:
                continue
            answer = self._run(candidate, ids="reference")
            if "error" not in answer and not (
                candidate.name == "tokenizers" and answer["version"].startswith("1")
            ):
                self.tell()
                return {"name": candidate.name, **answer}
        message = (
            f"there is nothing to check the ids of {self.vocabulary.name} with: install tiktoken for the bundled "
            "vocabularies, and tokenizers 0.x for others"
        )
        raise MissingDependencyError(message)

    def _run(self, contender: Contender, ids: str | None = None) -> dict[str, Any]:
        arguments = [
            _WORKER,
            contender.name,
            str(self.folder / "prepared.vocabulary"),
            str(self.folder / "texts"),
        ]
        if contender.folder is not None:
            arguments += ["--folder", contender.folder]
        if ids is not None:
            (self.folder / ids).mkdir(exist_ok=True)
            arguments += ["--ids", str(self.folder / ids)]
        return sampling.run(arguments, threads=self.threads, folder=self.folder)

    def _take(self, contender: Contender, reference: dict[str, Any]) -> None:
        answer = self._run(contender)
        if "error" in answer:
            self._exclude(contender, answer)
            return
        self.samples.setdefault(contender, []).append(answer)
        expected, given = reference["cells"], answer["cells"]
        doubted = [cell for cell in CELLS if given[cell]["digest"] != expected[cell]["digest"]]
        if doubted:
            again = self._run(contender, ids="doubted")
            if "error" in again:
                self._exclude(contender, again)
                return
            # At least one, even if the second answer is right: a library must not give two answers.
            self.faults[contender] = {
                "wrong": {cell: max(1, self._n_wrong(f"{cell}.npz")) for cell in doubted}
            }

    def _exclude(self, contender: Contender, answer: dict[str, Any]) -> None:
        message = answer["error"].replace(str(self.folder.parent), "…")
        self.faults[contender] = {**answer, "error": message}

    def _n_wrong(self, name: str) -> int:
        """How many texts have other ids than the reference gives them."""
        with (
            np.load(self.folder / "reference" / name) as right,
            np.load(self.folder / "doubted" / name) as doubted,
        ):
            arrays = [(answer["ids"], answer["offsets"].tolist()) for answer in (right, doubted)]
        (ids, offsets), (other_ids, other_offsets) = arrays
        if len(offsets) != len(other_offsets):
            return len(offsets) - 1
        spans = zip(offsets, offsets[1:], other_offsets, other_offsets[1:])  # noqa: B905
        return sum(not np.array_equal(ids[a:b], other_ids[c:d]) for a, b, c, d in spans)

    def _is_slow(self, contender: Contender) -> bool:
        if contender.name == OURS.name:
            return False
        return _speeds(self.samples[contender], "first pass", self.threads)[0] < _SLOW

    def _summary(self, contender: Contender) -> dict[str, Any]:
        library = PEERS.get(contender.name, OURS)
        samples = self.samples.get(contender, [])
        summary: dict[str, Any] = {"name": library.name, "answer": library.answer}
        if samples:
            summary["version"] = samples[0]["version"]
        if contender in self.faults:
            return summary | self.faults[contender]
        return summary | {
            "speeds": {cell: _speeds(samples, cell, self.threads) for cell in CELLS},
            "load_cpu_seconds": [sample["load"]["cpu_seconds"] for sample in samples],
            "peak_megabytes": [sample["peak_megabytes"] for sample in samples],
        }


def _speeds(samples: Sequence[dict[str, Any]], cell: str, threads: int) -> list[float]:
    """Megabytes a second, one number a sample."""
    clock = "cpu_seconds" if threads == 1 else "wall_seconds"
    measured = [sample["cells"][cell] for sample in samples]
    return [round(one["megabytes"] / max(one[clock], 1e-9), 1) for one in measured]


def _verdict(libraries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """By measurement, our median over the best median of a peer, and whether that reaches the target."""
    ours, *others = libraries
    right = [library for library in others if "speeds" in library]
    if "speeds" not in ours or not right:
        return {}
    verdict = {}
    for cell, target in TARGETS.items():
        medians = [statistics.median(library["speeds"][cell]) for library in right]
        best = int(np.argmax(medians))
        ratio = statistics.median(ours["speeds"][cell]) / medians[best]
        peer = f"{right[best]['name']} {right[best]['version']}"
        verdict[cell] = {
            "best_peer": peer,
            "ratio": round(ratio, 3),
            "target": target,
            "met": ratio >= target,
        }
    return verdict
