"""Training of BPE and SuperBPE tokenizers."""

from __future__ import annotations

import itertools
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from portmanteau import reading
from portmanteau._rust import Trainer
from portmanteau.columns import string_column
from portmanteau.errors import TrainingError
from portmanteau.threads import thread_count

if TYPE_CHECKING:
    from tqdm import tqdm

    from portmanteau.tokenizer import Tokenizer

__all__ = ["train_bpe", "train_superbpe"]


def train_bpe(
    files: reading.Paths | None = None,
    *,
    texts: Iterable[str | bytes] | Any | None = None,
    vocab_size: int,
    pretokenizer: str = "o200k",
    min_frequency: int = 0,
    max_token_bytes: int | None = None,
    special_tokens: Sequence[str] = (),
    initial_alphabet: Literal["all", "seen"] = "all",
    unit: Literal["line", "document"] = "line",
    text_column: str = "text",
    threads: int | None = None,
    progress: bool = True,
) -> Tokenizer:
    """Trains a byte-level BPE tokenizer, exactly as Hugging Face's ``BpeTrainer`` defines it.

    Pretokens are counted; then, again and again, the pair of adjacent tokens with the largest count (of
    equals, with the smallest ids) becomes a token and is replaced everywhere. Ids are given to the special
    tokens, then to the single bytes, then to new tokens in the order in which they are made. The result
    depends neither on the number of threads nor on how the text is cut into files.

    Two things differ from Hugging Face: no merge makes a special token out of ordinary text, and
    ``max_token_bytes`` counts the bytes of the new token itself.

    Args:
        files: Paths and glob patterns of text, JSON Lines or Parquet files, compressed or not; see
            :mod:`portmanteau.reading`.
        texts: Instead of files, an iterable of ``str`` or UTF-8 ``bytes``, or an Arrow string column.
        vocab_size: The number of ids: special tokens, single bytes and new tokens.
        pretokenizer: A name (``"o200k"``, ``"cl100k"``, ``"r50k"``, …) or a regular expression, read as
            Hugging Face's ``Split`` reads it. No token crosses a pretoken.
        min_frequency: Pairs that occur less often are not merged.
        max_token_bytes: No new token is longer.
        special_tokens: Texts that get the ids from 0 on.
        initial_alphabet: ``"all"`` makes all 256 bytes tokens, so that every text can be encoded; ``"seen"``
            only those that occur, as Hugging Face does by default.
        unit: ``"line"`` pretokenizes each line with its newline by itself, as Hugging Face's ``train(files)``
            does, so that no token goes on after a newline; ``"document"`` pretokenizes whole documents.
        text_column: The key or column of the text in JSON Lines and Parquet files.
        threads: How many threads count; all cores that this process may use, by default.
        progress: Whether to show progress on a terminal. Elsewhere none is shown.

    Returns:
        The tokenizer. If the text has too few pairs, its vocabulary is smaller than asked for, and a
        ``UserWarning`` says so.

    Raises:
        TrainingError: ``vocab_size`` is smaller than the special tokens and single bytes together, or other
            options contradict each other.
        PatternError: The regular expression does not compile.
        FileError, EncodingError: The text cannot be read; the message says where.

    The cost is linear in the text for counting, and in the occurrences merged for merging; memory is that of
    the distinct pretokens. Source: Sennrich et al., "Neural Machine Translation of Rare Words with Subword
    Units", 2016.

    >>> import portmanteau as pm
    >>> tok = pm.train_bpe(texts=["low low low lower lower newest newest widest"], vocab_size=260)
    >>> [tok.token_bytes(i) for i in range(256, 260)]
    [b'lo', b'low', b' low', b'es']
    """
    return _train(
        _batches(files, texts, unit, text_column),
        Trainer(pretokenizer, None, _whole_documents(unit)),
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        max_token_bytes=max_token_bytes,
        special_tokens=special_tokens,
        initial_alphabet=initial_alphabet,
        superwords=None,
        threads=threads,
        progress=progress,
    )


def train_superbpe(
    files: reading.Paths | None = None,
    *,
    texts: Iterable[str | bytes] | Any | None = None,
    vocab_size: int,
    transition_size: int,
    pretokenizer: str = "superbpe",
    superword_pretokenizer: str = "superbpe_stage2",
    max_words_per_token: int = 4,
    forbid: Sequence[str] = (": ",),
    min_frequency: int = 0,
    max_token_bytes: int | None = None,
    special_tokens: Sequence[str] = (),
    initial_alphabet: Literal["all", "seen"] = "all",
    unit: Literal["line", "document"] = "line",
    text_column: str = "text",
    threads: int | None = None,
    progress: bool = True,
) -> Tokenizer:
    """Trains a SuperBPE tokenizer: words first, then superwords that reach across spaces.

    The first stage is :func:`train_bpe` up to ``transition_size`` tokens. The second tokenizes the text again
    with a coarser pretokenizer, which lets tokens cross spaces, and goes on merging up to ``vocab_size``. The
    text is read once for both. The result is a plain BPE tokenizer with the second pretokenizer.

    Merges of the first stage that do not occur in the second stage's text are kept; the authors' program
    drops them, which renumbers the tokens.

    Args:
        files: As for :func:`train_bpe`, and so are all arguments that are not described here.
        texts: Instead of files, an iterable of ``str`` or UTF-8 ``bytes``, or an Arrow string column.
        vocab_size: The number of ids in the end.
        transition_size: The number of ids when the first stage stops. The authors advise 10,000 to 20,000
            fewer than ``vocab_size`` for a vocabulary of 200,000.
        pretokenizer: The first stage's; ``"superbpe"`` is the authors' current one, ``"superbpe_stage1"``.
        superword_pretokenizer: The second stage's, and that of the tokenizer.
        max_words_per_token: A superword has at most so many non-empty parts when split at spaces.
        forbid: No superword contains any of these. The default keeps the ``": "`` apart that prompts end
            with.
        min_frequency: As for :func:`train_bpe`; for both stages.
        max_token_bytes: As for :func:`train_bpe`; for both stages.
        special_tokens: As for :func:`train_bpe`.
        initial_alphabet: As for :func:`train_bpe`.
        unit: As for :func:`train_bpe`. With ``"line"``, as the authors train, superwords end at newlines.
        text_column: As for :func:`train_bpe`.
        threads: As for :func:`train_bpe`.
        progress: As for :func:`train_bpe`.

    Returns:
        The tokenizer. If the text has too few pairs for either stage, a ``UserWarning`` says so.

    Raises:
        TrainingError: As for :func:`train_bpe`; also if ``transition_size`` is out of range.
        PatternError: As for :func:`train_bpe`.
        FileError, EncodingError: As for :func:`train_bpe`.

    Memory is that of the distinct units of the second stage (nearly the whole text) and eight bytes for each
    of their first-stage tokens. Source: Liu et al., "SuperBPE: Space Travel for Language Models", COLM 2025.

    >>> import portmanteau as pm
    >>> tok = pm.train_superbpe(texts=["by the way"] * 9, vocab_size=265, transition_size=262)
    >>> [tok.token_bytes(i) for i in range(262, 265)]
    [b' way', b'by the', b'by the way']
    """
    if max_words_per_token < 1:
        raise TrainingError(f"max_words_per_token is {max_words_per_token}; it must be at least 1")
    if isinstance(forbid, str):
        raise TrainingError(f"forbid is the one string {forbid!r}; give a list of strings: [{forbid!r}]")
    if pretokenizer == "superbpe":
        pretokenizer = "superbpe_stage1"
    return _train(
        _batches(files, texts, unit, text_column),
        Trainer(pretokenizer, superword_pretokenizer, _whole_documents(unit)),
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        max_token_bytes=max_token_bytes,
        special_tokens=special_tokens,
        initial_alphabet=initial_alphabet,
        superwords=(transition_size, max_words_per_token, list(forbid)),
        threads=threads,
        progress=progress,
    )


def _train(
    batches: Iterator[list[str]] | Iterator[list[str | bytes]],
    trainer: Trainer,
    *,
    vocab_size: int,
    min_frequency: int,
    max_token_bytes: int | None,
    special_tokens: Sequence[str],
    initial_alphabet: str,
    superwords: tuple[int, int, list[str]] | None,
    threads: int | None,
    progress: bool,
) -> Tokenizer:
    from portmanteau.tokenizer import Tokenizer

    if initial_alphabet not in ("all", "seen"):
        raise TrainingError(f"initial_alphabet is {initial_alphabet!r}; it must be 'all' or 'seen'")
    if isinstance(special_tokens, str):
        raise TrainingError(
            f"special_tokens is the one string {special_tokens!r}; give a list: [{special_tokens!r}]"
        )
    n_initial = len(special_tokens) + (256 if initial_alphabet == "all" else 0)
    if vocab_size < n_initial:
        raise TrainingError(
            f"vocab_size is {vocab_size}, but {len(special_tokens)} special tokens and "
            f"{n_initial - len(special_tokens)} single bytes need {n_initial}; ask for {n_initial} or more"
        )
    if superwords is not None and superwords[0] < n_initial:
        raise TrainingError(
            f"transition_size is {superwords[0]}; the first stage starts with {n_initial} tokens"
        )
    numbers = {
        "min_frequency": (min_frequency, 0),
        "max_token_bytes": (max_token_bytes, 1),
    }
    for name, (number, least) in numbers.items():
        if number is not None and number < least:
            raise TrainingError(f"{name} is {number}; it must be at least {least}")
    if superwords is not None and superwords[0] >= vocab_size:
        raise TrainingError(
            f"transition_size is {superwords[0]}, which leaves no superword before vocab_size {vocab_size}; choose a "
            "smaller one, or use train_bpe"
        )
    n_threads = thread_count(threads, refuse=TrainingError)
    with _ProgressBar(progress) as bar:
        for batch in batches:
            bar.read(trainer.feed(batch, n_threads, None))
        core, stage1_size = trainer.train(
            vocab_size,
            min_frequency,
            max_token_bytes,
            list(special_tokens),
            initial_alphabet == "seen",
            superwords,
            n_threads,
            bar.show,
        )
    transition_size = vocab_size if superwords is None else superwords[0]
    if stage1_size < transition_size and superwords is not None:
        _warn(f"the first stage stopped at {stage1_size} tokens, short of transition_size {transition_size}")
    if core.vocab_size < vocab_size:
        _warn(f"the vocabulary has {core.vocab_size} tokens, fewer than vocab_size {vocab_size}")
    return Tokenizer._from_core(core)


def _warn(what: str) -> None:
    reason = "no pair of tokens is left that may be merged; train on more text or lower min_frequency"
    # From the line that called train_bpe or train_superbpe.
    warnings.warn(f"{what}: {reason}", UserWarning, stacklevel=4)


def _whole_documents(unit: str) -> bool:
    if unit not in ("line", "document"):
        raise TrainingError(f"unit is {unit!r}; it must be 'line' or 'document'")
    return unit == "document"


def _batches(
    files: reading.Paths | None, texts: Iterable[str | bytes] | Any | None, unit: str, text_column: str
) -> Iterator[list[str]] | Iterator[list[str | bytes]]:
    if (files is None) == (texts is None):
        raise TrainingError("give either files or texts" + (", not both" if files is not None else ""))
    if files is not None:
        # A pattern that matches nothing is an error at once, not after an hour of reading.
        paths = reading.expand(files)
        return reading.documents(paths, text_column=text_column, cut_text_at_lines=not _whole_documents(unit))
    if isinstance(texts, (str, bytes)):
        raise TrainingError("texts is one text; give an iterable of texts: [text]")
    if hasattr(texts, "__arrow_c_stream__") or hasattr(texts, "__arrow_c_array__"):
        return _cut(_column(texts))
    return _cut(iter(texts or ()))


def _column(column: Any) -> Iterator[bytes]:
    for data, offsets in string_column(column):
        for start, end in itertools.pairwise(offsets.tolist()):
            yield data[start:end].tobytes()


def _cut(texts: Iterator[str | bytes]) -> Iterator[list[str | bytes]]:
    """Batches of a few texts; Rust cuts long ones itself."""
    while batch := list(itertools.islice(texts, 256)):
        yield batch


class _ProgressBar:
    """A bar on standard error if it is a terminal: bytes of text read, then each phase of the training."""

    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted and sys.stderr is not None and sys.stderr.isatty()
        self._bar: tqdm[Any] | None = None
        self._phase = ""

    def __enter__(self) -> _ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    @property
    def show(self) -> Callable[[str, int, int], None] | None:
        """What the trainer calls with (phase, done, total)."""
        return self._show if self._wanted else None

    def read(self, n_bytes: int) -> None:
        if self._wanted:
            self._start("reading", None, "B")
            if self._bar is not None:
                self._bar.update(n_bytes)

    def _show(self, phase: str, done: int, total: int) -> None:
        self._start(phase, total, "")
        if self._bar is not None:
            self._bar.update(done - self._bar.n)

    def _start(self, phase: str, total: int | None, unit: str) -> None:
        if self._phase == phase and self._bar is not None and self._bar.total == total:
            return
        from tqdm import tqdm

        if self._bar is not None:
            self._bar.close()
        self._phase = phase
        self._bar = tqdm(desc=phase, total=total, unit=unit, unit_scale=True, leave=False, file=sys.stderr)
