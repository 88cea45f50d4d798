"""How close to the image the summary and AAPE come, beside the plain mean of the sentences."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from aape_lightning.protocols.results import Result
from aape_lightning.report.diagnostics import COSINES, cosines
from aape_lightning.report.figures.drawing import Drawing, slug
from aape_lightning.report.figures.marks import draw_interval
from aape_lightning.report.figures.theme import MARKERS, WIDTH, Theme, pick, row_axis
from aape_lightning.report.statistics import MeanInterval

__all__ = ["cosine_figure"]

_CAPTION = (
    "Mean cosine between an image and the mean of its class's sentences, the aggregator's summary, and AAPE, on images "
    "that were not trained on. Lines are 95 % t-intervals over seeds."
)
_APART = 0.2  # rows between the marks of one method, so that they never cover each other


def cosine_figure(runs: Sequence[Result]) -> Drawing | None:
    """Cosines by method; none where no run recorded them.

    Args:
        runs: The base-to-new results on one dataset.
    """
    found = cosines(runs)
    if not found:
        return None
    return Drawing(
        name=slug(runs[0].dataset, "cosines"),
        title="Closeness to the image",
        caption=_CAPTION,
        alt=f"Mean cosine with the image on {runs[0].dataset}. {_told(found)}",
        paint=lambda theme: _paint(found, theme),
    )


def _told(found: dict[str, dict[str, MeanInterval]]) -> str:
    parts = []
    for method, of_method in found.items():
        values = (f"{COSINES[name]} {interval.mean:.3f}" for name, interval in of_method.items())
        parts.append(f"{method}: {', '.join(values)}.")
    return " ".join(parts)


def _paint(found: dict[str, dict[str, MeanInterval]], theme: Theme) -> Figure:
    figure = Figure(figsize=(WIDTH, 1.1 + 0.46 * len(found)), layout="constrained")
    axes = figure.subplots()
    row_axis(axes, list(found))
    names = [name for name in COSINES if any(name in of_method for of_method in found.values())]
    for row, of_method in enumerate(found.values()):
        for name, interval in of_method.items():
            colour, place = _colour(theme, name), row + _APART * (list(COSINES).index(name) - 1)
            draw_interval(axes, place, interval, colour)
            axes.scatter([interval.mean], [place], s=30, color=colour, marker=_marker(name), zorder=4)
    axes.set_xlabel("cosine with the image")
    handles = [Line2D([], [], linestyle="none", color=_colour(theme, name), marker=_marker(name)) for name in names]
    figure.legend(handles, [COSINES[name] for name in names], loc="outside upper left", ncols=len(names))
    return figure


def _colour(theme: Theme, name: str) -> str:
    return pick((theme.muted, theme.series[1], theme.accent), list(COSINES).index(name))


def _marker(name: str) -> str:
    return pick(MARKERS, list(COSINES).index(name))
