"""One row a run: base accuracy, new accuracy and H."""

import math
from collections.abc import Sequence

import pandas as pd

from aape_lightning.errors import ResultError
from aape_lightning.metrics import harmonic_mean
from aape_lightning.protocols.results import Result
from aape_lightning.report.runs import ordered_runs

__all__ = ["BASE", "METRICS", "NEW", "reportable", "score_table"]

BASE, NEW = "base/accuracy", "new/accuracy"
METRICS = ("base", "new", "h")


def reportable(results: Sequence[Result]) -> list[Result]:
    """The base-to-new results, by dataset, method in order of display, and seed.

    Results of single tests, which measured only one half of the classes, are left out.

    Raises:
        ResultError: If none is left, a run is there twice, or one dataset's runs differ in what they must share.
    """
    kept = [result for result in results if BASE in result.metrics and NEW in result.metrics]
    if not kept:
        raise ResultError(
            f"None of the {len(results)} results measured both {BASE!r} and {NEW!r}. Make some with: "
            "aape protocol base-to-new --recipe RECIPE --method aape --seeds 1 2 3 --out DIR"
        )
    return ordered_runs(kept)


def score_table(results: Sequence[Result]) -> pd.DataFrame:
    """One row a run, in the order of `reportable`.

    Returns:
        Columns `dataset`, `method`, `seed`, `base`, `new`, `h` (of that seed) and `train_seconds` (NaN where the method
        is not trained). Accuracies are fractions.
    """
    rows = [
        {
            "dataset": result.dataset,
            "method": result.method,
            "seed": result.seed,
            "base": (base := _accuracy(result, BASE)),
            "new": (new := _accuracy(result, NEW)),
            "h": harmonic_mean(base, new),
            "train_seconds": result.seconds.get("fit", math.nan),
        }
        for result in reportable(results)
    ]
    return pd.DataFrame(rows)


def _accuracy(result: Result, name: str) -> float:
    value = result.metrics[name]
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ResultError(
            f"{name!r} is {value!r} in the result on {result.dataset!r} of method {result.method!r} with seed "
            f"{result.seed}; it must be a fraction between 0 and 1. Remove that result and run the protocol again."
        )
    return float(value)
