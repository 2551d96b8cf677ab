from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypedDict, final, type_check_only

import numpy as np
import numpy.typing as npt

_Ids: TypeAlias = npt.NDArray[np.uint32]
_Offsets: TypeAlias = npt.NDArray[np.int64]
_Progress: TypeAlias = Callable[[str, int, int], object]

__all__ = [
    "StreamPacker",
    "TokenStream",
    "Tokenizer",
    "Trainer",
    "__version__",
    "balance_items",
    "balance_rows",
    "fill_input_ids",
    "fill_labels",
    "fill_position_ids",
    "fill_segment_ids",
    "fill_values",
    "named_pretokenizers",
    "pack_histogram",
    "pack_merge",
    "pack_plan",
    "pack_take",
    "pack_verify",
    "permute",
    "take_documents",
]

__version__: str

@final
class Tokenizer:
    @staticmethod
    def from_tiktoken(
        content: bytes, pretokenizer: str, special_tokens: Sequence[tuple[str, int]]
    ) -> Tokenizer: ...
    @staticmethod
    def from_bundled(
        content: bytes, pretokenizer: str, special_tokens: Sequence[tuple[str, int]]
    ) -> Tokenizer: ...
    @staticmethod
    def from_ranks(
        ranks: Sequence[tuple[bytes, int]], pretokenizer: str, special_tokens: Sequence[tuple[str, int]]
    ) -> Tokenizer: ...
    @staticmethod
    def from_huggingface(content: bytes) -> Tokenizer: ...
    @staticmethod
    def from_tekken(content: bytes) -> Tokenizer: ...
    @staticmethod
    def from_merges(
        vocab_json: bytes, merges_txt: bytes, pretokenizer: str, special_tokens: Sequence[str]
    ) -> Tokenizer: ...
    def to_huggingface(self) -> bytes: ...
    def to_tiktoken(self) -> bytes: ...
    def encode(self, text: str | bytes, special: str | Sequence[int], threads: int) -> _Ids: ...
    def encode_with_offsets(
        self, text: str | bytes, special: str | Sequence[int], unit: str
    ) -> tuple[_Ids, _Offsets]: ...
    def word_ids(self, text: str | bytes, special: str | Sequence[int]) -> _Ids: ...
    def encode_batch(
        self, documents: Iterable[str | bytes], special: str | Sequence[int], threads: int
    ) -> tuple[_Ids, _Offsets]: ...
    def encode_column(
        self,
        chunks: Sequence[tuple[npt.NDArray[np.uint8], _Offsets]],
        special: str | Sequence[int],
        threads: int,
    ) -> tuple[_Ids, _Offsets]: ...
    def encode_column_with_byte_lengths(
        self,
        chunks: Sequence[tuple[npt.NDArray[np.uint8], _Offsets]],
        special: str | Sequence[int],
        threads: int,
    ) -> tuple[tuple[_Ids, _Offsets], _Ids]: ...
    def count(self, text: str | bytes, special: str | Sequence[int], threads: int) -> int: ...
    def count_batch(
        self, documents: Iterable[str | bytes], special: str | Sequence[int], threads: int
    ) -> npt.NDArray[np.int64]: ...
    def count_column(
        self,
        chunks: Sequence[tuple[npt.NDArray[np.uint8], _Offsets]],
        special: str | Sequence[int],
        threads: int,
    ) -> npt.NDArray[np.int64]: ...
    def pretokens(self, text: str | bytes) -> list[str]: ...
    def decode_bytes(self, ids: _Ids) -> bytes: ...
    def decode_batch(self, ids: _Ids, offsets: _Offsets) -> list[bytes]: ...
    def token_bytes(self, token_id: int) -> bytes | None: ...
    def token_id(self, token: bytes) -> int | None: ...
    def fingerprint(self) -> str: ...
    def merge_order(self) -> list[_Ids] | None: ...
    @property
    def vocab_size(self) -> int: ...
    @property
    def n_merges(self) -> int: ...
    @property
    def has_merge_list(self) -> bool: ...
    @property
    def whole_words_first(self) -> bool: ...
    @property
    def missing_bytes(self) -> list[int]: ...
    @property
    def normalization(self) -> list[str]: ...
    @property
    def pretokenizer_name(self) -> str | None: ...
    @property
    def pretokenizer_regex(self) -> str | None: ...
    @property
    def special_tokens(self) -> list[tuple[str, int]]: ...
    @property
    def added_tokens(self) -> list[tuple[str, int]]: ...

def named_pretokenizers() -> list[tuple[str, str, str]]: ...

@final
class TokenStream:
    def __new__(cls, tokenizer: Tokenizer, special: str | Sequence[int]) -> TokenStream: ...
    def feed(self, chunk: str | bytes) -> _Ids: ...
    def finish(self) -> _Ids: ...
    def close(self) -> bool: ...

@type_check_only
class CountingOptions(TypedDict):
    pretokenizer: str | None
    superword_pretokenizer: str | None
    digits: str | None
    whole_documents: bool
    document_byte_limit: int | None
    memory_limit: int | None
    temporary_folder: str

@type_check_only
class TrainingOptions(TypedDict):
    vocab_size: int
    min_frequency: int
    max_token_bytes: int | None
    special_tokens: list[str]
    seen_bytes_only: bool
    byte_order: bool
    checkpoint: tuple[str, float, str] | None

@type_check_only
class SuperwordOptions(TypedDict):
    transition_size: int | None
    max_words_per_token: int
    forbid: list[str]
    within_sentences: bool
    whole_words: bool
    drop_unused_merges: bool

@type_check_only
class TrainingOutcome(TypedDict):
    merge_counts: npt.NDArray[np.uint64]
    merge_token_ids: npt.NDArray[np.uint32]
    stage1_size: int | None
    stage1_merges: int | None
    distinct_units: list[int | None]
    vetoed: list[tuple[bytes, int]]

@final
class Trainer:
    def __new__(cls, options: CountingOptions, base: Tokenizer | None) -> Trainer: ...
    def feed(
        self, batch: Iterable[str | bytes], weight: int, threads: int, progress: _Progress | None
    ) -> int: ...
    def cut_off(self) -> tuple[int, int]: ...
    def go_on_after(self, n_documents: int, cut_off: tuple[int, int]) -> None: ...
    def n_documents(self) -> int: ...
    def write_counts(self, paths: Sequence[str], progress: _Progress | None) -> None: ...
    def add_counts(self, paths: Sequence[str], weight: int, progress: _Progress | None) -> None: ...
    def train(
        self,
        options: TrainingOptions,
        superwords: SuperwordOptions | None,
        threads: int,
        progress: _Progress | None,
    ) -> tuple[Tokenizer, TrainingOutcome]: ...

# `format`, `plan`, `layout` and `dropped` are any objects with attributes as those of `portmanteau.packing` have.
@type_check_only
class PackOptions(TypedDict):
    format: Any
    strategy: str
    cost: str
    long_documents: str
    max_documents_per_sequence: int | None
    least_tokens: int

@type_check_only
class PackConstraints(TypedDict):
    may_cut_after: npt.NDArray[np.bool_] | None
    together: npt.NDArray[np.uint32] | None
    apart: npt.NDArray[np.uint32] | None
    secondary: Sequence[tuple[str, npt.NDArray[np.uint32], int]]

@type_check_only
class StreamOptions(TypedDict):
    most_tokens: int
    seed: int | None

@final
class StreamPacker:
    def __new__(
        cls,
        options: PackOptions,
        stream: StreamOptions,
        n_documents: int = 0,
        waiting: Mapping[str, npt.NDArray[Any]] | None = None,
    ) -> StreamPacker: ...
    def push(self, lengths: npt.NDArray[np.uint32]) -> dict[str, Any]: ...
    def finish(self) -> dict[str, Any]: ...
    def n_documents(self) -> int: ...
    def waiting(self) -> dict[str, npt.NDArray[Any]]: ...

def take_documents(
    ids: _Ids, offsets: _Offsets, documents: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint32]: ...
def balance_items(
    costs: npt.NDArray[np.float64], n_ranks: int, method: str, equal_counts: bool
) -> npt.NDArray[np.uint32]: ...
def balance_rows(costs: npt.NDArray[np.float64], n_ranks: int) -> npt.NDArray[np.int64]: ...
def pack_plan(
    lengths: npt.NDArray[np.uint32],
    options: PackOptions,
    constraints: PackConstraints,
    most_tokens: int | None,
) -> dict[str, Any]: ...
def pack_histogram(
    counts: npt.NDArray[np.uint64], capacity: int, strategy: str, max_pieces: int | None
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64], npt.NDArray[np.uint64]]: ...
def pack_merge(
    plans: Sequence[tuple[Any, Any]], least_tokens: int, max_documents_per_sequence: int | None
) -> tuple[dict[str, Any], npt.NDArray[np.uint32]]: ...
def pack_take(
    plan: Any, sequences: npt.NDArray[np.int64] | None
) -> tuple[
    tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32], npt.NDArray[np.uint32]], npt.NDArray[np.int64]
]: ...
def pack_verify(plan: Any, dropped: Any, lengths: npt.NDArray[np.uint32]) -> None: ...
def fill_input_ids(
    layout: Any,
    shards: Sequence[tuple[int, npt.NDArray[Any], _Offsets]],
    planned_lengths: npt.NDArray[np.uint32],
    pad_id: int,
    bos_id: int | None,
    eos_id: int | None,
    out: npt.NDArray[Any],
) -> None: ...
def fill_position_ids(layout: Any, out: npt.NDArray[np.int32]) -> None: ...
def fill_segment_ids(layout: Any, out: npt.NDArray[np.int32]) -> None: ...
def fill_values(
    layout: Any,
    shards: Sequence[tuple[int, npt.NDArray[Any], _Offsets]],
    planned_lengths: npt.NDArray[np.uint32],
    around: int,
    pad: int,
    out: npt.NDArray[Any],
) -> None: ...
def permute(places: npt.NDArray[np.int64], n: int, seed: int, epoch: int) -> npt.NDArray[np.int64]: ...
def fill_labels(layout: Any, input_ids: npt.NDArray[Any], out: npt.NDArray[np.int64]) -> None: ...
