"""Training of BPE and SuperBPE tokenizers."""

from __future__ import annotations

import inspect
import os
import tempfile
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from portmanteau import count_folders, reading, sources
from portmanteau._rust import Trainer
from portmanteau.checkpoints import Checkpoint
from portmanteau.errors import TrainingError
from portmanteau.sizes import bytes_of
from portmanteau.threads import thread_count
from portmanteau.training_progress import ProgressBar

if TYPE_CHECKING:
    from portmanteau._rust import CountingOptions, SuperwordOptions, TrainingOptions
    from portmanteau.tokenizer import Tokenizer
    from portmanteau.training_report import Recorder

__all__ = ["continue_training", "train_bpe", "train_superbpe"]


def train_bpe(
    files: reading.Paths | None = None,
    *,
    texts: Iterable[str | bytes] | Any | None = None,
    counts: count_folders.Folders | None = None,
    vocab_size: int,
    pretokenizer: str = "o200k",
    digits: Literal["single", "from_left", "from_right"] | None = None,
    min_frequency: int = 0,
    max_token_bytes: int | None = None,
    special_tokens: Sequence[str] = (),
    initial_alphabet: Literal["all", "seen"] = "all",
    tie: Literal["huggingface", "bytes"] = "huggingface",
    unit: Literal["line", "document"] = "line",
    text_column: str = "text",
    weights: Mapping[str, float] | None = None,
    byte_limit: int | str | None = None,
    document_byte_limit: int | str | None = None,
    seed: int = 0,
    errors: Literal["error", "replace"] = "error",
    memory_limit: int | str | None = None,
    temporary_folder: str | os.PathLike[str] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_seconds: float = 300,
    threads: int | None = None,
    progress: bool = True,
    report: str | os.PathLike[str] | None = None,
) -> Tokenizer:
    """Trains a byte-level BPE tokenizer, exactly as Hugging Face's ``BpeTrainer`` defines it.

    Pretokens are counted; then, again and again, the pair of adjacent tokens with the largest count (of
    equals, with the smallest ids) becomes a token and is replaced everywhere. Ids are given to the special
    tokens, then to the single bytes, then to new tokens in the order in which they are made. The result
    depends neither on the number of threads nor on how the text is cut into files.

    Two things differ from Hugging Face: no merge makes a special token out of ordinary text, and
    ``max_token_bytes`` counts the bytes of the new token itself.

    Args:
        files: Paths, glob patterns and addresses of text, JSON Lines, CSV, Parquet or Arrow files, compressed or not;
            see :mod:`portmanteau.reading`.
        texts: Instead of files, an iterable of ``str`` or UTF-8 ``bytes``, or an Arrow string column.
        counts: Instead of text, folders that :func:`count_units` has written.
        vocab_size: The number of ids: special tokens, single bytes and new tokens.
        pretokenizer: A name (``"o200k"``, ``"cl100k"``, ``"r50k"``, …) or a regular expression, read as
            Hugging Face's ``Split`` reads it. No token crosses a pretoken.
        digits: Cuts digits apart before the pretokenizer sees them: ``"single"`` each alone, ``"from_left"`` in
            groups of up to three, ``"from_right"`` in groups of three as numbers are read (``1``, ``234``).
            ``None`` leaves them to the pretokenizer.
        min_frequency: Pairs that occur less often are not merged.
        max_token_bytes: No new token is longer.
        special_tokens: Texts that get the ids from 0 on.
        initial_alphabet: ``"all"`` makes all 256 bytes tokens, so that every text can be encoded; ``"seen"``
            only those that occur, as Hugging Face does by default.
        tie: How the single bytes are numbered, which decides between pairs that occur equally often:
            ``"huggingface"`` by their byte-level characters (a space after the letters), ``"bytes"`` by their
            values, as tiktoken and rustbpe do.
        unit: ``"line"`` pretokenizes each line with its newline by itself, as Hugging Face's ``train(files)``
            does, so that no token goes on after a newline; ``"document"`` pretokenizes whole documents.
        text_column: The key or column of the text, in all files but those of plain text.
        weights: By path or pattern of files: how often their documents count. Other files count once. Decimals
            are taken as they are written, so counts are exact.
        byte_limit: About so many bytes of text (an ``int``, or such as ``"10GB"``): each document is drawn with
            the same chance, by a hash of ``seed``, its file's name and its number, so every part of every file
            gives its share. (Of plain text by lines, a block of about a megabyte is drawn.) The text is read twice.
        document_byte_limit: Documents that are longer are cut at this many bytes (SuperBPE's authors cut at the
            99th percentile of the lengths).
        seed: Of ``byte_limit``.
        errors: What to do with bytes that are not UTF-8: ``"error"`` raises, ``"replace"`` takes U+FFFD in
            their place and warns how many there were.
        memory_limit: About so many bytes of memory (an ``int``, or such as ``"4GB"``); what does not fit goes to
            temporary files. The result is the same. ``None`` takes what is needed.
        temporary_folder: Where these files go; the system's folder, by default.
        checkpoint: A folder in which the work is kept, so that training that was interrupted (Ctrl-C, a crash, a power
            failure) goes on when it is started again with the same arguments, and comes to the same tokenizer. It is
            left there at the end: a further call reads the tokenizer's merges from it. Delete it when you have the
            tokenizer. Lists and columns of ``texts`` are compared by the length and the first 64 characters of each
            text, iterators gone through again until all is counted, and files compared by size and time.
        checkpoint_seconds: How often the work is kept.
        threads: How many threads count; all cores that this process may use, by default.
        progress: Whether to show progress on a terminal. Elsewhere none is shown.
        report: Where to write what happened, as a page (``report.html``): text, time and memory by phase, what the last
            merges are worth, vetoed pairs, and compression by source on a sample of the text, for which all merges are
            undone one by one. The same facts go to ``report.json`` beside it.

    Returns:
        The tokenizer. If the text has too few pairs, its vocabulary is smaller than asked for, and a
        ``UserWarning`` says so.

    Raises:
        TrainingError: ``vocab_size`` is smaller than the special tokens and single bytes together, or other
            options contradict each other, the counts or the checkpoint.
        PatternError: The regular expression does not compile.
        FileError, EncodingError: The text cannot be read; the message says where. Or the report cannot be written.

    The cost is linear in the text for counting, and in the occurrences merged for merging; memory is that of
    the distinct pretokens. Source: Sennrich et al., "Neural Machine Translation of Rare Words with Subword
    Units", 2016.

    >>> import portmanteau as pm
    >>> tok = pm.train_bpe(texts=["low low low lower lower newest newest widest"], vocab_size=260)
    >>> [tok.token_bytes(i) for i in range(256, 260)]
    [b'lo', b'low', b' low', b'es']
    """
    return _train(_Asked(**locals()))


def train_superbpe(
    files: reading.Paths | None = None,
    *,
    texts: Iterable[str | bytes] | Any | None = None,
    counts: count_folders.Folders | None = None,
    vocab_size: int,
    transition_size: int | Literal["auto"],
    pretokenizer: str = "superbpe",
    superword_pretokenizer: str = "superbpe_stage2",
    max_words_per_token: int = 4,
    forbid: Sequence[str] = (": ",),
    within_sentences: bool = False,
    whole_words: bool = False,
    unused_merges: Literal["keep", "drop"] = "keep",
    digits: Literal["single", "from_left", "from_right"] | None = None,
    min_frequency: int = 0,
    max_token_bytes: int | None = None,
    special_tokens: Sequence[str] = (),
    initial_alphabet: Literal["all", "seen"] = "all",
    tie: Literal["huggingface", "bytes"] = "huggingface",
    unit: Literal["line", "document"] = "line",
    text_column: str = "text",
    weights: Mapping[str, float] | None = None,
    byte_limit: int | str | None = None,
    document_byte_limit: int | str | None = None,
    seed: int = 0,
    errors: Literal["error", "replace"] = "error",
    memory_limit: int | str | None = None,
    temporary_folder: str | os.PathLike[str] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_seconds: float = 300,
    threads: int | None = None,
    progress: bool = True,
    report: str | os.PathLike[str] | None = None,
) -> Tokenizer:
    """Trains a SuperBPE tokenizer: words first, then superwords that reach across spaces.

    The first stage is :func:`train_bpe` up to ``transition_size`` tokens. The second tokenizes the text again
    with a coarser pretokenizer, which lets tokens cross spaces, and goes on merging up to ``vocab_size``. The
    text is read once for both. The result is a plain BPE tokenizer with the second pretokenizer.

    Where this differs from the authors' program, there are options: that drops merges of the first stage that
    make nothing in the second (``unused_merges="drop"``), and makes only those bytes tokens that occur
    (``initial_alphabet="seen"``; 13 of the 256 are in no UTF-8).

    Args:
        files: As for :func:`train_bpe`, and so are all arguments that are not described here.
        texts: Instead of files, an iterable of ``str`` or UTF-8 ``bytes``, or an Arrow string column.
        counts: As for :func:`train_bpe`.
        vocab_size: The number of ids in the end.
        transition_size: The number of ids when the first stage stops. The authors advise 10,000 to 20,000
            fewer than ``vocab_size`` for a vocabulary of 200,000. ``"auto"`` makes words and superwords come out
            even: of the merges that plain BPE would make up to ``vocab_size`` and the pairs of whole words that
            then stand side by side, the most frequent are taken, as many as there is room for (of equals, the
            merges of words first); superwords begin after as many merges as there are among them.
        pretokenizer: The first stage's; ``"superbpe"`` is the authors' current one, ``"superbpe_stage1"``.
        superword_pretokenizer: The second stage's, and that of the tokenizer.
        max_words_per_token: A superword has at most so many non-empty parts when split at spaces.
        forbid: No superword contains any of these. The default keeps the ``": "`` apart that prompts end
            with.
        within_sentences: No superword goes on behind the end of a sentence: a mark (``.``, ``!``, ``?``, ``…``),
            quotes and brackets that close, white space, and something else; or ``。``, ``！``, ``？``, ``।`` and
            a letter or digit.
        whole_words: Superwords are counted only where each of their parts is a whole pretoken of the first stage,
            or several, as in BoundlessBPE. (A tokenizer holds no such rule: where it meets the parts of a
            superword, it joins them.)
        unused_merges: What to do with merges of the first stage that make nothing in the second stage's text:
            ``"keep"`` them, or ``"drop"`` them with their tokens, as the authors' program does.
        digits: As for :func:`train_bpe`; for both stages.
        min_frequency: As for :func:`train_bpe`; for both stages.
        max_token_bytes: As for :func:`train_bpe`; for both stages.
        special_tokens: As for :func:`train_bpe`.
        initial_alphabet: As for :func:`train_bpe`.
        tie: As for :func:`train_bpe`.
        unit: As for :func:`train_bpe`. With ``"line"``, as the authors train, superwords end at newlines.
        text_column: As for :func:`train_bpe`.
        weights: As for :func:`train_bpe`.
        byte_limit: As for :func:`train_bpe`.
        document_byte_limit: As for :func:`train_bpe`.
        seed: As for :func:`train_bpe`.
        errors: As for :func:`train_bpe`.
        memory_limit: As for :func:`train_bpe`.
        temporary_folder: As for :func:`train_bpe`.
        checkpoint: As for :func:`train_bpe`.
        checkpoint_seconds: As for :func:`train_bpe`.
        threads: As for :func:`train_bpe`.
        progress: As for :func:`train_bpe`.
        report: As for :func:`train_bpe`.

    Returns:
        The tokenizer. If the text has too few pairs for either stage, a ``UserWarning`` says so.

    Raises:
        TrainingError: As for :func:`train_bpe`; also if ``transition_size`` is out of range.
        PatternError: As for :func:`train_bpe`.
        FileError, EncodingError: As for :func:`train_bpe`.

    Memory is that of the distinct units of the second stage (nearly the whole text), unless ``memory_limit``
    says less. Source: Liu et al., "SuperBPE: Space Travel for Language Models", COLM 2025.

    >>> import portmanteau as pm
    >>> tok = pm.train_superbpe(texts=["by the way"] * 9, vocab_size=265, transition_size=262)
    >>> [tok.token_bytes(i) for i in range(262, 265)]
    [b' way', b'by the', b'by the way']
    """
    if pretokenizer == "superbpe":
        pretokenizer = "superbpe_stage1"
    return _train(_Asked(**locals()))


def continue_training(
    tokenizer: Tokenizer,
    files: reading.Paths | None = None,
    *,
    texts: Iterable[str | bytes] | Any | None = None,
    vocab_size: int,
    superwords: bool = False,
    pretokenizer: str | None = None,
    max_words_per_token: int = 4,
    forbid: Sequence[str] = (": ",),
    within_sentences: bool = False,
    digits: Literal["single", "from_left", "from_right"] | None = None,
    min_frequency: int = 0,
    max_token_bytes: int | None = None,
    unit: Literal["line", "document"] = "line",
    text_column: str = "text",
    weights: Mapping[str, float] | None = None,
    byte_limit: int | str | None = None,
    document_byte_limit: int | str | None = None,
    seed: int = 0,
    errors: Literal["error", "replace"] = "error",
    memory_limit: int | str | None = None,
    temporary_folder: str | os.PathLike[str] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_seconds: float = 300,
    threads: int | None = None,
    progress: bool = True,
    report: str | os.PathLike[str] | None = None,
) -> Tokenizer:
    """Adds tokens to a tokenizer by training on: all its ids stay, and new ones follow.

    The text is tokenized as the tokenizer does, and merged on from there, so new tokens are made of old ones.
    With ``superwords`` that is the second stage of SuperBPE on top of any tokenizer: the pretokenizer becomes a
    coarser one, which lets tokens cross spaces. What such a tokenizer makes of a text differs from what the old
    one made of it where new tokens come up, and where old tokens reach over places that the old pretokenizer cut.

    Added tokens, special ones among them, are ordinary text here. Where they are taken as tokens, no new token
    reaches over them.

    Args:
        tokenizer: What to start from: any byte-level BPE tokenizer without a token for unknown bytes.
        files: As for :func:`train_bpe`, and so are all arguments that are not described here.
        texts: As for :func:`train_bpe`.
        vocab_size: The number of ids in the end.
        superwords: Whether tokens may cross spaces.
        pretokenizer: That of the result. By default ``"superbpe_stage2"`` for superwords, else the tokenizer's
            own.
        max_words_per_token: As for :func:`train_superbpe`; for superwords.
        forbid: As for :func:`train_superbpe`; for superwords.
        within_sentences: As for :func:`train_superbpe`; for superwords.
        digits: As for :func:`train_bpe`; for the pretokenizer of the result.
        min_frequency: As for :func:`train_bpe`.
        max_token_bytes: As for :func:`train_bpe`.
        unit: As for :func:`train_bpe`.
        text_column: As for :func:`train_bpe`.
        weights: As for :func:`train_bpe`.
        byte_limit: As for :func:`train_bpe`.
        document_byte_limit: As for :func:`train_bpe`.
        seed: As for :func:`train_bpe`.
        errors: As for :func:`train_bpe`.
        memory_limit: As for :func:`train_bpe`.
        temporary_folder: As for :func:`train_bpe`.
        checkpoint: As for :func:`train_bpe`.
        checkpoint_seconds: As for :func:`train_bpe`.
        threads: As for :func:`train_bpe`.
        progress: As for :func:`train_bpe`.
        report: As for :func:`train_bpe`.

    Returns:
        The tokenizer with its new tokens. If the text has too few pairs, a ``UserWarning`` says so.

    Raises:
        TrainingError: ``vocab_size`` leaves no room for new tokens, or other options contradict each other.
        UnsupportedError: The tokenizer has a token for unknown bytes, or lists its merges twice.
        PatternError: As for :func:`train_bpe`.
        FileError, EncodingError: As for :func:`train_bpe`.

    >>> import portmanteau as pm
    >>> base = pm.Tokenizer.load("r50k_base")
    >>> tok = pm.continue_training(base, texts=["by the way"] * 9, vocab_size=50259, superwords=True)
    >>> [tok.token_bytes(i) for i in range(50257, 50259)]
    [b' the way', b'by the way']
    >>> tok.encode("by the way, by and by").tolist()
    [50258, 11, 416, 290, 416]
    """
    base = tokenizer
    if pretokenizer is None and superwords:
        pretokenizer = "superbpe_stage2"
    return _train(_Asked(**locals()))


_ASIDE = {
    *("files", "texts", "counts", "tokenizer", "base"),
    *(
        "memory_limit",
        "temporary_folder",
        "checkpoint",
        "checkpoint_seconds",
        "threads",
        "progress",
        "report",
    ),
}
"""Arguments that are no options of the result: what is trained on, which is compared by itself, and how."""


@dataclass
class _Asked:
    """The arguments of one of the functions above, by name."""

    vocab_size: int
    files: reading.Paths | None
    texts: Iterable[str | bytes] | Any | None
    pretokenizer: str | None
    digits: str | None
    min_frequency: int
    max_token_bytes: int | None
    unit: str
    text_column: str
    weights: Mapping[str, float] | None
    byte_limit: int | str | None
    document_byte_limit: int | str | None
    seed: int
    errors: Literal["error", "replace"]
    memory_limit: int | str | None
    temporary_folder: str | os.PathLike[str] | None
    threads: int | None
    progress: bool
    report: str | os.PathLike[str] | None
    counts: count_folders.Folders | None = None
    checkpoint: str | os.PathLike[str] | None = None
    checkpoint_seconds: float = 300
    # Of a first stage:
    special_tokens: Sequence[str] = ()
    initial_alphabet: str = "all"
    tie: str = "huggingface"
    # Of superwords:
    transition_size: int | Literal["auto"] | None = None
    superword_pretokenizer: str | None = None
    superwords: bool = False
    max_words_per_token: int = 4
    forbid: Sequence[str] = ()
    within_sentences: bool = False
    whole_words: bool = False
    unused_merges: str = "keep"
    # Of training on top of a tokenizer:
    tokenizer: Tokenizer | None = None
    base: Tokenizer | None = None

    def check(self) -> None:
        """Refuses what means nothing."""
        choices = {
            "initial_alphabet": ("all", "seen"),
            "tie": ("huggingface", "bytes"),
            "unit": ("line", "document"),
            "errors": ("error", "replace"),
            "unused_merges": ("keep", "drop"),
            "digits": (None, "single", "from_left", "from_right"),
        }
        for name, allowed in choices.items():
            value = getattr(self, name)
            if value not in allowed:
                known = " or ".join(map(repr, allowed))
                raise TrainingError(f"{name} is {value!r}; it must be {known}")
        for name in ("special_tokens", "forbid"):
            value = getattr(self, name)
            if isinstance(value, str):
                raise TrainingError(f"{name} is the one string {value!r}; give a list: [{value!r}]")
        least = {"min_frequency": 0, "max_token_bytes": 1, "max_words_per_token": 1}
        for name, smallest in least.items():
            number = getattr(self, name)
            if number is not None and number < smallest:
                raise TrainingError(f"{name} is {number}; it must be at least {smallest}")
        given = [name for name in ("files", "texts", "counts") if getattr(self, name) is not None]
        if len(given) != 1:
            raise TrainingError(
                "give either files or texts" + (f", not both {' and '.join(given)}" if given else "")
            )
        for name in ("weights", "byte_limit", "document_byte_limit"):
            if self.counts is not None and getattr(self, name):
                raise TrainingError(
                    f"{name} is of text, and this is training on counts; give it to count_units"
                )
        if not self.checkpoint_seconds >= 0:
            raise TrainingError(f"checkpoint_seconds is {self.checkpoint_seconds}; it must be at least 0")
        if self.weights and self.files is None:
            raise TrainingError("weights are of files; give the texts of each weight in a file of their own")

    def check_sizes(self) -> None:
        """Refuses sizes that cannot be reached, before anything is read."""
        if self.base is not None:
            if self.vocab_size <= self.base.vocab_size:
                raise TrainingError(
                    f"vocab_size is {self.vocab_size}, and the tokenizer has {self.base.vocab_size} tokens already; "
                    "ask for more"
                )
            return
        n_special = len(self.special_tokens)
        n_bytes = 256 if self.initial_alphabet == "all" else 0
        if self.vocab_size < n_special + n_bytes:
            raise TrainingError(
                f"vocab_size is {self.vocab_size}, but {n_special} special tokens and {n_bytes} single bytes need "
                f"{n_special + n_bytes}; ask for {n_special + n_bytes} or more"
            )
        if isinstance(self.transition_size, str) and self.transition_size != "auto":
            raise TrainingError(f"transition_size is {self.transition_size!r}; it must be a number or 'auto'")
        if self.transition_size is None or self.transition_size == "auto":
            return
        if self.transition_size < n_special + n_bytes:
            raise TrainingError(
                f"transition_size is {self.transition_size}; the first stage starts with {n_special + n_bytes} tokens"
            )
        if self.transition_size >= self.vocab_size:
            raise TrainingError(
                f"transition_size is {self.transition_size}, which leaves no superword before vocab_size "
                f"{self.vocab_size}; choose a smaller one, or use train_bpe"
            )

    def source(self, first_file: int = 0) -> sources.Source:
        """The text, perhaps without its first files."""
        policy = reading.Policy(self.errors)
        byte_limit = _bytes_of("byte_limit", self.byte_limit)
        if self.files is None:
            return sources.from_texts(self.texts, byte_limit=byte_limit, seed=self.seed, policy=policy)
        return sources.from_files(
            self.files,
            text_column=self.text_column,
            # A document whose length matters must come whole.
            cut_text_at_lines=self.unit == "line" and self.document_byte_limit is None,
            weights=self.weights,
            byte_limit=byte_limit,
            seed=self.seed,
            policy=policy,
            first_file=first_file,
        )

    @property
    def n_stages(self) -> int:
        """How many pretokenizers count."""
        return 1 if self.superword_pretokenizer is None else 2

    def kept(self, folders: Sequence[count_folders.CountFolder]) -> Checkpoint:
        """The checkpoint, if there is to be one; of training on these counts, or on text."""
        if self.checkpoint is None:
            return Checkpoint(None)
        options = {
            field.name: getattr(self, field.name) for field in fields(self) if field.name not in _ASIDE
        }
        if self.base is not None:
            options["tokenizer"] = self.base.fingerprint
        text: dict[str, Any]
        if self.files is not None:
            states = [(_named(file), reading.file_state(file)) for file in reading.expand(self.files)]
            text = {"files": [(file, state.n_bytes, state.modified_ns) for file, state in states]}
        elif folders:
            text = {"counts": [(str(folder.path.absolute()), folder.fingerprint) for folder in folders]}
        else:
            text = {"texts": len(self.texts) if isinstance(self.texts, Sequence) else None}
        return Checkpoint(
            self.checkpoint, self.checkpoint_seconds, options=options, text=text, n_stages=self.n_stages
        )

    def trainer(self) -> Trainer:
        """What counts and trains."""
        counting: CountingOptions = {
            "pretokenizer": self.pretokenizer,
            "superword_pretokenizer": self.superword_pretokenizer,
            "digits": self.digits,
            "whole_documents": self.unit == "document",
            "document_byte_limit": _bytes_of("document_byte_limit", self.document_byte_limit),
            "memory_limit": _bytes_of("memory_limit", self.memory_limit),
            "temporary_folder": os.fspath(self.temporary_folder or tempfile.gettempdir()),
        }
        return Trainer(counting, None if self.base is None else self.base._core)

    def superword_options(self) -> SuperwordOptions | None:
        """What superwords may be, if there are any."""
        if self.transition_size is None and not self.superwords:
            return None
        return {
            "transition_size": self.transition_size if isinstance(self.transition_size, int) else None,
            "max_words_per_token": self.max_words_per_token,
            "forbid": list(self.forbid),
            "within_sentences": self.within_sentences,
            "whole_words": self.whole_words,
            "drop_unused_merges": self.unused_merges == "drop",
        }

    def recorder(self, n_threads: int) -> Recorder | None:
        """What notes what happens, if a report is wanted."""
        if self.report is None:
            return None
        from portmanteau.training_report import Recorder

        function: Callable[..., Tokenizer] = train_bpe if self.transition_size is None else train_superbpe
        if self.base is not None:
            function = continue_training
        names = [
            name
            for name in inspect.signature(function).parameters
            if name not in ("tokenizer", "files", "texts", "counts", "progress", "report", "threads")
        ]
        options = {"function": function.__name__} | {name: getattr(self, name) for name in names}
        for name in ("special_tokens", "forbid"):
            if name in options:
                options[name] = list(options[name])
        for name in ("temporary_folder", "checkpoint"):
            if options[name] is not None:
                options[name] = os.fspath(options[name])
        if self.weights is not None:
            options["weights"] = {
                reading.without_secrets(path): weight for path, weight in self.weights.items()
            }
        if self.base is not None:
            options["tokenizer"] = repr(self.base)
        return Recorder(self.report, options | {"threads": n_threads}, seed=self.seed)


def _named(file: str) -> str:
    """What a checkpoint knows a file by: an address without secrets, or the absolute path."""
    return reading.without_secrets(file) if reading.is_address(file) else str(Path(file).absolute())


def _train(asked: _Asked) -> Tokenizer:
    from portmanteau.tokenizer import Tokenizer

    asked.check()
    asked.check_sizes()
    n_threads = thread_count(asked.threads, refuse=TrainingError)
    recorder = asked.recorder(n_threads)
    trainer = asked.trainer()
    folders = [] if asked.counts is None else count_folders.listed(asked.counts)
    with ProgressBar(asked.progress) as bar, asked.kept(folders) as checkpoint:
        if folders:
            scale, n_replaced = count_folders.add_all(folders, trainer, asked.n_stages, bar.show), 0
            if recorder is not None:
                recorder.begin_with_counts(folders, scale)
        else:
            source = asked.source(checkpoint.first_file)
            if recorder is not None:
                limit = _bytes_of("document_byte_limit", asked.document_byte_limit)
                recorder.begin(source.scale, limit, n_documents_before=checkpoint.n_documents)
            _count(source, trainer, n_threads, bar, checkpoint, recorder)
            scale, n_replaced = source.scale, source.policy.n_replaced
        options: TrainingOptions = {
            "vocab_size": asked.vocab_size,
            "min_frequency": asked.min_frequency * scale,
            "max_token_bytes": asked.max_token_bytes,
            "special_tokens": list(asked.special_tokens),
            "seen_bytes_only": asked.initial_alphabet == "seen",
            "byte_order": asked.tie == "bytes",
            "checkpoint": checkpoint.merging(),
        }
        listener = bar.show if recorder is None else recorder.training(bar.show)
        core, outcome = trainer.train(options, asked.superword_options(), n_threads, listener)
        checkpoint.finish()
    if n_replaced:
        _warn(reading.what_was_replaced(n_replaced))
    reason = "no pair of tokens is left that may be merged; train on more text or lower min_frequency"
    stage1_size = outcome["stage1_size"]
    transition_size = asked.transition_size
    if isinstance(transition_size, int) and stage1_size is not None and stage1_size < transition_size:
        _warn(
            f"the first stage stopped at {stage1_size} tokens, short of transition_size {transition_size}: "
            + reason
        )
    if core.vocab_size < asked.vocab_size:
        _warn(
            f"the vocabulary has {core.vocab_size} tokens, fewer than vocab_size {asked.vocab_size}: {reason}"
        )
    tokenizer = Tokenizer._from_core(core)
    if recorder is not None:
        recorder.finish(tokenizer, outcome, base=asked.base, n_replaced=n_replaced)
    return tokenizer


def _count(
    source: sources.Source,
    trainer: Trainer,
    n_threads: int,
    bar: ProgressBar,
    checkpoint: Checkpoint,
    recorder: Recorder | None = None,
) -> int:
    """Counts text, from where a checkpoint is; returns the bytes that were counted now."""
    checkpoint.give_to(trainer, bar.show)
    n_bytes = 0
    # What is counted whole is gone through only to compare it.
    if not checkpoint.is_counted or source.is_repeatable:
        for batch in source.batches:
            if checkpoint.skips(batch, source.policy):
                continue
            if recorder is not None:
                recorder.counting()
            n_batch_bytes = trainer.feed(batch.texts, batch.multiplier, n_threads, None)
            n_bytes += n_batch_bytes
            estimate = source.size.after(number=batch.end[0], n_bytes=n_batch_bytes, n_texts=len(batch.texts))
            bar.read(n_batch_bytes, estimate)
            if recorder is not None:
                recorder.counted(batch, n_batch_bytes, trainer.cut_off())
            checkpoint.after_batch(trainer, source.policy, bar.show)
        checkpoint.after_counting(trainer, source.policy, bar.show)
    source.policy.n_replaced = max(source.policy.n_replaced, checkpoint.n_replaced)
    return n_bytes


def _warn(what: str) -> None:
    # From the line that called train_bpe, train_superbpe or continue_training.
    warnings.warn(what, UserWarning, stacklevel=4)


def _bytes_of(name: str, size: int | str | None) -> int | None:
    return None if size is None else bytes_of(name, size, refuse=TrainingError)
