"""Paired comparison: the same seed is the same draw of images, so methods are compared seed by seed."""

from collections.abc import Sequence

import pandas as pd

from aape_lightning.protocols.results import Result
from aape_lightning.report.methods import choose_reference
from aape_lightning.report.scores import METRICS, score_table
from aape_lightning.report.statistics import mean_interval

__all__ = ["compare", "compare_runs", "comparison_frame", "paired_differences"]

_SHOWN = ("h", "base", "new")


def paired_differences(results: Sequence[Result], reference: str) -> pd.DataFrame:
    """The reference minus another method, one row a dataset, method and seed that both have.

    Args:
        results: Base-to-new results; others are left out.
        reference: The method that the others are compared with.

    Returns:
        Columns `dataset`, `method`, `seed`, `base`, `new`, `h`: differences of fractions, positive where the reference
        is better.

    Raises:
        ResultError: If the reference has no result.
    """
    runs = score_table(results)
    choose_reference(runs["method"], reference)
    of_reference = runs["method"] == reference
    return _differences(runs[of_reference], runs[~of_reference], on=["dataset", "seed"])


def _differences(reference: pd.DataFrame, others: pd.DataFrame, on: list[str]) -> pd.DataFrame:
    pairs = others.merge(reference, on=on, suffixes=("_other", "_reference"))
    differences = {metric: pairs[f"{metric}_reference"] - pairs[f"{metric}_other"] for metric in METRICS}
    return pairs[on].assign(method=pairs["method_other"], **differences)


def compare(results: Sequence[Result], reference: str) -> pd.DataFrame:
    """Mean paired difference of the reference from each other method, with its 95 % t-interval.

    Args:
        results: Base-to-new results; others are left out.
        reference: The method that the others are compared with.

    Returns:
        Columns `dataset`, `reference`, `method`, `pairs` (seeds that both methods have), `left_out` (seeds that only
        one of them has), and for each of `h` (of each seed), `base`, `new`: `*_difference` (mean; positive where the
        reference is better), `*_interval` (half-width), `*_excludes_zero` (missing where there is no interval).

    Raises:
        ResultError: If the reference has no result.
    """
    runs = score_table(results)
    choose_reference(runs["method"], reference)
    rows: list[dict[str, object]] = []
    for dataset, of_dataset in runs.groupby("dataset", sort=False):
        rows += [{"dataset": dataset, **row} for row in compare_runs(of_dataset, reference)]
    return comparison_frame(rows, "dataset")


def compare_runs(runs: pd.DataFrame, reference: str) -> list[dict[str, object]]:
    """Paired differences of the reference from each other method among runs of one kind, one a method and seed.

    Args:
        runs: Columns `method`, `seed`, `base`, `new`, `h`.
        reference: The method that the others are compared with.

    Returns:
        The columns of `compare`, without `dataset`, for each other method; none where the reference has no run.
    """
    groups = {str(method): of_method for method, of_method in runs.groupby("method", sort=False)}
    one = groups.pop(reference, None)
    return [] if one is None else [_compared(one, other, reference, method) for method, other in groups.items()]


def _compared(one: pd.DataFrame, other: pd.DataFrame, reference: str, method: str) -> dict[str, object]:
    pairs = _differences(one, other, on=["seed"])
    left_out = len(set(one["seed"]) ^ set(other["seed"]))
    return {"reference": reference, "method": method, "pairs": len(pairs), "left_out": left_out} | _intervals(pairs)


def _intervals(pairs: pd.DataFrame) -> dict[str, float | bool | None]:
    found: dict[str, float | bool | None] = {}
    for metric in _SHOWN:
        interval = mean_interval(pairs[metric])
        found[f"{metric}_difference"] = interval.mean
        found[f"{metric}_interval"] = interval.half_width
        found[f"{metric}_excludes_zero"] = interval.excludes_zero
    return found


def comparison_frame(rows: Sequence[dict[str, object]], *keys: str) -> pd.DataFrame:
    """Rows of `compare_runs` as a table; booleans are nullable, so that "no interval" is neither true nor false.

    Args:
        rows: The rows.
        keys: Names of columns that stand before theirs.
    """
    of_metrics = [f"{metric}_{what}" for metric in _SHOWN for what in ("difference", "interval", "excludes_zero")]
    frame = pd.DataFrame(rows, columns=[*keys, "reference", "method", "pairs", "left_out", *of_metrics])
    return frame.astype({f"{metric}_excludes_zero": "boolean" for metric in METRICS})
