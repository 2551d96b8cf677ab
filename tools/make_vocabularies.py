"""Make python/portmanteau/data/vocabularies from the crate that carries OpenAI's published rank files.

    cargo vendor                 # in a scratch package that depends on tiktoken-rs
    python tools/make_vocabularies.py vendor/tiktoken-rs

The files are kept as they are and compressed with gzip, which every Python can read. Smaller layouts were measured
(o200k_base): plain gzip 1.69 MB, read in 17 ms; xz 1.15 MB in 69 ms, but not every Python is built with lzma;
without base64 0.99 MB, but no longer a file that other tools know.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
from pathlib import Path

DESTINATION = Path(__file__).parents[1] / "python" / "portmanteau" / "data" / "vocabularies"

# The digests that tiktoken itself checks its downloads against.
SHA256 = {
    "r50k_base": "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930",
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
}


def main() -> None:
    """Check each file against its digest, compress it, and write it into the package."""
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
        (DESTINATION / f"{name}.tiktoken.gz").write_bytes(gzip.compress(contents, 9, mtime=0))


if __name__ == "__main__":
    main()
