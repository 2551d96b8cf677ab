"""Make python/portmanteau/data/vocabularies from the crate that carries OpenAI's published rank files.

    cargo vendor                 # in a scratch package that depends on tiktoken-rs
    python tools/make_vocabularies.py vendor/tiktoken-rs

Each rank file (a line for each token: its bytes in base64, a space, its rank) becomes a ``.vocabulary``, which holds
the same and is read without decoding: the number of tokens in 4 bytes, little-endian; the length of each token in one
byte, in order of rank, which is the token id; the bytes of the tokens, one after the other. A wheel compresses it.

Layouts that were measured, with o200k_base: this one 1.6 MB (1.0 MB in the wheel), in memory in 1 ms; the rank file in
gzip 1.7 MB, in 14 ms, and 12 ms more to decode base64; in xz 1.2 MB, in 69 ms, where Python has lzma at all.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
from pathlib import Path

DESTINATION = Path(__file__).parents[1] / "python" / "portmanteau" / "data" / "vocabularies"

# The digests that tiktoken itself checks its downloads against.
SHA256 = {
    "r50k_base": "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930",
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
}


def lengths_and_bytes(rank_file: bytes) -> bytes:
    """The tokens of a rank file in the layout of the package."""
    lines = [line.split() for line in rank_file.splitlines()]
    if [int(rank) for _, rank in lines] != list(range(len(lines))):
        raise SystemExit("the ranks do not count up from 0, and the layout has no other way to say them")
    tokens = [base64.b64decode(token) for token, _ in lines]
    return len(tokens).to_bytes(4, "little") + bytes(map(len, tokens)) + b"".join(tokens)


def main() -> None:
    """Check each file against its digest, and write its tokens into the package."""
    parser = argparse.ArgumentParser(description="Make the bundled vocabularies.")
    parser.add_argument("crate", type=Path, help="an unpacked tiktoken-rs crate")
    assets = parser.parse_args().crate / "assets"
    DESTINATION.mkdir(parents=True, exist_ok=True)
    for name, expected in SHA256.items():
        contents = (assets / f"{name}.tiktoken").read_bytes()
        if hashlib.sha256(contents).hexdigest() != expected:
            raise SystemExit(
                f"{assets / name}.tiktoken is not the published file: its sha256 is not {expected}"
            )
        (DESTINATION / f"{name}.vocabulary").write_bytes(lengths_and_bytes(contents))


if __name__ == "__main__":
    main()
