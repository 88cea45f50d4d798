"""H: the harmonic mean of base and new accuracy."""

from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

__all__ = ["harmonic_mean"]


Accuracies = float | NDArray[np.floating[Any]]


@overload
def harmonic_mean(base: float, new: float) -> float: ...


@overload
def harmonic_mean(base: Accuracies, new: Accuracies) -> Accuracies: ...


def harmonic_mean(base: Accuracies, new: Accuracies) -> Accuracies:
    r"""H of two accuracies, elementwise on arrays.

    .. math:: H = \frac{2 \, base \cdot new}{base + new}

    Args:
        base: Accuracy on the base classes, not negative.
        new: Accuracy on the new classes, in the same unit.

    Returns:
        H in that unit; 0 where either is 0, NaN where either is NaN. A float for two floats.

    Example:
        >>> harmonic_mean(0.6, 0.3)
        0.4
    """
    total = np.asarray(base, dtype=np.float64) + new
    # Both are zero where the sum is: the product is zero too, so dividing by one gives the limit, 0.
    mean = np.asarray(2 * base * new / np.where(total == 0, 1.0, total))
    return float(mean) if mean.ndim == 0 else mean
