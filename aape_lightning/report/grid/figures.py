"""Which figures a grid has the data for."""

from collections.abc import Sequence

from aape_lightning.protocols.names import COST, FEW_SHOT, TRANSFERS
from aape_lightning.report.figures import Drawing
from aape_lightning.report.figures.costs import costs_figure
from aape_lightning.report.figures.few_shot import few_shot_figure
from aape_lightning.report.figures.metrics import metrics_figure
from aape_lightning.report.figures.noise import noise_figures
from aape_lightning.report.figures.sweep import sweep_figures
from aape_lightning.report.grid.study import GridStudy

__all__ = ["average_figures", "grid_figures"]


def grid_figures(study: GridStudy) -> list[Drawing]:
    """The figures of one dataset.

    Args:
        study: Its runs.
    """
    if study.protocol == COST:
        return [costs_figure(study)]
    if study.protocol in TRANSFERS:
        return [metrics_figure(study, table) for table in study.tables]
    if study.protocol == FEW_SHOT:
        return [few_shot_figure([study])]
    return [*sweep_figures(study), *noise_figures(study)]


def average_figures(average: GridStudy, studies: Sequence[GridStudy]) -> list[Drawing]:
    """The figures of an average over datasets; of few-shot results the datasets stand beside it.

    Args:
        average: The average.
        studies: The datasets.
    """
    return [few_shot_figure([average, *studies])] if average.protocol == FEW_SHOT else grid_figures(average)
