"""`aape info`: versions, devices, optional libraries, caches, and what ships with the package."""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aape_lightning.commands.help_format import examples

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["add_parser", "run_info"]

_TOLD = 4  # names in the table; there are dozens of recipes


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aape info` to the command line."""
    parser = commands.add_parser(
        "info",
        help="print versions, devices, optional libraries, caches and their sizes",
        description="Print what a question about a problem should say: versions, devices and the precisions that they "
        "compute in, which optional libraries are there and what for, the caches and their sizes, what ships with the "
        "package. No host's name is printed, and the home folder as ~.",
        epilog=examples("aape info", "aape info --json"),
    )
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.set_defaults(run=run_info)


def run_info(options: argparse.Namespace) -> None:
    """Look around, and print what is there."""
    from aape_lightning.commands.surroundings import surroundings

    found = surroundings()
    if options.json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return
    from rich.console import Console

    console = Console(markup=False, emoji=False)
    for title, rows in _sections(found):
        console.print(title, style="bold")
        console.print(_grid(rows))
        console.print()


def _sections(found: Mapping[str, Any]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    from aape_lightning.commands.shown import shown_size

    yield "Versions", list(found["versions"].items())
    yield "Devices", [(device["name"], _device(device)) for device in found["devices"]]
    extras = found["extras"].items()
    yield "Optional libraries", [(name, _extra(name, extra)) for name, extra in extras]
    caches = found["caches"].items()
    yield (
        "Caches",
        [(name, f"{shown_size(place['bytes']):>9}  {place['path']}{_count(place)}") for name, place in caches],
    )
    yield "With the package", [(name, _names(names)) for name, names in found["shipped"].items()]


def _device(device: Mapping[str, Any]) -> str:
    memory = f"{device['memory'] / 2**30:.0f} GiB, " if device["memory"] else ""
    count = f"{device['cores']} cores, " if device.get("cores") else ""
    return f"{count}{memory}{', '.join(device['precisions'])}"


def _extra(name: str, extra: Mapping[str, Any]) -> str:
    if extra["installed"]:
        return f"{', '.join(extra['libraries'])}: {extra['for']}"
    return f"absent ({extra['for']}): pip install 'aape-lightning[{name}]'"


def _count(place: Mapping[str, Any]) -> str:
    entries = place.get("entries")
    return f" ({entries:,} {'entries' if entries > 1 else 'entry'})" if entries else ""


def _names(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= _TOLD else f"{len(names)} (--json names them)"


def _grid(rows: list[tuple[str, str]]) -> "Table":
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        grid.add_row(f"  {name}", value)
    return grid
