"""The classes that a method confuses most, beside how often zero-shot CLIP confuses them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from aape_lightning.protocols.outcomes import PartOutcomes
from aape_lightning.report.outcomes.parts import Pooled, pool

__all__ = ["COMPARED", "Confusions", "Pair", "find_confusions"]

COMPARED = "zero-shot"
_MOST, _CHANGED = 10, 5


@dataclass(frozen=True)
class Pair:
    """Images of one class that were taken for another, over all seeds.

    Attributes:
        true: Their class.
        predicted: What they were taken for.
        count: How often that happened.
        images: How often an image of the class was tested.
        before: The fraction of them that zero-shot CLIP takes so; None where it has no results.
    """

    true: str
    predicted: str
    count: int
    images: int
    before: float | None

    @property
    def share(self) -> float:
        """The fraction of the class's images."""
        return self.count / self.images

    @property
    def change(self) -> float:
        """How much larger that is than zero-shot's; 0 where that is not known."""
        return 0.0 if self.before is None else self.share - self.before


@dataclass(frozen=True)
class Confusions:
    """What one method confuses on one part.

    Attributes:
        part: The tested part, such as `base`.
        method: The method.
        pooled: Its outcomes over all seeds.
        compares: Whether zero-shot CLIP's are known beside them.
        most: The pairs that it confuses most often, the most first.
        mended: Those that it confuses less than zero-shot CLIP, the largest change first.
        new: Those that it confuses more.
    """

    part: str
    method: str
    pooled: Pooled
    compares: bool
    most: Sequence[Pair]
    mended: Sequence[Pair]
    new: Sequence[Pair]


def find_confusions(part: str, tests: Mapping[str, Mapping[int, PartOutcomes]], method: str) -> Confusions | None:
    """The confusions of a method; none where it has left no outcomes.

    Args:
        part: The tested part.
        tests: Its outcomes, by method and seed.
        method: The method.
    """
    if method not in tests:
        return None
    ours = pool(tests[method].values())
    theirs = pool(tests[COMPARED].values()) if COMPARED in tests and method != COMPARED else None
    pairs = sorted(_pairs(ours, theirs), key=lambda pair: (-pair.count, -pair.share, pair.true, pair.predicted))
    by_change = sorted(pairs, key=lambda pair: pair.change)
    return Confusions(
        part=part,
        method=method,
        pooled=ours,
        compares=theirs is not None,
        most=[pair for pair in pairs if pair.count][:_MOST],
        mended=[pair for pair in by_change if pair.change < 0][:_CHANGED],
        new=[pair for pair in reversed(by_change) if pair.change > 0][:_CHANGED],
    )


def _pairs(ours: Pooled, theirs: Pooled | None) -> Iterable[Pair]:
    """Every pair that either of the two confuses."""
    for true, predicted in {*ours.confusions, *(theirs.confusions if theirs else ())}:
        yield Pair(
            true=ours.classes[true],
            predicted=ours.classes[predicted],
            count=ours.confusions.get((true, predicted), 0),
            images=ours.images[true],
            before=theirs.share(true, predicted) if theirs else None,
        )
