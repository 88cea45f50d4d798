"""`aape prompts curate`: what a text model finds in sentences about classes, and a file of sentences without it."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from aape_lightning.commands.help_format import examples
from aape_lightning.commands.prompts.source import add_source, read_source
from aape_lightning.prompts.review.flags import KINDS, TEXT_MODEL, Thresholds

if TYPE_CHECKING:
    from aape_lightning.prompts.review.findings import Review, Trimmed

__all__ = ["add_curate", "run_curate"]


def add_curate(subcommands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aape prompts curate` to the command line."""
    parser = subcommands.add_parser(
        "curate",
        help="find near-duplicate, misplaced and off-topic sentences, and leave them out",
        description="Find near-duplicate, misplaced and off-topic sentences by a text model, print the most striking "
        "of each kind, and write the sentences without those to drop.",
        epilog=examples(
            "aape prompts curate --manifest caltech101 --root $DATA --prompts cupl",
            "aape prompts curate --manifest caltech101 --root $DATA --prompts cupl --drop misplaced off-topic "
            "--out cupl_curated.json",
        ),
    )
    add_source(parser)
    parser.add_argument(
        "--text-model", default=TEXT_MODEL, metavar="NAME", help="a sentence-transformers model, by name or folder"
    )
    parser.add_argument(
        "--drop", nargs="+", choices=KINDS, default=[], metavar="KIND", help=f"which to leave out: {', '.join(KINDS)}"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="write the sentences without those to drop, as JSON for --data.prompts; without --drop, all but "
        "near-empty and duplicate ones",
    )
    usual = Thresholds()
    parser.add_argument(
        "--near-duplicate-cosine",
        type=float,
        default=usual.near_duplicates,
        metavar="X",
        help="least cosine with an earlier sentence of the class",
    )
    parser.add_argument(
        "--misplaced-margin",
        type=float,
        default=usual.misplaced,
        metavar="X",
        help="by how much a sentence fits another class better, in cosine",
    )
    parser.add_argument(
        "--off-topic-deviations",
        type=float,
        default=usual.off_topic,
        metavar="X",
        help="median absolute deviations beyond the median angle to the best class",
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.set_defaults(run=run_curate)


def run_curate(options: argparse.Namespace) -> None:
    """Review the sentences, print what was found, and write what is left where a file is named.

    Raises:
        PromptError: If the sentences or the text model cannot be had, or the options contradict each other.
    """
    from aape_lightning.commands.prompts.tables import print_review, print_written
    from aape_lightning.files import write_json
    from aape_lightning.prompts.review.reviewer import review
    from aape_lightning.prompts.review.text_models import load_text_model

    _check_out(options)
    title, sentences = read_source(options)
    thresholds = Thresholds(options.near_duplicate_cosine, options.misplaced_margin, options.off_topic_deviations)
    found = review(sentences, load_text_model(options.text_model), thresholds)
    trimmed = found.trim(options.drop)
    if options.out is not None:
        write_json(options.out, trimmed.sentences)
    if options.json:
        print(json.dumps(_as_json(options, title, thresholds, found, trimmed), indent=2, ensure_ascii=False))
        return
    print_review(found, f"{title} ({options.text_model})")
    if options.out is not None:
        print_written(trimmed, options.out)


def _check_out(options: argparse.Namespace) -> None:
    from aape_lightning.errors import PromptError

    if options.drop and options.out is None:
        raise PromptError(f"--drop {' '.join(options.drop)} needs a file for what is left: --out FILE.json.")
    if options.out is not None and options.out.suffix != ".json":
        raise PromptError(f"--out is {str(options.out)!r}; --data.prompts will take it if its name ends in .json.")


def _as_json(
    options: argparse.Namespace, title: str, thresholds: Thresholds, found: "Review", trimmed: "Trimmed"
) -> dict[str, object]:
    written = None
    if options.out is not None:
        written = {
            "file": str(options.out),
            "kinds": options.drop,
            "dropped": trimmed.dropped,
            "rescued": trimmed.rescued,
        }
    about = {"prompts": title, "text_model": options.text_model, "thresholds": asdict(thresholds)}
    return about | found.as_json() | {"out": written}
