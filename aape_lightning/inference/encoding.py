"""Images through the frozen image tower, batch by batch: threads decode the next batches while the tower works."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from aape_lightning.backbones import Backbone
from aape_lightning.errors import ImageError
from aape_lightning.files import default_workers
from aape_lightning.inference.images import NamedImage
from aape_lightning.progress import progress

__all__ = ["BATCH_SIZE", "EncodedImages", "Encoder"]

BATCH_SIZE = 32
_BATCHES_AHEAD = 2  # decoded while the tower works on one
_QUIET_BELOW = 64  # images that need no progress bar


@dataclass(frozen=True, eq=False)
class EncodedImages:
    """What the image tower makes of one batch, on the device.

    Attributes:
        images: The images that could be decoded.
        embedding: Unit-norm image embeddings x.
        tokens: The tower's grid, for a language model; None where it is not asked for.
    """

    images: list[NamedImage]
    embedding: Float[Tensor, "b d"]
    tokens: Float[Tensor, "b t w"] | None


@dataclass(frozen=True)
class Encoder:
    """Encodes images.

    Attributes:
        backbone: The frozen towers.
        device: Where the image tower works.
        batch_size: Images a batch.
    """

    backbone: Backbone
    device: torch.device
    batch_size: int = BATCH_SIZE

    def encode(
        self,
        images: Sequence[NamedImage],
        *,
        with_grid: bool = False,
        skip: Callable[[NamedImage, ImageError], None] | None = None,
    ) -> Iterator[EncodedImages]:
        """Encode images in order.

        Args:
            images: The images.
            with_grid: Give the tower's grid too.
            skip: Is told of each image that cannot be decoded, which is then left out; where None it is an error.

        Raises:
            ImageError: If an image cannot be decoded and `skip` is None.
        """
        towers = self.backbone.to(self.device)
        with progress(quiet=len(images) < _QUIET_BELOW) as bar, ThreadPoolExecutor(default_workers()) as threads:
            task = bar.add_task("encoding images", total=len(images))
            for batch, pixels in self._decoded(images, threads):
                kept = [(image, got) for image, got in zip(batch, map(_outcome, pixels), strict=True)]
                for image, got in kept:
                    if isinstance(got, ImageError):
                        if skip is None:
                            raise got
                        skip(image, got)
                good = [(image, got) for image, got in kept if isinstance(got, Tensor)]
                if good:
                    yield self._through(towers, [image for image, _ in good], [got for _, got in good], with_grid)
                bar.advance(task, len(batch))

    @torch.no_grad()
    def _through(
        self, towers: Backbone, images: list[NamedImage], pixels: list[Tensor], with_grid: bool
    ) -> EncodedImages:
        normal = towers.normalize(torch.stack(pixels).to(self.device))
        tokens = towers.image_tokens(normal) if with_grid else None
        return EncodedImages(images, towers.encode_image(normal), tokens)

    def _decoded(
        self, images: Sequence[NamedImage], threads: ThreadPoolExecutor
    ) -> Iterator[tuple[Sequence[NamedImage], list["Future[Tensor]"]]]:
        """The batches with their pixels, of which a few are decoded ahead and no more are held."""
        transform = self.backbone.pixel_transform
        ahead: deque[tuple[Sequence[NamedImage], list[Future[Tensor]]]] = deque()
        for start in range(0, len(images), self.batch_size):
            batch = images[start : start + self.batch_size]
            ahead.append((batch, [threads.submit(lambda image: transform(image.open()), image) for image in batch]))
            if len(ahead) > _BATCHES_AHEAD:
                yield ahead.popleft()
        yield from ahead


def _outcome(pixels: "Future[Tensor]") -> Tensor | ImageError:
    try:
        return pixels.result()
    except ImageError as error:
        return error
