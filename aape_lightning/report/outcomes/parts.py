"""The outcomes that runs have left: by tested part, method and seed, and added up over seeds."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aape_lightning.metrics.calibration import Reliability
from aape_lightning.protocols.outcomes import OUTCOMES_FILE, PartOutcomes, read_outcomes
from aape_lightning.protocols.results import Result

__all__ = ["Parts", "Pooled", "find_parts", "pool"]

Parts = dict[str, dict[str, dict[int, PartOutcomes]]]


def find_parts(runs: Sequence[Result], places: Mapping[tuple[str, str, int], Path]) -> Parts:
    """Outcomes by part, method in order of display, and seed; runs that have left none are absent.

    Where runs tested other classes than the first, their counts cannot be set beside its, and they are left out.

    Args:
        runs: The results on one dataset, by method in order of display.
        places: The folder of each run, by dataset, method and seed.

    Raises:
        ResultError: If a file of outcomes is malformed.
    """
    parts: Parts = {}
    classes: dict[str, list[str]] = {}
    for run in runs:
        place = places.get((run.dataset, run.method, run.seed))
        if place is None or not (path := place / OUTCOMES_FILE).is_file():
            continue
        for part, outcomes in read_outcomes(path).items():
            if outcomes.classes == classes.setdefault(part, outcomes.classes):
                parts.setdefault(part, {}).setdefault(run.method, {})[run.seed] = outcomes
    return parts


@dataclass(frozen=True)
class Pooled:
    """The outcomes of one method on one part, added up over its seeds.

    Attributes:
        classes: The classes' names.
        images: How often an image of each class was tested: once a seed.
        correct: How often one was predicted rightly.
        confusions: How often an image of one class was taken for another, by their places.
        reliability: The images by confidence.
        seeds: How many seeds there are.
    """

    classes: Sequence[str]
    images: Sequence[int]
    correct: Sequence[int]
    confusions: Mapping[tuple[int, int], int]
    reliability: Reliability
    seeds: int

    def share(self, true: int, predicted: int) -> float:
        """The fraction of the true class's images that were taken for the predicted class; 0 of a class without any."""
        count = self.correct[true] if true == predicted else self.confusions.get((true, predicted), 0)
        return count / self.images[true] if self.images[true] else 0.0


def pool(tests: Iterable[PartOutcomes]) -> Pooled:
    """Add up the outcomes of several seeds, one at least, over the same classes."""
    tests = list(tests)
    confusions: Counter[tuple[int, int]] = Counter()
    for test in tests:
        confusions.update({(true, predicted): count for true, predicted, count in test.confusions})
    found = [test.reliability for test in tests]
    return Pooled(
        classes=tests[0].classes,
        images=_sums([test.images for test in tests]),
        correct=_sums([test.correct for test in tests]),
        confusions=confusions,
        reliability=Reliability(
            _sums([bins.images for bins in found]),
            [sum(values) for values in zip(*(bins.confidence for bins in found), strict=True)],
            _sums([bins.correct for bins in found]),
        ),
        seeds=len(tests),
    )


def _sums(rows: Sequence[Sequence[int]]) -> list[int]:
    return [sum(values) for values in zip(*rows, strict=True)]
