"""CoOp's rule for images without an official split: each class is shuffled and cut."""

import random
from collections.abc import Sequence

from aape_lightning.data.schema.classes import Cut
from aape_lightning.data.splits import Item
from aape_lightning.errors import DataError

__all__ = ["cut_classes"]


def cut_classes(items: Sequence[Item], cut: Cut) -> tuple[list[Item], list[Item], list[Item]]:
    """Training, validation and test images, class by class in label order.

    One generator serves all classes; a class's sizes are rounded as Python rounds. CoOp shuffles what the file system
    happens to list first; here images are in the order given, which readers sort, so the cut is the same everywhere.

    Args:
        items: The images, in an order that does not depend on the machine.
        cut: Fractions and seed.

    Raises:
        DataError: If a class is too small for a training image, or for a part whose fraction is not 0.
    """
    generator = random.Random(cut.seed)
    parts: tuple[list[Item], list[Item], list[Item]] = ([], [], [])
    for label, members in sorted(_by_label(items).items()):
        generator.shuffle(members)
        train = round(len(members) * cut.train)
        rest = round(1 - cut.train - cut.val, 9)
        # Two halves may both be rounded down: where none is left for testing, an odd image must not be tested on.
        val = round(len(members) * cut.val) if rest > 0 else len(members) - train
        pieces = (members[:train], members[train : train + val], members[train + val :])
        wanted = (cut.train, cut.val, rest)
        if any(share > 0 and not piece for piece, share in zip(pieces, wanted, strict=True)):
            raise DataError(
                f"The class of {members[0].path!r} (label {label}) has {len(members)} images, too few to be cut into "
                f"{cut.train:g} for training, {cut.val:g} for validation and the rest for testing."
            )
        for part, piece in zip(parts, pieces, strict=True):
            part += piece
    return parts


def _by_label(items: Sequence[Item]) -> dict[int, list[Item]]:
    grouped: dict[int, list[Item]] = {}
    for item in items:
        grouped.setdefault(item.label, []).append(item)
    return grouped
