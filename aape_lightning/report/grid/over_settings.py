"""Few-shot and sweep: every metric over the values of one varied key, in one table for each value of a second."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product

from aape_lightning.metrics import harmonic_mean
from aape_lightning.protocols.results import Result
from aape_lightning.report.grid.noise import ATTENTION, CHANGE_OF, changes, injected_attention
from aape_lightning.report.grid.panels import GridColumn, Panel, metric_order, metric_title
from aape_lightning.report.grid.scales import ALONE, CHANGE, SHARE
from aape_lightning.report.grid.settings import Axis, Setting, axis_of, setting_name, value_text, varied_keys
from aape_lightning.report.scores import BASE, NEW
from aape_lightning.report.train_test.metric_names import metric_name
from aape_lightning.report.train_test.values import Values, metric_values

__all__ = ["H_OF_MEANS", "MEAN_OF_H", "main_metric", "settings_axes", "settings_panels", "settings_values"]

# Harmonic means of accuracies are accuracies, and are shown as such.
MEAN_OF_H, H_OF_MEANS = "mean_of_h/accuracy", "h_of_means/accuracy"
_TITLES = {MEAN_OF_H: "Mean of H", H_OF_MEANS: "H of means", ATTENTION: "Attention on injected sentences"}


def settings_values(runs: Sequence[Result]) -> Values:
    """What the runs on one dataset measured, by names `SETTING/METRIC`; each run's own H among them.

    Raises:
        ResultError: If what should be a fraction lies outside [0, 1].
    """
    values = metric_values([replace(run, metrics=_named(run)) for run in runs])
    return values | injected_attention(runs) | changes(values, runs, main_metric(runs))


def _named(run: Result) -> dict[str, float]:
    return {f"{setting_name(run.setting)}/{name}": value for name, value in _with_h(run).items()}


def _with_h(run: Result) -> dict[str, float]:
    if BASE not in run.metrics or NEW not in run.metrics:
        return run.metrics
    return {MEAN_OF_H: harmonic_mean(run.metrics[BASE], run.metrics[NEW])} | run.metrics


def _metrics(runs: Sequence[Result]) -> list[str]:
    found = sorted({name for run in runs for name in _with_h(run)}, key=metric_order)
    return [MEAN_OF_H, H_OF_MEANS, *(name for name in found if name != MEAN_OF_H)] if MEAN_OF_H in found else found


def main_metric(runs: Sequence[Result]) -> str:
    """The metric that matters most: H where base and new classes were tested, else the first in order of display."""
    return _metrics(runs)[0]


def settings_axes(runs: Sequence[Result]) -> list[Axis]:
    """The axis of the first varied key, and those of the others."""
    return [axis_of(key, [run.setting[key] for run in runs]) for key in varied_keys(runs)]


def settings_panels(runs: Sequence[Result], values: Values) -> list[Panel]:
    """The tables: the main metric first, then what noise takes from it and where the attention goes, then the others.

    Args:
        runs: The results whose settings they cover.
        values: What was measured.
    """
    axes, main = settings_axes(runs), main_metric(runs)
    first = [panel for metric in (main, CHANGE_OF + main, ATTENTION) for panel in _panels(metric, axes, values)]
    others = [panel for metric in _metrics(runs) if metric != main for panel in _panels(metric, axes, values)]
    return [*first, *(replace(panel, main=_is_alike(panel.metric, main)) for panel in others)]


def _is_alike(metric: str, main: str) -> bool:
    """Whether a metric is the main one of another part, such as the other direction of retrieval."""
    one, other = metric_name(metric), metric_name(main)
    return main != MEAN_OF_H and one.part != other.part and one == other._replace(part=one.part)


def _panels(metric: str, axes: Sequence[Axis], values: Values) -> Iterator[Panel]:
    axis, *others = axes
    for within in product(*(other.values for other in others)):
        fixed = dict(zip([other.key for other in others], within, strict=True))
        columns = [_column(metric, axis, value, fixed) for value in axis.values]
        if columns := [column for column in columns if _needed(column.name) in values]:
            told = ", ".join(f"{key} = {value_text(value)}" for key, value in fixed.items())
            yield Panel(_title(metric), columns, axis.key, told, compared=metric not in (H_OF_MEANS, ATTENTION))


def _needed(name: str) -> str:
    """The value that a column cannot do without: H of means has none of its own."""
    return name.replace(H_OF_MEANS, MEAN_OF_H)


def _title(metric: str) -> str:
    if metric.startswith(CHANGE_OF):
        return f"{_title(metric.removeprefix(CHANGE_OF))}: change from no noise"
    return _TITLES.get(metric) or metric_title(metric)


def _column(metric: str, axis: Axis, value: Setting, fixed: Mapping[str, Setting]) -> GridColumn:
    setting = {axis.key: value, **fixed}
    given = CHANGE if metric.startswith(CHANGE_OF) else {H_OF_MEANS: ALONE, ATTENTION: SHARE}.get(metric)
    return GridColumn(value_text(value), f"{setting_name(setting)}/{metric}", metric, setting, value, given)
