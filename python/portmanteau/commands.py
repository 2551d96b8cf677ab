"""What each command of ``portmanteau`` does with its parsed arguments."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import sys
from collections.abc import Callable, Container, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portmanteau import counting, data, inspecting, packing, reading, store, training
from portmanteau.errors import EncodingError, FileError, InternalError, UnsupportedError
from portmanteau.files import check_writable, write_atomically
from portmanteau.store.format import is_dataset
from portmanteau.token_files import TokenFile, write_tokens
from portmanteau.tokenizer import Tokenizer
from portmanteau.training_report import facts_path

if TYPE_CHECKING:
    from tqdm import tqdm

    from portmanteau.batch import TokenBatch

__all__ = [
    "run_bench_encode",
    "run_bench_pack",
    "run_bench_train",
    "run_continue_training",
    "run_count",
    "run_demo",
    "run_encode",
    "run_inspect",
    "run_pack",
    "run_prepare",
    "run_train_bpe",
    "run_train_superbpe",
    "run_verify",
    "tell",
]


def run_demo(arguments: argparse.Namespace) -> None:
    """``portmanteau demo``."""
    from portmanteau import demo

    demo.run(arguments.out, say=_print)


def run_count(arguments: argparse.Namespace) -> None:
    """``portmanteau count``."""
    folder = counting.count_units(
        arguments.files,
        out=arguments.output,
        superword_pretokenizer=arguments.superword_pretokenizer,
        pretokenizer=arguments.pretokenizer,
        **_counting_options(arguments),
    )
    tell(f"wrote {folder}")


def run_train_bpe(arguments: argparse.Namespace) -> None:
    """``portmanteau train-bpe``."""
    _check_training_paths(arguments)
    options = _training_options(arguments) | _first_stage_options(arguments)
    _save(training.train_bpe(**options), arguments)


def run_train_superbpe(arguments: argparse.Namespace) -> None:
    """``portmanteau train-superbpe``."""
    _check_training_paths(arguments)
    tokenizer = training.train_superbpe(
        transition_size=arguments.transition_size,
        superword_pretokenizer=arguments.superword_pretokenizer,
        whole_words=arguments.whole_words,
        unused_merges=arguments.unused_merges,
        **_training_options(arguments),
        **_first_stage_options(arguments),
        **_superword_options(arguments),
    )
    _save(tokenizer, arguments)


def run_continue_training(arguments: argparse.Namespace) -> None:
    """``portmanteau continue-training``."""
    _check_training_paths(arguments)
    tokenizer = training.continue_training(
        Tokenizer.load(arguments.tokenizer),
        arguments.files,
        superwords=arguments.superwords,
        pretokenizer=arguments.pretokenizer,
        **_training_options(arguments),
        **_superword_options(arguments),
    )
    _save(tokenizer, arguments)


def run_encode(arguments: argparse.Namespace) -> None:
    """``portmanteau encode``."""
    if arguments.output:
        check_writable(arguments.output)
    tokenizer = Tokenizer.load(arguments.tokenizer)
    if not arguments.output:
        for batch in _encoded(arguments, tokenizer):
            for ids in batch:
                _print(" ".join(map(str, ids.tolist())))
        return
    write_tokens(arguments.output, _encoded(arguments, tokenizer), tokenizer=tokenizer)
    lengths = TokenFile.open(arguments.output).lengths
    tell(f"wrote {arguments.output}: {len(lengths):,} documents, {lengths.sum():,} ids")


def run_pack(arguments: argparse.Namespace) -> None:
    """``portmanteau pack``."""
    if any(map(is_dataset, arguments.tokens)):
        _pack_dataset(arguments)
        return
    _refuse_options_of_datasets(arguments)
    if arguments.output:
        check_writable(arguments.output)
    file_format = _plot_format(arguments.plot) if arguments.plot else None
    options = _packing_options(arguments)
    plans = []
    for tokens in arguments.tokens:
        lengths = TokenFile.open(tokens).lengths
        plans.append(packing.pack(lengths, arguments.capacity, **options))
        plans[-1].verify(lengths)
    plan = plans[0]
    if len(plans) > 1:
        plan = packing.merge_plans(plans)
        plan.verify()
    if arguments.output:
        plan.save(arguments.output)
        tell(f"wrote {arguments.output}")
    _show_plan(arguments, plan, file_format)


def _show_plan(arguments: argparse.Namespace, plan: packing.PackPlan, file_format: str | None) -> None:
    if file_format:
        from portmanteau import plots

        drawn = plots.as_bytes(plan.plot(), file_format)
        write_atomically(arguments.plot, lambda stream: stream.write(drawn))
        tell(f"wrote {arguments.plot}")
    _print(inspecting.as_text(inspecting.inspect_plan(plan)))


def _packing_options(arguments: argparse.Namespace) -> dict[str, Any]:
    names = (
        "strategy",
        "cost",
        "long_documents",
        "overlap",
        "max_documents_per_sequence",
        "bos",
        "eos",
        "align",
        "min_fill",
        "order",
        "window",
    )
    return {name: getattr(arguments, name) for name in names}


def _pack_dataset(arguments: argparse.Namespace) -> None:
    """Plans the sequences of a dataset; the plan goes beside its shards."""
    if len(arguments.tokens) > 1:
        raise UnsupportedError("a dataset is packed alone; name one folder, or files of tokens only")
    if arguments.output:
        raise UnsupportedError("the plan of a dataset lies in its folder; give it a --name, and not -o")
    file_format = _plot_format(arguments.plot) if arguments.plot else None
    dataset = store.Dataset.open(arguments.tokens[0])
    options = _packing_options(arguments)
    ids: dict[str, int | None] = {}
    for name in ("bos", "eos"):
        token = getattr(arguments, f"{name}_token")
        ids[f"{name}_id"] = None if token is None else token_id(dataset, token)
        if options[name] and token is None:
            raise UnsupportedError(
                f"--{name} leaves room for a token of the dataset; name it with --{name}-token"
            )
        if not options[name]:  # the token says that there is one
            del options[name]
    pad_id = 0 if arguments.pad_token is None else token_id(dataset, arguments.pad_token)
    plan = dataset.pack(
        arguments.capacity, name=arguments.name, pad_id=pad_id, replace=arguments.replace, **ids, **options
    )
    plan.plan.verify(dataset.lengths)
    tell(f"{arguments.tokens[0]} has the plan {plan.name}")
    _show_plan(arguments, plan.plan, file_format)


def token_id(dataset: store.Dataset, token: str) -> int:
    special = dataset.tokenizer.special_tokens
    if token in special:
        return special[token]
    if token.isascii() and token.isdecimal():
        return int(token)
    known = ", ".join(special) if special else "none"
    raise UnsupportedError(
        f"{token!r} is no special token of the dataset's tokenizer, which has {known}; name one of these, or an id"
    )


def _refuse_options_of_datasets(arguments: argparse.Namespace) -> None:
    for name in ("name", "replace", "bos_token", "eos_token", "pad_token"):
        if getattr(arguments, name):
            option = f"--{name.replace('_', '-')}"
            raise UnsupportedError(
                f"{option} is for the folder of a dataset; a plan of files of tokens has no such"
            )


def run_prepare(arguments: argparse.Namespace) -> None:
    """``portmanteau prepare``."""
    names = (
        "special",
        "errors",
        "null_text",
        "byte_offsets",
        "shard_bytes",
        "num_shards",
        "shard_index",
        "threads",
    )
    dataset = store.prepare(
        arguments.files,
        Tokenizer.load(arguments.tokenizer),
        arguments.output,
        text_column=arguments.text_column or "text",
        **{name: getattr(arguments, name) for name in names},
    )
    if dataset is None:
        tell(
            f"{arguments.output}: job {arguments.shard_index} of {arguments.num_shards} has made its shards; the last "
            "job to end completes the dataset"
        )
        return
    tell(f"wrote {arguments.output}: {_sizes(dataset)}")


def run_verify(arguments: argparse.Namespace) -> None:
    """``portmanteau verify``."""
    dataset = store.Dataset.open(arguments.dataset)
    dataset.verify(Tokenizer.load(arguments.tokenizer) if arguments.tokenizer else None, progress=True)
    plans = f", plans {', '.join(dataset.plans)}" if dataset.plans else ""
    _print(f"{arguments.dataset}: {_sizes(dataset)}{plans}: all as written")


def _sizes(dataset: store.Dataset) -> str:
    shards = len(dataset.manifest.shards)
    counts = f"{dataset.n_documents:,} documents, {dataset.n_tokens:,} ids"
    return f"{counts} in {shards:,} shard{'' if shards == 1 else 's'}"


def run_inspect(arguments: argparse.Namespace) -> None:
    """``portmanteau inspect``."""
    if arguments.curve:
        _inspect_curve(arguments)
        return
    if arguments.plot:
        raise UnsupportedError("--plot draws the curve of a text; name the text with --curve")
    facts = inspecting.inspect(arguments.source)
    _print(json.dumps(facts, ensure_ascii=False, indent=2) if arguments.json else inspecting.as_text(facts))


def _plot_format(path: str) -> str:
    """The format of a plot by the ending of its name, checked before any work is done."""
    from portmanteau import plots

    file_format = Path(path).suffix.lower().removeprefix(".")
    if file_format not in ("svg", "png"):
        raise UnsupportedError(
            f"{path}: a plot is an .svg or a .png; give the file one of these endings", path=path
        )
    check_writable(path)
    plots.require_matplotlib()
    return file_format


def _inspect_curve(arguments: argparse.Namespace) -> None:
    from portmanteau import plots

    file_format = _plot_format(arguments.plot) if arguments.plot else ""
    tokenizer = Tokenizer.load(arguments.source)
    with _encoding_bar() as bar:
        facts = inspecting.inspect_curve(
            tokenizer,
            reading.documents(arguments.curve, text_column=arguments.text_column),
            threads=arguments.threads,
            progress=bar.update,
        )
    facts = {"kind": "curve", "source": arguments.source} | facts
    if arguments.plot:
        points = [(point["vocab_size"], point["bytes_per_token"] or 0.0) for point in facts["points"]]
        content = plots.draw_curves(
            {arguments.source: points}, first_superword=facts["first_superword"], file_format=file_format
        )
        write_atomically(arguments.plot, lambda stream: stream.write(content))
        tell(f"wrote {arguments.plot}")
    _print(
        json.dumps(facts, ensure_ascii=False, indent=2) if arguments.json else inspecting.curve_as_text(facts)
    )


def run_bench_encode(arguments: argparse.Namespace) -> None:
    """``portmanteau bench encode``."""
    from portmanteau.benchmarking import encode, tables

    if arguments.out:
        check_writable(arguments.out)
    peers, missing = encode.contenders(arguments.peer)
    _tell_missing(missing)
    record = encode.compare(
        arguments.tokenizer or data.VOCABULARIES,
        _corpora(arguments.corpus),
        peers,
        rounds=arguments.rounds,
        threads=arguments.threads,
        megabytes=arguments.megabytes,
        text_column=arguments.text_column,
    )
    _give_record(arguments, record, tables.report)
    if wrong := [result["vocabulary"] for result in record["results"] if "wrong" in result["libraries"][0]]:
        raise InternalError(f"our ids are wrong for {', '.join(wrong)}; this is a bug: please report it")


def run_bench_train(arguments: argparse.Namespace) -> None:
    """``portmanteau bench train``."""
    from portmanteau.benchmarking import train, training_tables

    if arguments.out:
        check_writable(arguments.out)
    peers, missing = train.contenders(arguments.peer)
    _tell_missing(missing)
    record = train.compare(
        _corpora(arguments.corpus),
        peers,
        vocab_sizes=arguments.vocab_size,
        transition_size=arguments.transition_size,
        pretokenizer=arguments.pretokenizer,
        unit=arguments.unit,
        rounds=arguments.rounds,
        threads=arguments.threads,
        megabytes=arguments.megabytes,
        text_column=arguments.text_column,
    )
    _give_record(arguments, record, training_tables.report)
    ours = {result["vocab_size"]: result["libraries"][0] for result in record["results"]}
    if wrong := [f"{size:,}" for size, library in ours.items() if "other_merges" in library]:
        raise InternalError(
            f"our merges are wrong for {', '.join(wrong)} ids; this is a bug: please report it"
        )


def run_bench_pack(arguments: argparse.Namespace) -> None:
    """``portmanteau bench pack``."""
    from portmanteau.benchmarking import lengths, pack, packing_tables

    if arguments.out:
        check_writable(arguments.out)
    peers, missing = pack.contenders(arguments.peer)
    _tell_missing(missing)
    record = pack.compare(
        _by_name(arguments.lengths, "sets of lengths", lengths.SETS),
        peers,
        n_documents=arguments.documents,
        capacities=arguments.capacity,
        rounds=arguments.rounds,
        length_column=arguments.length_column,
    )
    _give_record(arguments, record, packing_tables.report)
    faults = [
        library for result in record["results"] for library in result["libraries"] if "wrong" in library
    ]
    if wrong := {library["wrong"] for library in faults if library["name"] == "portmanteau"}:
        raise InternalError(f"our sequences are wrong: {', '.join(wrong)}; this is a bug: please report it")


def _tell_missing(names: Sequence[str]) -> None:
    for name in names:
        tell(f"{name} is not installed, so it is not compared with")


def _give_record(
    arguments: argparse.Namespace, record: dict[str, Any], report: Callable[[dict[str, Any]], str]
) -> None:
    """Writes the record of a comparison to a file, if one is named, and prints it or its tables."""
    content = json.dumps(record, ensure_ascii=False, indent=1) + "\n"
    if arguments.out:
        write_atomically(arguments.out, lambda stream: stream.write(content.encode()))
        tell(f"wrote {arguments.out}")
    _print(content.rstrip() if arguments.json else report(record))


def _corpora(arguments: Sequence[str] | None) -> dict[str, str]:
    """Files by name, as :func:`_by_name` reads them; or the bundled sample."""
    return _by_name(arguments, "texts") if arguments else {"sample": str(data.sample_path())}


def _by_name(arguments: Sequence[str], what: str, known: Container[str] = ()) -> dict[str, str]:
    """Sources by name, from ``NAME=FILE`` or from a file, which is then called by its name, or those known by name."""
    sources: dict[str, str] = {}
    for argument in arguments:
        name, equals, path = argument.partition("=")
        if argument in known or not equals or Path(argument).exists():
            name, path = Path(argument).name.partition(".")[0], argument
        if name in sources:
            message = f"{path}: there are two {what} of the name {name!r}; give one another, as NAME=FILE"
            raise FileError(message, path=path)
        sources[name] = path
    return sources


def _training_options(arguments: argparse.Namespace) -> dict[str, Any]:
    names = ("vocab_size", "min_frequency", "max_token_bytes", "checkpoint", "report")
    return {name: getattr(arguments, name) for name in names} | _counting_options(arguments)


def _counting_options(arguments: argparse.Namespace) -> dict[str, Any]:
    names = (
        "digits",
        "unit",
        "text_column",
        "byte_limit",
        "document_byte_limit",
        "seed",
        "errors",
        "memory_limit",
        "temporary_folder",
        "threads",
    )
    return {name: getattr(arguments, name) for name in names} | {"weights": dict(arguments.weight)}


def _first_stage_options(arguments: argparse.Namespace) -> dict[str, Any]:
    if not arguments.files and not arguments.counts:
        arguments.refuse("name files of text, or folders of counts with --counts")
    names = ("counts", "pretokenizer", "initial_alphabet", "tie")
    options = {name: getattr(arguments, name) for name in names}
    return options | {"files": arguments.files or None, "special_tokens": arguments.special_token}


def _superword_options(arguments: argparse.Namespace) -> dict[str, Any]:
    names = ("max_words_per_token", "within_sentences")
    forbid = [": "] if arguments.forbid is None else [text for text in arguments.forbid if text]
    return {name: getattr(arguments, name) for name in names} | {"forbid": forbid}


def _save(tokenizer: Tokenizer, arguments: argparse.Namespace) -> None:
    tokenizer.save(arguments.output)
    tell(f"wrote {arguments.output}: {tokenizer!r}")
    if arguments.report:
        tell(f"wrote {arguments.report} and {facts_path(arguments.report)}")


def _encoded(arguments: argparse.Namespace, tokenizer: Tokenizer) -> Iterator[TokenBatch]:
    """The ids of the files, a batch of bounded size at a time, with a progress bar on a terminal."""
    with _encoding_bar() as bar:
        before = 0
        for texts in _texts(arguments):
            try:
                batch = tokenizer.encode_batch(texts, special=arguments.special, threads=arguments.threads)
            except EncodingError as error:
                # The batch numbers its documents from 0; the user counts them from the first file on.
                error.args = (f"after {before} documents, {error}",)
                raise
            before += len(batch)
            bar.update(len(batch))
            yield batch


def _encoding_bar() -> tqdm[Any]:
    """A progress bar of documents, on a terminal."""
    from tqdm import tqdm

    return tqdm(unit=" documents", unit_scale=True, desc="encoding", disable=not sys.stderr.isatty())


def _texts(arguments: argparse.Namespace) -> Iterator[list[str] | list[bytes]]:
    """Batches of the files' documents; ``-`` is standard input."""
    for is_input, paths in itertools.groupby(arguments.files, lambda path: path == "-"):
        if is_input:
            yield [sys.stdin.buffer.read()]
        else:
            yield from reading.documents(list(paths), text_column=arguments.text_column)


def _check_training_paths(arguments: argparse.Namespace) -> None:
    """Raises before training, not after it, if its results cannot be written."""
    path = arguments.output
    if Path(path).suffix == ".tiktoken":
        message = f"{path}: a .tiktoken file cannot hold a merge list; name the file tokenizer.json"
        raise UnsupportedError(message, path=path)
    check_writable(path)
    if arguments.report and facts_path(arguments.report).absolute() == Path(path).absolute():
        message = f"{path}: the facts of {arguments.report} go there too; name the report otherwise"
        raise FileError(message, path=path)


def _print(text: str) -> None:
    """A line on standard output, whatever its encoding can express."""
    with contextlib.suppress(UnicodeEncodeError):
        sys.stdout.write(f"{text}\n")
        return
    encoding = sys.stdout.encoding
    sys.stdout.write(f"{text}\n".encode(encoding, "backslashreplace").decode(encoding))


def tell(text: str) -> None:
    """A line on standard error."""
    sys.stderr.write(f"{text}\n")
