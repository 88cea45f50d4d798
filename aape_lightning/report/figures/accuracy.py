"""Base, new and H of every method: bars from zero, intervals, and the single seeds."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aape_lightning.protocols.results import Result
from aape_lightning.report.cells import percent
from aape_lightning.report.figures.drawing import Drawing, slug
from aape_lightning.report.figures.marks import draw_over_bar
from aape_lightning.report.figures.theme import WIDTH, Theme, row_axis
from aape_lightning.report.scores import score_table
from aape_lightning.report.statistics import MeanInterval

__all__ = ["PANELS", "accuracy_figure"]

PANELS = {"base": "Base classes", "new": "New classes", "h": "H of each seed"}
_CAPTION = (
    "Bars are means over seeds (their values at the right), lines the 95 % t-intervals, dots the single seeds. "
    "The bars of H are the mean of H, not the H of means."
)


def accuracy_figure(runs: Sequence[Result], reference: str | None) -> Drawing:
    """Bars of base, new and H.

    Args:
        runs: The base-to-new results on one dataset.
        reference: The method that stands out, if any.
    """
    scores = score_table(runs)
    dataset = runs[0].dataset
    return Drawing(
        name=slug(dataset, "accuracy"),
        title="Accuracy",
        caption=_CAPTION,
        alt=f"Bars of accuracy on {dataset} for each method. {_told(scores)}",
        paint=lambda theme: _paint(scores, reference, theme),
    )


def _told(scores: pd.DataFrame) -> str:
    parts = []
    for method, group in scores.groupby("method", sort=False):
        means = (
            f"{name} {percent(group[metric].mean())}"
            for metric, name in (("base", "base"), ("new", "new"), ("h", "mean of H"))
        )
        parts.append(f"{method}: {', '.join(means)}.")
    return " ".join(parts)


def _paint(scores: pd.DataFrame, reference: str | None, theme: Theme) -> Figure:
    methods = list(dict.fromkeys(scores["method"]))
    height = 0.9 + len(PANELS) * (0.3 + 0.24 * len(methods))
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    panels = figure.subplots(len(PANELS), 1, sharex=True)
    top = 0.0
    for axes, (metric, title) in zip(panels, PANELS.items(), strict=True):
        values = {method: [100 * value for value in scores[metric][scores["method"] == method]] for method in methods}
        top = max(top, _panel(axes, values, reference, theme))
        axes.set_title(title)
    panels[0].set_xlim(0, min(100.0, top * 1.03) or 1.0)
    panels[-1].set_xlabel("percent")
    return figure


def _panel(axes: Axes, values: dict[str, list[float]], reference: str | None, theme: Theme) -> float:
    """Draw one panel; returns the largest value in it."""
    row_axis(axes, list(values), reference)
    top = 0.0
    for row, (method, of_method) in enumerate(values.items()):
        interval = draw_over_bar(axes, row, of_method, theme)
        axes.barh(row, interval.mean, height=0.7, color=theme.accent if method == reference else theme.plain)
        _value(axes, row, interval, bold=method == reference)
        top = max(top, *of_method, interval.high if interval.count > 1 else 0.0)
    return top


def _value(axes: Axes, row: int, interval: MeanInterval, *, bold: bool) -> None:
    axes.annotate(
        f"{interval.mean:.2f}",
        xy=(1, row),
        xycoords=("axes fraction", "data"),
        xytext=(36, 0),
        textcoords="offset points",
        ha="right",
        va="center",
        fontsize=8.5,
        fontweight="bold" if bold else "normal",
    )
