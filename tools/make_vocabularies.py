"""Make python/portmanteau/data/vocabularies from the crate that carries OpenAI's published rank files.

    cargo vendor                 # in a scratch package that depends on tiktoken-rs
    python tools/make_vocabularies.py vendor/tiktoken-rs

Each rank file (a line for each token: its bytes in base64, a space, its rank) becomes a ``.vocabulary``, which holds
the merges that make the tokens and is read without decoding: the number of tokens in 4 bytes, little-endian; the 256
single bytes in order of rank, which is the token id; then, of every other token, the ids of the two that it is made of,
in three bytes each: of the left ones first the low bytes of all, then the middle ones, then the high ones; then of the
right ones. A wheel compresses it, and that layout compresses best.

Layouts that were measured, with o200k_base: this one 1.2 MB (0.7 MB in the wheel), and the encoder need not search for
the merges, which takes 70 ms; lengths and bytes of the tokens 1.6 MB (1.0 MB in the wheel); the rank file in gzip
1.7 MB, in 14 ms, and 12 ms more to decode base64; in xz 1.2 MB, in 69 ms, where Python has lzma at all.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import itertools
from pathlib import Path

DESTINATION = Path(__file__).parents[1] / "python" / "portmanteau" / "data" / "vocabularies"

# The digests that tiktoken itself checks its downloads against.
SHA256 = {
    "r50k_base": "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930",
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
}


def merges(rank_file: bytes) -> bytes:
    """The tokens of a rank file in the layout of the package."""
    lines = [line.split() for line in rank_file.splitlines()]
    if [int(rank) for _, rank in lines] != list(range(len(lines))):
        raise SystemExit("the ranks do not count up from 0, and the layout has no other way to say them")
    tokens = [base64.b64decode(token) for token, _ in lines]
    if max(map(len, tokens[:256])) > 1:
        raise SystemExit("the single bytes do not come first, and the layout has no other place for them")
    ranks = {token: rank for rank, token in enumerate(tokens)}
    parts = [parts_of(token, ranks) for token in tokens[256:]]
    planes = [bytes(part[side] >> shift & 255 for part in parts) for side in (0, 1) for shift in (0, 8, 16)]
    return len(tokens).to_bytes(4, "little") + b"".join(tokens[:256]) + b"".join(planes)


def parts_of(token: bytes, ranks: dict[bytes, int]) -> tuple[int, int]:
    """The two tokens that merging leaves of a token's bytes before it makes the token itself."""
    parts = [token[place : place + 1] for place in range(len(token))]
    while len(parts) > 2:
        rank, place = min(
            (ranks.get(left + right, len(ranks)), place)
            for place, (left, right) in enumerate(itertools.pairwise(parts))
        )
        if rank >= ranks[token]:
            raise SystemExit(f"{token!r} is not made of two tokens of lower rank")
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
    return ranks[parts[0]], ranks[parts[1]]


def main() -> None:
    """Check each file against its digest, and write its merges into the package."""
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
        (DESTINATION / f"{name}.vocabulary").write_bytes(merges(contents))


if __name__ == "__main__":
    main()
