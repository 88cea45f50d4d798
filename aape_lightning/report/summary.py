"""The main table: one row a dataset and method."""

from collections.abc import Sequence

import pandas as pd

from aape_lightning.metrics import harmonic_mean
from aape_lightning.protocols.results import Result
from aape_lightning.report.scores import score_table
from aape_lightning.report.statistics import mean_interval

__all__ = ["summarize"]


def summarize(results: Sequence[Result]) -> pd.DataFrame:
    """Means over seeds, with sample deviations and 95 % t-intervals.

    Two things are called H in papers, and they differ. `h_of_means` is the harmonic mean of the mean base and the mean
    new accuracy, as the papers' tables have it; it is one number without a deviation. `mean_of_h` is the mean of each
    seed's own H, and deviation and interval belong to it.

    Args:
        results: Base-to-new results; others are left out.

    Returns:
        Columns `dataset`, `method`, `seeds` (how many); `base_mean`, `base_sd`, `base_interval` (half-width), `new_*`
        likewise; `h_of_means`; `mean_of_h`, `mean_of_h_sd`, `mean_of_h_interval`; `train_seconds` (mean). Fractions;
        NaN where there are too few seeds.

    Raises:
        ResultError: If the results do not belong in one table.
    """
    runs = score_table(results)
    rows = [
        {"dataset": dataset, "method": method, "seeds": len(group), **_statistics(group)}
        for (dataset, method), group in runs.groupby(["dataset", "method"], sort=False)
    ]
    return pd.DataFrame(rows)


def _statistics(runs: pd.DataFrame) -> dict[str, float]:
    base, new, h = (mean_interval(runs[metric]) for metric in ("base", "new", "h"))
    return {
        "base_mean": base.mean,
        "base_sd": base.sd,
        "base_interval": base.half_width,
        "new_mean": new.mean,
        "new_sd": new.sd,
        "new_interval": new.half_width,
        "h_of_means": harmonic_mean(base.mean, new.mean),
        "mean_of_h": h.mean,
        "mean_of_h_sd": h.sd,
        "mean_of_h_interval": h.half_width,
        "train_seconds": float(runs["train_seconds"].mean()),
    }
