"""Options that several commands share."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aape_lightning.errors import DataError, MetricError

__all__ = ["add_out", "add_predictions", "check_files", "naming"]


def add_out(parser: argparse.ArgumentParser) -> None:
    """Add `--out` to a command."""
    parser.add_argument("--out", type=Path, metavar="FILE", help="write everything as JSON at full precision")


def add_predictions(parser: argparse.ArgumentParser, thing: str, keys: str) -> None:
    """Add `--predictions` and `--partial` to a command.

    Args:
        parser: The command.
        thing: What is predicted for: `image` or `question`.
        keys: What a prediction holds.
    """
    parser.add_argument("--predictions", type=Path, required=True, metavar="P", help=f"JSON: [{keys}, ...]")
    parser.add_argument(
        "--partial", action="store_true", help=f"score the {thing}s that have a prediction; without it, all must"
    )


@contextmanager
def naming(*files: Path | None) -> Iterator[None]:
    """Have an evaluator's error name the files that the values are from.

    Args:
        files: The files; None where one is not given.

    Raises:
        MetricError: If the block does.
    """
    try:
        yield
    except MetricError as error:
        raise MetricError(f"{', '.join(repr(str(file)) for file in files if file)}: {error}") from error


def check_files(**files: Path | None) -> None:
    """Look for the files that a command reads.

    Args:
        files: Each under its option's name; None where it is not given.

    Raises:
        DataError: If one is missing.
    """
    for option, path in files.items():
        if path is not None and not path.is_file():
            raise DataError(f"No file {str(path)!r} (--{option}).")
