"""`aape cache list`: what lies in the cache, of what, how large, and when it was used last."""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aape_lightning.commands.help_format import examples

if TYPE_CHECKING:
    from rich.table import Table

    from aape_lightning.commands.cache.entries import Entry

__all__ = ["add_list", "print_entries", "run_list"]


def add_list(subcommands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aape cache list` to the command line."""
    parser = subcommands.add_parser(
        "list",
        help="list what is kept: of what, how large, last used, whole or half-built",
        description="List the image features, prompt banks and search indices in $AAPE_CACHE (default: ~/.cache/aape). "
        "A partial one is what a build that was cut short has left: the next build goes on with it.",
        epilog=examples("aape cache list", "aape cache list --json"),
    )
    parser.add_argument("--json", action="store_true", help="print the list as JSON")
    parser.set_defaults(run=run_list)


def run_list(options: argparse.Namespace) -> None:
    """Print every entry, and the size of all."""
    from aape_lightning.commands.cache.entries import entries_in
    from aape_lightning.commands.shown import shown_path, shown_size
    from aape_lightning.files import cache_dir

    cache = cache_dir()
    entries = entries_in(cache)
    total = sum(entry.bytes for entry in entries)
    if options.json:
        found = {"folder": str(cache), "bytes": total, "entries": list(map(_as_dict, entries))}
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return
    if not entries:
        print(f"Nothing is kept in {shown_path(cache)} yet. aape fit and aape cache build fill it.")
        return
    print_entries(entries)
    place = shown_path(cache)
    print(f"{len(entries):,} entries, {shown_size(total)}, in {place}. To remove some: aape cache clear --help")


def _state(entry: "Entry") -> str:
    from aape_lightning.commands.cache.removal import is_in_use

    return "building" if entry.state in ("partial", "left behind") and is_in_use(entry) else entry.state


def _as_dict(entry: "Entry") -> dict[str, object]:
    return {
        "kind": entry.kind,
        "path": str(entry.path),
        "state": _state(entry),
        "of": entry.of,
        "backbone": entry.backbone,
        "fingerprint": entry.fingerprint,
        "precision": entry.precision,
        "holds": entry.holds,
        "bytes": entry.bytes,
        "last_used": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(entry.last_used)),
    }


def print_entries(entries: Sequence["Entry"]) -> None:
    """Print a table of them."""
    from rich.console import Console

    console = Console(markup=False, emoji=False)
    console.print(_table(entries, console.width))


def _table(entries: Sequence["Entry"], width: int) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from aape_lightning.commands.shown import shown_age, shown_size

    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in ("Kind", "Of", "Backbone"):
        table.add_column(name, no_wrap=True)
    table.add_column("Holds")
    for name in ("Size", "Used"):
        table.add_column(name, justify="right", no_wrap=True)
    for entry in entries:
        of, backbone = _cut(_told(entry), max(14, width - 71)), _cut(_backbone(entry), 15)
        table.add_row(entry.kind, of, backbone, entry.holds, shown_size(entry.bytes), shown_age(entry.last_used))
    return table


def _told(entry: "Entry") -> str:
    state = _state(entry)
    return entry.of or "not noted" if state == "complete" else f"({state}) {entry.of}".strip()


def _backbone(entry: "Entry") -> str:
    """Its name, a file's without its folders, or else its fingerprint; and the precision where it is no usual one."""
    path = Path(entry.backbone)
    name = (path.name if path.suffix else entry.backbone) or entry.fingerprint[:12]
    return name if entry.precision == "float32" else f"{name} {entry.precision}"


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 1]}…"
