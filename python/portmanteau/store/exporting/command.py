"""``portmanteau export``: its arguments, and what it does with them."""

from __future__ import annotations

import argparse
from typing import Any

from portmanteau.commands import tell, token_id
from portmanteau.store.dataset import Dataset
from portmanteau.store.exporting.formats import FORMATS

SUMMARY = "write a dataset in a format of another library"
DESCRIPTION = (
    "Writes the packed sequences of a plan, or the documents of a dataset, as another library reads them: "
    + "; ".join(f"{name} is {known.what}" for name, known in FORMATS.items())
    + ".",
    "The files appear when they are complete, and the same export gives the same bytes.",
)
EXAMPLE = "portmanteau export dataset --plan 8192 --format megatron -o packs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the command takes."""
    parser.add_argument("dataset", metavar="DATASET", help="the folder that `portmanteau prepare` wrote")
    parser.add_argument("--format", required=True, choices=FORMATS, help="what to write")
    parser.add_argument(
        "-o", "--output", required=True, metavar="PATH", help="a file, a folder or a prefix, by the format"
    )
    parser.add_argument(
        "--plan", metavar="NAME", help="write the sequences of this plan (default: documents)"
    )
    for name, place in (("bos", "before"), ("eos", "after")):
        parser.add_argument(
            f"--{name}-token",
            metavar="TEXT|ID",
            help=f"a token {place} every document that is not empty, by its text or id; plans have theirs",
        )
    parser.add_argument(
        "--channel",
        action="append",
        metavar="NAME",
        help="write this of what lies beside the ids, not all of it; may be given again",
    )
    parser.add_argument("--ids-only", action="store_true", help="write nothing of what lies beside the ids")
    parser.add_argument(
        "--around",
        action="append",
        default=[],
        type=_named_value,
        metavar="NAME=VALUE",
        help="what a BOS or EOS has in a channel (default: 0, and -100 in labels); may be given again",
    )
    parser.add_argument("--replace", action="store_true", help="write over an export that is there")
    parser.set_defaults(refuse=parser.error)


def run(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    tokens = {"bos_id": arguments.bos_token, "eos_id": arguments.eos_token}
    if arguments.plan is not None and any(token is not None for token in tokens.values()):
        arguments.refuse(
            "--bos-token and --eos-token are for documents; a plan has those that it was packed with"
        )
    dataset = Dataset.open(arguments.dataset)
    options: dict[str, Any] = {
        "channels": [] if arguments.ids_only else arguments.channel,
        "around": dict(arguments.around),
        "replace": arguments.replace,
    }
    if arguments.plan is None:
        ids: dict[str, Any] = {
            name: token_id(dataset, token) for name, token in tokens.items() if token is not None
        }
        dataset.export(arguments.output, arguments.format, **ids, **options)
        what = f"{dataset.n_documents:,} documents"
    else:
        plan = dataset.plan(arguments.plan)
        plan.export(arguments.output, arguments.format, **options)
        what = f"{plan.n_sequences:,} sequences of up to {plan.capacity:,} tokens"
    tell(f"wrote {arguments.output}: {what} as {arguments.format}")


def _named_value(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE with a number") from None
