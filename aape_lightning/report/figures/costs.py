"""What each method costs, one panel a cost, on logarithmic axes: methods differ by orders of magnitude."""

import math
from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from aape_lightning.report.figures.drawing import Drawing, slug
from aape_lightning.report.figures.marks import draw_interval
from aape_lightning.report.figures.metrics import told
from aape_lightning.report.figures.theme import WIDTH, Theme, row_axis
from aape_lightning.report.grid.study import GridStudy
from aape_lightning.report.statistics import MeanInterval
from aape_lightning.report.train_test.tables import Column

__all__ = ["costs_figure"]

_COLUMNS = 2
_CAPTION = (
    "Marks are means, lines 95 % t-intervals where several seeds were measured. Axes are logarithmic; what is zero, "
    "such as the parameters of a method that trains none, has no mark."
)


def costs_figure(study: GridStudy) -> Drawing:
    """Every cost of every method.

    Args:
        study: The runs on one dataset.
    """
    table = study.table(study.panels[0])
    return Drawing(
        name=slug(study.dataset, "costs"),
        title="What each method costs",
        caption=_CAPTION,
        alt=f"Costs by method. {told(table)}",
        paint=lambda theme: _paint(study, theme),
        tall=len(table.columns) > 2 * _COLUMNS,
    )


def _paint(study: GridStudy, theme: Theme) -> Figure:
    table = study.table(study.panels[0])
    rows = math.ceil(len(table.columns) / _COLUMNS)
    figure = Figure(figsize=(WIDTH, 0.2 + rows * (0.62 + 0.26 * len(table.rows))), layout="constrained")
    panels = figure.subplots(rows, _COLUMNS, squeeze=False).flatten()
    for place, axes in enumerate(panels):
        if place >= len(table.columns):  # a place left empty by an odd count
            axes.set_axis_off()
            continue
        means = {method: row[place] for method, row in table.rows.items()}
        _panel(axes, table.columns[place], means, study.reference, theme)
        if place % _COLUMNS:
            axes.set_yticklabels([])
    return figure


def _panel(axes: Axes, column: Column, means: Mapping[str, MeanInterval], reference: str, theme: Theme) -> None:
    row_axis(axes, list(means), reference)
    axes.set_xscale("log")
    for row, (method, mean) in enumerate(means.items()):
        if not mean.mean > 0:
            axes.annotate(
                column.scale.number(mean.mean), (0.02, row), xycoords=("axes fraction", "data"), va="center", fontsize=8
            )
            continue
        colour = theme.accent if method == reference else theme.ink
        draw_interval(axes, float(row), mean, colour)
        axes.scatter([mean.mean], [row], s=26, color=colour, zorder=4)
        told, place = column.scale.number(mean.mean), (mean.mean, row)
        axes.annotate(told, place, (6, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_title(column.heading)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.margins(x=0.45)
