"""What a sequence is made of: how many tokens, which of them stand around documents, what segments are padded to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from portmanteau.errors import PackingError

if TYPE_CHECKING:
    import numpy.typing as npt

#: Whether there is a BOS (or EOS) token: none, around every document (also ``True``), or around every sequence.
SpecialToken = bool | Literal["document", "sequence"]


@dataclass(frozen=True)
class SequenceFormat:
    """What a sequence is made of."""

    capacity: int
    """Most tokens in a sequence, padding of segments included."""
    document_bos: bool = False
    """Whether a token stands before every document."""
    document_eos: bool = False
    """Whether a token stands after every document."""
    sequence_bos: bool = False
    """Whether a token stands before every sequence, in its first segment."""
    sequence_eos: bool = False
    """Whether a token stands after every sequence, in its last segment."""
    align: int = 1
    """Every segment is padded to a multiple of this."""
    overlap: int = 0
    """How many tokens of a document that was split stand in two pieces that follow each other."""

    @classmethod
    def with_special_tokens(
        cls, capacity: int, bos: SpecialToken, eos: SpecialToken, *, align: int = 1, overlap: int = 0
    ) -> SequenceFormat:
        """The format with these tokens: ``False``, ``"document"`` (or ``True``) or ``"sequence"``."""
        return cls(
            capacity=capacity,
            document_bos=_place("bos", bos) == "document",
            document_eos=_place("eos", eos) == "document",
            sequence_bos=bos == "sequence",
            sequence_eos=eos == "sequence",
            align=align,
            overlap=overlap,
        )

    @property
    def bos(self) -> Literal["document", "sequence"] | None:
        """What a BOS stands before, if there is one."""
        return "document" if self.document_bos else "sequence" if self.sequence_bos else None

    @property
    def eos(self) -> Literal["document", "sequence"] | None:
        """What an EOS stands after, if there is one."""
        return "document" if self.document_eos else "sequence" if self.sequence_eos else None

    @property
    def tokens_around_document(self) -> int:
        """How many tokens stand around a document that is not empty: 0, 1 or 2."""
        return self.document_bos + self.document_eos

    @property
    def tokens_around_sequence(self) -> int:
        """How many tokens stand around a sequence: 0, 1 or 2."""
        return self.sequence_bos + self.sequence_eos

    @property
    def room(self) -> int:
        """The most tokens that the pieces of a sequence take, with the padding of segments."""
        room = self.capacity - self.tokens_around_sequence
        return room - room % self.align

    def padded(self, lengths: npt.NDArray[np.uint32] | npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The room that pieces of these lengths take: padded to the alignment, int64."""
        return -(-lengths.astype(np.int64) // self.align) * self.align


def _place(name: str, value: Any) -> str | None:
    if value is True or value is np.True_ or value == "document":
        return "document"
    if value is False or value is np.False_:
        return None
    if value == "sequence":
        return "sequence"
    raise PackingError(f"{name} is {value!r}; it must be False, True, 'document' or 'sequence'")
