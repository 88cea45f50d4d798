"""One row a run: base accuracy, new accuracy and H. Runs that must not stand in one table are refused."""

import math
from collections.abc import Sequence
from itertools import groupby

import pandas as pd

from aape_lightning.errors import ResultError
from aape_lightning.metrics import harmonic_mean
from aape_lightning.protocols.results import Result
from aape_lightning.report.methods import method_order

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
    rank = {method: place for place, method in enumerate(method_order(result.method for result in kept))}
    kept.sort(key=lambda result: (result.dataset, rank[result.method], result.seed))
    for dataset, runs in groupby(kept, key=lambda result: result.dataset):
        _check_one_setting(dataset, list(runs))
    return kept


def _check_one_setting(dataset: str, runs: Sequence[Result]) -> None:
    """Runs of other weights or recipes, or of one seed twice, would be averaged as if they were alike."""
    settings = {(run.protocol, run.recipe, str(run.backbone.get("fingerprint", ""))[:12]) for run in runs}
    if len(settings) > 1:
        found = "; ".join(f"protocol {p!r}, recipe {r!r}, backbone weights {b!r}" for p, r, b in sorted(settings))
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
