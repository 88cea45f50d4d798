"""The conditions under which one checkpoint is tested: degradations of the images, and numbers of shown examples."""

from collections.abc import Sequence
from dataclasses import dataclass

from aape_lightning.data.degrade import DEGRADATIONS
from aape_lightning.errors import DataError, did_you_mean, listed

__all__ = ["Condition", "conditions"]


@dataclass(frozen=True)
class Condition:
    """One way to test.

    Attributes:
        degradation: How images are made worse, as `degrade` names it.
        shots: Answered examples before each question; None where a task has none.
    """

    degradation: str = "none"
    shots: int | None = None

    @property
    def prefix(self) -> str:
        """What its metrics' names begin with: `2-shot/blur/`, `blur/`, or nothing."""
        parts = [] if self.shots is None else [f"{self.shots}-shot"]
        parts += [] if self.degradation == "none" else [self.degradation]
        return "".join(f"{part}/" for part in parts)


def conditions(degradations: Sequence[str], shots: Sequence[int | None] = (None,)) -> list[Condition]:
    """Every number of examples under every degradation, without repetition.

    Raises:
        DataError: If there is none, a degradation is unknown, or a number of examples is negative.
    """
    for kind in degradations:
        if kind not in DEGRADATIONS:
            raise DataError(
                f"No degradation {kind!r} of images (--data.degradations); there are {listed(DEGRADATIONS)}."
                f"{did_you_mean(kind, DEGRADATIONS)}"
            )
    if wrong := [count for count in shots if count is not None and count < 0]:
        raise DataError(f"examples holds {wrong[0]}; a number of answered examples is 0 or more (--data.examples).")
    if not degradations or not shots:
        raise DataError("degradations and examples must each name at least one condition, such as [none] and [0].")
    found = [Condition(kind, count) for count in shots for kind in degradations]
    return list(dict.fromkeys(found))
