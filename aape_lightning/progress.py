"""One progress bar for everything that is not training."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from aape_lightning.messages import is_quiet

__all__ = ["Speed", "progress", "track"]

T = TypeVar("T")


def progress(*, quiet: bool = False) -> Progress:
    """A bar with what is done, how much, how long, how long still, and how fast.

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
        Speed(),
        console=console,
        disable=quiet or is_quiet() or not console.is_terminal,
        transient=True,
    )


class Speed(ProgressColumn):
    """How many are done in a second; or how long one takes, where that is longer than a second."""

    def __init__(self) -> None:
        super().__init__(Column(no_wrap=True))

    def render(self, task: Task) -> Text:
        """The speed; nothing before it is known."""
        speed = task.finished_speed or task.speed
        if not speed:
            return Text("")
        return Text(f"{speed:,.0f}/s" if speed >= 1 else f"{1 / speed:,.0f} s each", style="dim")


def track(items: Sequence[T], description: str, quiet_below: int = 0) -> Iterator[T]:
    """Iterate with a progress bar.

    Args:
        items: What to iterate over.
        description: What is being done.
        quiet_below: With fewer items than this, no bar is drawn.
    """
    with progress(quiet=len(items) < quiet_below) as bar:
        yield from bar.track(items, description=description)
