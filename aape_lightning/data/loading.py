"""What the loaders of a DataModule yield: positions of images, or the images themselves, transformed by workers."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor
from torch.utils.data import Dataset

from aape_lightning.batch import ImageBatch
from aape_lightning.data.transforms import seeded

__all__ = ["Images", "Positions", "collate_positions"]

Key = tuple[int, int]  # epoch and position, as the samplers yield them


class Positions(Dataset[Key]):
    """The identity: with stored features a batch is its positions, and everything else is a gather on the device."""

    def __getitem__(self, key: Key) -> Key:
        return key


def collate_positions(keys: Sequence[Key]) -> ImageBatch:
    """A batch of positions."""
    return {"index": torch.tensor([position for _, position in keys])}


class Images(Dataset[dict[str, Any]]):
    """Transformed images by (epoch, position).

    Args:
        paths: The images, by position.
        opener: Opens an image by its path.
        transform: Image to tensor.
        seed: Makes a random transform depend on this seed, the epoch and the image alone; None for a fixed transform.
    """

    def __init__(
        self,
        paths: Sequence[str],
        opener: Callable[[str], Image],
        transform: Callable[[Image], Tensor],
        seed: int | None = None,
    ) -> None:
        self.paths = paths
        self.opener = opener
        self.transform = transform
        self.seed = seed

    def __getitem__(self, key: Key) -> dict[str, Any]:
        epoch, position = key
        path = self.paths[position]
        image = self.opener(path)
        if self.seed is None:
            return {"index": position, "image": self.transform(image)}
        return {"index": position, "image": seeded(self.transform, image, f"{path} {epoch} {self.seed}")}
