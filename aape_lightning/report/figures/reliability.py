"""Reliability diagrams: how often each method is right at each confidence."""

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from aape_lightning.metrics.calibration import Reliability
from aape_lightning.report.figures.drawing import Drawing, slug
from aape_lightning.report.figures.theme import DASHES, MARKERS, WIDTH, Theme, pick
from aape_lightning.report.outcomes.calibration import Calibration, calibrations
from aape_lightning.report.outcomes.parts import Parts, pool

__all__ = ["reliability_figure"]

_COLUMNS = 3
_LEAST = 0.01  # of the images: a handful says little about how often a method is right
_CAPTION = (
    "How often predictions are right, by how sure they are, in 15 bins of equal width, all seeds together; the "
    "larger a mark, the more images, and bins with less than 1 % of them are left out. On the diagonal a method is "
    "right as often as it is sure; below it, it is overconfident. ECE: expected calibration error, percentage points."
)


def reliability_figure(dataset: str, parts: Parts, methods: Sequence[str]) -> Drawing | None:
    """A small diagram for each method, with a line for each part; none where nothing was recorded.

    Args:
        dataset: The dataset's name.
        parts: The outcomes.
        methods: In order of display.
    """
    found = calibrations(parts, methods)
    if not found:
        return None
    lines = {m: {p: pool(parts[p][m].values()).reliability for p in by_part} for m, by_part in found.items()}
    return Drawing(
        name=slug(dataset, "reliability"),
        title="Reliability",
        caption=_CAPTION,
        alt=f"Reliability diagrams on {dataset}. {_told(found)}",
        paint=lambda theme: _paint(lines, found, list(parts), theme),
        tall=len(found) > 2 * _COLUMNS,
    )


def _told(found: Mapping[str, Mapping[str, Calibration]]) -> str:
    return " ".join(f"{method}: calibration error {_errors(by_part)}." for method, by_part in found.items())


def _errors(by_part: Mapping[str, Calibration]) -> str:
    return ", ".join(f"{part} {100 * calibration.error.mean:.1f}" for part, calibration in by_part.items())


def _paint(
    lines: Mapping[str, Mapping[str, Reliability]],
    found: Mapping[str, Mapping[str, Calibration]],
    parts: Sequence[str],
    theme: Theme,
) -> Figure:
    rows = math.ceil(len(lines) / _COLUMNS)
    figure = Figure(figsize=(WIDTH, 0.75 + 1.85 * rows), layout="constrained")
    panels = figure.subplots(rows, _COLUMNS, sharex=True, sharey=True, squeeze=False)
    for axes, (method, by_part) in zip(panels.flat, lines.items(), strict=False):
        _panel(axes, by_part, parts, theme)
        axes.set_title(f"{method}\n", fontsize=8.5)
        errors = f"ECE {_errors(found[method])}"
        axes.annotate(errors, (0, 1.03), xycoords="axes fraction", fontsize=7.5, color=theme.muted)
    for axes in panels.flat[len(lines) :]:
        axes.set_axis_off()
    figure.supxlabel("confidence, percent", fontsize=9, color=theme.muted)
    figure.supylabel("right, percent", fontsize=9, color=theme.muted)
    handles = [
        Line2D([], [], color=pick(theme.series, k), linestyle=pick(DASHES, k), marker=pick(MARKERS, k), markersize=4.5)
        for k in range(len(parts))
    ]
    figure.legend(handles, list(parts), loc="outside upper left", ncols=len(parts))
    return figure


def _panel(axes: Axes, by_part: Mapping[str, Reliability], parts: Sequence[str], theme: Theme) -> None:
    axes.plot([0, 100], [0, 100], color=theme.muted, linewidth=0.8, linestyle=(0, (3, 3)), zorder=1)
    for part, bins in by_part.items():
        order, total = parts.index(part), sum(bins.images)
        filled = [
            (100 * sure / count, 100 * right / count, 60 * count / total)
            for count, sure, right in zip(bins.images, bins.confidence, bins.correct, strict=True)
            if count and count >= _LEAST * total
        ]
        sure, right, sizes = zip(*filled, strict=True)
        colour = pick(theme.series, order)
        axes.plot(sure, right, color=colour, linestyle=pick(DASHES, order), linewidth=1.2, zorder=2)
        axes.scatter(sure, right, s=[4 + size for size in sizes], color=colour, marker=pick(MARKERS, order), zorder=3)
    axes.set_xlim(0, 102)
    axes.set_ylim(0, 102)
    axes.set_xticks([0, 50, 100])
    axes.set_yticks([0, 50, 100])
    axes.set_aspect("equal")
    axes.tick_params(length=0, labelsize=8, labelcolor=theme.muted)
