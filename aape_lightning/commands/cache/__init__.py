"""`aape cache`: build, list and clear what is kept of images and sentences once they are embedded."""

import argparse

from aape_lightning.commands.cache.build import add_build
from aape_lightning.commands.cache.clear import add_clear
from aape_lightning.commands.cache.list import add_list
from aape_lightning.commands.help_format import examples

__all__ = ["add_parser"]


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aape cache` and its commands to the command line."""
    cache = commands.add_parser(
        "cache",
        help="build, list and clear stored features, prompt banks and search indices",
        description="Images and sentences are embedded once and kept: image features, prompt banks, search indices. "
        "They lie in $AAPE_CACHE, or in ~/.cache/aape, and are built on first use.",
        epilog=examples(
            "aape cache build --recipe caltech101 --data-root $DATA",
            "aape cache list",
            "aape cache clear --older-than 30d",
        ),
    )
    subcommands = cache.add_subparsers(required=True, metavar="COMMAND")
    add_build(subcommands)
    add_list(subcommands)
    add_clear(subcommands)
