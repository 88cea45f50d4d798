"""`aape data`: what datasets there are, whether they are whole, a manifest for one's own, and few-shot draws."""

import argparse

from aape_lightning.commands.data.check import add_check
from aape_lightning.commands.data.draw import add_draw
from aape_lightning.commands.data.init import add_init
from aape_lightning.commands.data.list import add_list
from aape_lightning.commands.help_format import examples

__all__ = ["add_parser"]


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aape data` and its commands to the command line."""
    data = commands.add_parser(
        "data",
        help="list and check datasets, describe your own, draw few-shot sets",
        description="List the datasets that are known, check one against its manifest, describe your own images, print "
        "few-shot draws. No model is loaded.",
        epilog=examples(
            "aape data list --root $DATA",
            "aape data check --manifest caltech101 --root $DATA",
            "aape data init ~/birds --out birds.yaml",
        ),
    )
    subcommands = data.add_subparsers(required=True, metavar="COMMAND")
    add_list(subcommands)
    add_check(subcommands)
    add_init(subcommands)
    add_draw(subcommands)
