"""Calibration: whether a classifier is right as often as it is sure."""

from typing import NamedTuple

from aape_lightning.errors import MetricError

__all__ = ["BINS", "Reliability", "calibration_error"]

BINS = 15  # of equal width, as Guo et al. (2017) and torchmetrics have them


class Reliability(NamedTuple):
    """Images in bins of equal width of their confidence; sums, so that those of several tests can be added.

    Attributes:
        images: How many images each bin holds.
        confidence: The sum of their confidences.
        correct: How many of them were predicted rightly.
    """

    images: list[int]
    confidence: list[float]
    correct: list[int]


def calibration_error(found: Reliability) -> float:
    r"""The expected calibration error (ECE) in the l1 norm (Guo et al., 2017), as a fraction.

    .. math:: \sum_m \frac{n_m}{n} \, | \mathrm{accuracy}_m - \mathrm{confidence}_m |

    It is that of torchmetrics' `MulticlassCalibrationError`, but for confidences of exactly 1, for which torchmetrics
    opens a bin of their own.

    Args:
        found: The images in their bins.

    Raises:
        MetricError: If there is no image.

    Example:
        >>> calibration_error(Reliability([1, 3], [0.25, 2.25], [0, 3]))
        0.25
    """
    if not sum(found.images):
        raise MetricError("There is no image to measure a calibration error on.")
    apart = (abs(right - sure) for right, sure in zip(found.correct, found.confidence, strict=True))
    return sum(apart) / sum(found.images)
