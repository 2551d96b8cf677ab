"""Plans beside the shards of a dataset: which sequences its documents make."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from portmanteau import _rust
from portmanteau.errors import FileError, PackingError
from portmanteau.files import file_error, write_atomically
from portmanteau.packing import PackedSequences, PackPlan, pack
from portmanteau.packing.arguments import integer
from portmanteau.store import format as store_format
from portmanteau.store.dataset import Dataset

if TYPE_CHECKING:
    import numpy.typing as npt

    from portmanteau.packing.arguments import Int64Array
    from portmanteau.store.exporting import ExportFormat

PLAN_FORMAT = "portmanteau dataset plan"


@dataclass(frozen=True, eq=False)
class DatasetPlan:
    """A plan with the dataset that it is of, and the ids that stand where no token of a document is.

    Made by :meth:`Dataset.pack` and :meth:`Dataset.plan`. It pickles as the path of the dataset and the name.
    """

    dataset: Dataset
    name: str
    """The name of its files in the folder of plans."""
    plan: PackPlan
    """Mapped into memory."""
    pad_id: int
    """The id where no token is."""
    bos_id: int | None
    """The id before documents or sequences, if the plan has room for it."""
    eos_id: int | None
    """The id after documents or sequences, if the plan has room for it."""
    width: int | None = None
    """Of a bucket: how wide its sequences are. The others of the plan are left out."""

    def __repr__(self) -> str:
        bucket = "" if self.width is None else f", sequences of {self.width}"
        return f"DatasetPlan({str(self.dataset.path)!r}, {self.name!r}, {self.plan!r}{bucket})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles as the dataset and the name; where it is read, the plan must be the same."""
        return _open_again, (self.dataset, self.name, self.plan.fingerprint, self.width)

    @cached_property
    def _sequences(self) -> Int64Array | None:
        """Of a bucket: its sequences among those of the plan."""
        return None if self.width is None else self.plan.buckets[self.width]

    @property
    def n_sequences(self) -> int:
        """Number of sequences."""
        return self.plan.n_sequences if self._sequences is None else len(self._sequences)

    @property
    def capacity(self) -> int:
        """Most tokens in a sequence."""
        return self.plan.capacity if self.width is None else self.width

    @cached_property
    def n_tokens(self) -> int:
        """Number of tokens in sequences, BOS and EOS included."""
        if self._sequences is None:
            return self.plan.n_tokens
        return int(self.tokens_of(np.arange(self.n_sequences)).sum())

    @property
    def fingerprint(self) -> str:
        """SHA-256 that names the plan, or the bucket of it, in 64 hexadecimal digits."""
        if self.width is None:
            return self.plan.fingerprint
        return hashlib.sha256(f"{self.plan.fingerprint} {self.width}".encode()).hexdigest()

    @property
    def buckets(self) -> dict[int, DatasetPlan]:
        """Of a plan of buckets: one for each width, the widest first, that has its sequences alone.

        >>> import portmanteau as pm
        >>> tokenizer = pm.Tokenizer.load("o200k_base")
        >>> dataset = pm.write_dataset(tokenizer.encode_batch(["by the way, off we go"]), "buckets", tokenizer)
        >>> plan = dataset.pack(4, strategy="buckets")
        >>> {width: bucket.apply([0]).input_ids.tolist() for width, bucket in plan.buckets.items()}
        {4: [[2345, 290, 2006, 11]], 2: [[1277, 581]], 1: [[810]]}
        """
        return {width: replace(self, width=width) for width in self.plan.buckets}

    def tokens_of(self, sequences: Int64Array) -> Int64Array:
        """The number of tokens in each of these sequences, BOS and EOS included, int64. O(pieces)."""
        pieces = self.plan._take(self._of_plan(sequences))
        return pieces.sums(pieces.length.astype(np.int64)) + self.plan.format.tokens_around_sequence

    def _of_plan(self, sequences: Sequence[int] | Int64Array) -> Int64Array:
        """Which sequences of the whole plan these are.

        Raises:
            PackingError: There is no such sequence in the bucket.
        """
        numbers = np.asarray(sequences, np.int64)
        if self._sequences is None:
            return numbers
        if len(numbers) and not (numbers.min() >= 0 and numbers.max() < self.n_sequences):
            raise PackingError(f"the bucket has {self.n_sequences} sequences, numbered from 0 on")
        return self._sequences[numbers]

    def apply(
        self,
        sequences: Sequence[int] | Int64Array,
        *,
        dtype: Literal["uint32", "int32", "int64"] = "uint32",
        width: int | None = None,
        out: Mapping[str, npt.NDArray[Any]] | None = None,
    ) -> PackedSequences:
        """Lays sequences out, as :meth:`PackPlan.apply` does, with the ids of the dataset.

        Raises:
            PackingError: There is no such sequence, or an array of ``out`` is not what it must be.
            FileError: A shard is missing.

        O(positions).
        """
        return self.plan.apply(
            self.dataset,
            pad_id=self.pad_id,
            bos_id=self.bos_id,
            eos_id=self.eos_id,
            dtype=dtype,
            sequences=self._of_plan(sequences),
            width=self.width if width is None else width,
            out=out,
        )

    def channel(
        self, packed: PackedSequences, name: str, *, around: float = 0, pad: float = 0
    ) -> npt.NDArray[Any]:
        """What lies beside the ids of packed sequences, aligned with ``input_ids``, ``[rows, width]``.

        Args:
            packed: What :meth:`apply` returned.
            name: The channel.
            around: The value of a BOS or EOS.
            pad: The value of padding.

        Raises:
            KeyError: The dataset has no such channel.
            PackingError: The sequences are of other documents.

        >>> import numpy as np
        >>> import portmanteau as pm
        >>> tokenizer = pm.Tokenizer.load("o200k_base")
        >>> batch = tokenizer.encode_batch(["by the way", "off we go"])
        >>> weights = {"weight": np.array([0, 0, 1, 0, 1, 1], np.float32)}
        >>> dataset = pm.write_dataset([(batch, weights)], "weighted", tokenizer, channels={"weight": "float32"})
        >>> plan = dataset.pack(8, eos_id=199999)
        >>> plan.channel(plan.apply([0]), "weight", around=0.5)
        array([[0. , 0. , 1. , 0.5, 0. , 1. , 1. , 0.5]], dtype=float32)
        """
        channels = self.dataset.channels
        if name not in channels:
            raise KeyError(f"the dataset has no channel {name!r}; it has {sorted(channels)}")
        dtype = np.dtype(channels[name])
        bits = np.dtype(f"u{dtype.itemsize}")
        shards = [
            (first, values.view(bits), offsets)
            for first, values, offsets in self.dataset.shards_of(packed.pieces.document, name)
        ]
        around_bits, pad_bits = np.array([around, pad], dtype).view(bits).tolist()
        out = np.empty(packed.input_ids.shape, bits)
        _rust.fill_values(packed, shards, self.plan.document_lengths, around_bits, pad_bits, out)
        return out.view(dtype)

    def export(
        self,
        path: str | os.PathLike[str],
        format: ExportFormat,  # noqa: A002 - what it is called everywhere
        *,
        channels: Sequence[str] | None = None,
        around: Mapping[str, float] | None = None,
        replace: bool = False,
        progress: bool = True,
    ) -> None:
        """Writes the packed sequences in a format of another library, each a row, in the order of the plan.

        The files appear when they are complete, and the same export gives the same bytes.

        Args:
            path: What to write: a folder, and for ``"megatron"`` a prefix.
            format: ``"megatron"``, ``"arrow"``, ``"parquet"``, ``"numpy"`` or ``"mds"``; what each holds is in
                ``docs/guide/exporting.md``.
            channels: What goes along of what lies beside the ids; all of it if None.
            around: By channel, the value of a BOS or EOS; 0 if not given, and -100 in ``labels``.
            replace: Whether to write over an export that is there.
            progress: Whether to show progress on a terminal.

        Raises:
            FileError: There is something at the path already, or it cannot be written.
            UnsupportedError: The format cannot hold this; the message says what.

        O(positions); memory is that of a few chunks of 16 MB, a shard of 64 MB for ``"mds"``, and a few numbers a
        sequence and a piece.

        >>> import numpy as np
        >>> import portmanteau as pm
        >>> tokenizer = pm.Tokenizer.load("o200k_base")
        >>> dataset = pm.write_dataset(tokenizer.encode_batch(["by the way", "off we go"]), "store", tokenizer)
        >>> dataset.pack(8).export("arrays", "numpy")
        >>> np.load("arrays/input_ids.npy", mmap_mode="r")
        memmap([[2345,  290, 2006, 2864,  581,  810,    0,    0]], dtype=uint32)
        >>> np.load("arrays/seq_lengths.npy")
        array([3, 3], dtype=uint32)
        """
        from portmanteau.store import exporting

        exporting.export_sequences(self, path, format, channels, around, replace, progress)


def _path(dataset: Dataset, name: str, ending: str) -> Path:
    return dataset.path / store_format.PLANS / f"{name}.{ending}"


def names(dataset: Dataset) -> list[str]:
    """The names of the plans of a dataset, sorted."""
    return sorted(path.stem for path in (dataset.path / store_format.PLANS).glob("[!.]*.json"))


def pack_dataset(
    dataset: Dataset,
    capacity: int,
    name: str | None,
    pad_id: int,
    bos_id: int | None,
    eos_id: int | None,
    overwrite: bool,
    options: dict[str, Any],
) -> DatasetPlan:
    """See :meth:`Dataset.pack`."""
    name = str(capacity) if name is None else name
    if not name or Path(name).name != name or name.startswith("."):
        raise PackingError(f"name is {name!r}; it must be one that a file can have")
    most_id = int(dataset.manifest.tokenizer["vocab_size"]) - 1
    ids = {"pad_id": pad_id, "bos_id": bos_id, "eos_id": eos_id}
    for token, token_id in ids.items():
        if token_id is not None:
            integer(token, token_id, 0, most_id)
    for token, token_id in (("bos", bos_id), ("eos", eos_id)):
        if token_id is None and options.get(token):
            raise PackingError(f"{token} is {options[token]!r}; give {token}_id too, which says the id")
        options.setdefault(token, "document" if token_id is not None else False)
    plan = pack(dataset.lengths, capacity, **options)
    path = _path(dataset, name, "json")
    if path.exists() and not overwrite:
        found = open_plan(dataset, name)
        if (found.fingerprint, found.pad_id, found.bos_id, found.eos_id) == (plan.fingerprint, *ids.values()):
            return found
        message = f"{path}: is another plan of this name; give this one another name=, or pass replace=True"
        raise FileError(message, path=path)
    try:
        path.parent.mkdir(exist_ok=True)
        if overwrite:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise file_error(path, "write the file", error) from error
    arrow = _path(dataset, name, "arrow")
    plan.save(arrow)
    with arrow.open("rb") as stream:
        digest = file_digest(stream)
    content = store_format.to_json(
        {
            "format": PLAN_FORMAT,
            "version": store_format.VERSION,
            "dataset": dataset.fingerprint,
            "plan": plan.fingerprint,
            **ids,
            "sha256": digest,
        }
    )
    write_atomically(path, lambda stream: stream.write(content))
    return open_plan(dataset, name)


def open_plan(dataset: Dataset, name: str | int | None) -> DatasetPlan:
    """See :meth:`Dataset.plan`."""
    known = names(dataset)
    if name is None:
        if len(known) != 1:
            which = (
                f"there are {', '.join(known)}; name one" if known else "there is none; make one with pack"
            )
            raise FileError(f"{dataset.path}: which plan is meant? {which}", path=dataset.path)
        name = known[0]
    name = str(name)
    if name not in known:
        there = f"there are {', '.join(known)}" if known else "there is none"
        message = f"{dataset.path}: has no plan {name!r}; {there}; make it with pack"
        raise FileError(message, path=dataset.path)
    said = read_description(dataset, name)
    plan = PackPlan.load(_path(dataset, name, "arrow"), memory_map=True)
    if plan.fingerprint != said["plan"] or plan.n_documents != dataset.n_documents:
        path = _path(dataset, name, "arrow")
        raise FileError(
            f"{path}: is another plan than {name}.json says; pack again with replace=True", path=path
        )
    return DatasetPlan(dataset, name, plan, said["pad_id"], said["bos_id"], said["eos_id"])


def read_description(dataset: Dataset, name: str) -> Mapping[str, Any]:
    """What the JSON file of a plan says.

    Raises:
        FileError: It is damaged, or the plan is of another dataset.
    """
    path = _path(dataset, name, "json")

    def parse(content: Mapping[str, Any]) -> dict[str, Any]:
        keys = ("dataset", "plan", "pad_id", "bos_id", "eos_id", "sha256")
        return {key: content[key] for key in keys}

    remedy = "pack again with replace=True"
    said = store_format.read_json(path, PLAN_FORMAT, store_format.VERSION, parse, remedy)
    if said["dataset"] != dataset.fingerprint:
        message = f"{path}: is a plan of another dataset, {said['dataset'][:12]}…; {remedy}"
        raise FileError(message, path=path)
    return said


def file_digest(stream: Any) -> str:
    """The SHA-256 of the rest of a file, in 64 hexadecimal digits."""
    digest = hashlib.sha256()
    while block := stream.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def _open_again(dataset: Dataset, name: str, fingerprint: str, width: int | None) -> DatasetPlan:
    found = open_plan(dataset, name)
    if found.fingerprint != fingerprint:
        raise PackingError(f"{dataset.path}: plan {name!r} is another than the one that was pickled")
    return found if width is None else replace(found, width=width)
