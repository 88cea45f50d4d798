"""How what only these protocols measure is shown: costs in units of their own, changes with their sign."""

import math
from dataclasses import dataclass
from typing import Literal

from aape_lightning.report import cells
from aape_lightning.report.train_test.metric_names import Scale

__all__ = ["ALONE", "CHANGE", "SHARE", "CostScale"]

SHARE = Scale(100.0, is_fraction=True)
_DIGITS = 3


@dataclass(frozen=True)
class _Alone(Scale):
    """A number that may stand without interval and deviation, and then says nothing of them."""

    def with_interval(self, mean: float, half_width: float) -> str:
        if math.isnan(half_width) or math.isnan(mean):
            return self.number(mean)
        return f"{self.number(mean)} ± {self.number(half_width)}"

    def deviation(self, sd: float) -> str:
        return "" if math.isnan(sd) else super().deviation(sd)


@dataclass(frozen=True)
class _Change(Scale):
    """A difference: its sign always stands before it."""

    def with_interval(self, mean: float, half_width: float) -> str:
        return self.signed(mean, half_width)


ALONE = _Alone(100.0, is_fraction=True)
CHANGE = _Change(100.0, is_fraction=True)


@dataclass(frozen=True)
class CostScale(_Alone):
    """A cost, in its own unit.

    Attributes:
        unit: `count` (whole numbers), `seconds`, or `number` (three digits that count).

    Example:
        >>> CostScale(unit="count").number(82432.0), CostScale().number(0.012345)
        ('82,432', '0.0123')
    """

    unit: Literal["count", "number", "seconds"] = "number"

    def number(self, value: float) -> str:
        """A value."""
        if math.isnan(value):
            return cells.ABSENT
        if self.unit == "seconds":
            return cells.seconds(value)
        return f"{value:,.0f}" if self.unit == "count" else _significant(value)


def _significant(value: float) -> str:
    """Three digits that count, whole numbers from a hundred on."""
    if value == 0:
        return "0"
    decimals = max(0, _DIGITS - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"
