"""How far the reference is from each other method, seed by seed."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aape_lightning.protocols.results import Result
from aape_lightning.report.cells import signed
from aape_lightning.report.comparison import compare, paired_differences
from aape_lightning.report.figures.accuracy import PANELS
from aape_lightning.report.figures.drawing import Drawing, slug
from aape_lightning.report.figures.marks import draw_interval, spread
from aape_lightning.report.figures.theme import WIDTH, Theme, row_axis
from aape_lightning.report.statistics import mean_interval

__all__ = ["differences_figure"]

_CAPTION = (
    "Right of the line the reference is better. Large marks are means with their 95 % t-intervals, filled where the "
    "interval excludes zero; small dots are the pairs of runs with one seed."
)


def differences_figure(runs: Sequence[Result], reference: str | None) -> Drawing | None:
    """Paired differences; none without a reference that has partners.

    Args:
        runs: The base-to-new results on one dataset.
        reference: The method that the others are compared with, if any.
    """
    if reference is None or all(run.method != reference for run in runs):
        return None
    pairs = paired_differences(runs, reference)
    if pairs.empty:
        return None
    dataset = runs[0].dataset
    return Drawing(
        name=slug(dataset, "differences"),
        title=f"{reference} against the other methods",
        caption=_CAPTION,
        alt=f"Paired differences of {reference} from each other method on {dataset}. {_told(compare(runs, reference))}",
        paint=lambda theme: _paint(pairs, theme),
    )


def _told(comparison: pd.DataFrame) -> str:
    rows = comparison.to_dict("records")
    return " ".join(f"H against {row['method']}: {signed(row['h_difference'], row['h_interval'])}." for row in rows)


def _paint(pairs: pd.DataFrame, theme: Theme) -> Figure:
    methods = list(dict.fromkeys(pairs["method"]))
    height = 0.9 + len(PANELS) * (0.3 + 0.27 * len(methods))
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    panels = figure.subplots(len(PANELS), 1, sharex=True)
    for axes, (metric, title) in zip(panels, PANELS.items(), strict=True):
        row_axis(axes, methods)
        axes.axvline(0, color=theme.muted, linewidth=1)
        for row, method in enumerate(methods):
            _row(axes, row, 100 * pairs[metric][pairs["method"] == method], theme)
        axes.set_title(title)
    panels[-1].set_xlabel("difference, percentage points")
    return figure


def _row(axes: Axes, row: int, values: pd.Series, theme: Theme) -> None:
    interval, place = mean_interval(values), row - 0.1
    axes.scatter(values, row + spread(len(values), 0.14, 0.36), s=7, color=theme.plain, zorder=2)
    draw_interval(axes, place, interval, theme.accent)
    fill = theme.accent if interval.excludes_zero else theme.surface
    axes.scatter([interval.mean], [place], s=34, color=fill, edgecolor=theme.accent, linewidth=1.5, zorder=4)
