"""Whether long work shows how far it is."""

from __future__ import annotations

import sys

__all__ = ["is_shown"]


def is_shown(wanted: bool) -> bool:
    """Whether to draw a progress bar: if it is wanted, and there is a terminal to draw it on.

    >>> is_shown(False)
    False
    """
    return wanted and sys.stderr is not None and sys.stderr.isatty()
