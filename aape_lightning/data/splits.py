"""Lists of images, by part: what a dataset is before anyone opens an image."""

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from aape_lightning.errors import DataError

__all__ = ["PARTS", "Item", "Part", "Parts", "Split", "part_called"]

Part = Literal["train", "val", "test"]
PARTS: tuple[Part, ...] = ("train", "val", "test")

_SYNONYMS: dict[str, Part] = {
    "train": "train", "training": "train", "trn": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test", "tst": "test", "eval": "test",
}  # fmt: skip

T = TypeVar("T")


def part_called(name: str, where: str) -> Part:
    """The part that a file calls by one of its usual names (`training`, `valid`, ...).

    Args:
        name: What the file says.
        where: The place, for the error.

    Raises:
        DataError: If it is no usual name.
    """
    part = _SYNONYMS.get(name.strip().lower())
    if part is None:
        raise DataError(f"{where}: {name!r} is no part; the parts are called train, val and test.")
    return part


@dataclass(frozen=True, slots=True)
class Item:
    """One labelled image.

    Attributes:
        path: Where the image lies, relative to the dataset's image folder, with forward slashes.
        label: Position of its class in `Split.class_names`.
    """

    path: str
    label: int


@dataclass(frozen=True)
class Parts(Generic[T]):
    """A dataset's three parts, each in the order of its files.

    Attributes:
        train: What is trained on.
        val: What is validated on; may be empty.
        test: What is tested on.
    """

    train: list[T]
    val: list[T]
    test: list[T]

    def part(self, name: Part) -> list[T]:
        """One part."""
        return {"train": self.train, "val": self.val, "test": self.test}[name]


@dataclass(frozen=True, init=False)
class Split(Parts[Item]):
    """A dataset's class names, in label order, and its images. Few-shot draws are made from the training images.

    Attributes:
        class_names: Name of each label; `class_names[item.label]` names an item's class.

    Raises:
        DataError: If a name is empty, or a label is none of a name.
    """

    class_names: list[str]

    def __init__(self, class_names: list[str], train: list[Item], val: list[Item], test: list[Item]) -> None:
        super().__init__(train, val, test)
        object.__setattr__(self, "class_names", class_names)
        for label, name in enumerate(class_names):
            if not name.strip():
                raise DataError(f"Label {label} has the empty name {name!r}. Give it one in words, for the text tower.")
        for part in PARTS:
            for item in self.part(part):
                if not 0 <= item.label < len(class_names):
                    raise DataError(
                        f"{item.path!r} ({part}) has label {item.label}; the labels run from 0 to "
                        f"{len(class_names) - 1}, one for each class name."
                    )
