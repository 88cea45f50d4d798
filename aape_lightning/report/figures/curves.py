"""Training curves: the mean over seeds of each method, and how far the seeds spread."""

import math
from collections.abc import Sequence
from itertools import zip_longest
from typing import cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from aape_lightning.protocols.results import Result
from aape_lightning.report.figures.drawing import Drawing, slug
from aape_lightning.report.figures.lines import line_legend
from aape_lightning.report.figures.theme import DASHES, WIDTH, Theme, pick

__all__ = ["Curve", "curves_figure", "mean_curve"]

Curve = tuple[np.ndarray, np.ndarray, np.ndarray]
Curves = dict[str, dict[str, Curve]]

_COLUMNS = 2
_CAPTION = (
    "Lines are means over seeds; bands reach from the lowest seed to the highest. A value is counted from the "
    "first epoch (for val/, the first validation) in which it was recorded. Where training has stages, train/loss "
    "is the sum of the current stage's terms."
)


def curves_figure(runs: Sequence[Result], reference: str | None) -> Drawing | None:
    """One panel a recorded value, one line a method; none where no run recorded curves.

    Args:
        runs: The base-to-new results on one dataset, by method in order of display.
        reference: The method that takes the first colour, if any.
    """
    curves = _collect(runs)
    if not curves:
        return None
    trained = sorted({method for lines in curves.values() for method in lines}, key=[run.method for run in runs].index)
    if reference in trained:
        trained.sort(key=lambda method: method != reference)
    return Drawing(
        name=slug(runs[0].dataset, "curves"),
        title="Training",
        caption=_CAPTION,
        alt=f"Training curves on {runs[0].dataset}: {', '.join(curves)}, for {', '.join(trained)}.",
        paint=lambda theme: _paint(curves, trained, theme),
        tall=len(curves) > 2 * _COLUMNS,
    )


def _collect(runs: Sequence[Result]) -> Curves:
    names = sorted({name for run in runs for name, values in run.curves.items() if values}, key=_panel_order)
    methods = list(dict.fromkeys(run.method for run in runs))
    curves: Curves = {}
    for name in names:
        for method in methods:
            seeds = [run.curves[name] for run in runs if run.method == method and run.curves.get(name)]
            if seeds:
                curves.setdefault(name, {})[method] = mean_curve(seeds)
    return curves


def _panel_order(name: str) -> tuple[bool, bool, str]:
    """Training before validation, and the total after its terms."""
    return name.startswith("val"), name.endswith("loss"), name


def mean_curve(seeds: Sequence[Sequence[float]]) -> Curve:
    """Mean, lowest and highest value at each step; a seed that stopped early counts as far as it went.

    Example:
        >>> [line.tolist() for line in mean_curve([[1.0, 2.0], [3.0]])]
        [[2.0, 2.0], [1.0, 2.0], [3.0, 2.0]]
    """
    steps = np.ma.masked_invalid(np.array(list(zip_longest(*seeds, fillvalue=math.nan)), dtype=np.float64))
    return tuple(of_steps(axis=1).filled(math.nan) for of_steps in (steps.mean, steps.min, steps.max))


def _paint(curves: Curves, methods: Sequence[str], theme: Theme) -> Figure:
    rows = math.ceil(len(curves) / _COLUMNS)
    columns = min(_COLUMNS, len(curves))
    legend = 0.2 * math.ceil(len(methods) / _COLUMNS)
    figure = Figure(figsize=(WIDTH, 0.25 + legend + 1.75 * rows), layout="constrained")
    cast(ConstrainedLayoutEngine, figure.get_layout_engine()).set(wspace=0.08, hspace=0.06)
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes, (name, lines) in zip(panels, curves.items(), strict=False):
        _panel(axes, name, lines, methods, theme)
    for axes in panels[len(curves) :]:  # a place left empty by an odd count
        axes.set_axis_off()
    line_legend(figure, methods, _COLUMNS)
    return figure


def _panel(axes: Axes, name: str, lines: dict[str, Curve], methods: Sequence[str], theme: Theme) -> None:
    for method in sorted(lines, key=methods.index, reverse=True):  # the reference last, above the others
        (mean, low, high), place = lines[method], methods.index(method)
        colour, steps = pick(theme.series, place), np.arange(1, len(mean) + 1)
        axes.fill_between(steps, low, high, color=colour, alpha=0.18, linewidth=0)
        marker = "o" if len(mean) == 1 else None
        axes.plot(steps, mean, color=colour, linestyle=pick(DASHES, place), marker=marker, markersize=4, label=method)
    axes.set_title(name)
    axes.set_xlabel("validation" if name.startswith("val") else "epoch")
    axes.locator_params(axis="x", integer=True, nbins=5)
    axes.locator_params(axis="y", nbins=5)
    axes.tick_params(length=0, labelsize=8.5, labelcolor=theme.muted)
