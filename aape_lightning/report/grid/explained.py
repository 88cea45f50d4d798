"""The explanations of one grid: of the source where there are targets, of the most shots where shots were varied."""

import math
from collections.abc import Sequence
from pathlib import Path

from aape_lightning.protocols.names import FEW_SHOT, TRANSFERS
from aape_lightning.protocols.results import Result
from aape_lightning.report.explained.section import Explained, explained
from aape_lightning.report.grid.study import GridStudy

__all__ = ["grid_explained"]

_SHOTS = "data.shots"


def grid_explained(study: GridStudy, found: Sequence[tuple[Path, Result]], folder: Path) -> Explained | None:
    """The explanations of the reference method, or of the last in order of display that left some.

    Args:
        study: One dataset's grid.
        found: Every result with the folder that it lies in.
        folder: The report's folder, which gets the figures.

    Returns:
        None of the other protocols, of few-shot with another key varied too, and where no run left explanations.

    Raises:
        ResultError: If a file of explanations is malformed.
    """
    runs = _runs(study)
    places = {(run.dataset, run.method, run.seed): place for place, run in found if run in runs}
    return explained(runs, places, folder, study.reference) if runs else None


def _runs(study: GridStudy) -> Sequence[Result]:
    """At most one of each method and seed."""
    if study.protocol in TRANSFERS:
        return study.runs
    if study.protocol != FEW_SHOT or any(run.setting.keys() != {_SHOTS} for run in study.runs):
        return []
    most = max(_shots(run) for run in study.runs)
    return [run for run in study.runs if _shots(run) == most]


def _shots(run: Result) -> float:
    """The shots of a run; 0 stands for all images."""
    return float(run.setting[_SHOTS] or 0) or math.inf
