"""Numbers as readers see them: two decimals, an en dash where there is nothing to say."""

import math
from collections.abc import Hashable, Mapping
from typing import Any

__all__ = ["ABSENT", "Row", "change", "number", "percent", "seconds", "signed", "with_interval"]

ABSENT = "–"

Row = Mapping[Hashable, Any]


def number(value: float, factor: float = 1.0, digits: int = 2) -> str:
    """A number, times a factor.

    Example:
        >>> number(3.0), number(0.71234, digits=4), number(float("nan"))
        ('3.00', '0.7123', '–')
    """
    return ABSENT if math.isnan(value) else f"{factor * value:.{digits}f}"


def percent(fraction: float) -> str:
    """A fraction in percent.

    Example:
        >>> percent(0.71234), percent(float("nan"))
        ('71.23', '–')
    """
    return number(fraction, 100.0)


def with_interval(mean: float, half_width: float, factor: float = 100.0, digits: int = 2) -> str:
    """A mean and the half-width of its interval, in percent unless another factor is given.

    Example:
        >>> with_interval(0.7123, 0.0084), with_interval(0.7123, float("nan"))
        ('71.23 ± 0.84', '71.23 ± –')
    """
    return ABSENT if math.isnan(mean) else f"{number(mean, factor, digits)} ± {number(half_width, factor, digits)}"


def signed(difference: float, half_width: float, factor: float = 100.0, digits: int = 2) -> str:
    """A difference with its sign, and the half-width of its interval, in percentage points unless told otherwise.

    Example:
        >>> signed(0.0123, 0.004), signed(-0.0123, 0.004)
        ('+1.23 ± 0.40', '−1.23 ± 0.40')
    """
    if math.isnan(difference):
        return ABSENT
    rounded = round(factor * difference, digits) + 0.0  # adding zero turns -0.0 into 0.0
    return f"{rounded:+.{digits}f} ± {number(half_width, factor, digits)}".replace("-", "−")


def change(difference: float) -> str:
    """A difference with its sign, in percentage points.

    Example:
        >>> change(0.0123), change(-0.5)
        ('+1.23', '−50.00')
    """
    return signed(difference, math.nan).partition(" ")[0]


def seconds(value: float) -> str:
    """A duration, in the unit that keeps it short.

    Example:
        >>> seconds(4.25), seconds(125), seconds(3000)
        ('4.2 s', '125 s', '50.0 min')
    """
    if math.isnan(value):
        return ABSENT
    if value < 99.95:
        return f"{value:.1f} s"
    if value < 600:
        return f"{value:.0f} s"
    return f"{value / 60:.1f} min" if value < 6000 else f"{value / 3600:.1f} h"
