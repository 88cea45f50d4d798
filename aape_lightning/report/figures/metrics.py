"""Every metric of one table: the mean of each method with its interval, and the single seeds."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aape_lightning.report.figures.drawing import Drawing, slug
from aape_lightning.report.figures.marks import draw_interval, spread
from aape_lightning.report.figures.theme import WIDTH, Theme, row_axis
from aape_lightning.report.statistics import mean_interval
from aape_lightning.report.train_test.metric_names import Scale
from aape_lightning.report.train_test.tables import Column, Table
from aape_lightning.report.train_test.values import Measured

__all__ = ["axis_label", "metrics_figure", "told"]

_COLUMNS = 2
_CAPTION = (
    "Large marks are means over seeds, lines their 95 % t-intervals, small dots the single seeds. Axes do not start at "
    "zero."
)


def metrics_figure(study: Measured, table: Table) -> Drawing:
    """One panel a metric, one row a method.

    Args:
        study: The dataset's runs.
        table: The metrics.
    """
    return Drawing(
        name=slug(study.dataset, table.title),
        title=table.title,
        caption=_CAPTION,
        alt=f"{table.title} on {study.dataset}, means by method. {told(table)}",
        paint=lambda theme: _paint(study, table, theme),
        tall=len(table.columns) > 2 * _COLUMNS,
    )


def told(table: Table) -> str:
    """A table's means, for readers who do not see the figure."""
    return " ".join(
        f"{method}: "
        + ", ".join(
            f"{column.heading} {column.scale.number(found.mean)}"
            for column, found in zip(table.columns, means, strict=True)
        )
        + "."
        for method, means in table.rows.items()
    )


def axis_label(scale: Scale) -> str:
    """The unit of a metric's axis."""
    if scale.is_fraction:
        return "percent"
    return "times 100" if scale.factor != 1 else "lower is better" if scale.lower_is_better else ""


def _paint(study: Measured, table: Table, theme: Theme) -> Figure:
    columns = min(_COLUMNS, len(table.columns))
    rows = math.ceil(len(table.columns) / columns)
    height = 0.2 + rows * (0.62 + 0.26 * len(table.rows))
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    for place, axes in enumerate(panels.flatten()):
        if place >= len(table.columns):  # a place left empty by an odd count
            axes.set_axis_off()
            continue
        _panel(axes, study, table.columns[place], list(table.rows), theme)
        if place % columns:
            axes.set_yticklabels([])
    return figure


def _panel(axes: Axes, study: Measured, column: Column, methods: Sequence[str], theme: Theme) -> None:
    row_axis(axes, methods, study.reference)
    for row, method in enumerate(methods):
        values = [column.scale.factor * v for v in study.values[column.name].get(method, {}).values()]
        interval, colour = mean_interval(values), theme.accent if method == study.reference else theme.ink
        axes.scatter(values, row + spread(len(values), 0.16, 0.36), s=7, color=theme.plain, zorder=2)
        draw_interval(axes, row - 0.1, interval, colour)
        axes.scatter([interval.mean], [row - 0.1], s=30, color=colour, zorder=4)
    axes.set_title(column.heading)
    axes.set_xlabel(axis_label(column.scale))
    axes.locator_params(axis="x", nbins=4)
    axes.margins(x=0.12)
