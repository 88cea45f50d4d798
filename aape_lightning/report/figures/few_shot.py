"""Accuracy over the number of training images: of one dataset, or of the average and every dataset side by side."""

from collections.abc import Sequence

from aape_lightning.report.figures.drawing import Drawing, slug
from aape_lightning.report.figures.metrics import told
from aape_lightning.report.figures.over_values import LINES, means_panel, paint_panels
from aape_lightning.report.grid.study import GridStudy
from aape_lightning.report.methods import method_order

__all__ = ["few_shot_figure"]

_COLUMNS = 2


def few_shot_figure(studies: Sequence[GridStudy]) -> Drawing:
    """One panel a dataset.

    Args:
        studies: One dataset, or the average and then the datasets.
    """
    first, many = studies[0], len(studies) > 1
    panels = [means_panel(study, study.panels[0], study.dataset if many else "") for study in studies]
    methods = method_order(method for study in studies for method in study.methods)
    return Drawing(
        name=slug(first.dataset, "few-shot"),
        title=f"{first.panels[0].name} over training images",
        caption=f"{LINES} Training images a class double from step to step.",
        alt=f"{first.panels[0].name} by number of training images: {first.dataset}. "
        + told(first.table(first.panels[0])),
        paint=lambda theme: paint_panels(panels, methods, first.reference, theme, _COLUMNS if many else 1),
        tall=len(studies) > 2 * _COLUMNS,
    )
