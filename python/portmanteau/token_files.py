"""Token ids of documents in one Arrow IPC file, which any Arrow library reads and which is mapped, not loaded.

The file has one row for each document, in batches of rows:

``ids``
    ``large_list<uint32>``: the token ids of the document.
``id`` (optional)
    ``string``: the name of the document.

The metadata of its schema hold, under ``portmanteau.tokens``, a JSON object with the ``version`` of this format and
the ``tokenizer_fingerprint`` and ``vocab_size`` of the tokenizer that the ids belong to.

>>> import portmanteau as pm
>>> from portmanteau.token_files import TokenFile, write_tokens
>>> tokenizer = pm.Tokenizer.load("o200k_base")
>>> write_tokens("tokens.arrow", tokenizer.encode_batch(["by the way", "off we go"]), tokenizer=tokenizer)
>>> TokenFile.open("tokens.arrow").read()[1]
array([2864,  581,  810], dtype=uint32)
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from portmanteau.batch import TokenBatch
from portmanteau.errors import FileError
from portmanteau.files import file_error, write_atomically

if TYPE_CHECKING:
    import numpy.typing as npt

    from portmanteau.tokenizer import Tokenizer

__all__ = ["METADATA_KEY", "TokenFile", "write_tokens"]

METADATA_KEY = b"portmanteau.tokens"
"""Where the schema says that an Arrow file holds tokens."""

_VERSION = 1


def write_tokens(
    path: str | os.PathLike[str],
    batches: TokenBatch | Iterable[TokenBatch],
    *,
    tokenizer: Tokenizer,
    document_names: Iterable[str] | None = None,
) -> None:
    """Writes the ids of documents; the file appears whole or not at all.

    Args:
        path: The file to write, by convention ``*.arrow``.
        batches: The documents. Each batch is written before the next is asked for, so memory is that of one batch.
        tokenizer: The tokenizer that made the ids.
        document_names: One name for each document, if any.

    Raises:
        FileError: The file cannot be written.
        ValueError: There are more or fewer names than documents.

    O(ids).
    """
    import pyarrow as pa

    fields = [pa.field("ids", pa.large_list(pa.uint32()), nullable=False)]
    if document_names is not None:
        fields.append(pa.field("id", pa.string(), nullable=False))
    header = {
        "version": _VERSION,
        "tokenizer_fingerprint": tokenizer.fingerprint,
        "vocab_size": tokenizer.vocab_size,
    }
    schema = pa.schema(fields, metadata={METADATA_KEY: json.dumps(header)})
    names = iter(document_names or ())

    def write(stream: IO[bytes]) -> None:
        with pa.ipc.new_file(stream, schema) as writer:
            for batch in [batches] if isinstance(batches, TokenBatch) else batches:
                columns = [batch.to_arrow()]
                if document_names is not None:
                    columns.append(pa.array(itertools.islice(names, len(batch)), pa.string()))
                if len(columns[-1]) != len(batch):
                    raise ValueError("there are fewer document names than documents")
                writer.write_batch(pa.record_batch(columns, schema=schema))
        if next(names, None) is not None:
            raise ValueError("there are more document names than documents")

    write_atomically(path, write)


class TokenFile:
    """A file that :func:`write_tokens` wrote, mapped into memory: opening it reads no ids.

    Attributes:
        path: The file.
        tokenizer_fingerprint: That of the tokenizer that made the ids.
        vocab_size: That of the tokenizer; every id is smaller.
    """

    path: str
    tokenizer_fingerprint: str
    vocab_size: int

    def __init__(self, path: str, header: dict[str, Any], reader: Any) -> None:
        """Not for use: see :meth:`open`."""
        self.path = path
        self.tokenizer_fingerprint = str(header["tokenizer_fingerprint"])
        self.vocab_size = int(header["vocab_size"])
        self._reader = reader

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> TokenFile:
        """Maps a file. O(record batches).

        Raises:
            FileError: The file does not exist, is no token file, or is cut short.
        """
        import pyarrow as pa

        with _reading(path):
            Path(path).open("rb").close()  # whose errors are clearer than those of the mapping
            reader = pa.ipc.open_file(pa.memory_map(os.fspath(path)))
            header = (reader.schema.metadata or {}).get(METADATA_KEY)
            if header is None:
                raise _not_tokens(path, "the Arrow file has no token metadata")
            header = json.loads(header)
            if header["version"] != _VERSION:
                raise _not_tokens(path, f"its format has version {header['version']}, not {_VERSION}")
            return cls(os.fspath(path), header, reader)

    def batches(self) -> Iterator[TokenBatch]:
        """The record batches one after the other; their ids are views of the file, not copies.

        Raises:
            FileError: A record batch contradicts itself.
        """
        for index in range(self._reader.num_record_batches):
            with _reading(self.path):
                record_batch = self._reader.get_batch(index)
                record_batch.validate()
                batch = TokenBatch.from_arrow(record_batch.column("ids"))
            yield batch

    def read(self) -> TokenBatch:
        """All documents in one batch: a view of the file if it has one record batch, else a copy.

        Raises:
            FileError: As for :meth:`batches`.
        """
        batches = list(self.batches())
        if len(batches) == 1:
            return batches[0]
        lengths = np.concatenate([np.zeros(1, np.int64), *(batch.lengths for batch in batches)])
        ids = np.concatenate([np.empty(0, np.uint32), *(batch.ids for batch in batches)])
        return TokenBatch(ids, np.cumsum(lengths))

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """``int64[documents]``: the number of ids of each document. Reads no ids; O(documents).

        Raises:
            FileError: As for :meth:`batches`.
        """
        return np.concatenate([np.empty(0, np.int64), *(batch.lengths for batch in self.batches())])

    @property
    def document_names(self) -> list[str] | None:
        """The name of each document, or ``None`` where the file has none.

        Raises:
            FileError: As for :meth:`batches`.
        """
        if "id" not in self._reader.schema.names:
            return None
        with _reading(self.path):
            batches = (self._reader.get_batch(index) for index in range(self._reader.num_record_batches))
            return [name for batch in batches for name in batch.column("id").to_pylist()]

    def __repr__(self) -> str:
        """One line: the path and the tokenizer."""
        return f"TokenFile({self.path!r}, tokenizer_fingerprint={self.tokenizer_fingerprint[:12]!r}…)"


@contextmanager
def _reading(path: str | os.PathLike[str]) -> Iterator[None]:
    """Every error of reading an Arrow file becomes a FileError with its path and a remedy."""
    import pyarrow as pa

    try:
        yield
    except FileError:
        raise
    except (OSError, pa.ArrowException, LookupError, TypeError, ValueError) as error:
        if isinstance(error, OSError) and error.strerror:
            raise file_error(path, "read the file", error) from error
        raise _not_tokens(path, str(error)) from error


def _not_tokens(path: str | os.PathLike[str], reason: str) -> FileError:
    remedy = "write it again with `portmanteau encode` or portmanteau.token_files.write_tokens"
    message = f"{os.fspath(path)}: this is no file of tokens, or it was cut short ({reason}); {remedy}"
    return FileError(message, path=path)
