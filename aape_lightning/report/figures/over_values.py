"""Panels of lines over the values of a varied key."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from aape_lightning.report.figures.lines import Line, draw_lines, line_legend, reference_first
from aape_lightning.report.figures.metrics import axis_label
from aape_lightning.report.figures.theme import WIDTH, Theme
from aape_lightning.report.grid.noise import UNIFORM
from aape_lightning.report.grid.panels import Panel
from aape_lightning.report.grid.settings import NOISE, SHOTS, Axis, value_text
from aape_lightning.report.grid.study import GridStudy
from aape_lightning.report.statistics import MeanInterval
from aape_lightning.report.train_test.metric_names import Scale

__all__ = ["LINES", "LinePanel", "axis_name", "differences_panel", "means_panel", "paint_panels"]

LINES = "Lines join means over seeds; upright strokes are 95 % t-intervals. Axes do not start at zero."
_NAMES = {SHOTS: "training images a class", NOISE: "rate of injected sentences"}


@dataclass(frozen=True)
class LinePanel:
    """One panel.

    Attributes:
        title: Its heading.
        axis: The values that it goes over.
        unit: The name of its upright axis.
        lines: Places on the axis and means, by method.
        scale: How values are shown.
        zero: Whether zero is marked, as differences need it.
    """

    title: str
    axis: Axis
    unit: str
    lines: Mapping[str, Line]
    scale: Scale
    zero: bool = False


def axis_name(axis: Axis) -> str:
    """A varied key as a figure calls it."""
    return _NAMES.get(axis.key, axis.key)


def means_panel(study: GridStudy, panel: Panel, title: str) -> LinePanel:
    """A table's means over its columns."""
    scale = panel.columns[0].scale
    return LinePanel(title, study.axes[0], axis_label(scale), _placed(study, panel, study.table(panel).rows), scale)


def differences_panel(study: GridStudy, panel: Panel, title: str) -> LinePanel:
    """A table's paired differences over its columns."""
    means = {method: [found.difference for found in row] for method, row in study.table(panel).differences.items()}
    return LinePanel(title, study.axes[0], "points", _placed(study, panel, means), panel.columns[0].scale, zero=True)


def _placed(study: GridStudy, panel: Panel, means: Mapping[str, Sequence[MeanInterval]]) -> dict[str, Line]:
    axis = study.axes[0]
    places = [axis.places[axis.values.index(column.at)] for column in panel.columns]
    return {method: list(zip(places, row, strict=True)) for method, row in means.items()}


def paint_panels(
    panels: Sequence[LinePanel], methods: Sequence[str], reference: str, theme: Theme, columns: int = 1
) -> Figure:
    """The panels under one legend.

    Args:
        panels: In order.
        methods: In order of display.
        reference: The method that takes the first colour.
        theme: Their colours.
        columns: How many stand side by side.
    """
    rows = math.ceil(len(panels) / columns)
    height = 0.45 + 0.2 * math.ceil(len(methods) / 2) + 1.75 * rows
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    cast(ConstrainedLayoutEngine, figure.get_layout_engine()).set(wspace=0.06, hspace=0.04)
    places = figure.subplots(rows, columns, squeeze=False).flatten()
    for order, (axes, panel) in enumerate(zip(places, panels, strict=False)):
        _panel(axes, panel, reference_first(methods, reference), theme)
        axes.set_ylabel(panel.unit if order % columns == 0 else "")
        axes.set_xlabel(axis_name(panel.axis) if order >= len(panels) - columns else "")
    for axes in places[len(panels) :]:  # a place left empty by an odd count
        axes.set_axis_off()
    line_legend(figure, [*methods, UNIFORM])
    return figure


def _panel(axes: Axes, panel: LinePanel, methods: Sequence[str], theme: Theme) -> None:
    if panel.zero:
        axes.axhline(0, color=theme.muted, linewidth=1)
    factor = panel.scale.factor
    if UNIFORM in panel.lines:
        places, means = zip(*panel.lines[UNIFORM], strict=True)
        heights = [factor * mean.mean for mean in means]
        axes.plot(places, heights, color=theme.muted, linestyle=":", linewidth=2, label=UNIFORM)
    draw_lines(axes, panel.lines, methods, theme, factor)
    axes.set_xticks(panel.axis.places, labels=[value_text(value) for value in panel.axis.values])
    axes.set_title(panel.title)
