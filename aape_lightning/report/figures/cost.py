"""What each method costs: seconds by phase."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from aape_lightning.protocols.results import Result
from aape_lightning.report.diagnostics import phase_seconds
from aape_lightning.report.figures.drawing import Drawing, slug
from aape_lightning.report.figures.theme import WIDTH, Theme, pick, row_axis
from aape_lightning.report.methods import method_order

__all__ = ["cost_figure"]

_CAPTION = "Wall-clock time of one run by phase, mean over seeds, on the machine that ran it."


def cost_figure(runs: Sequence[Result]) -> Drawing | None:
    """Seconds by phase and method; none where no run recorded them.

    Args:
        runs: The base-to-new results on one dataset.
    """
    seconds = phase_seconds(runs)
    if not seconds:
        return None
    methods = [method for method in method_order(run.method for run in runs) if _total(seconds, method)]
    totals = " ".join(f"{method}: {_total(seconds, method):.1f} s." for method in methods)
    return Drawing(
        name=slug(runs[0].dataset, "cost"),
        title="Cost",
        caption=_CAPTION,
        alt=f"Seconds of one run on {runs[0].dataset} by phase. {totals}",
        paint=lambda theme: _paint(seconds, methods, theme),
    )


def _total(seconds: dict[str, dict[str, float]], method: str) -> float:
    return sum(of_phase.get(method, 0.0) for of_phase in seconds.values())


def _paint(seconds: dict[str, dict[str, float]], methods: Sequence[str], theme: Theme) -> Figure:
    figure = Figure(figsize=(WIDTH, 1.1 + 0.28 * len(methods)), layout="constrained")
    axes = figure.subplots()
    row_axis(axes, methods)
    ends, rows = np.zeros(len(methods)), range(len(methods))
    colours = (theme.series[1], theme.accent, theme.plain, *theme.series[2:])
    for place, (phase, of_phase) in enumerate(seconds.items()):
        widths = np.array([of_phase.get(method, 0.0) for method in methods])
        colour = pick(colours, place)
        axes.barh(
            rows, widths, left=ends, height=0.64, color=colour, edgecolor=theme.surface, linewidth=0.6, label=phase
        )
        ends += widths
    for row, end in zip(rows, ends, strict=True):
        axes.annotate(f"{end:.1f} s", (end, row), (4, 0), textcoords="offset points", va="center", fontsize=8.5)
    axes.set_xlim(0, max(ends) * 1.13)
    axes.set_xlabel("seconds")
    figure.legend(loc="outside upper left", ncols=4)
    return figure
