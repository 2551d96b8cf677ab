"""``Dataset``: a token store as users open it."""

from __future__ import annotations

import hashlib
import operator
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from portmanteau.errors import FileError, PackingError
from portmanteau.files import read_bytes
from portmanteau.store import format as store_format
from portmanteau.store.format import BYTE_LENGTHS, IDS, LONG, LONG_BYTE_LENGTHS, Manifest
from portmanteau.store.mapped import MappedShards

if TYPE_CHECKING:
    import numpy.typing as npt

    from portmanteau.packing.arguments import Int64Array, Shard, Uint32Array
    from portmanteau.store.exporting import ExportFormat
    from portmanteau.store.plans import DatasetPlan
    from portmanteau.tokenizer import Tokenizer

__all__ = ["Dataset"]


class Dataset:
    r"""Token ids of documents in files that are mapped into memory; made by :func:`portmanteau.prepare`.

    Opening reads the manifest alone. A dataset is never changed, so threads may share it; it pickles as its path, and
    forked and spawned processes map the files themselves.

    >>> from pathlib import Path
    >>> import portmanteau as pm
    >>> _ = Path("text.jsonl").write_text('{"text": "by the way"}\n{"text": "off we go"}\n')
    >>> _ = pm.prepare("text.jsonl", pm.Tokenizer.load("o200k_base"), "store")
    >>> dataset = pm.Dataset.open("store")
    >>> dataset
    Dataset('store', 2 documents, 6 tokens)
    >>> dataset[0], dataset.origin(1)
    (array([2345,  290, 2006], dtype=uint32), ('text.jsonl', 1))
    """

    def __init__(self, path: Path, manifest: Manifest, fingerprint: str) -> None:
        """Not for use: see :meth:`open`."""
        self.path = path
        """The folder."""
        self.manifest = manifest
        """What the dataset holds."""
        self.fingerprint = fingerprint
        """SHA-256 over the manifest, which has those of all files of tokens, in 64 hexadecimal digits."""
        self._shards = MappedShards(path / store_format.SHARDS, manifest)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Dataset:
        """Opens the folder that :func:`portmanteau.prepare` or :func:`portmanteau.write_dataset` wrote. O(shards).

        Raises:
            FileError: There is no dataset, it is not complete, or it is of a later version.
        """
        folder = Path(path)
        manifest_path = folder / store_format.MANIFEST
        if folder.is_dir() and not manifest_path.exists():
            begun = (folder / store_format.JOB).exists()
            what = "is not complete; run prepare again with the same arguments" if begun else "has no dataset"
            raise FileError(f"{folder}: {what}", path=folder)
        manifest = Manifest.read(manifest_path)
        return cls(folder, manifest, hashlib.sha256(read_bytes(manifest_path)).hexdigest())

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles as the absolute path; where it is read, the dataset must be the same."""
        return _open_again, (str(self.path.absolute()), self.fingerprint)

    def __repr__(self) -> str:
        return f"Dataset({str(self.path)!r}, {self.n_documents} documents, {self.n_tokens} tokens)"

    # ── what is in it ───────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def n_documents(self) -> int:
        """Number of documents, empty ones included."""
        return int(self._shards.first_documents[-1])

    @cached_property
    def n_tokens(self) -> int:
        """Number of ids."""
        return sum(shard.tokens for shard in self.manifest.shards)

    @cached_property
    def text_bytes(self) -> int:
        """Bytes of the text in UTF-8."""
        return sum(shard.text_bytes for shard in self.manifest.shards)

    @property
    def channels(self) -> dict[str, str]:
        """What lies beside the ids, by name, with dtypes."""
        return dict(self.manifest.channels)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer that made the ids.

        Raises:
            FileError: Its file is missing, or holds another tokenizer.
        """
        return store_format.load_tokenizer(self.manifest.tokenizer, self.path)

    @cached_property
    def lengths(self) -> Uint32Array:
        """The number of ids of every document, uint32 ``[documents]``. Reads the offsets; O(documents)."""
        of_shards = (
            np.diff(self._shards.array(number, store_format.OFFSETS)).astype(np.uint32)
            for number in range(len(self.manifest.shards))
        )
        lengths = np.concatenate([np.empty(0, np.uint32), *of_shards])
        lengths.setflags(write=False)
        return lengths

    def __len__(self) -> int:
        """Number of documents."""
        return self.n_documents

    def __getitem__(self, document: int) -> npt.NDArray[Any]:
        """The ids of a document, uint16 or uint32: a view of the file.

        Raises:
            IndexError: There is no such document.
        """
        shard, start, end = self._shards.bounds(self._number(document))
        return self._shards.array(shard, IDS)[start:end]

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        """The ids of each document, in order."""
        return (self[document] for document in range(self.n_documents))

    def channel(self, name: str, document: int) -> npt.NDArray[Any]:
        """What lies beside the ids of a document, one value for each: a view of the file.

        Raises:
            IndexError: There is no such document.
            KeyError: The dataset has no such channel.
        """
        if name not in self.manifest.channels:
            raise KeyError(f"the dataset has no channel {name!r}; it has {sorted(self.manifest.channels)}")
        shard, start, end = self._shards.bounds(self._number(document))
        return self._shards.array(shard, name)[start:end]

    def origin(self, document: int) -> tuple[str, int]:
        """Where a document comes from: the file, and the row in it, counted from 0. O(parts of its shard).

        Raises:
            IndexError: There is no such document.

        In JSON Lines, blank lines are no rows.
        """
        document = self._number(document)
        shard = self._shards.shard_of(document)
        index = document - int(self._shards.first_documents[shard])
        for part, first_row in zip(self.manifest.shards[shard].parts, self._first_rows[shard], strict=True):
            if index < part.documents:
                return self.manifest.sources[part.source].path, first_row + index
            index -= part.documents
        raise FileError(f"{self.path}: shard {shard} has fewer rows than documents; copy the dataset again")

    @cached_property
    def _first_rows(self) -> list[list[int]]:
        """The row of its file that each part of each shard begins with."""
        rows = [0] * len(self.manifest.sources)
        first_rows: list[list[int]] = []
        for shard in self.manifest.shards:
            first_rows.append([])
            for part in shard.parts:
                first_rows[-1].append(rows[part.source])
                rows[part.source] += part.documents
        return first_rows

    def byte_offsets(self, document: int) -> Int64Array:
        """Where in its text each token of a document begins, and where the last one ends, int64 ``[tokens + 1]``.

        In documents of several columns, the text is that of all columns, one after the other.

        Raises:
            IndexError: There is no such document.
            FileError: The dataset was prepared without ``byte_offsets=True``.
        """
        if not self.manifest.byte_lengths:
            message = f"{self.path}: has no byte offsets; prepare it with byte_offsets=True"
            raise FileError(message, path=self.path)
        shard, start, end = self._shards.bounds(self._number(document))
        of_shard = self._shards.array(shard, BYTE_LENGTHS)
        lengths = of_shard[start:end].astype(np.int64)
        is_long = lengths == LONG
        if is_long.any():
            first = int(np.count_nonzero(of_shard[:start] == LONG))
            long = self._shards.array(shard, LONG_BYTE_LENGTHS)
            lengths[is_long] = long[first : first + int(np.count_nonzero(is_long))]
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])

    def shards_of(self, documents: Uint32Array, channel: str = IDS) -> list[Shard]:
        """Where documents lie, as :meth:`PackPlan.apply` takes it: first document, values and offsets of each shard."""
        return self._shards.shards_of(documents, channel)

    def _number(self, document: int) -> int:
        return range(self.n_documents)[operator.index(document)]

    # ── plans ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def pack(
        self,
        capacity: int,
        *,
        name: str | None = None,
        pad_id: int = 0,
        bos_id: int | None = None,
        eos_id: int | None = None,
        replace: bool = False,
        **options: Any,
    ) -> DatasetPlan:
        """Plans sequences, and writes the plan beside the shards; several plans may live together.

        Args:
            capacity: The most tokens in a sequence.
            name: The name of the plan; by default the capacity.
            pad_id: The id where no token is.
            bos_id: If given, a token before every document, or with ``bos="sequence"`` before every sequence.
            eos_id: If given, a token after every document, or with ``eos="sequence"`` after every sequence.
            replace: Whether to write over another plan of this name.
            options: All others of :func:`portmanteau.pack`.

        Raises:
            PackingError: An option cannot be; an id is not below the size of the vocabulary.
            FileError: There is another plan of this name, or the file cannot be written.

        As :func:`portmanteau.pack`, and O(documents) to write. Making the same plan again changes nothing.

        >>> import numpy as np
        >>> import portmanteau as pm
        >>> tokenizer = pm.Tokenizer.load("o200k_base")
        >>> dataset = pm.write_dataset(tokenizer.encode_batch(["by the way", "off we go"]), "packed", tokenizer)
        >>> plan = dataset.pack(8, eos_id=199999)
        >>> plan.apply([0]).input_ids
        array([[  2345,    290,   2006, 199999,   2864,    581,    810, 199999]], dtype=uint32)
        """
        from portmanteau.store import plans

        return plans.pack_dataset(self, capacity, name, pad_id, bos_id, eos_id, replace, options)

    def plan(self, name: str | int | None = None) -> DatasetPlan:
        """A plan that :meth:`pack` wrote, mapped into memory.

        Args:
            name: Its name, or the capacity that it was named by; not needed if there is only one.

        Raises:
            FileError: There is no such plan, or it is of another dataset.
        """
        from portmanteau.store import plans

        return plans.open_plan(self, name)

    @property
    def plans(self) -> list[str]:
        """The names of the plans beside the shards, sorted."""
        from portmanteau.store import plans

        return plans.names(self)

    # ── for other libraries ─────────────────────────────────────────────────────────────────────────────────────────

    def export(
        self,
        path: str | os.PathLike[str],
        format: ExportFormat,  # noqa: A002 - what it is called everywhere
        *,
        bos_id: int | None = None,
        eos_id: int | None = None,
        channels: Sequence[str] | None = None,
        around: Mapping[str, float] | None = None,
        replace: bool = False,
        progress: bool = True,
    ) -> None:
        """Writes the documents in a format of another library, each a row, in order.

        The files appear when they are complete, and the same export gives the same bytes.

        Args:
            path: What to write: a folder, for ``"nanogpt"`` a file, and for ``"megatron"`` a prefix.
            format: ``"megatron"``, ``"arrow"``, ``"parquet"``, ``"numpy"``, ``"mds"`` or ``"nanogpt"``; what each holds
                is in ``docs/guide/exporting.md``.
            bos_id: If given, a token before every document that is not empty.
            eos_id: If given, a token after every document that is not empty.
            channels: What goes along of what lies beside the ids; all of it if None.
            around: By channel, the value of a BOS or EOS; 0 if not given, and -100 in ``labels``.
            replace: Whether to write over an export that is there.
            progress: Whether to show progress on a terminal.

        Raises:
            FileError: There is something at the path already, or it cannot be written.
            UnsupportedError: The format cannot hold this; the message says what.
            PackingError: An id is not below the size of the vocabulary.

        O(tokens); memory is that of a few chunks of 16 MB, a shard of 64 MB for ``"mds"``, and a few numbers a row.

        >>> import numpy as np
        >>> import portmanteau as pm
        >>> tokenizer = pm.Tokenizer.load("o200k_base")
        >>> dataset = pm.write_dataset(tokenizer.encode_batch(["by the way", "off we go"]), "store", tokenizer)
        >>> dataset.export("flat.bin", "nanogpt", eos_id=199999)
        >>> np.fromfile("flat.bin", np.uint32)
        array([  2345,    290,   2006, 199999,   2864,    581,    810, 199999], dtype=uint32)
        """
        from portmanteau.store import exporting

        exporting.export_documents(self, path, format, bos_id, eos_id, channels, around, replace, progress)

    # ── proofs ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def verify(self, tokenizer: Tokenizer | None = None, *, progress: bool = False) -> None:
        """Proves that every byte of the dataset is what was written, and that its parts fit each other.

        The SHA-256 of every file of a shard, offsets that ascend, ids below the size of the vocabulary, and every plan:
        that it is of this dataset, and has every token exactly once.

        Args:
            tokenizer: The one that the ids must be of; by default the one that lies in the dataset.
            progress: Whether to show progress on a terminal.

        Raises:
            FileError: Something is missing, damaged or foreign; ``path`` names the file.

        O(bytes).
        """
        from portmanteau.store.verifying import verify

        verify(self, tokenizer, progress)


def _open_again(path: str, fingerprint: str) -> Dataset:
    dataset = Dataset.open(path)
    if dataset.fingerprint != fingerprint:
        raise PackingError(f"{path}: is another dataset than the one that was pickled")
    return dataset
