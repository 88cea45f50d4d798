"""Base and new classes: the first ceil(n / 2) labels and the rest, each a task of its own."""

from typing import Literal

from aape_lightning.data.splits import Item
from aape_lightning.errors import DataError

__all__ = ["ClassSubset", "relabel", "subset_labels"]

ClassSubset = Literal["all", "base", "new"]


def subset_labels(classes: int, subset: ClassSubset) -> range:
    """The labels of a class subset.

    Raises:
        DataError: If the subset is unknown or holds no class.

    Example:
        >>> list(subset_labels(5, "base")), list(subset_labels(5, "new"))
        ([0, 1, 2], [3, 4])
    """
    half = (classes + 1) // 2
    ranges = {"all": range(classes), "base": range(half), "new": range(half, classes)}
    if subset not in ranges:
        raise DataError(f"No class subset {subset!r}; the subsets are all, base and new (--data.classes).")
    if not ranges[subset]:
        raise DataError(f"The class subset {subset!r} of {classes} class(es) is empty.")
    return ranges[subset]


def relabel(items: list[Item], labels: range) -> list[Item]:
    """The items of some labels, with labels counted from 0."""
    return [Item(item.path, item.label - labels.start) for item in items if item.label in labels]
