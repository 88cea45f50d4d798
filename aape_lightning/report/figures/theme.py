"""How figures look: quiet, readable when small, and told apart without colour vision."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import matplotlib as mpl
from matplotlib.axes import Axes

from aape_lightning.report.figures.letters import font_families

_T = TypeVar("_T")

__all__ = ["DARK", "DASHES", "LIGHT", "MARKERS", "WIDTH", "Theme", "pick", "row_axis"]

WIDTH = 5.4  # inches: two figures side by side on a desktop, and still legible scaled down to a phone

DASHES: Sequence[tuple[int, tuple[float, ...]]] = ((0, ()), (0, (5, 1.6)), (0, (1.4, 1.4)), (0, (6, 1.5, 1.4, 1.5)))
MARKERS = ("o", "s", "D", "^", "v", "P")


@dataclass(frozen=True)
class Theme:
    """Colours of one appearance.

    Attributes:
        name: `light` or `dark`.
        surface: The page behind the figure.
        ink: Text and what matters most.
        muted: Secondary text and axes.
        grid: Guide lines.
        plain: What does not stand out.
        accent: What does: the reference method.
        series: For things that are told apart by colour, with the accent first (after Okabe and Ito).
    """

    name: str
    surface: str
    ink: str
    muted: str
    grid: str
    plain: str
    accent: str
    series: tuple[str, ...]

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Draw in this theme inside the block."""
        with mpl.rc_context(cast(Any, self._settings())):
            yield

    def _settings(self) -> dict[str, object]:
        return {
            "font.family": font_families(),
            "font.size": 9,
            "axes.titlesize": 9.5,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.titlepad": 5,
            "axes.labelsize": 9,
            "axes.labelcolor": self.muted,
            "axes.edgecolor": self.grid,
            "axes.facecolor": "none",
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "grid.color": self.grid,
            "grid.linewidth": 0.7,
            "text.color": self.ink,
            "axes.titlecolor": self.ink,
            "xtick.color": self.grid,
            "ytick.color": self.grid,
            "xtick.labelcolor": self.muted,
            "ytick.labelcolor": self.ink,
            "legend.frameon": False,
            "legend.fontsize": 8.5,
            "lines.solid_capstyle": "round",
            "svg.hashsalt": "aape",  # the same data give the same bytes
        }


LIGHT = Theme(
    name="light",
    surface="#ffffff",
    ink="#1c2430",
    muted="#515d6c",
    grid="#dfe4ea",
    plain="#8593a2",
    accent="#0072b2",
    series=("#0072b2", "#d55e00", "#009e73", "#b0558c", "#7a6a00", "#3c8fbf", "#515d6c"),
)
DARK = Theme(
    name="dark",
    surface="#161b22",
    ink="#e8edf3",
    muted="#a6b2c0",
    grid="#303945",
    plain="#65727f",
    accent="#4fa8e0",
    series=("#4fa8e0", "#f08a3c", "#2fbf95", "#d889b5", "#d8c650", "#8fcbee", "#a6b2c0"),
)


def pick(choices: Sequence[_T], place: int) -> _T:
    """The choice for the place-th thing, beginning again when there are more things than choices."""
    return choices[place % len(choices)]


def row_axis(axes: Axes, names: Sequence[str], highlighted: str | None = None) -> None:
    """Name the rows of a horizontal chart, the first at the top, one of them in bold."""
    axes.set_yticks(range(len(names)), labels=list(names))
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False, axis="y")
    for label in axes.get_yticklabels():
        if label.get_text() == highlighted:
            label.set_fontweight("bold")
