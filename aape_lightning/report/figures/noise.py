"""What injected sentences do: how much more the reference keeps than each other method, and the attention on them."""

from dataclasses import replace

from aape_lightning.report.figures.drawing import Drawing, slug
from aape_lightning.report.figures.metrics import told
from aape_lightning.report.figures.over_values import LINES, LinePanel, differences_panel, means_panel, paint_panels
from aape_lightning.report.grid.noise import ATTENTION, CHANGE_OF
from aape_lightning.report.grid.panels import Panel
from aape_lightning.report.grid.study import GridStudy

__all__ = ["noise_figures"]


def noise_figures(study: GridStudy) -> list[Drawing]:
    """The figures that a study of noise has the data for, once for each value of a second key.

    Args:
        study: The runs of one dataset, or their average.
    """
    figures = []
    for panel in study.panels:
        if panel.metric.startswith(CHANGE_OF):
            figures.append(_kept(study, panel))
        elif panel.metric == ATTENTION:
            figures.append(_attention(study, panel))
    return figures


def _kept(study: GridStudy, panel: Panel) -> Drawing:
    table, reference = study.table(panel), study.reference
    panels = [replace(means_panel(study, panel, panel.name), unit="points")]
    if table.differences:
        panels.append(differences_panel(study, panel, f"{reference} minus the other method"))
    return _drawing(
        study,
        panel,
        "kept under noise",
        panels,
        f"{LINES} Above, each seed's value under noise minus its value without. Below, paired: over zero, {reference} "
        "keeps more than the other method.",
    )


def _attention(study: GridStudy, panel: Panel) -> Drawing:
    caption = f"{LINES} Share of the attention on sentences of other classes; dotted, their share among the sentences."
    return _drawing(study, panel, "attention on noise", [means_panel(study, panel, "")], caption)


def _drawing(study: GridStudy, panel: Panel, name: str, panels: list[LinePanel], caption: str) -> Drawing:
    return Drawing(
        name=slug(study.dataset, name, *([panel.within] if panel.within else [])),
        title=", ".join(filter(None, [panel.name, panel.within])),
        caption=caption,
        alt=f"{panel.title}: {study.dataset}. {told(study.table(panel))}",
        paint=lambda theme: paint_panels(panels, study.methods, study.reference, theme),
        tall=len(panels) > 1,
    )
