"""The average over datasets: of each seed over the datasets first, then over the seeds."""

from collections.abc import Sequence

import pandas as pd

from aape_lightning.metrics import harmonic_mean
from aape_lightning.protocols.results import Result
from aape_lightning.report.comparison import compare_runs, comparison_frame
from aape_lightning.report.scores import METRICS, score_table
from aape_lightning.report.statistics import mean_interval

__all__ = ["average_scores", "compare_averages", "datasets_of", "left_out", "summarize_averages"]


def datasets_of(results: Sequence[Result]) -> list[str]:
    """The datasets with base-to-new results, by name."""
    return list(dict.fromkeys(score_table(results)["dataset"]))


def average_scores(results: Sequence[Result]) -> pd.DataFrame:
    """One row a method and seed that has every dataset: the mean over the datasets.

    Args:
        results: Base-to-new results; others are left out.

    Returns:
        Columns `method`, `seed`, `base`, `new`, `h`: fractions. `h` is the mean of the H of each dataset.

    Raises:
        ResultError: If the results do not belong in one table.
    """
    runs = score_table(results)
    of_seed = runs.groupby(["method", "seed"], sort=False)
    whole = of_seed["dataset"].transform("size") == runs["dataset"].nunique()
    return runs[whole].groupby(["method", "seed"], sort=False)[list(METRICS)].mean().reset_index()


def summarize_averages(results: Sequence[Result]) -> pd.DataFrame:
    """Means over datasets, with deviations and 95 % t-intervals over seeds.

    Args:
        results: Base-to-new results; others are left out.

    Returns:
        One row a method that has every dataset with at least one seed. Columns `method`, `datasets`, `seeds` (how
        many); `base_mean`, `base_sd`, `base_interval` (half-width), `new_*` likewise; `h_of_averages` (harmonic mean of
        `base_mean` and `new_mean`); `mean_of_h` (over datasets and seeds), `mean_of_h_sd`, `mean_of_h_interval`.
        Fractions; NaN where there are too few seeds.

    Raises:
        ResultError: If the results do not belong in one table.
    """
    count = len(datasets_of(results))
    rows = []
    for method, runs in average_scores(results).groupby("method", sort=False):
        base, new, h = (mean_interval(runs[metric]) for metric in METRICS)
        row = {"method": method, "datasets": count, "seeds": len(runs)}
        row |= {"base_mean": base.mean, "base_sd": base.sd, "base_interval": base.half_width}
        row |= {"new_mean": new.mean, "new_sd": new.sd, "new_interval": new.half_width}
        row |= {"h_of_averages": harmonic_mean(base.mean, new.mean)}
        rows.append(row | {"mean_of_h": h.mean, "mean_of_h_sd": h.sd, "mean_of_h_interval": h.half_width})
    return pd.DataFrame(rows)


def left_out(results: Sequence[Result]) -> list[str]:
    """What the averages lack: methods without a dataset, and seeds of other methods without one."""
    runs, averaged = score_table(results), average_scores(results)
    every = datasets_of(results)
    told = []
    for method, of_method in runs.groupby("method", sort=False):
        lacking = [dataset for dataset in every if dataset not in set(of_method["dataset"])]
        seeds = sorted(set(of_method["seed"]) - set(averaged["seed"][averaged["method"] == method]))
        if lacking:
            told.append(f"{method} is not in the average: no result on {', '.join(lacking)}.")
        elif len(seeds) == of_method["seed"].nunique():
            told.append(f"{method} is not in the average: none of its seeds has a result on every dataset.")
        elif seeds:
            named = ("seed " if len(seeds) == 1 else "seeds ") + ", ".join(map(str, seeds))
            told.append(f"The average of {method} is without {named}, which some dataset lacks.")
    return told


def compare_averages(results: Sequence[Result], reference: str) -> pd.DataFrame:
    """Mean paired difference of the reference's averages from each other method's, with its 95 % t-interval over seeds.

    Args:
        results: Base-to-new results; others are left out.
        reference: The method that the others are compared with.

    Returns:
        The columns of `compare`, without `dataset`; a pair is a seed that both methods have on every dataset.

    Raises:
        ResultError: If the results do not belong in one table.
    """
    return comparison_frame(compare_runs(average_scores(results), reference))
