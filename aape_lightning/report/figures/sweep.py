"""The swept metrics over a key's values: H with base and new below it, or what else was measured."""

from aape_lightning.report.figures.drawing import Drawing, slug
from aape_lightning.report.figures.metrics import told
from aape_lightning.report.figures.over_values import LINES, axis_name, means_panel, paint_panels
from aape_lightning.report.grid.over_settings import MEAN_OF_H
from aape_lightning.report.grid.panels import Panel
from aape_lightning.report.grid.study import GridStudy
from aape_lightning.report.scores import BASE, NEW

__all__ = ["sweep_figures"]

_OF_H = (MEAN_OF_H, BASE, NEW)
_MOST_PANELS = 4


def sweep_figures(study: GridStudy) -> list[Drawing]:
    """One figure, or one for each value of a second key.

    Args:
        study: The runs of one dataset, or their average.
    """
    by_within: dict[str, list[Panel]] = {}
    for panel in study.panels:
        if _is_drawn(panel):
            by_within.setdefault(panel.within, []).append(panel)
    return [_figure(study, panels[:_MOST_PANELS], within) for within, panels in by_within.items()]


def _is_drawn(panel: Panel) -> bool:
    return panel.metric in _OF_H or (panel.main and panel.is_measured)


def _figure(study: GridStudy, panels: list[Panel], within: str) -> Drawing:
    drawn = [means_panel(study, panel, panel.name) for panel in panels]
    under = f", {within}" if within else ""
    title = f"Over {axis_name(study.axes[0])}{under}"
    return Drawing(
        name=slug(study.dataset, "over", study.axes[0].key, *([within] if within else [])),
        title=title,
        caption=LINES,
        alt=f"{title} on {study.dataset}: {drawn[0].title}. {told(study.table(panels[0]))}",
        paint=lambda theme: paint_panels(drawn, study.methods, study.reference, theme),
        tall=len(panels) > 1,
    )
