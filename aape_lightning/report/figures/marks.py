"""Marks that several figures share: an interval with its mean, and the single seeds."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from aape_lightning.report.figures.theme import Theme
from aape_lightning.report.statistics import MeanInterval, mean_interval

__all__ = ["draw_interval", "draw_over_bar", "spread"]


_SEEDS_BELOW = (0.06, 0.28)  # rows below a bar's middle, so that dots and interval never cover each other
_INTERVAL_ABOVE = 0.15


def draw_over_bar(axes: Axes, row: int, values: Sequence[float], theme: Theme) -> MeanInterval:
    """The interval over the upper half of a bar, one dot a seed over its lower half.

    Returns:
        The values' mean and interval.
    """
    interval = mean_interval(values)
    draw_interval(axes, row - _INTERVAL_ABOVE, interval, theme.ink)
    rows = row + spread(len(values), *_SEEDS_BELOW)
    axes.scatter(values, rows, s=9, color=theme.surface, edgecolor=theme.ink, linewidth=0.8, zorder=4)
    return interval


def draw_interval(axes: Axes, row: float, interval: MeanInterval, colour: str, width: float = 2) -> None:
    """A horizontal line over the interval; nothing where one seed allows none."""
    if interval.count > 1:
        axes.plot([interval.low, interval.high], [row, row], color=colour, linewidth=width, zorder=3)


def spread(count: int, low: float, high: float) -> NDArray[np.float64]:
    """Places for a number of dots, evenly from low to high, or one in the middle.

    Example:
        >>> spread(3, 0.0, 0.5).tolist(), spread(1, 0.0, 0.5).tolist()
        ([0.0, 0.25, 0.5], [0.25])
    """
    return np.linspace(low, high, count) if count > 1 else np.full(count, (low + high) / 2)
