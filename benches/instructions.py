"""Counts the instructions of loading, pretokenizing and encoding, and compares them with the newest record.

    python benches/instructions.py [--out benches/record/DATE-instructions.json]

A time on a shared machine is uncertain by a tenth; a count is the same every time, to a thousandth, for one compiler
and one set of processor features. It says nothing of what waits for memory.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
EXAMPLE = "instructions"
BYTES = 600_000  # what the example reads: of each of three texts the first 200,000 bytes
# The steps of two runs: what is counted is what the first does and the second does not.
COUNTED = {
    "load": (["load"], []),
    "pretokenize": (["load", "pretokenize", "pretokenize"], ["load", "pretokenize"]),
    "encode, new": (["load", "pretokenize", "encode"], ["load", "pretokenize"]),
    "encode, again": (["load", "pretokenize", "encode", "encode"], ["load", "pretokenize", "encode"]),
}


def output_of(*command: str) -> str:
    """What a command writes, to both its outputs."""
    result = subprocess.run(
        command, cwd=HERE.parent, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if result.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{result.stdout}")
    return result.stdout


def build() -> Path:
    """The optimised example."""
    command = ["cargo", "build", "--release", "--package", "portmanteau-bpe", "--example", EXAMPLE]
    output_of(*command, *(["--locked"] if os.environ.get("CI") else []))
    metadata = json.loads(output_of("cargo", "metadata", "--format-version", "1", "--no-deps", "--quiet"))
    return Path(metadata["target_directory"]) / "release" / "examples" / EXAMPLE


def count(example: Path, steps: list[str]) -> int:
    """The instructions of a run."""
    said = output_of("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", str(example), *steps)
    found = re.search(r"Collected : (\d+)", said)
    if not found:
        sys.exit(f"valgrind says no count:\n{said}")
    return int(found[1])


def measure() -> dict[str, Any]:
    example = build()
    runs = {" ".join(steps): steps for pair in COUNTED.values() for steps in pair}
    counts = {name: count(example, steps) for name, steps in runs.items()}
    return {
        "comparison": "instructions",
        "vocabulary": "cl100k_base",
        "bytes": BYTES,
        "compiler": output_of("rustc", "--version").strip(),
        "counter": output_of("valgrind", "--version").strip(),
        "processor": os.uname().machine,
        "instructions": {
            name: counts[" ".join(more)] - counts[" ".join(less)] for name, (more, less) in COUNTED.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="where to write the record")
    out = parser.parse_args().out
    if not shutil.which("valgrind"):
        sys.exit("valgrind is not installed: on Debian `apt install valgrind`; it runs on Linux")
    records = sorted((HERE / "record").glob("????-??-??-instructions.json"))
    before = json.loads(records[-1].read_text(encoding="utf-8")) if records else None
    record = measure()
    print(f"{'':14}{'instructions':>14}{'a byte':>9}   since {records[-1].name if records else 'no record'}")
    for name, counted in record["instructions"].items():
        change = f"{counted / before['instructions'][name] - 1:+.2%}" if before else ""
        print(f"{name:14}{counted:14,}{counted / BYTES:9.1f}   {change}")
    for key in ("compiler", "counter", "processor"):
        if before and before[key] != record[key]:
            print(f"not to be compared: the {key} was {before[key]} and is {record[key]}")
    if out:
        out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
