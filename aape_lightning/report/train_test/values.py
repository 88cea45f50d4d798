"""What the runs on one dataset measured: by metric, method and seed; their means, and their paired differences."""

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from aape_lightning.errors import ResultError
from aape_lightning.protocols.results import Result
from aape_lightning.report.statistics import MeanInterval, mean_interval
from aape_lightning.report.train_test.metric_names import metric_name, scale

__all__ = ["Measured", "Paired", "Values", "mean_of", "metric_values", "paired"]

Values = dict[str, dict[str, dict[int, float]]]


@runtime_checkable
class Measured(Protocol):
    """What was measured on one dataset, and which method the others are compared with."""

    @property
    def dataset(self) -> str:
        """The dataset's name."""
        ...

    @property
    def values(self) -> Values:
        """What was measured."""
        ...

    @property
    def reference(self) -> str:
        """The method that stands out."""
        ...


class Paired(NamedTuple):
    """The reference minus another method, over the seeds that both have.

    Attributes:
        difference: Its mean with a t-interval.
        left_out: Seeds that only one of the two has.
    """

    difference: MeanInterval
    left_out: int


def metric_values(runs: Sequence[Result]) -> Values:
    """Values by metric, method and seed.

    Args:
        runs: The results on one dataset, by method in order of display.

    Raises:
        ResultError: If what should be a fraction lies outside [0, 1].
    """
    values: Values = {}
    for run in runs:
        for name, value in run.metrics.items():
            if scale(metric_name(name).metric).is_fraction and not (math.isnan(value) or 0 <= value <= 1):
                raise ResultError(
                    f"{name!r} is {value!r} in the result on {run.dataset!r} of method {run.method!r} with seed "
                    f"{run.seed}; it must be a fraction between 0 and 1. Remove that result and run the protocol again."
                )
            values.setdefault(name, {}).setdefault(run.method, {})[run.seed] = float(value)
    return values


def mean_of(values: Values, name: str, method: str) -> MeanInterval:
    """A metric's mean over a method's seeds, with sample deviation and 95 % t-interval; a count of 0 where absent."""
    return mean_interval(values[name].get(method, {}).values())


def paired(values: Values, name: str, method: str, reference: str) -> Paired:
    """How far the reference is above a method, seed by seed: the same seed is the same training."""
    ours, theirs = values[name].get(reference, {}), values[name].get(method, {})
    common = sorted(ours.keys() & theirs.keys())
    return Paired(mean_interval(ours[seed] - theirs[seed] for seed in common), len(ours.keys() ^ theirs.keys()))
