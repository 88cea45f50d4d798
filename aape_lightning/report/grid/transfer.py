"""Domain generalization and cross-dataset: trained on a source, tested on it and on targets."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from aape_lightning.protocols.results import Result
from aape_lightning.report.grid.panels import GridColumn, Panel, metric_order, metric_title
from aape_lightning.report.train_test.values import Values, metric_values

__all__ = ["AVERAGE", "SOURCE", "targets", "transfer_panels", "transfer_values"]

SOURCE, AVERAGE = "source", "targets"
_HEADINGS = {SOURCE: "Source", AVERAGE: "Average of targets"}


def targets(runs: Sequence[Result]) -> list[str]:
    """The targets' names in the names of metrics, in order."""
    return sorted({_place(name) for run in runs for name in run.metrics} - {SOURCE})


def _place(name: str) -> str:
    return name.rpartition("/")[0]


def transfer_values(runs: Sequence[Result]) -> Values:
    """What was measured on the source and each target, and each run's average over the targets.

    A run that was not tested on every target of the others has no average: it would be of other data.

    Raises:
        ResultError: If what should be a fraction lies outside [0, 1].
    """
    tested = targets(runs)
    return metric_values([replace(run, metrics=run.metrics | _averages(run, tested)) for run in runs])


def _averages(run: Result, tested: Sequence[str]) -> dict[str, float]:
    if len(tested) < 2:
        return {}
    found = {metric: [run.metrics.get(f"{target}/{metric}") for target in tested] for metric in _metrics([run])}
    return {
        f"{AVERAGE}/{metric}": fmean(value for value in of_targets if value is not None)
        for metric, of_targets in found.items()
        if None not in of_targets
    }


def _metrics(runs: Sequence[Result]) -> list[str]:
    return sorted({name.rpartition("/")[2] for run in runs for name in run.metrics}, key=metric_order)


def transfer_panels(runs: Sequence[Result], values: Values) -> list[Panel]:
    """One table a metric, the first of which is shown at once.

    Args:
        runs: The results on one source.
        values: What was measured.
    """
    places = (SOURCE, *targets(runs), AVERAGE)
    return [
        Panel(
            metric_title(metric),
            [
                GridColumn(_HEADINGS.get(place, place), f"{place}/{metric}", f"{place}/{metric}")
                for place in places
                if f"{place}/{metric}" in values
            ],
            main=order == 0,
        )
        for order, metric in enumerate(_metrics(runs))
    ]
