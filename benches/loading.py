"""How fast batches are gathered from a dataset, and how fast text is packed as it is read, by CPU time of one thread.

    python benches/loading.py --corpus english=…/english.jsonl.zst [--corpus …] [--out benches/record/DATE-loading.json]

Gathering: batches of a plan in a drawn order, from files in the page cache, counted as ids of 4 bytes, whatever is
written. Their rows are held to what the plan makes of the same sequences.

Text: `TextLoader` over Parquet and JSON Lines, beside what reading alone and encoding alone take, each with a tokenizer
that has seen no text. Reading is pyarrow's. The sum of the ids of all batches is held to that of the encoder's.

Measurements take turns, and the best of the rounds counts; loading a tokenizer and listing the parts of files does not.
"""

from __future__ import annotations

import argparse
import collections
import functools
import json
import tempfile
import time
from collections.abc import Callable
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import portmanteau as pm
from portmanteau.benchmarking import machine

ROUNDS = 5
ARRAYS = (["input_ids"], ["input_ids", "position_ids", "labels"])
BYTES_PER_BATCH_RUN = 1 << 26
PART_BYTES = 1 << 22
N_LANES = 4


def best_of(works: dict[str, Callable[[], Callable[[], object]]]) -> dict[str, float]:
    """The least CPU seconds of each work. What makes it ready does not count."""
    seconds = dict.fromkeys(works, float("inf"))
    for _ in range(ROUNDS):
        for name, ready in works.items():
            work = ready()
            start = time.process_time()
            work()
            seconds[name] = min(seconds[name], time.process_time() - start)
    return seconds


# ── gathering ───────────────────────────────────────────────────────────────────────────────────────────────────────


def store(folder: Path, vocabulary: str) -> pm.Dataset:
    """24 million ids in three shards, in documents of log-normal lengths."""
    drawn = np.random.default_rng(0)
    lengths = np.minimum(drawn.lognormal(np.log(450), 1.1, 30_000).astype(np.int64) + 1, 100_000)

    def batches() -> Any:
        for of_shard in np.array_split(lengths, 3):
            offsets = np.concatenate([[0], np.cumsum(of_shard)])
            yield pm.TokenBatch(drawn.integers(0, 50_000, offsets[-1]).astype(np.uint32), offsets)

    return pm.write_dataset(batches(), folder, pm.Tokenizer.load(vocabulary), shard_tokens=1 << 20)


def gathering(folder: Path) -> list[dict[str, Any]]:
    figures = []
    for ids, vocabulary in (("uint16", "r50k_base"), ("uint32", "o200k_base")):
        dataset = store(folder / ids, vocabulary)
        assert dataset.manifest.ids == ids
        for capacity, batch_size, arrays in product((2048, 8192), (8, 64), ARRAYS):
            plan = dataset.pack(capacity, eos_id=0)
            loader = pm.Loader(plan, batch_size=batch_size, arrays=arrays, seed=1)
            check_rows(loader, plan)
            n_steps = BYTES_PER_BATCH_RUN // (4 * batch_size * capacity)

            def run(loader: pm.Loader = loader, n_steps: int = n_steps) -> None:
                for step in range(n_steps):
                    loader.batch_at(step)

            run()
            gathered = n_steps * batch_size * capacity * 4
            written = n_steps * sum(array.nbytes for array in loader.batch_at(0).values())
            seconds = best_of({"run": lambda run=run: run})["run"]
            figures.append(
                {
                    "ids": ids,
                    "capacity": capacity,
                    "batch_size": batch_size,
                    "arrays": arrays,
                    "gigabytes_of_ids_per_second": round(gathered / seconds / 1e9, 2),
                    "gigabytes_written_per_second": round(written / seconds / 1e9, 2),
                }
            )
            print(json.dumps(figures[-1]))
    return figures


def check_rows(loader: pm.Loader, plan: Any) -> None:
    for step in range(3):
        rows = [sequence for _, sequence in loader.sequences_at(step)]
        packed = plan.apply(rows, dtype="int64")
        for name, array in loader.batch_at(step).items():
            expected = packed.labels() if name == "labels" else getattr(packed, name)
            assert np.array_equal(array, expected), name


# ── text ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def texts_of(corpus: Path) -> Any:
    batches = (
        batch
        for part in pm.reading.parts(corpus, part_bytes=1 << 24)
        for batch in pm.reading.columns_of(part)
    )
    return pa.chunked_array([batch.columns[0].cast(pa.large_string()) for batch in batches])


def text(name: str, corpus: Path, folder: Path) -> list[dict[str, Any]]:
    texts = texts_of(corpus)
    n_bytes = pc.sum(pc.binary_length(texts)).as_py()
    files = {"Parquet": folder / f"{name}.parquet", "JSON Lines": folder / f"{name}.jsonl"}
    pq.write_table(pa.table({"text": texts}), files["Parquet"], row_group_size=500)
    with files["JSON Lines"].open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps({"text": each.as_py()}, ensure_ascii=False) + "\n" for each in texts)
    figures = []
    for (kind, path), capacity in product(files.items(), (2048, 8192)):

        def columns(path: Path = path) -> Any:
            for part in pm.reading.parts(path, part_bytes=PART_BYTES):
                for batch in pm.reading.columns_of(part, batch_bytes=1 << 18):
                    yield batch.columns[0]

        held = list(columns())

        def encode(held: list[Any] = held) -> Any:
            tokenizer = pm.Tokenizer.load("o200k_base")
            return (tokenizer.encode_batch(column, threads=1).ids for column in held)

        def load(path: Path = path, capacity: int = capacity) -> Any:
            loader = pm.TextLoader(
                path,
                pm.Tokenizer.load("o200k_base"),
                capacity,
                batch_size=8,
                n_lanes=N_LANES,
                part_bytes=PART_BYTES,
                epochs=1,
                arrays=ARRAYS[1],
            )
            return (batch["input_ids"] for batch in loader)

        n_encoded, n_loaded = (sum(int(ids.sum(dtype=np.int64)) for ids in work()) for work in (encode, load))
        assert n_encoded == n_loaded, f"{name}: other ids in {kind}"
        seconds = best_of(
            {
                work.__name__: lambda work=work: functools.partial(collections.deque, work(), 0)
                for work in (columns, encode, load)
            }
        )
        figures.append(
            {
                "text": name,
                "megabytes": round(n_bytes / 1e6, 1),
                "format": kind,
                "capacity": capacity,
                "megabytes_per_cpu_second": {
                    "reading": round(n_bytes / seconds["columns"] / 1e6, 1),
                    "encoding": round(n_bytes / seconds["encode"] / 1e6, 1),
                    "loading": round(n_bytes / seconds["load"] / 1e6, 1),
                },
                "loading_over_encoding": round(seconds["encode"] / seconds["load"], 2),
                "loading_over_reading_and_encoding": round(
                    (seconds["columns"] + seconds["encode"]) / seconds["load"], 2
                ),
            }
        )
        print(json.dumps(figures[-1]))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--corpus", action="append", default=[], metavar="NAME=PATH", help="text to pack as it is read"
    )
    parser.add_argument("--out", type=Path, help="the record to write")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        record = {
            "comparison": "loading",
            "date": date.today().isoformat(),
            "machine": machine.facts(),
            "gathering": gathering(Path(folder)),
            "text": [
                figure
                for name, path in (corpus.split("=", 1) for corpus in arguments.corpus)
                for figure in text(name, Path(path), Path(folder))
            ],
        }
    if arguments.out:
        arguments.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
