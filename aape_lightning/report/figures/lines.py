"""Lines with intervals, one a method: the parts of every figure over a number."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aape_lightning.report.figures.theme import DASHES, MARKERS, Theme, pick
from aape_lightning.report.statistics import MeanInterval

__all__ = ["Line", "draw_lines", "line_legend", "reference_first"]

Line = Sequence[tuple[float, MeanInterval]]

# Between the marks of two methods, so that their intervals do not cover each other: of the whole axis, and of a step.
_OF_AXIS, _OF_STEP = 0.012, 0.5


def draw_lines(
    axes: Axes, lines: Mapping[str, Line], methods: Sequence[str], theme: Theme, factor: float = 1.0
) -> None:
    """Means joined by a line for each method, and upright strokes over their intervals.

    Args:
        axes: Where to draw.
        lines: Places and means by method; a method without any is left out.
        methods: In order of colours, the reference first; it is drawn last, above the others.
        theme: Its colours.
        factor: What values are multiplied by.
    """
    apart = _distance(lines, len(methods))
    for order, method in reversed(list(enumerate(methods))):
        line = [(place, mean) for place, mean in lines.get(method, ()) if mean.count]
        if not line:
            continue
        colour, places = pick(theme.series, order), [at + apart * (order - (len(methods) - 1) / 2) for at, _ in line]
        axes.plot(
            places,
            [factor * mean.mean for _, mean in line],
            color=colour,
            linestyle=pick(DASHES, order),
            marker=pick(MARKERS, order),
            markersize=4.5,
            label=method,
        )
        for place, (_, mean) in zip(places, line, strict=True):
            if mean.count > 1:
                axes.plot([place, place], [factor * mean.low, factor * mean.high], color=colour, linewidth=1.4)
    axes.tick_params(length=0, labelcolor=theme.muted)
    axes.locator_params(axis="y", nbins=5)


def _distance(lines: Mapping[str, Line], count: int) -> float:
    places = sorted({place for line in lines.values() for place, _ in line})
    steps = [after - before for before, after in pairwise(places)]
    return min(_OF_AXIS * sum(steps), _OF_STEP * min(steps) / count) if steps else 0.0


def line_legend(figure: Figure, methods: Sequence[str], columns: int = 2) -> None:
    """Above the figure, the name of each line in any of its panels, in order of display."""
    handles = {
        label: line for axes in figure.axes for line, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    shown = [method for method in methods if method in handles]
    figure.legend([handles[name] for name in shown], shown, loc="outside upper left", ncols=columns)


def reference_first(methods: Sequence[str], reference: str) -> list[str]:
    """The methods with the reference in front, so that it takes the first colour in every figure."""
    return sorted(methods, key=lambda method: method != reference)
