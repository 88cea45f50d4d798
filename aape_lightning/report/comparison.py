"""Paired comparison: the same seed is the same draw of images, so methods are compared seed by seed."""

from collections.abc import Sequence

import pandas as pd

from aape_lightning.protocols.results import Result
from aape_lightning.report.methods import choose_reference
from aape_lightning.report.scores import METRICS, score_table
from aape_lightning.report.statistics import mean_interval

__all__ = ["compare", "paired_differences"]


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
    keys = ["dataset", "seed"]
    pairs = runs[~of_reference].merge(runs[of_reference], on=keys, suffixes=("_other", "_reference"))
    differences = {metric: pairs[f"{metric}_reference"] - pairs[f"{metric}_other"] for metric in METRICS}
    return pd.DataFrame(
        {"dataset": pairs["dataset"], "method": pairs["method_other"], "seed": pairs["seed"], **differences}
    )


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
    runs, differences = score_table(results), paired_differences(results, reference)
    seeds = {key: set(group["seed"]) for key, group in runs.groupby(["dataset", "method"], sort=False)}
    rows = []
    for dataset, method in seeds:
        if method == reference or (dataset, reference) not in seeds:
            continue
        pairs = differences[(differences["dataset"] == dataset) & (differences["method"] == method)]
        unpaired = seeds[dataset, method] ^ seeds[dataset, reference]
        row = {"dataset": dataset, "reference": reference, "method": method, "pairs": len(pairs)}
        rows.append(row | {"left_out": len(unpaired)} | _intervals(pairs))
    return _typed(pd.DataFrame(rows, columns=_columns()))


def _intervals(pairs: pd.DataFrame) -> dict[str, float | bool | None]:
    found: dict[str, float | bool | None] = {}
    for metric in ("h", "base", "new"):
        interval = mean_interval(pairs[metric])
        found[f"{metric}_difference"] = interval.mean
        found[f"{metric}_interval"] = interval.half_width
        found[f"{metric}_excludes_zero"] = interval.excludes_zero
    return found


def _columns() -> list[str]:
    of_metrics = [
        f"{metric}_{what}" for metric in ("h", "base", "new") for what in ("difference", "interval", "excludes_zero")
    ]
    return ["dataset", "reference", "method", "pairs", "left_out", *of_metrics]


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Nullable booleans, so that "no interval" is neither true nor false."""
    return frame.astype({f"{metric}_excludes_zero": "boolean" for metric in METRICS})
