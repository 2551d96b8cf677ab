"""What is done with bytes that are not UTF-8."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Policy", "what_is_wrong", "what_was_replaced"]


@dataclass
class Policy:
    r"""What to do with bytes that are not UTF-8.

    >>> policy = Policy("replace")
    >>> policy.decode(b"caf\xe9 au lait"), policy.n_replaced
    ('caf\ufffd au lait', 1)
    """

    errors: Literal["error", "replace"] = "error"
    """Whether they are an error, or become U+FFFD, one for every longest part of a character that is cut off."""

    n_replaced: int = 0
    """How many were replaced."""

    def decode(self, block: bytes) -> str:
        """A block as text.

        Raises:
            UnicodeDecodeError: It is not UTF-8, and that is an error.
        """
        try:
            return block.decode("utf-8")
        except UnicodeDecodeError:
            if self.errors == "error":
                raise
        text = block.decode("utf-8", "replace")
        self.n_replaced += text.count("\ufffd") - block.count("\ufffd".encode())
        return text


def what_was_replaced(n_replaced: int) -> str:
    """What a user is told of places that a :class:`Policy` has replaced."""
    return f"{n_replaced} places of the text were not UTF-8 and were replaced by U+FFFD"


def what_is_wrong(error: UnicodeDecodeError) -> str:
    """What a user is told of a byte that is not UTF-8."""
    byte = error.object[error.start]
    return f"byte 0x{byte:02x} is not UTF-8; convert the file, for example with iconv -t utf-8"
