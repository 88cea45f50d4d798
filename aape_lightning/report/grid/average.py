"""The average over datasets: of each seed over the datasets first, then over the seeds."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from aape_lightning.report.train_test.values import Values

__all__ = ["average_values", "left_out"]


def average_values(of_datasets: Sequence[Values]) -> Values:
    """Means over datasets, by metric, method and seed; of methods and seeds that every dataset has.

    Args:
        of_datasets: What was measured on each dataset.

    Example:
        >>> average_values([{"a": {"m": {1: 0.2, 2: 0.4}}}, {"a": {"m": {1: 0.4}, "n": {1: 1.0}}}])
        {'a': {'m': {1: 0.30000000000000004}}}
    """
    first, *others = of_datasets
    averaged: Values = {}
    for name, by_method in first.items():
        for method, by_seed in by_method.items():
            everywhere = [by_seed, *(values.get(name, {}).get(method, {}) for values in others)]
            seeds = [seed for seed in by_seed if all(seed in found for found in everywhere)]
            if seeds:
                means = {seed: fmean(found[seed] for found in everywhere) for seed in seeds}
                averaged.setdefault(name, {})[method] = means
    return averaged


def left_out(averaged: Values, of_datasets: Mapping[str, Values], methods: Sequence[str]) -> list[str]:
    """What the average lacks, in sentences.

    Args:
        averaged: What `average_values` returned.
        of_datasets: What was measured, by dataset.
        methods: Of which methods to speak.
    """
    told = []
    for method in methods:
        lacking = [dataset for dataset, values in of_datasets.items() if method not in _methods(values)]
        if lacking:
            told.append(f"{method} is not in the average: no result on {', '.join(lacking)}.")
        elif method not in _methods(averaged):
            told.append(f"{method} is not in the average: no seed has a result on every dataset.")
        elif _count(averaged, method) < max(_count(values, method) for values in of_datasets.values()):
            told.append(f"The average of {method} is without the settings and seeds that some dataset lacks.")
    return told


def _methods(values: Values) -> set[str]:
    return {method for by_method in values.values() for method in by_method}


def _count(values: Values, method: str) -> int:
    return sum(len(by_method.get(method, {})) for by_method in values.values())
