"""`aape data check`: a dataset against its manifest."""

import argparse
import json

from aape_lightning.commands.data.options import add_dataset
from aape_lightning.commands.help_format import examples

__all__ = ["add_check", "run_check"]

_SHOWN = 20


def add_check(subcommands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aape data check` to the command line."""
    check = subcommands.add_parser(
        "check",
        help="check that every class and every listed file is there and decodes",
        description="Check a dataset against its manifest: that every class and every listed file is there, and that "
        "the images decode. Exit code 0: all is there; 1: something is wrong, and it is listed.",
        epilog=examples(
            "aape data check --manifest caltech101 --root $DATA",
            "aape data check --manifest birds.yaml --decode none --json",
        ),
    )
    add_dataset(check)
    check.add_argument("--decode", choices=["all", "sample", "none"], default="all", help="which images are decoded")
    check.add_argument("--json", action="store_true", help="print what was found as JSON, with every fault")
    check.set_defaults(run=run_check)


def run_check(options: argparse.Namespace) -> None:
    """Print a table of what a dataset holds, and fail with a list of what is wrong."""
    from rich.console import Console

    from aape_lightning.data.inspection.check import check_dataset
    from aape_lightning.data.manifests import read_manifest
    from aape_lightning.data.places import data_root
    from aape_lightning.errors import DataError

    manifest = read_manifest(options.manifest)
    checked = check_dataset(manifest, data_root(manifest, options.root), decode=options.decode)
    if options.json:
        print(json.dumps(checked.as_dict(), indent=2, ensure_ascii=False))
    else:
        Console(markup=False, emoji=False).print(checked.table())
        for note in checked.notes:
            print(f"Note: {note}.")
    if checked.faults:
        shown = "\n".join(f"  {fault}" for fault in checked.faults[:_SHOWN])
        more = f"\n  and {len(checked.faults) - _SHOWN} more" if len(checked.faults) > _SHOWN else ""
        raise DataError(f"{len(checked.faults)} faults in {checked.title}:\n{shown}{more}")
