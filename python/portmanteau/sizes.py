"""Sizes in bytes, as people write them."""

from __future__ import annotations

import re
from fractions import Fraction

from portmanteau.errors import Error

__all__ = ["bytes_of"]


def bytes_of(name: str, size: int | str, refuse: type[Error]) -> int:
    """A number of bytes that was given as such, or as ``"4GB"``, ``"500 MB"`` or ``"2 GiB"``.

    Raises:
        Error: It is neither, or not positive; of the class ``refuse``.

    >>> bytes_of("memory_limit", "1.5 GB", refuse=Error)
    1500000000
    """
    amount = None if isinstance(size, (bool, str)) or not isinstance(size, int) else Fraction(size)
    if isinstance(size, str):
        match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?)(i?)B?\s*", size, re.IGNORECASE)
        if match is not None:
            power = " KMGT".index(match[2].upper() or " ")
            amount = Fraction(match[1]) * (1024 if match[3] else 1000) ** power
    if amount is None or amount < 1:
        raise refuse(f"{name} is {size!r}; it must be a number of bytes, such as 4_000_000_000 or '4GB'")
    return int(amount)
