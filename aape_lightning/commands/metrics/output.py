"""How the commands of `aape metrics` give their scores: a table for the terminal, JSON at full precision."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["give"]


def give(
    options: argparse.Namespace,
    title: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    found: Mapping[str, Any],
) -> None:
    """Print a table, and write `--out`.

    Args:
        options: The command line.
        title: What was scored.
        header: The names of the columns; the first holds names, all others numbers.
        rows: The cells.
        found: What the JSON holds.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from aape_lightning.files import write_json

    print(title)
    table = Table(box=SIMPLE_HEAD, padding=0)
    for column, name in enumerate(header):
        table.add_column(name, justify="right" if column else "left", no_wrap=column > 0)
    for row in rows:
        table.add_row(*row)
    Console(markup=False, emoji=False).print(table)
    if options.out is not None:
        write_json(options.out, found)
        print(f"Wrote {options.out}.")
