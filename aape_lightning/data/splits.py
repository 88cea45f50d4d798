"""Lists of images with labels: what a dataset is before anyone opens an image."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Item", "Part", "Split"]

Part = Literal["train", "val", "test"]


@dataclass(frozen=True, slots=True)
class Item:
    """One labelled image.

    Attributes:
        path: Where the image lies, relative to the dataset's image folder, with forward slashes.
        label: Position of its class in `Split.class_names`.
    """

    path: str
    label: int


@dataclass(frozen=True, slots=True)
class Split:
    """A dataset's class names, in label order, and its three parts, in file order.

    Attributes:
        class_names: Name of each label; `class_names[item.label]` names an item's class.
        train: Training images, from which few-shot draws are made.
        val: Validation images.
        test: Test images.
    """

    class_names: list[str]
    train: list[Item]
    val: list[Item]
    test: list[Item]

    def part(self, name: Part) -> list[Item]:
        """The items of one part."""
        return {"train": self.train, "val": self.val, "test": self.test}[name]
