"""What answered examples bring: a metric over K of K-shot, one panel a degradation, one line a method."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aape_lightning.report.figures.drawing import Drawing, slug
from aape_lightning.report.figures.metrics import axis_label, told
from aape_lightning.report.figures.theme import DASHES, MARKERS, WIDTH, Theme, pick
from aape_lightning.report.train_test.metric_names import DEGRADATIONS, label
from aape_lightning.report.train_test.study import Study
from aape_lightning.report.train_test.tables import Table
from aape_lightning.report.train_test.values import mean_of

__all__ = ["shots_figure"]

_APART = 0.05  # of K between the marks of two methods, so that their intervals do not cover each other
_CAPTION = (
    "Lines join means over seeds; upright strokes are 95 % t-intervals. K answered examples are shown before each "
    "question."
)


def shots_figure(study: Study, tables: Sequence[Table]) -> Drawing:
    """Curves over K.

    Args:
        study: The dataset's runs.
        tables: One metric over K, once for each degradation.
    """
    metric = label(tables[0].first.metric)
    return Drawing(
        name=slug(study.dataset, metric, "shots"),
        title=f"{metric} over K shown examples",
        caption=_CAPTION,
        alt=f"Curves on {study.dataset}. " + " ".join(f"{table.title}: {told(table)}" for table in tables),
        paint=lambda theme: _paint(study, tables, theme),
        tall=len(tables) > 1,
    )


def _paint(study: Study, tables: Sequence[Table], theme: Theme) -> Figure:
    methods = sorted(study.methods, key=lambda method: method != study.reference)
    figure = Figure(figsize=(WIDTH, 0.5 + 0.1 * len(methods) + 1.7 * len(tables)), layout="constrained")
    panels = figure.subplots(len(tables), 1, squeeze=False, sharex=True, sharey=True)[:, 0]
    for axes, table in zip(panels, tables, strict=True):
        _panel(axes, study, table, methods, theme)
        axes.set_title(f"{DEGRADATIONS[table.first.degradation].capitalize()}s")
    panels[-1].set_xlabel("K, answered examples shown")
    handles, labels = panels[0].get_legend_handles_labels()
    order = [labels.index(method) for method in study.methods if method in labels]
    figure.legend([handles[k] for k in order], [labels[k] for k in order], loc="outside upper left", ncols=2)
    return figure


def _panel(axes: Axes, study: Study, table: Table, methods: Sequence[str], theme: Theme) -> None:
    counts = [int(column.parsed.shots or 0) for column in table.columns]
    factor = table.columns[0].scale.factor
    for place, method in reversed(list(enumerate(methods))):  # the reference last, above the others
        means = [mean_of(study.values, column.name, method) for column in table.columns]
        colour, places = pick(theme.series, place), [k + _APART * (place - (len(methods) - 1) / 2) for k in counts]
        values = [factor * mean.mean for mean in means]
        style = pick(DASHES, place)
        axes.plot(
            places, values, color=colour, linestyle=style, marker=pick(MARKERS, place), markersize=4.5, label=method
        )
        for at, mean in zip(places, means, strict=True):
            if mean.count > 1:
                axes.plot([at, at], [factor * mean.low, factor * mean.high], color=colour, linewidth=1.4)
    axes.set_xticks(counts)
    axes.set_ylabel(axis_label(table.columns[0].scale))
    axes.tick_params(length=0, labelcolor=theme.muted)
    axes.locator_params(axis="y", nbins=5)
