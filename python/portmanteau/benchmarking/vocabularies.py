"""The vocabulary of a comparison, in the formats that the peers read."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from portmanteau import data
from portmanteau.tokenizer import Tokenizer

__all__ = ["Vocabulary", "prepare"]

_HUGGING_FACE = {"r50k_base": "r50k", "cl100k_base": "cl100k", "o200k_base": "o200k"}
"""The pretokenizer of each bundled vocabulary in Hugging Face's spelling, which the peers know by heart. It differs
from tiktoken's in white space at the end of a text only."""


@dataclass(frozen=True)
class Vocabulary:
    """One vocabulary, as files."""

    name: str
    """How the comparison calls it."""
    source: str
    """What :meth:`portmanteau.Tokenizer.load` takes."""
    tokenizer_json: str
    """The ``tokenizer.json``."""
    rank_folder: str | None
    """For a bundled vocabulary, a folder with its rank file, as ``NAME.tiktoken`` and as tiktoken's cache holds it."""

    @property
    def is_bundled(self) -> bool:
        """Whether this is one of OpenAI's vocabularies."""
        return self.rank_folder is not None

    def save(self, path: Path) -> None:
        """Writes this description, for :meth:`open`."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def open(cls, path: Path) -> Vocabulary:
        """Reads what :meth:`save` wrote."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def prepare(source: str, folder: Path) -> Vocabulary:
    """Writes the files that the peers need.

    A bundled vocabulary gets no special tokens in its ``tokenizer.json``: the text holds none, and several peers refuse
    the holes between the ids of cl100k's.

    Args:
        source: A bundled name or a tokenizer file, as :meth:`portmanteau.Tokenizer.load` takes them.
        folder: An empty folder that outlives the comparison.

    Raises:
        Error: As for :meth:`portmanteau.Tokenizer.load` and :meth:`portmanteau.Tokenizer.save`.
    """
    tokenizer_json = folder / "tokenizer.json"
    if source not in _HUGGING_FACE:
        path = Path(source).absolute()
        tokenizer = Tokenizer.load(path)
        is_json = path.is_file() and path.name.endswith("tokenizer.json")
        if not is_json:
            tokenizer.save(tokenizer_json)
        name = path.name if path.is_dir() else f"{path.parent.name}/{path.name}"
        return Vocabulary(name, str(path), str(path if is_json else tokenizer_json), None)
    rank_file = folder / f"{source}.tiktoken"
    rank_file.write_bytes(data.vocabulary_bytes(source))
    # tiktoken looks for a vocabulary under the SHA-1 of the address that it would download it from.
    address = f"https://openaipublic.blob.core.windows.net/encodings/{source}.tiktoken"
    (folder / hashlib.sha1(address.encode()).hexdigest()).write_bytes(rank_file.read_bytes())
    Tokenizer.load(rank_file, pretokenizer=_HUGGING_FACE[source]).save(tokenizer_json)
    return Vocabulary(source, source, str(tokenizer_json), str(folder))
