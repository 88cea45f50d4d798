"""`aape metrics`: the evaluators on anybody's files."""

import argparse

from aape_lightning.commands.metrics.caption import add_caption
from aape_lightning.commands.metrics.retrieval import add_retrieval
from aape_lightning.commands.metrics.vqa import add_vqa

__all__ = ["add_parser"]


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aape metrics` and its commands to the command line."""
    metrics = commands.add_parser("metrics", help="score captions, answers and retrieval from files")
    subcommands = metrics.add_subparsers(required=True, metavar="COMMAND")
    add_caption(subcommands)
    add_vqa(subcommands)
    add_retrieval(subcommands)
