"""The command ``portmanteau``: its arguments, its exit codes, and how it speaks.

What was asked for goes to standard output, everything else to standard error. The exit code is 0 where all went well,
1 for a :class:`portmanteau.Error`, 2 for arguments that make no sense, 130 after Ctrl-C, and 141 where the reader of
standard output went away. What each command does is in :mod:`portmanteau.commands`.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import textwrap
import warnings
from collections.abc import Sequence
from typing import Any, get_args

from portmanteau import _rust, commands
from portmanteau.errors import Error
from portmanteau.packing.planning import LongDocuments, Strategy
from portmanteau.store.exporting import command as exporting

__all__ = ["main"]

_TOKENIZER = "r50k_base, cl100k_base, o200k_base, a tokenizer.json, or another tokenizer file"
_FILES = (
    "Files are .jsonl, .ndjson or .json (one JSON object a line), .parquet, .arrow, .csv, .tsv, or plain text (one "
    "document a file); text, JSON Lines and CSV may be compressed (.zst, .gz, .bz2). A quoted pattern such as "
    "'corpus/**/*.jsonl' is expanded, and addresses such as s3://bucket/corpus/*.parquet are read."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command, with the arguments of the process if none are given, and returns the exit code.

    >>> main(["encode", "--help"])
    Traceback (most recent call last):
    SystemExit: 0
    """
    arguments = _parser().parse_args(argv)
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        warnings.simplefilter("always", UserWarning)
        try:
            arguments.run(arguments)
            sys.stdout.flush()
        except BrokenPipeError:
            # Nothing more can be written, not even what is buffered when the interpreter ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 128 + 13  # as shells report SIGPIPE
        except Error as error:
            commands.tell(f"error: {error}")
            return 1
        except KeyboardInterrupt:
            commands.tell("interrupted")
            return 128 + signal.SIGINT
    return 0


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    commands.tell(f"warning: {message}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="portmanteau",
        description="Byte-level BPE and SuperBPE tokenizers, and packing of documents into training sequences.",
        epilog="New here? Run `portmanteau demo`. `portmanteau COMMAND --help` explains a command, with an example.",
    )
    parser.add_argument("--version", action="version", version=f"portmanteau {_rust.__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_demo(subparsers)
    _add_count(subparsers)
    _add_train_bpe(subparsers)
    _add_train_superbpe(subparsers)
    _add_continue_training(subparsers)
    _add_encode(subparsers)
    _add_prepare(subparsers)
    _add_pack(subparsers)
    _add_verify(subparsers)
    _add_export(subparsers)
    _add_inspect(subparsers)
    _add_bench(subparsers)
    return parser


def _command(
    subparsers: Any, name: str, run: Any, summary: str, description: Sequence[str], example: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = subparsers.add_parser(
        name,
        help=summary,
        description="\n\n".join(textwrap.fill(paragraph, 79) for paragraph in description),
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def _add_demo(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "demo",
        commands.run_demo,
        "train, encode and pack the text that ships with the package, and write a report",
        [
            "Trains a BPE and a SuperBPE tokenizer on the bundled sample of prose, code and many languages, encodes it "
            "with both, packs it into sequences, checks that nothing was lost, and prints and writes a report. Takes "
            "seconds; needs no network."
        ],
        "portmanteau demo --out demo",
    )
    parser.add_argument("--out", default="demo", metavar="FOLDER", help="where the files go (default: demo)")


def _add_count(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "count",
        commands.run_count,
        "count a part of your text, to train on several parts together",
        [
            "Counts the pieces of a part of a corpus into a folder. Any number of such folders, counted anywhere, are "
            "trained on with --counts of train-bpe and train-superbpe, and make the tokenizer of all their text. The "
            "pretokenizers and --unit must be the same.",
            _FILES,
        ],
        "portmanteau count corpus/0*.jsonl -o part-0",
    )
    _add_text_options(parser)
    parser.add_argument("-o", "--output", required=True, metavar="FOLDER", help="the folder to write")
    parser.add_argument(
        "--pretokenizer",
        default="o200k",
        metavar="NAME|REGEX",
        help="cuts text into the pieces that no token crosses; superbpe counts for both stages of train-superbpe "
        "(default: o200k)",
    )
    parser.add_argument(
        "--superword-pretokenizer",
        metavar="NAME|REGEX",
        help="cuts the text of the second stage of train-superbpe (default: there is no second stage)",
    )
    _add_counting_options(parser)


def _add_train_bpe(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "train-bpe",
        commands.run_train_bpe,
        "train a BPE tokenizer on your text",
        [
            "Trains a byte-level BPE tokenizer. The result depends neither on the number of threads nor on how the "
            "text is cut into files.",
            _FILES,
        ],
        "portmanteau train-bpe corpus/*.jsonl --vocab-size 32000 -o tokenizer.json",
    )
    _add_training_options(parser, least="*")
    _add_first_stage_options(parser, pretokenizer="o200k")


def _add_train_superbpe(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "train-superbpe",
        commands.run_train_superbpe,
        "train a SuperBPE tokenizer, whose tokens may reach across spaces",
        [
            "Trains a SuperBPE tokenizer: words first, as BPE does, up to --transition-size tokens, then superwords, "
            "which reach across spaces, up to --vocab-size.",
            _FILES,
        ],
        "portmanteau train-superbpe corpus/*.jsonl --vocab-size 32000 --transition-size 26000 -o tokenizer.json",
    )
    parser.add_argument(
        "--transition-size",
        type=_number_or_auto,
        required=True,
        metavar="N|auto",
        help="tokens before the first superword; auto finds where words and superwords come out even",
    )
    _add_training_options(parser, least="*")
    _add_first_stage_options(parser, pretokenizer="superbpe")
    parser.add_argument(
        "--superword-pretokenizer",
        default="superbpe_stage2",
        metavar="NAME|REGEX",
        help="cuts the text of the second stage (default: superbpe_stage2)",
    )
    _add_superword_options(parser)
    parser.add_argument(
        "--whole-words",
        action="store_true",
        help="count superwords only where their parts are whole words of the first stage",
    )
    parser.add_argument(
        "--unused-merges",
        choices=("keep", "drop"),
        default="keep",
        help="merges of the first stage that make nothing in the second (default: keep)",
    )


def _add_continue_training(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "continue-training",
        commands.run_continue_training,
        "add tokens to a tokenizer by training on",
        [
            "Trains on from any byte-level BPE tokenizer: all its ids stay, and new ones follow. With --superwords the "
            "new tokens may reach across spaces.",
            _FILES,
        ],
        "portmanteau continue-training corpus/*.jsonl --tokenizer o200k_base --vocab-size 220000 --superwords \\\n"
        "    -o tokenizer.json",
    )
    parser.add_argument("--tokenizer", required=True, metavar="NAME|FILE", help=_TOKENIZER)
    parser.add_argument("--superwords", action="store_true", help="let new tokens reach across spaces")
    parser.add_argument(
        "--pretokenizer",
        metavar="NAME|REGEX",
        help="cuts text into the pieces that no token crosses (default: superbpe_stage2 for superwords, else that of "
        "the tokenizer)",
    )
    _add_training_options(parser)
    _add_superword_options(parser)


def _add_superword_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--max-words-per-token",
        type=int,
        default=4,
        metavar="N",
        help="the most words in a superword (default: 4)",
    )
    parser.add_argument(
        "--forbid",
        action="append",
        metavar="TEXT",
        help="make no superword that contains this; may be given again (default: ': ')",
    )
    parser.add_argument(
        "--within-sentences", action="store_true", help="make no superword that goes on behind a sentence"
    )


def _add_first_stage_options(parser: argparse.ArgumentParser, pretokenizer: str) -> None:
    parser.add_argument(
        "--counts", nargs="+", metavar="FOLDER", help="folders of `portmanteau count`, instead of files"
    )
    parser.set_defaults(refuse=parser.error)
    parser.add_argument(
        "--pretokenizer",
        default=pretokenizer,
        metavar="NAME|REGEX",
        help=f"cuts text into the pieces that no token crosses (default: {pretokenizer})",
    )
    parser.add_argument(
        "--special-token",
        action="append",
        default=[],
        metavar="TEXT",
        help="a special token, such as '<|endoftext|>'; may be given again",
    )
    parser.add_argument(
        "--initial-alphabet",
        choices=("all", "seen"),
        default="all",
        help="make all 256 bytes tokens, or those that occur (default: all)",
    )
    parser.add_argument(
        "--tie",
        choices=("huggingface", "bytes"),
        default="huggingface",
        help="how bytes are numbered, which decides between equal pairs (default: huggingface)",
    )


def _add_training_options(parser: argparse.ArgumentParser, least: str = "+") -> None:
    _add_text_options(parser, least)
    parser.add_argument("--vocab-size", type=int, required=True, metavar="N", help="tokens in the end")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="the tokenizer.json to write")
    parser.add_argument(
        "--min-frequency", type=int, default=0, metavar="N", help="make no token of a rarer pair (default: 0)"
    )
    parser.add_argument(
        "--max-token-bytes", type=int, metavar="N", help="make no longer token (default: no limit)"
    )
    parser.add_argument(
        "--checkpoint",
        metavar="FOLDER",
        help="keep the work here, and go on from it when the same command is given again; delete it in the end",
    )
    parser.add_argument(
        "--report",
        metavar="FILE",
        help="write what happened to this .html file, and the same as JSON beside it",
    )
    _add_counting_options(parser)


def _add_counting_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--digits",
        choices=("single", "from_left", "from_right"),
        help="cut digits apart: each alone, or in threes from the left or the right (default: the pretokenizer's way)",
    )
    parser.add_argument(
        "--unit",
        choices=("line", "document"),
        default="line",
        help="whether tokens may reach across a newline: not by line, by document they may (default: line)",
    )
    parser.add_argument(
        "--weight",
        action="append",
        default=[],
        type=_weight,
        metavar="PATTERN=N",
        help="how often the documents of these files count, such as 'code/*=0.5'; may be given again",
    )
    parser.add_argument(
        "--byte-limit",
        metavar="SIZE",
        help="train on about so much text, such as 10GB, drawn from all parts alike",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of --byte-limit (default: 0)")
    parser.add_argument("--document-byte-limit", metavar="SIZE", help="cut longer documents")
    parser.add_argument(
        "--errors",
        choices=("error", "replace"),
        default="error",
        help="bytes that are not UTF-8 are an error, or replaced (default: error)",
    )
    parser.add_argument("--memory-limit", metavar="SIZE", help="take about so much memory, such as 4GB")
    parser.add_argument("--temporary-folder", metavar="FOLDER", help="where what does not fit memory goes")


def _number_or_auto(text: str) -> int | str:
    return text if text == "auto" else int(text)


def _weight(text: str) -> tuple[str, float]:
    pattern, _, number = text.rpartition("=")
    if not pattern:
        raise argparse.ArgumentTypeError(f"{text!r} is not PATTERN=N")
    return pattern, float(number)


def _add_text_options(parser: argparse.ArgumentParser, least: str = "+") -> None:
    parser.add_argument("files", nargs=least, metavar="FILE", help="files of text")
    _add_reading_options(parser)


def _add_reading_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--text-column", default="text", metavar="NAME", help="the key or column of the text (default: text)"
    )
    _add_threads_option(parser)


def _add_threads_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=_positive, metavar="N", help="threads to use (default: all cores)")


def _add_encode(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "encode",
        commands.run_encode,
        "turn text into token ids",
        [
            "Encodes documents. With -o the ids go to an Arrow file that `portmanteau pack` takes; without, they are "
            "printed, one document a line. The file - is standard input, one document.",
            _FILES,
        ],
        "portmanteau encode corpus/*.jsonl --tokenizer o200k_base -o tokens.arrow",
    )
    _add_text_options(parser)
    parser.add_argument(
        "--tokenizer",
        required=True,
        metavar="NAME|FILE",
        help=_TOKENIZER,
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="the file of tokens to write (default: print the ids)"
    )
    _add_special_option(parser)


def _add_special_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--special",
        choices=("text", "parse", "error"),
        default="text",
        help="special tokens spelt out in the text: are text, become their ids, or are an error (default: text)",
    )


def _add_prepare(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "prepare",
        commands.run_prepare,
        "turn text into a dataset of token shards, which training reads",
        [
            "Encodes text into a folder of shards. Every row is a document, in the order of the files. What is made "
            "before a kill or a full disk is kept: give the command again, and it makes what is missing. The result "
            "depends neither on the number of threads nor on that of the jobs.",
            "As an array of N jobs, each is given --num-shards N and its own --shard-index.",
            _FILES,
        ],
        "portmanteau prepare corpus/*.parquet --tokenizer o200k_base -o dataset",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="files or addresses of text")
    parser.add_argument("--tokenizer", required=True, metavar="NAME|FILE", help=_TOKENIZER)
    parser.add_argument("-o", "--output", required=True, metavar="FOLDER", help="the folder to write")
    parser.add_argument(
        "--text-column",
        action="append",
        metavar="NAME",
        help="the key or column of the text; given again, a document is all of them, one after the other (default: "
        "text)",
    )
    _add_special_option(parser)
    parser.add_argument(
        "--errors",
        choices=("error", "replace"),
        default="error",
        help="bytes that are not UTF-8 are an error, or replaced (default: error)",
    )
    parser.add_argument(
        "--null-text",
        choices=("error", "empty"),
        default="error",
        help="a text that is null is an error, or an empty document (default: error)",
    )
    parser.add_argument(
        "--byte-offsets",
        action="store_true",
        help="keep where in its text every token begins, for a byte a token",
    )
    parser.add_argument(
        "--shard-bytes", default="256 MiB", metavar="SIZE", help="input of a shard, about (default: 256 MiB)"
    )
    parser.add_argument(
        "--num-shards", type=_positive, default=1, metavar="N", help="jobs that share the work (default: 1)"
    )
    parser.add_argument(
        "--shard-index", type=_count, default=0, metavar="I", help="which job this is, from 0 on (default: 0)"
    )
    _add_threads_option(parser)


def _add_export(subparsers: Any) -> None:
    parser = _command(
        subparsers, "export", exporting.run, exporting.SUMMARY, exporting.DESCRIPTION, exporting.EXAMPLE
    )
    exporting.add_arguments(parser)


def _add_verify(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "verify",
        commands.run_verify,
        "prove that every byte of a dataset is what was written",
        [
            "Reads all files of a dataset and its plans, and compares them with their SHA-256 and with each other. Any "
            "flipped bit, missing or foreign file ends it with an error that names the file."
        ],
        "portmanteau verify dataset",
    )
    parser.add_argument("dataset", metavar="DATASET", help="a folder that `portmanteau prepare` wrote")
    parser.add_argument(
        "--tokenizer", metavar="NAME|FILE", help="the tokenizer that the ids must be of (default: any)"
    )


def _add_pack(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "pack",
        commands.run_pack,
        "plan which tokens stand in which training sequence",
        [
            "Plans sequences of a fixed length, checks that every token is in the plan exactly once, and prints the "
            "plan's summary. The tokens are not rewritten: in Python, PackPlan.load('plan.arrow').apply(batch) makes "
            "the arrays.",
            "The plan of a dataset lies in its folder; there may be several. Its ids are those of --eos-token and the "
            "like, and Dataset.open('dataset').plan(8192).apply([0]) makes the arrays.",
        ],
        "portmanteau pack tokens.arrow --capacity 8192 -o plan.arrow\n"
        "  portmanteau pack dataset --capacity 8192 --eos-token '<|endoftext|>'",
    )
    parser.add_argument(
        "tokens",
        metavar="TOKENS",
        nargs="+",
        help="files that `portmanteau encode -o` wrote; each is packed by itself, and then what is left of all. Or the "
        "folder of one dataset",
    )
    parser.add_argument("--capacity", type=int, required=True, metavar="N", help="positions in a sequence")
    parser.add_argument(
        "--strategy",
        choices=get_args(Strategy),
        default="best_fit_decreasing",
        help="how to choose the sequence of a document (default: best_fit_decreasing)",
    )
    parser.add_argument(
        "--cost",
        choices=("tokens", "attention"),
        default="tokens",
        help="what best fit makes even: how full sequences are, or what attention costs in them (default: tokens)",
    )
    parser.add_argument(
        "--long-documents",
        choices=get_args(LongDocuments),
        default="split",
        help="what becomes of documents longer than a sequence (default: split)",
    )
    parser.add_argument(
        "--overlap",
        type=int,
        default=0,
        metavar="N",
        help="tokens that two pieces of a document that is split share (default: 0)",
    )
    parser.add_argument(
        "--max-documents-per-sequence",
        type=int,
        metavar="N",
        help="the most pieces in a sequence (default: no limit)",
    )
    for name, place in (("--bos", "before"), ("--eos", "after")):
        parser.add_argument(
            name,
            nargs="?",
            choices=("document", "sequence"),
            const="document",
            default=False,
            help=f"leave room for a token {place} every document, or every sequence",
        )
    for name, place in (
        ("bos", "which begins documents, or sequences with --bos sequence"),
        ("eos", "which ends documents, or sequences with --eos sequence"),
        ("pad", "where no token is (default: the id 0)"),
    ):
        parser.add_argument(
            f"--{name}-token", metavar="TEXT|ID", help=f"of a dataset: the token {place}, by its text or id"
        )
    parser.add_argument("--name", help="of a dataset: the name of the plan (default: the capacity)")
    parser.add_argument(
        "--replace", action="store_true", help="of a dataset: write over another plan of this name"
    )
    parser.add_argument(
        "--align",
        type=int,
        default=1,
        metavar="N",
        help="pad every document to a multiple of this (default: 1)",
    )
    parser.add_argument(
        "--min-fill",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="leave out sequences of which a smaller share is filled (default: 0)",
    )
    parser.add_argument(
        "--order",
        choices=("free", "window", "keep"),
        default="free",
        help="which documents may share a sequence: any, near ones, or those that follow each other (default: free)",
    )
    parser.add_argument(
        "--window",
        type=int,
        default=64,
        metavar="N",
        help="for --order window: how many sequences' worth of tokens wait (default: 64)",
    )
    parser.add_argument("--plot", metavar="FILE", help="draw the plan, as an .svg or a .png")
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="the plan to write (default: only print the summary)"
    )


def _add_inspect(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "inspect",
        commands.run_inspect,
        "show what is in a tokenizer, a file of tokens, a dataset or a plan",
        [
            "Shows what a tokenizer, a file of tokens, a dataset or a plan holds. Which of them it is, the command "
            "finds out.",
            "With --curve, shows instead how many bytes of a text a token holds, at all sizes that the vocabulary had "
            "while it grew: with its first merges alone. The text is encoded once.",
        ],
        "portmanteau inspect tokenizer.json",
    )
    parser.add_argument(
        "source", metavar="SOURCE", help="a tokenizer (a file or a bundled name), tokens, a dataset or a plan"
    )
    parser.add_argument(
        "--curve", nargs="+", metavar="TEXT", help="show bytes per token of these files of text at all sizes"
    )
    parser.add_argument("--plot", metavar="FILE", help="with --curve: draw it, as .svg or .png")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    _add_reading_options(parser)


def _add_bench(subparsers: Any) -> None:
    summary = "compare with other libraries on this machine"
    parser = _command(
        subparsers,
        "bench",
        None,
        summary,
        [
            "Compares Portmanteau with the libraries that are installed beside it, on your text and your machine."
        ],
        "portmanteau bench encode",
    )
    comparisons = parser.add_subparsers(title="comparisons", metavar="COMPARISON", required=True)
    _add_bench_encode(comparisons)
    _add_bench_train(comparisons)
    _add_bench_pack(comparisons)


def _add_bench_encode(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "encode",
        commands.run_bench_encode,
        "how fast text becomes ids",
        [
            "Compares with gigatoken, fastokens, snaptokens, tokenizers, toktok-rs, splintr-rs and tiktoken, those of "
            "them that are installed. tiktoken or tokenizers 0.x must be, to check the ids: a library whose ids differ "
            "is not timed. Takes minutes.",
            _FILES,
        ],
        "portmanteau bench encode --corpus corpus.jsonl --tokenizer o200k_base --rounds 3",
    )
    _add_bench_text_options(parser, megabytes="each text (default: 33, or all of it)")
    parser.add_argument(
        "--tokenizer",
        action="append",
        metavar="NAME|FILE",
        help="a bundled name or a tokenizer file; may be given again (default: the bundled three)",
    )
    _add_bench_options(parser, rounds=5)


def _add_bench_train(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "train",
        commands.run_bench_train,
        "how long text takes to become a tokenizer, and how much memory",
        [
            "Compares with tokenizers, gigabpe, ffbpe, gigatoken and rustbpe, and for SuperBPE with tokenizers "
            "followed by bpe-continue; those of them that are installed. Their merges are compared before their times. "
            "All texts given are one text together. Takes minutes.",
            _FILES,
        ],
        "portmanteau bench train --corpus corpus.jsonl --vocab-size 32000 128000",
    )
    _add_bench_text_options(parser, megabytes="all texts together (default: all of them)")
    parser.add_argument(
        "--vocab-size",
        type=_positive,
        nargs="+",
        default=[32_000],
        metavar="N",
        help="tokens in the end; several are compared one after the other (default: 32000)",
    )
    parser.add_argument(
        "--transition-size",
        type=_positive,
        metavar="N",
        help="compare SuperBPE, with this many tokens before the first superword (default: compare BPE)",
    )
    parser.add_argument(
        "--pretokenizer",
        metavar="NAME|REGEX",
        help="cuts text into the pieces that no token crosses; only tokenizers takes others than the default (default: "
        "r50k, for SuperBPE superbpe)",
    )
    parser.add_argument(
        "--unit",
        choices=("line", "document"),
        default="line",
        help="whether tokens may reach across a newline: not by line, by document they may (default: line)",
    )
    _add_bench_options(parser, rounds=3)


def _add_bench_pack(subparsers: Any) -> None:
    parser = _command(
        subparsers,
        "pack",
        commands.run_bench_pack,
        "how long lengths of documents take to become sequences, how full, and in how much memory",
        [
            "Compares with lightbinpack, seqpacker, seq-len-balance, trl, olmo-core, megatron-bridge, axolotl, grain, "
            "binpacking and prtpy, those of them that are installed. Every answer is checked. The slow ones pack fewer "
            "documents, and ours packs as many beside them. Takes minutes.",
        ],
        "portmanteau bench pack --lengths lognormal code --capacity 8192",
    )
    parser.add_argument(
        "--lengths",
        nargs="+",
        default=["lognormal"],
        metavar="SET|[NAME=]FILE",
        help="lognormal (as web text), commits (short records), code (source files), or an .npy or .parquet file of "
        "lengths, under a name; several are compared one after the other (default: lognormal)",
    )
    parser.add_argument(
        "--length-column",
        default="length",
        metavar="NAME",
        help="the column of a .parquet file (default: length)",
    )
    parser.add_argument(
        "--documents",
        type=_positive,
        default=1_000_000,
        metavar="N",
        help="how many documents of each set, at most (default: 1000000)",
    )
    parser.add_argument(
        "--capacity",
        type=_positive,
        nargs="+",
        default=[2048, 8192, 131_072],
        metavar="N",
        help="positions in a sequence; several are compared one after the other (default: 2048 8192 131072)",
    )
    _add_bench_options(parser, rounds=3, has_threads=False)


def _add_bench_text_options(parser: argparse.ArgumentParser, megabytes: str) -> None:
    parser.add_argument(
        "--corpus",
        action="append",
        metavar="[NAME=]FILE",
        help="text, under a name; may be given again (default: the bundled sample)",
    )
    parser.add_argument(
        "--text-column", default="text", metavar="NAME", help="the key or column of the text (default: text)"
    )
    parser.add_argument(
        "--megabytes",
        type=_megabytes,
        metavar="N",
        help=f"how much to use of {megabytes}",
    )


def _add_bench_options(parser: argparse.ArgumentParser, rounds: int, *, has_threads: bool = True) -> None:
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="NAME[=FOLDER]",
        help="NAME: compare with this one only. NAME=FOLDER: also compare with the one in a folder of its own, as pip "
        "install --target makes. May be given again (default: all that are installed)",
    )
    parser.add_argument(
        "--rounds",
        type=_positive,
        default=rounds,
        metavar="N",
        help=f"samples of each (default: {rounds})",
    )
    if has_threads:
        parser.add_argument(
            "--threads", type=_positive, default=1, metavar="N", help="threads and cores of each (default: 1)"
        )
    parser.add_argument("--out", metavar="FILE", help="write the whole record to this file, as JSON")
    parser.add_argument("--json", action="store_true", help="print the record instead of the tables")


def _megabytes(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError(text)
    return number


def _positive(text: str) -> int:
    return _integer(text, 1)


def _count(text: str) -> int:
    return _integer(text, 0)


def _integer(text: str, least: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise argparse.ArgumentTypeError(f"{text!r} is no integer from {least} on")
    return number
