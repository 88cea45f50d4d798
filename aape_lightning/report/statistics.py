"""Means over seeds and how far they can be trusted."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit  # type: ignore[import-untyped]  # scipy ships no types

__all__ = ["MeanInterval", "mean_interval"]


@dataclass(frozen=True)
class MeanInterval:
    """A mean and Student's t-interval around it.

    Attributes:
        count: How many values there were.
        mean: Their mean; NaN of no values.
        sd: Their sample standard deviation (divisor n - 1); NaN of fewer than two.
        half_width: Half the width of the interval, so that it is mean ± half_width; NaN of fewer than two values.
    """

    count: int
    mean: float
    sd: float
    half_width: float

    @property
    def low(self) -> float:
        """Lower end of the interval."""
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        """Upper end of the interval."""
        return self.mean + self.half_width

    @property
    def excludes_zero(self) -> bool | None:
        """Whether zero lies outside the interval; None where there is no interval."""
        return None if math.isnan(self.half_width) else bool(self.low > 0 or self.high < 0)


def mean_interval(values: Iterable[float], level: float = 0.95) -> MeanInterval:
    r"""Mean, sample standard deviation and t-interval.

    .. math:: \bar{v} \pm t_{(1 + level)/2,\, n - 1} \, s / \sqrt{n}

    Args:
        values: Independent measurements, one a seed.
        level: Coverage of the interval.

    Raises:
        ValueError: If the level is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; it must lie between 0 and 1.")
    array = np.asarray(list(values), dtype=np.float64)
    if array.size == 0:
        return MeanInterval(0, math.nan, math.nan, math.nan)
    if array.size == 1:
        return MeanInterval(1, float(array[0]), math.nan, math.nan)
    sd = float(array.std(ddof=1))
    quantile = float(stdtrit(array.size - 1, (1 + level) / 2))
    return MeanInterval(int(array.size), float(array.mean()), sd, quantile * sd / math.sqrt(array.size))
