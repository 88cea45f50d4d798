"""`aape metrics`: the evaluators on anybody's files."""

import argparse

from aape_lightning.commands.help_format import examples
from aape_lightning.commands.metrics.caption import add_caption
from aape_lightning.commands.metrics.retrieval import add_retrieval
from aape_lightning.commands.metrics.vqa import add_vqa

__all__ = ["add_parser"]


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aape metrics` and its commands to the command line."""
    metrics = commands.add_parser(
        "metrics",
        help="score captions, answers and retrieval from files",
        description="Score anybody's captions, answers and retrieval embeddings, in the formats of COCO and VQA.",
        epilog=examples(
            "aape metrics caption --predictions captions.json --references captions_val2014.json",
            "aape metrics vqa --predictions answers.json --annotations v2_mscoco_val2014_annotations.json",
            "aape metrics retrieval --images images.npy --captions captions.npy",
        ),
    )
    subcommands = metrics.add_subparsers(required=True, metavar="COMMAND")
    add_caption(subcommands)
    add_vqa(subcommands)
    add_retrieval(subcommands)
