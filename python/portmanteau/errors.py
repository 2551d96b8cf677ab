r"""Everything that Portmanteau raises on purpose derives from :class:`Error`.

Each class also derives from the built-in that a caller would expect (``ValueError``, ``OSError``), so code that
knows nothing of Portmanteau still catches the right thing. The message says what is wrong, where, and what to do;
the same place is on the exception as fields, ``None`` where it does not apply:

``path``
    the file concerned
``line``
    the line of that file, counted from 1
``offset``
    a byte offset, in that file or in the text
``document``
    the index of the document in the batch, counted from 0
``token_id``
    the token concerned

>>> import portmanteau as pm
>>> try:
...     pm.Tokenizer.load("r50k_base").encode(b"caf\xe9")
... except pm.Error as error:
...     print(type(error).__name__, error.offset)
EncodingError 3
"""

from __future__ import annotations

import os


class Error(Exception):
    """The base of every error that Portmanteau raises: a message, and the place as fields."""

    path: str | None
    line: int | None
    offset: int | None
    document: int | None
    token_id: int | None

    def __init__(
        self,
        message: str = "",
        *,
        path: str | os.PathLike[str] | None = None,
        line: int | None = None,
        offset: int | None = None,
        document: int | None = None,
        token_id: int | None = None,
    ) -> None:
        super().__init__(message)
        self.path = None if path is None else os.fspath(path)
        self.line, self.offset, self.document, self.token_id = line, offset, document, token_id


class VocabularyError(Error, ValueError):
    """A vocabulary or tokenizer file is malformed or contradicts itself."""


class UnsupportedError(Error, ValueError):
    """A tokenizer uses what Portmanteau does not implement, or a format cannot hold what is to be written."""


class PatternError(Error, ValueError):
    """A pretokenizer pattern does not compile, or cannot be run on a text."""


class EncodingError(Error, ValueError):
    """A text cannot be encoded: invalid UTF-8, a lone surrogate, not a text, a forbidden special token."""


class DecodingError(Error, ValueError):
    """An id has no token in this vocabulary."""


class TrainingError(Error, ValueError):
    """Training cannot start or go on with these options or this text."""


class PackingError(Error, ValueError):
    """Documents cannot be packed with these options, or a plan does not fit the tokens that it is applied to."""


class FileError(Error, OSError):
    """A file cannot be read or written, or ends before it should."""


class MissingDependencyError(Error, ImportError):
    """An optional package is needed for this and is not installed; the message names the extra that brings it."""


class InternalError(Error, RuntimeError):
    """A bug in Portmanteau. Please report it, with the input that caused it."""
