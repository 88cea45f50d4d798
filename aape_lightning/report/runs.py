"""Runs in the order in which they are shown. Those that must not stand in one table are refused."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from aape_lightning.errors import ResultError
from aape_lightning.protocols.results import Result
from aape_lightning.report.methods import method_order

__all__ = ["ordered_runs", "runs_by_dataset"]


def ordered_runs(results: Iterable[Result]) -> list[Result]:
    """The results of one protocol, by dataset, method in order of display, and seed.

    Raises:
        ResultError: If a run is there twice, or one dataset's runs differ in what they must share.
    """
    results = list(results)
    rank = {method: place for place, method in enumerate(method_order(result.method for result in results))}
    results.sort(key=lambda result: (result.dataset, rank[result.method], result.seed))
    for dataset, runs in runs_by_dataset(results).items():
        _check_one_setting(dataset, runs)
    return results


def runs_by_dataset(results: Sequence[Result]) -> dict[str, list[Result]]:
    """Ordered results by dataset."""
    return {dataset: list(runs) for dataset, runs in groupby(results, key=lambda result: result.dataset)}


def _check_one_setting(dataset: str, runs: Sequence[Result]) -> None:
    """Runs of other weights or recipes, or of one seed twice, would be averaged as if they were alike."""
    settings = {_setting(run) for run in runs}
    if len(settings) > 1:
        found = "; ".join(sorted(settings))
        raise ResultError(
            f"The results on {dataset!r} come from {len(settings)} settings ({found}), and one table cannot hold them. "
            "Give each setting a folder of its own and report on it alone."
        )
    seen: set[tuple[str, int]] = set()
    for run in runs:
        if (run.method, run.seed) in seen:
            raise ResultError(
                f"There are two results on {dataset!r} of method {run.method!r} with seed {run.seed}. "
                "Remove one of them, or report on a folder that holds only one."
            )
        seen.add((run.method, run.seed))


def _setting(run: Result) -> str:
    weights = str(run.backbone.get("fingerprint", ""))[:12]
    told = f"protocol {run.protocol!r}, recipe {run.recipe!r}, backbone weights {weights!r}"
    return ", ".join([told, *(f"{key} {value!r}" for key, value in sorted(run.setting.items()))])
