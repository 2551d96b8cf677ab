"""How long Portmanteau and its peers take to pack the same lengths, in how much memory, and how full it gets.

Every sample checks its own answer: each piece must be in one sequence, and no sequence may exceed the capacity. A
library whose answer fails has no figures. Loops in Python take minutes for a million documents, so a library may be
asked for fewer; ours packs as many again beside it, and ratios are between those that packed the same documents.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from portmanteau._rust import __version__
from portmanteau.benchmarking import lengths, machine, sampling
from portmanteau.benchmarking.packers import OURS, PEERS, Packer
from portmanteau.benchmarking.packing_verdict import on_packers
from portmanteau.benchmarking.sampling import Contender

__all__ = ["METHOD", "compare", "contenders"]

_SLOW = 5.0
_LONG = 5.0
"""A peer that takes so many times as long as ours in the first round, and so many seconds, takes part in no other."""

_SECONDS = 300
"""How long one sample may take."""

METHOD = (
    "A sample is a fresh process on a core of its own, and the libraries take turns. Each packs the same documents, of "
    "which only lengths are known, and is given them as an array; what it turns that into is part of its time. "
    "Documents longer than the capacity are cut beforehand for libraries that cut none; ours cuts them itself. "
    "Those marked with ids lay out ids too. Every answer is checked, off the clock: each piece in one sequence, no "
    "sequence over the capacity. Seconds are medians of the rounds (in brackets the best). What is added is the memory "
    "of packing and its answer, beyond the input; the bound is the number of tokens over the capacity, rounded up. "
    "Libraries that would take minutes pack fewer documents; time / ours is that of our plan for as many. A peer that "
    "takes more than "
    f"{_LONG:g} s, and {_SLOW:g} times as long as ours, takes part in the first round only."
)
"""How the figures come about, for those who read them."""

_FIGURES = ("cpu_seconds", "wall_seconds", "before_megabytes", "peak_megabytes")
_WORKER = "portmanteau.benchmarking.packing_worker"


def contenders(peers: Sequence[str] = ()) -> tuple[list[Contender], list[str]]:
    """Who takes part besides us, as :func:`portmanteau.benchmarking.sampling.taking_part` says."""
    return sampling.taking_part(peers, {name: peer.module for name, peer in PEERS.items()})


def compare(
    sets: Mapping[str, str],
    peers: Sequence[Contender],
    *,
    n_documents: int = 1_000_000,
    capacities: Sequence[int] = (2048, 8192, 131_072),
    rounds: int = 3,
    length_column: str = "length",
) -> dict[str, Any]:
    """Compares on lengths of documents, for each set of them and each capacity.

    Args:
        sets: By name, a name of :data:`portmanteau.benchmarking.lengths.SETS` or a file of lengths.
        peers: Who takes part besides us.
        n_documents: How many documents of each set, at most.
        capacities: The capacities of sequences.
        rounds: How many samples of each library.
        length_column: The column of a Parquet file of lengths.

    Returns:
        The record: plain data for ``json``, without paths and host names.

    Raises:
        PackingError: A capacity cannot be.
        FileError: Lengths cannot be read.
    """
    from tqdm import tqdm

    with tempfile.TemporaryDirectory() as scratch:
        tasks = []
        for index, (name, source) in enumerate(sets.items()):
            documents = lengths.read(source, n_documents, length_column)
            path = Path(scratch, f"{index}.npy")
            np.save(path, documents)
            for capacity in capacities:
                everyone = _taking_part(peers, len(documents))
                tasks += [
                    _Comparison(name, path, documents[:n], capacity, everyone[n])
                    for n in sorted(everyone, reverse=True)
                ]
        total = rounds * sum(len(task.entrants) for task in tasks)
        with tqdm(total=total, unit=" samples", desc="comparing", disable=not sys.stderr.isatty()) as bar:
            results = [task.compare(rounds, bar.update) for task in tasks]
    return {
        "comparison": "pack",
        "portmanteau": __version__,
        "machine": machine.facts(),
        "threads": 1,
        "rounds": rounds,
        "unit": "CPU seconds",
        "results": results,
    }


def _taking_part(peers: Sequence[Contender], n_documents: int) -> dict[int, list[Contender]]:
    """Who packs how many documents; ours first, a plan of as many as any peer packs."""
    ours = {name: Contender(name, packer.module) for name, packer in OURS.items()}
    plan = next(iter(ours.values()))
    everyone = {n_documents: list(ours.values())}
    for peer in peers:
        most = PEERS[peer.name].most_documents or n_documents
        everyone.setdefault(min(most, n_documents), [plan]).append(peer)
    return everyone


# ── the comparison for some documents and one capacity ──────────────────────────────────────────────────────────


@dataclass
class _Comparison:
    name: str
    path: Path
    documents: lengths.Lengths
    capacity: int
    entrants: list[Contender]
    samples: dict[Contender, list[dict[str, Any]]] = field(default_factory=dict)
    """What each one's processes answered."""
    faults: dict[Contender, dict[str, Any]] = field(default_factory=dict)
    """Why one has no figures: ``error`` or ``wrong``, and the ``version`` if that is known."""

    def __post_init__(self) -> None:
        # Raises before anything is timed, if the capacity cannot be.
        self.n_pieces = len(lengths.split(self.documents, self.capacity))

    def compare(self, rounds: int, tell: Callable[[], object]) -> dict[str, Any]:
        def take(entrant: Contender, turn: int) -> None:
            if entrant not in self.faults and not (turn and self._is_slow(entrant)):
                self._take(entrant)
            tell()

        sampling.in_turns(self.entrants, rounds, take)
        n_tokens = lengths.total(self.documents)
        lower_bound = -(-n_tokens // self.capacity)
        libraries = [self._summary(entrant, n_tokens, lower_bound) for entrant in self.entrants]
        return {
            "lengths": self.name,
            "digest": lengths.digest(self.documents),
            "documents": len(self.documents),
            "tokens": n_tokens,
            "capacity": self.capacity,
            "pieces": self.n_pieces,
            "lower_bound": lower_bound,
            "libraries": libraries,
            "verdict": on_packers(libraries),
        }

    def _take(self, entrant: Contender) -> None:
        arguments = [_WORKER, entrant.name, str(self.path), str(len(self.documents)), str(self.capacity)]
        if entrant.folder is not None:
            arguments += ["--folder", entrant.folder]
        answer = sampling.run(arguments, threads=1, folder=self.path.parent, seconds=_SECONDS)
        kept = ("error", "wrong", "version")
        if "error" in answer or "wrong" in answer:
            self.faults[entrant] = {key: answer[key] for key in kept if key in answer}
            return
        self.samples.setdefault(entrant, []).append(answer)

    def _is_slow(self, entrant: Contender) -> bool:
        ours = self.samples.get(self.entrants[0])
        if ours is None or entrant.name in OURS:
            return False
        theirs, own = (samples[0]["cpu_seconds"] for samples in (self.samples[entrant], ours))
        return bool(theirs > max(_SLOW * own, _LONG))

    def _summary(self, entrant: Contender, n_tokens: int, lower_bound: int) -> dict[str, Any]:
        packer: Packer = {**OURS, **PEERS}[entrant.name]
        name = next(iter(OURS)) if entrant.name in OURS else packer.name
        summary: dict[str, Any] = {"name": name, "what": packer.what, "call": packer.call}
        if entrant in self.faults:
            return summary | self.faults[entrant]
        samples = self.samples[entrant]
        counts = [one["n_sequences"] for one in samples]
        return summary | {
            "version": samples[0]["version"],
            "n_sequences": counts[0],
            "efficiency": n_tokens / (counts[0] * self.capacity),
            "sequences_over_lower_bound": counts[0] - lower_bound,
            **{key: [one[key] for one in samples] for key in _FIGURES},
        }
