"""Loaders of images that workers decode and transform."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from PIL.Image import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from aape_lightning.data.transforms import seeded
from aape_lightning.errors import ImageError

__all__ = ["ImageDataset", "ImageLoader", "Images", "LateLoader", "collate_images"]

Key = tuple[int, int]  # epoch and position, as the samplers yield them


class ImageDataset(Dataset[Any], ABC):
    """A dataset whose images may be missing or damaged; subclasses give `load`.

    An `ImageError` becomes the item, and `ImageLoader` raises it in the main process: raised in a worker, it would
    reach the user wrapped in that process's traceback.
    """

    @abstractmethod
    def load(self, key: Any) -> Any:  # noqa: ANN401 - each dataset has keys and items of its own
        """The item of a key; may raise `ImageError`."""

    def __getitem__(self, key: Any) -> Any:  # noqa: ANN401
        try:
            return self.load(key)
        except ImageError as error:
            return error


def collate_images(items: list[Any]) -> Any:  # noqa: ANN401
    """The batch of an `ImageDataset`'s items, or the first error among them."""
    return next((item for item in items if isinstance(item, ImageError)), None) or default_collate(items)


class LateLoader(DataLoader[Any]):
    """A DataLoader that begins an epoch when its first batch is asked for, and in its midst where a run was cut there.

    Lightning makes the iterator of a resumed run before it tells the sampler the epoch; what begins at once would see
    the first epoch again. The place in an epoch is the sampler's, so images in front of it are not read.

    There is no constructor of its own, since Lightning makes loaders anew from their attributes.
    """

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        yield from super().__iter__()

    def state_dict(self) -> dict[str, Any]:
        """Nothing: the sampler knows its place. Lightning takes loaders without a state for ones that lose it."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing to load."""


class ImageLoader(LateLoader):
    """Loads an `ImageDataset`, with `collate_images`; its iterator raises the `ImageError` that a worker met."""

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        for batch in super().__iter__():
            if isinstance(batch, ImageError):
                raise batch
            yield batch


class Images(ImageDataset):
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

    def load(self, key: Key) -> dict[str, Any]:
        """The image at a position, as an epoch sees it."""
        epoch, position = key
        path = self.paths[position]
        image = self.opener(path)
        if self.seed is None:
            return {"index": position, "image": self.transform(image)}
        return {"index": position, "image": seeded(self.transform, image, f"{path} {epoch} {self.seed}")}
