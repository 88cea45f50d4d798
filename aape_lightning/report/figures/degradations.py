"""How much is lost where images are made worse: grouped bars of every method under every degradation."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from aape_lightning.report.figures.drawing import Drawing, slug
from aape_lightning.report.figures.lines import reference_first
from aape_lightning.report.figures.metrics import axis_label, told
from aape_lightning.report.figures.theme import WIDTH, Theme, pick
from aape_lightning.report.train_test.metric_names import DEGRADATIONS
from aape_lightning.report.train_test.study import Study
from aape_lightning.report.train_test.tables import Column, Table
from aape_lightning.report.train_test.values import mean_of

__all__ = ["degradations_figure"]

_MOST_PANELS = 4
_CAPTION = "Bars are means over seeds, strokes their 95 % t-intervals. One training is tested under every condition."


def degradations_figure(study: Study, tables: Sequence[Table]) -> Drawing:
    """One panel a metric, one group of bars a degradation, one bar a method.

    Args:
        study: The dataset's runs.
        tables: The same metrics, once for each degradation.
    """
    return Drawing(
        name=slug(study.dataset, tables[0].first.part, "degradations"),
        title="Where images are made worse",
        caption=_CAPTION,
        alt=f"Bars on {study.dataset}. " + " ".join(f"{table.title}: {told(table)}" for table in tables),
        paint=lambda theme: _paint(study, tables, theme),
        tall=True,
    )


def _paint(study: Study, tables: Sequence[Table], theme: Theme) -> Figure:
    main = [place for place, column in enumerate(tables[0].columns) if not column.parsed.is_minor][:_MOST_PANELS]
    methods = reference_first(study.methods, study.reference)
    figure = Figure(figsize=(WIDTH, 0.3 + 0.1 * len(methods) + 1.7 * len(main)), layout="constrained")
    panels = figure.subplots(len(main), 1, squeeze=False)[:, 0]
    for axes, place in zip(panels, main, strict=True):
        metric = tables[0].columns[place].parsed.metric
        columns = [column for table in tables for column in table.columns if column.parsed.metric == metric]
        _panel(axes, study, columns, methods, theme)
    handles = [Patch(color=pick(theme.series, methods.index(method))) for method in study.methods]
    figure.legend(handles, study.methods, loc="outside upper left", ncols=2)
    return figure


def _panel(axes: Axes, study: Study, columns: Sequence[Column], methods: Sequence[str], theme: Theme) -> None:
    factor, width = columns[0].scale.factor, 0.8 / len(methods)
    for method in study.methods:
        offset = (study.methods.index(method) - (len(methods) - 1) / 2) * width
        places = np.arange(len(columns)) + offset
        means = [mean_of(study.values, column.name, method) for column in columns]
        colour = pick(theme.series, methods.index(method))
        axes.bar(places, [factor * mean.mean for mean in means], width=0.9 * width, color=colour)
        for place, mean in zip(places, means, strict=True):
            if mean.count > 1:
                axes.plot([place, place], [factor * mean.low, factor * mean.high], color=theme.ink, linewidth=1.4)
    axes.set_xticks(range(len(columns)), labels=[f"{DEGRADATIONS[column.parsed.degradation]}s" for column in columns])
    axes.tick_params(axis="x", length=0, labelcolor=theme.ink)
    axes.tick_params(axis="y", length=0, labelcolor=theme.muted)
    axes.grid(visible=False, axis="x")
    axes.set_ylim(bottom=0)
    axes.locator_params(axis="y", nbins=4)
    axes.set_ylabel(axis_label(columns[0].scale))
    axes.set_title(columns[0].heading)
