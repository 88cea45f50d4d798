"""How far each method's confidence can be trusted: calibration errors over seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aape_lightning.metrics.calibration import Reliability, calibration_error
from aape_lightning.protocols.outcomes import PartOutcomes
from aape_lightning.report.outcomes.parts import Parts
from aape_lightning.report.statistics import MeanInterval, mean_interval

__all__ = ["Calibration", "calibrations", "overconfidence"]


@dataclass(frozen=True)
class Calibration:
    """Calibration of one method on one part, over its seeds; fractions.

    Attributes:
        error: The expected calibration error.
        overconfidence: Mean confidence minus accuracy.
    """

    error: MeanInterval
    overconfidence: MeanInterval


def calibrations(parts: Parts, methods: Sequence[str]) -> dict[str, dict[str, Calibration]]:
    """By method in order of display, and part; what was not recorded is absent.

    Args:
        parts: The outcomes.
        methods: In order of display.
    """
    found = {
        method: {part: _calibration(tests[method]) for part, tests in parts.items() if method in tests}
        for method in methods
    }
    return {method: by_part for method, by_part in found.items() if by_part}


def _calibration(seeds: Mapping[int, PartOutcomes]) -> Calibration:
    bins = [outcomes.reliability for outcomes in seeds.values() if sum(outcomes.reliability.images)]
    return Calibration(mean_interval(map(calibration_error, bins)), mean_interval(map(overconfidence, bins)))


def overconfidence(bins: Reliability) -> float:
    """Mean confidence minus accuracy, as a fraction: positive where predictions are surer than they are right.

    Example:
        >>> overconfidence(Reliability([0, 4], [0.0, 3.5], [0, 3]))
        0.125
    """
    return (sum(bins.confidence) - sum(bins.correct)) / sum(bins.images)
