"""`aape data list`: the datasets that are known, and which of them are under a root."""

import argparse
import json
from pathlib import Path

from aape_lightning.commands.help_format import examples

__all__ = ["add_list", "run_list"]


def add_list(subcommands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aape data list` to the command line."""
    parser = subcommands.add_parser(
        "list",
        help="what datasets are known, and which of them are under a root",
        description="List every dataset that ships as a manifest: its kind and size, and where a root is given whether "
        "its files are there.",
        epilog=examples("aape data list", "aape data list --root $DATA"),
    )
    parser.add_argument("--root", type=Path, metavar="DIR", help="the data root, CoOp's $DATA; looked into where given")
    parser.add_argument("--json", action="store_true", help="print the list as JSON")
    parser.set_defaults(run=run_list)


def run_list(options: argparse.Namespace) -> None:
    """Print every shipped manifest's name, kind and size, and whether its files are there."""
    from aape_lightning.data.inspection.listing import known_datasets, listing_table

    datasets = known_datasets(options.root)
    if options.json:
        print(json.dumps(datasets, indent=2, ensure_ascii=False))
        return
    from rich.console import Console

    Console(markup=False, emoji=False).print(listing_table(datasets, options.root))
