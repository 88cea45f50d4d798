"""Few-shot draws that equal CoOp's, image for image and in order."""

import random
from dataclasses import dataclass

from aape_lightning.data.splits import Item, Split
from aape_lightning.errors import DataError

__all__ = ["Draw", "draw"]

_MOST_VAL_SHOTS = 4  # CoOp never draws more validation images a class


@dataclass(frozen=True)
class Draw:
    """The images of one few-shot draw, in draw order: all of a class, class by class.

    Attributes:
        train: `shots` images a class, or all of a smaller class.
        val: min(shots, 4) images a class, or all of a smaller class.
    """

    train: list[Item]
    val: list[Item]


def draw(split: Split, shots: int, seed: int) -> Draw:
    """Draw `shots` training and min(shots, 4) validation images a class, as CoOp does for the same seed.

    CoOp's rule: one generator for both parts, training first; classes in the order in which the file first names them,
    before any cut into base and new classes.

    Args:
        split: The dataset.
        shots: Training images a class; 0 keeps the whole split.
        seed: Seed of the generator.

    Raises:
        DataError: If `shots` is negative.
    """
    if shots < 0:
        raise DataError(f"shots is {shots}; it must be 0 (all images) or more.")
    if shots == 0:
        return Draw(split.train, split.val)
    generator = random.Random(seed)
    return Draw(
        _sample(split.train, shots, generator), _sample(split.val, min(shots, _MOST_VAL_SHOTS), generator)
    )  # fmt: skip


def _sample(items: list[Item], shots: int, generator: random.Random) -> list[Item]:
    by_label: dict[int, list[Item]] = {}
    for item in items:
        by_label.setdefault(item.label, []).append(item)
    return [
        item
        for members in by_label.values()
        for item in (generator.sample(members, shots) if len(members) >= shots else members)
    ]
