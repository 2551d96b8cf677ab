r"""Which characters are white space to Rust's standard library, with which the originals are written."""

from __future__ import annotations

__all__ = ["WHITE_SPACE"]

WHITE_SPACE = "".join(
    character
    for character in map(chr, range(0x3001))
    if character.isspace() and not "\x1c" <= character <= "\x1f"
)
r"""The characters with the Unicode property White_Space; ``str.isspace`` counts ``\x1c`` … ``\x1f`` too."""
