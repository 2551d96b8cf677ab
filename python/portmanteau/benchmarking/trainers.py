"""The libraries whose training is compared, each with how it trains and what merges that gave.

Each is asked in the fastest way that it offers to Python for the training that all are asked for: GPT-2's rules on the
records of one text, and of merges with equal counts the one of the smallest ids. What a figure times is ``train``, with
the reading of the text; ``merges`` turns its answer into lines, off the clock.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from portmanteau.benchmarking import merges
from portmanteau.benchmarking.training_text import TrainingText
from portmanteau.errors import UnsupportedError

__all__ = ["OURS", "PEERS", "Task", "Trainer"]


@dataclass(frozen=True)
class Task:
    """What a library is asked to train."""

    text: TrainingText
    vocab_size: int
    """The number of ids, where the bytes that the text holds are tokens."""
    pretokenizer: str
    """What cuts the text, as :func:`portmanteau.train_bpe` takes it."""
    pre_tokenizer: str
    """The same as a section of a ``tokenizer.json``."""
    transition_size: int | None = None
    """For SuperBPE, the number of ids after the first stage."""
    has_vetoes: bool = False
    """For SuperBPE, whether the rules hold that keep tokens from becoming superwords; no peer has them."""
    base: str | None = None
    """To go on from a tokenizer: its ``tokenizer.json``."""

    @property
    def size_with_all_bytes(self) -> int:
        """The number of ids with as many merges where all 256 bytes are tokens."""
        return self.vocab_size - len(self.text.alphabet) + 256

    def save(self, path: Path) -> None:
        """Writes this task, for :meth:`open`."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def open(cls, path: Path) -> Task:
        """Reads what :meth:`save` wrote."""
        content = json.loads(path.read_text(encoding="utf-8"))
        text = content["text"]
        return cls(**content | {"text": TrainingText(**text | {"alphabet": tuple(text["alphabet"])})})


@dataclass(frozen=True)
class Trainer:
    """One library: what it is called, and its two functions."""

    name: str
    """The name in the tables, and the argument of ``--peer``."""
    modules: tuple[str, ...]
    """What is imported before the clock runs: the library first, then what it would import when first used."""
    distribution: str
    """The name that pip knows."""
    call: str
    """How it is called."""
    train: Callable[[Any, Task, int], Any]
    """From the imported module, the task and the number of threads to an answer."""
    merges: Callable[[Any], list[str]]
    """From that answer to the merges, one line each."""
    goes_on_only: bool = False
    """Whether it can only go on from a tokenizer, as the second stage of SuperBPE does."""


# ── Portmanteau ─────────────────────────────────────────────────────────────────────────────────────────────────


def _train_ours(module: Any, task: Task, threads: int) -> Any:
    options = {
        "vocab_size": task.vocab_size,
        "pretokenizer": task.pretokenizer,
        "initial_alphabet": "seen",
        "unit": task.text.unit,
        "threads": threads,
        "progress": False,
    }
    if task.transition_size is None:
        return module.train_bpe(task.text.our_file, **options)
    if not task.has_vetoes:
        options |= {"max_words_per_token": 2**31 - 1, "forbid": ()}
    return module.train_superbpe(task.text.our_file, transition_size=task.transition_size, **options)


def _merges_of_ours(tokenizer: Any) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "tokenizer.json")
        tokenizer.save(path)
        return merges.of_tokenizer_json(path.read_text(encoding="utf-8"))


# ── the peers ───────────────────────────────────────────────────────────────────────────────────────────────────

_GPT2 = r"'(?:s|t|re|ve|m|ll|d)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"  # for those that know no name of it


def _train_tokenizers(module: Any, task: Task, _threads: int) -> Any:
    if task.pretokenizer == "r50k":
        section = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    else:
        section = json.loads(task.pre_tokenizer)
    untrained = {
        "version": "1.0",
        "added_tokens": [],
        "pre_tokenizer": section,
        "model": {"type": "BPE", "vocab": {}, "merges": []},
    }
    tokenizer = module.Tokenizer.from_str(json.dumps(untrained))
    trainer = module.trainers.BpeTrainer(vocab_size=task.vocab_size, show_progress=False)
    if task.text.unit == "line":
        tokenizer.train([task.text.plain], trainer)
    else:
        tokenizer.train_from_iterator(task.text.records(), trainer)
    return tokenizer


def _train_gigabpe(module: Any, task: Task, threads: int) -> Any:
    _require_gpt2(task)
    if task.text.unit != "line":
        raise UnsupportedError("it trains on lines only")
    return module.train_bpe(
        [task.text.plain], vocab_size=task.vocab_size, pretokenizer="bytelevel", threads=threads
    )


def _train_ffbpe(module: Any, task: Task, _threads: int) -> Any:
    _require_gpt2(task)
    counter = module.PreTokenizer([]).word_counter()
    counter.add_source(task.text.records())
    trainer = module.BpeTrainer([], initial_alphabet="byte_level", tie_break="smallest_pair_id")
    trainer.add_word_counter(counter)
    trainer.train(task.size_with_all_bytes)
    return trainer.validate_model()


def _merges_of_ffbpe(model: Any) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "merges.txt")
        model.save_merges_txt(path, format="gpt2")
        # A line is "left right => count".
        return [line.partition(" => ")[0] for line in path.read_text(encoding="utf-8").splitlines()]


def _train_gigatoken(module: Any, task: Task, _threads: int) -> Any:
    _require_gpt2(task)
    _, pairs = module.train_bpe(
        module.JsonlFileSource([task.text.json_lines]), task.size_with_all_bytes, [], "huggingface"
    )
    return pairs


def _train_rustbpe(module: Any, task: Task, _threads: int) -> Any:
    _require_gpt2(task)
    tokenizer = module.Tokenizer()
    tokenizer.train_from_iterator(task.text.records(), task.size_with_all_bytes, pattern=_GPT2)
    return tokenizer


def _go_on_with_bpe_continue(module: Any, task: Task, _threads: int) -> Any:
    if task.base is None:
        raise UnsupportedError("it only goes on from a tokenizer")
    by_line = task.text.unit == "line"
    return module.continue_training(
        task.base,
        vocab_size=task.vocab_size,
        show_progress=False,
        files=[task.text.plain] if by_line else None,
        texts=None if by_line else task.text.records(),
    )


def _require_gpt2(task: Task) -> None:
    if task.pretokenizer != "r50k":
        raise UnsupportedError("it is compared with GPT-2's pretokenizer only")


OURS = Trainer(
    "portmanteau",
    ("portmanteau", "pyarrow"),
    "portmanteau",
    "train_bpe or train_superbpe(file, initial_alphabet='seen')",
    _train_ours,
    _merges_of_ours,
)

PEERS = {
    peer.name: peer
    for peer in (
        Trainer(
            "tokenizers",
            ("tokenizers",),
            "tokenizers",
            "BpeTrainer: train([file]) by line, train_from_iterator by document",
            _train_tokenizers,
            lambda tokenizer: merges.of_tokenizer_json(tokenizer.to_str()),
        ),
        Trainer(
            "gigabpe",
            ("gigabpe",),
            "gigabpe",
            "train_bpe([file], pretokenizer='bytelevel')",
            _train_gigabpe,
            lambda answer: [" ".join(pair) for pair in answer[1]],
        ),
        Trainer(
            "ffbpe",
            ("ffbpe",),
            "ffbpe",
            "BpeTrainer(initial_alphabet='byte_level', tie_break='smallest_pair_id') on counts of an iterator",
            _train_ffbpe,
            _merges_of_ffbpe,
        ),
        Trainer(
            "gigatoken",
            ("gigatoken",),
            "gigatoken",
            "train_bpe(JsonlFileSource, tie_breaking='huggingface'), a record in each line",
            _train_gigatoken,
            lambda pairs: [merges.line(left, right) for left, right in pairs],
        ),
        Trainer(
            "rustbpe",
            ("rustbpe",),
            "rustbpe",
            "Tokenizer.train_from_iterator",
            _train_rustbpe,
            lambda tokenizer: merges.of_ranks(
                {bytes(token): rank for token, rank in tokenizer.get_mergeable_ranks()}
            ),
        ),
        Trainer(
            "bpe-continue",
            ("bpe_continue",),
            "bpe-continue",
            "continue_training(tokenizer.json of the first stage), for the second stage of SuperBPE",
            _go_on_with_bpe_continue,
            lambda tokenizer: merges.of_tokenizer_json(tokenizer.to_str()),
            goes_on_only=True,
        ),
    )
}
"""The peers by name."""
