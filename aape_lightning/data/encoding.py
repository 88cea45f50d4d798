"""Images through a frozen tower, one after the other: decoding and transforming overlap with the tower's work."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.utils.data import Subset

from aape_lightning.data.loading import ImageDataset, ImageLoader, collate_images

__all__ = ["encode_rows"]

_IMAGES_PER_PASS = 256  # images through the tower at once
_WORTH_WORKERS = 256  # images from which starting worker processes pays


def encode_rows(
    images: ImageDataset,
    rows: range,
    encode: Callable[[Tensor], Tensor],
    device: torch.device,
    workers: int,
    views: int = 1,
) -> Iterator[Tensor]:
    """Outputs of a tower for some images, in order, chunk by chunk on the CPU.

    Args:
        images: Yields each image's views, (V, 3, H, W).
        rows: Which images.
        encode: The tower: (B, 3, H, W) on the device to (B, ...).
        device: Where the tower runs.
        workers: Processes that decode and transform images.
        views: V, for the size of a batch.

    Yields:
        Tensors (R, V, ...), of R images each.

    Raises:
        ImageError: If an image is missing or cannot be decoded.
    """
    loader = ImageLoader(
        Subset(images, rows),
        batch_size=max(1, _IMAGES_PER_PASS // views),
        num_workers=workers if len(rows) >= _WORTH_WORKERS else 0,
        collate_fn=collate_images,
    )
    for batch in loader:
        yield encode(batch.flatten(0, 1).to(device)).cpu().unflatten(0, (len(batch), views))
