"""How fast `prepare` makes a dataset, beside the bare encoder on the same text held as Arrow columns.

    python benches/preparing.py --corpus english=…/english.jsonl.zst [--corpus …] [--out FILE]

Every sample is a process of its own with a tokenizer that has seen no text; samples take turns, and medians count. Wall
and CPU time are both told: reading and writing go on beside the encoder, on whatever core is free. The ids of every
dataset are held to the encoder's by their digest.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import portmanteau as pm
from portmanteau.benchmarking import machine
from portmanteau.benchmarking.measuring import peak_memory, timed

VOCABULARY = "o200k_base"


def sample(what: str, path: Path, out: Path, threads: int) -> dict[str, Any]:
    """One measurement, in this process."""
    import tqdm  # noqa: F401 - imported before the time begins, as the others are

    tokenizer = pm.Tokenizer.load(VOCABULARY)
    held = pq.read_table(path)["text"].chunks if what == "encoder" else []
    digest = hashlib.sha256()
    if what == "encoder":
        batches, seconds = timed(lambda: [tokenizer.encode_batch(column, threads=threads) for column in held])
        peak = peak_memory()
        for batch in batches:
            digest.update(batch.ids)
    else:
        dataset, seconds = timed(lambda: pm.prepare(path, tokenizer, out, threads=threads, progress=False))
        peak = peak_memory()
        for ids in sorted(Path(dataset.path, "shards").glob("*.ids")):
            digest.update(ids.read_bytes())
    return {**seconds, "peak_megabytes": peak, "digest": digest.hexdigest()}


def compare(name: str, corpus: Path, folder: Path, rounds: int) -> list[dict[str, Any]]:
    columns = [
        batch.columns[0].cast(pa.large_string())
        for part in pm.reading.parts(corpus, part_bytes=1 << 24)
        for batch in pm.reading.columns_of(part)
    ]
    texts = pa.chunked_array(columns)
    megabytes = pc.sum(pc.binary_length(texts)).as_py() / 1e6
    files = {"parquet": folder / f"{name}.parquet", "jsonl": folder / f"{name}.jsonl"}
    pq.write_table(pa.table({"text": texts}), files["parquet"], row_group_size=2000, compression="zstd")
    with files["jsonl"].open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps({"text": text.as_py()}, ensure_ascii=False) + "\n" for text in texts)
    works = {"encoder": files["parquet"], "Parquet (zstd)": files["parquet"], "JSON Lines": files["jsonl"]}
    samples: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for _, threads, (what, path) in product(range(rounds), (1, 2), works.items()):
        out = folder / "dataset"
        shutil.rmtree(out, ignore_errors=True)
        command = [sys.executable, __file__, "--sample", what, str(path), str(out), str(threads)]
        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        samples.setdefault((what, threads), []).append(json.loads(answer))
    digests = {each["digest"] for of_work in samples.values() for each in of_work}
    assert len(digests) == 1, f"{name}: prepare makes other ids than the encoder"
    figures = []
    for (what, threads), of_work in samples.items():
        medians = {
            key: statistics.median(each[key] for each in of_work) for key in ("wall_seconds", "cpu_seconds")
        }
        bare = {key: statistics.median(each[key] for each in samples["encoder", threads]) for key in medians}
        figures.append(
            {
                "text": name,
                "megabytes": round(megabytes, 1),
                "what": what,
                "threads": threads,
                "megabytes_per_second": round(megabytes / medians["wall_seconds"], 1),
                "megabytes_per_cpu_second": round(megabytes / medians["cpu_seconds"], 1),
                "share_of_encoder": round(bare["wall_seconds"] / medians["wall_seconds"], 2),
                "share_of_encoder_by_cpu": round(bare["cpu_seconds"] / medians["cpu_seconds"], 2),
                "peak_megabytes": round(max(each["peak_megabytes"] for each in of_work)),
            }
        )
        print(json.dumps(figures[-1]), flush=True)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--corpus", action="append", default=[], metavar="NAME=PATH")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="the record to write")
    parser.add_argument("--sample", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.sample:
        what, path, out, threads = arguments.sample
        print(json.dumps(sample(what, Path(path), Path(out), int(threads))))
        return
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        for name, path in (corpus.split("=", 1) for corpus in arguments.corpus):
            figures += compare(name, Path(path), Path(folder), arguments.rounds)
    if arguments.out:
        record = {
            "comparison": "preparing",
            "date": date.today().isoformat(),
            "machine": machine.facts(),
            "vocabulary": VOCABULARY,
            "rounds": arguments.rounds,
            "figures": figures,
        }
        arguments.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
