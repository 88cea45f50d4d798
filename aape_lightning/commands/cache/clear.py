"""`aape cache clear`: remove what is kept, after asking, and never what is being built."""

import argparse
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from aape_lightning.commands.help_format import examples

if TYPE_CHECKING:
    from aape_lightning.commands.cache.entries import Entry

__all__ = ["add_clear", "run_clear"]

_KINDS = ("features", "banks", "indices")
_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 604800}


def add_clear(subcommands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `aape cache clear` to the command line."""
    parser = subcommands.add_parser(
        "clear",
        help="remove what is kept: all of it, or what is old, of a kind, of a backbone",
        description="Remove image features, prompt banks and search indices from $AAPE_CACHE (default: ~/.cache/aape). "
        "They are built again when they are needed. What a process is building stays, and so does whatever else lies "
        "in that folder.",
        epilog=examples(
            "aape cache clear --dry-run",
            "aape cache clear --older-than 30d",
            "aape cache clear --kind features --backbone ViT-B/16 --yes",
        ),
    )
    parser.add_argument(
        "--older-than", type=_seconds, metavar="TIME", help="only what was not used for so long: 12h, 30d, 8w"
    )
    parser.add_argument("--kind", choices=_KINDS, action="append", dest="kinds", help="only this kind; repeatable")
    parser.add_argument("--backbone", metavar="NAME", help="only of this backbone, by its name or its fingerprint")
    parser.add_argument("--dry-run", action="store_true", help="print what would be removed; remove nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.set_defaults(run=run_clear)


def _seconds(text: str) -> float:
    if not (found := re.fullmatch(r"(\d+(?:\.\d+)?)([mhdw])", text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 45m, 12h, 30d or 8w")
    return float(found[1]) * _SECONDS[found[2]]


def run_clear(options: argparse.Namespace) -> None:
    """Remove what was asked for.

    Raises:
        DataError: If no backbone of that name has made anything, or nobody can be asked.
    """
    from aape_lightning.commands.cache.entries import entries_in
    from aape_lightning.commands.cache.list import print_entries
    from aape_lightning.commands.shown import shown_path
    from aape_lightning.files import cache_dir

    cache = cache_dir()
    chosen = _chosen(entries_in(cache), options)
    place = shown_path(cache)
    if not chosen:
        print(f"Nothing in {place} is to be removed.")
    elif options.dry_run:
        print_entries(chosen)
        print(f"{_counted(chosen)} would be removed from {place}.")
    elif options.yes or _agreed(f"Remove {_counted(chosen)}, from {place}? [y/N] "):
        _remove(chosen)
    else:
        print("Nothing was removed.")


def _counted(entries: "Sequence[Entry]") -> str:
    """How many of each kind, and their size."""
    kinds = Counter(str(entry.kind) for entry in entries)
    told = ", ".join(f"{kinds[kind]:,} of {kind}" for kind in _KINDS if kinds[kind])
    return f"{len(entries):,} {'entries' if len(entries) > 1 else 'entry'} ({told}; {_size(entries)})"


def _size(entries: "Sequence[Entry]") -> str:
    from aape_lightning.commands.shown import shown_size

    return shown_size(sum(entry.bytes for entry in entries))


def _chosen(entries: "Sequence[Entry]", options: argparse.Namespace) -> "list[Entry]":
    from aape_lightning.errors import DataError, did_you_mean, listed

    asked, latest = options.backbone, time.time() - (options.older_than or 0.0)
    chosen = [entry for entry in entries if entry.last_used <= latest or options.older_than is None]
    if options.kinds:
        chosen = [entry for entry in chosen if entry.kind in options.kinds]
    if asked is None:
        return chosen
    names = sorted({entry.backbone for entry in entries if entry.backbone})
    if not any(_is_of(entry, asked) for entry in entries):
        raise DataError(
            f"Nothing in the cache is of a backbone {asked!r} (--backbone).{did_you_mean(asked, names)} There are "
            f"{listed(names) or 'none'}."
        )
    return [entry for entry in chosen if _is_of(entry, asked)]


def _is_of(entry: "Entry", backbone: str) -> bool:
    by_weights = len(backbone) >= 8 and entry.fingerprint.startswith(backbone)
    return entry.backbone == backbone or by_weights


def _agreed(question: str) -> bool:
    from aape_lightning.errors import DataError

    if not sys.stdin.isatty():
        raise DataError("Nothing was removed: nobody can be asked here. Say it with --yes, or look with --dry-run.")
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        return False


def _remove(chosen: "Sequence[Entry]") -> None:
    from aape_lightning.commands.cache.removal import remove

    removed = [entry for entry in chosen if remove(entry)]
    print(f"Removed: {len(removed):,} of {len(chosen):,}, {_size(removed)}.")
    if left := len(chosen) - len(removed):
        print(f"In use, and left: {left:,}.", file=sys.stderr)
