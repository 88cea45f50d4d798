"""What answered examples bring: a metric over K of K-shot, one panel a degradation, one line a method."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aape_lightning.report.figures.drawing import Drawing, slug
from aape_lightning.report.figures.lines import draw_lines, line_legend, reference_first
from aape_lightning.report.figures.metrics import axis_label, told
from aape_lightning.report.figures.theme import WIDTH, Theme
from aape_lightning.report.train_test.metric_names import DEGRADATIONS, label
from aape_lightning.report.train_test.study import Study
from aape_lightning.report.train_test.tables import Table

__all__ = ["shots_figure"]

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
    figure = Figure(figsize=(WIDTH, 0.5 + 0.1 * len(study.methods) + 1.7 * len(tables)), layout="constrained")
    panels = figure.subplots(len(tables), 1, squeeze=False, sharex=True, sharey=True)[:, 0]
    for axes, table in zip(panels, tables, strict=True):
        _panel(axes, study, table, theme)
        axes.set_title(f"{DEGRADATIONS[table.first.degradation].capitalize()}s")
    panels[-1].set_xlabel("K, answered examples shown")
    line_legend(figure, study.methods)
    return figure


def _panel(axes: Axes, study: Study, table: Table, theme: Theme) -> None:
    counts, scale = [float(column.parsed.shots or 0) for column in table.columns], table.columns[0].scale
    lines = {method: list(zip(counts, means, strict=True)) for method, means in table.rows.items()}
    draw_lines(axes, lines, reference_first(study.methods, study.reference), theme, scale.factor)
    axes.set_xticks(counts, labels=[f"{count:.0f}" for count in counts])
    axes.set_ylabel(axis_label(scale))
