"""Which figures a dataset's runs of the train-test protocol have the data for."""

from collections.abc import Sequence
from dataclasses import replace

from aape_lightning.protocols.results import Result
from aape_lightning.report.figures import Drawing
from aape_lightning.report.figures.attention import attention_figure
from aape_lightning.report.figures.cosines import cosine_figure
from aape_lightning.report.figures.cost import cost_figure
from aape_lightning.report.figures.curves import curves_figure
from aape_lightning.report.figures.degradations import degradations_figure
from aape_lightning.report.figures.metrics import metrics_figure
from aape_lightning.report.figures.shots import shots_figure
from aape_lightning.report.train_test.metric_names import MetricName, metric_name
from aape_lightning.report.train_test.study import Study
from aape_lightning.report.train_test.tables import Table

__all__ = ["study_figures"]

_VALIDATION = "val/"


def study_figures(study: Study) -> list[Drawing]:
    """The figures of one dataset.

    Args:
        study: The dataset's runs.
    """
    figures = [figure for tables in _alike(study.tables) for figure in _of_tables(study, tables)]
    runs, reference = study.runs, study.reference
    further = [
        curves_figure(_with_main_curves(runs), reference),
        attention_figure(runs),
        cosine_figure(runs),
        cost_figure(runs),
    ]
    return [*figures, *(figure for figure in further if figure is not None)]


def _with_main_curves(runs: Sequence[Result]) -> list[Result]:
    """The runs with one validation curve of each part: of eight recalls and ranks the two R@1 tell enough."""
    names = {name for run in runs for name in run.curves}
    validated = sorted((name for name in names if name.startswith(_VALIDATION)), key=lambda name: _parsed(name).order)
    first = {_parsed(name)[:-1]: name for name in reversed(validated)}
    kept = {name for name in names if not name.startswith(_VALIDATION)} | set(first.values())
    return [replace(run, curves={name: run.curves[name] for name in run.curves if name in kept}) for run in runs]


def _parsed(name: str) -> MetricName:
    return metric_name(name.removeprefix(_VALIDATION))


def _alike(tables: Sequence[Table]) -> list[list[Table]]:
    """Tables that differ in the degradation alone, together."""
    found: dict[tuple[object, ...], list[Table]] = {}
    for table in tables:
        first = table.first
        over_shots = first.shots is not None
        found.setdefault((first.part, over_shots, first.metric if over_shots else None), []).append(table)
    return list(found.values())


def _of_tables(study: Study, tables: Sequence[Table]) -> list[Drawing]:
    over_shots = tables[0].first.shots is not None
    if over_shots and len(tables[0].columns) > 1:
        return [shots_figure(study, tables)]
    compared = [degradations_figure(study, tables)] if len(tables) > 1 else []
    return [metrics_figure(study, tables[0]), *compared]
