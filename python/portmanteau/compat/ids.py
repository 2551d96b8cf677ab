"""Token ids as callers of other libraries give them, and what those raise where they are none."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["as_id", "id_array"]


def as_id(token: Any) -> int:
    """One id.

    Raises:
        TypeError: It is no integer.
        OverflowError: It is negative, or not below 2**32.
    """
    index = operator.index(token)
    if not 0 <= index <= 0xFFFF_FFFF:
        raise OverflowError(f"id {index} is not a token id, which is in 0 … 2**32 - 1")
    return index


def id_array(tokens: Any) -> npt.NDArray[np.uint32]:
    """The ids of a sequence, ``uint32[n]``. O(n).

    Raises:
        TypeError: They are not integers in a sequence.
        OverflowError: One of them is negative, or not below 2**32.

    >>> id_array([1525, 262, 835])
    array([1525,  262,  835], dtype=uint32)
    """
    if isinstance(tokens, (str, Mapping)) or not hasattr(tokens, "__getitem__"):
        raise TypeError(f"{type(tokens).__name__!r} object is not a sequence of ids")
    if len(tokens) == 0:
        return np.empty(0, np.uint32)
    array = np.asarray(tokens)
    if array.ndim != 1 or array.dtype.kind not in "iub" or array.min() < 0 or array.max() > 0xFFFF_FFFF:
        array = np.array([as_id(token) for token in tokens], np.uint32)
    return np.ascontiguousarray(array, np.uint32)
