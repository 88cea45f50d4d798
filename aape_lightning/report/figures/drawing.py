"""A figure with what a page needs to say about it, drawn on demand in either theme."""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from aape_lightning.report.figures.letters import letters_told
from aape_lightning.report.figures.theme import Theme

__all__ = ["Drawing", "plain", "short_name", "slug"]

_DPI = 200
_PATH = re.compile(rb'(?<= )d="[^"]*"')
_LONGEST = 30  # letters of a name
_DECIMALS = re.compile(rb"(\.\d\d)\d+")


@dataclass(frozen=True)
class Drawing:
    """One figure of the report.

    Attributes:
        name: Stem of its files.
        title: Its heading.
        caption: How to read it.
        alt: What it shows, for readers who do not see it.
        paint: Draws it; called with the theme applied.
        tall: Whether it is about twice as tall as the others.
    """

    name: str
    title: str
    caption: str
    alt: str
    paint: Callable[[Theme], Figure]
    tall: bool = False

    def render(self, theme: Theme, kind: Literal["png", "svg"]) -> bytes:
        """The figure as a file's content; equal data give equal bytes.

        Args:
            theme: Its colours.
            kind: The file format.
        """
        buffer = io.BytesIO()
        with theme.applied(), letters_told():
            figure = self.paint(theme)
            FigureCanvasAgg(figure)
            metadata = {"Date": None} if kind == "svg" else {}
            figure.savefig(buffer, format=kind, dpi=_DPI, facecolor=theme.surface, metadata=metadata)
        return _shortened(buffer.getvalue()) if kind == "svg" else buffer.getvalue()


def _shortened(svg: bytes) -> bytes:
    """Paths to a hundredth of a point: nothing to the eye, and a third of the file."""
    return _PATH.sub(lambda path: _DECIMALS.sub(rb"\1", path[0]), svg)


def slug(*words: str) -> str:
    """A file name's stem.

    Example:
        >>> slug("Caltech 101", "accuracy")
        'caltech-101-accuracy'
    """
    return re.sub(r"[^a-z0-9_]+", "-", "-".join(words).lower()).strip("-")


def plain(text: str) -> str:
    """A text that matplotlib shows as it is: a pair of dollar signs would be read as mathematics."""
    return text.replace("$", r"\$")


def short_name(name: str) -> str:
    """A name that leaves room for the drawing.

    Example:
        >>> short_name("a class with a name that is much longer than most")
        'a class with a name that is m…'
    """
    return plain(name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1].rstrip()}…")
