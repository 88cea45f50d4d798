"""One progress bar for everything that is not training."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

__all__ = ["progress", "track"]

T = TypeVar("T")


def progress(*, quiet: bool = False) -> Progress:
    """A bar with what is done, how much, how long, and how long still.

    It is drawn on standard error, so that output can be piped, and only where that is a terminal.

    Args:
        quiet: Draw nothing, for what is over at once.
    """
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=quiet or not console.is_terminal,
        transient=True,
    )


def track(items: Sequence[T], description: str, quiet_below: int = 0) -> Iterator[T]:
    """Iterate with a progress bar.

    Args:
        items: What to iterate over.
        description: What is being done.
        quiet_below: With fewer items than this, no bar is drawn.
    """
    with progress(quiet=len(items) < quiet_below) as bar:
        yield from bar.track(items, description=description)
