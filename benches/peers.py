"""Times training and packing against the libraries that do the same, on one text, interleaved, with answers checked.

    python benches/peers.py --corpus ../shared/corpus/english.jsonl.zst --megabytes 4 --out benches/record/NAME.json

Every figure is CPU seconds of this process (user + system), the least of the rounds; ours and the peer take turns
within a round, so that a slow minute of the machine hits both. Nothing is timed before both gave the same answer.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import portmanteau as pm
from portmanteau.reading import documents

Answer = Callable[[], Any]


def least_cpu_seconds(ours: Answer, peer: Answer, rounds: int) -> tuple[float, float]:
    """The least CPU seconds of each, taking turns."""
    best = [float("inf"), float("inf")]
    for _ in range(rounds):
        for index, work in enumerate((ours, peer)):
            start = time.process_time()
            work()
            best[index] = min(best[index], time.process_time() - start)
    return best[0], best[1]


def result(name: str, peer: str, megabytes: float, ours: float, theirs: float) -> dict[str, Any]:
    """One line of the record."""
    line = {
        "name": name,
        "peer": f"{peer} {importlib.metadata.version(peer)}",
        "megabytes": round(megabytes, 3),
        "ours_cpu_seconds": round(ours, 4),
        "peer_cpu_seconds": round(theirs, 4),
        "peer_over_ours": round(theirs / ours, 2),
    }
    print(json.dumps(line), flush=True)
    return line


def train_against_tokenizers(texts: list[str], megabytes: float, rounds: int) -> list[dict[str, Any]]:
    """Training 8,192 tokens with GPT-2's pattern on whole documents, one thread on our side."""
    import tokenizers

    trained = tokenizers.Tokenizer(tokenizers.models.BPE())
    trained.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)

    def theirs() -> None:
        alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=8192, initial_alphabet=alphabet, show_progress=False
        )
        trained.train_from_iterator(texts, trainer)

    ours = partial(
        pm.train_bpe,
        texts=texts,
        vocab_size=8192,
        pretokenizer="r50k",
        unit="document",
        threads=1,
        progress=False,
    )
    tokenizer = ours()
    theirs()
    sample = "".join(texts)[:100_000]
    assert tokenizer.encode(sample).tolist() == trained.encode(sample).ids, "the trained tokenizers differ"
    line = result("train BPE 8,192", "tokenizers", megabytes, *least_cpu_seconds(ours, theirs, rounds))
    return [line]


def pack_alone(rounds: int) -> list[dict[str, Any]]:
    """Packing 10^6 log-normal lengths (mean 824) into 8,192, with the plan verified. There is no peer to install."""
    lengths = np.random.default_rng(0).lognormal(np.log(450), 1.1, 1_000_000).astype(np.int64) + 1
    plan = pm.pack(lengths, 8192)
    plan.verify()
    seconds, _ = least_cpu_seconds(partial(pm.pack, lengths, 8192), lambda: None, rounds)
    line = {
        "name": "pack 10^6 documents, best fit decreasing, capacity 8,192",
        "ours_cpu_seconds": round(seconds, 4),
        "efficiency": plan.efficiency,
        "sequences_over_lower_bound": plan.n_sequences - plan.lower_bound,
    }
    print(json.dumps(line), flush=True)
    return [line]


def read_texts(paths: list[str], megabytes: float) -> list[str]:
    """Whole documents, until they have this many megabytes of UTF-8."""
    texts: list[str] = []
    size = 0
    for batch in documents(paths):
        for text in batch:
            if size >= megabytes * 1e6:
                return texts
            texts.append(text)
            size += len(text.encode())
    return texts


def main() -> None:
    """Runs every comparison and writes the record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--corpus", nargs="+", default=[str(pm.data.sample_path())], help="text to read")
    parser.add_argument("--megabytes", type=float, default=2.0, help="how much of the text to use")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", help="where to write the record, as JSON")
    options = parser.parse_args()

    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    texts = read_texts(options.corpus, options.megabytes)
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    lines = [
        *train_against_tokenizers(texts, megabytes, options.rounds),
        *pack_alone(options.rounds),
    ]
    if options.out:
        record = {
            "comparison": "peers",
            "portmanteau": pm.__version__,
            "python": platform.python_version(),
            "machine": platform.machine(),
            "corpus": [Path(path).name for path in options.corpus],
            "documents": len(texts),
            "rounds": options.rounds,
            "figures": "CPU seconds, least of the rounds, one thread, ours and the peer in turns",
            "results": lines,
        }
        Path(options.out).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
