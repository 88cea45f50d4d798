"""A transform up to its normalisation, for the processes that decode images: bytes are a quarter of the floats.

Resizing and cropping stay two steps as in CLIP. Pillow could do them at once (`resize` with a `box`), which takes 30 %
off decoding and transforming, but it then changes the order of its two passes for some images, and their pixels.
"""

from collections.abc import Callable

from PIL.Image import Image
from torch import Tensor
from torchvision import transforms as T

__all__ = ["without_normalization"]

Transform = Callable[[Image], Tensor]


def without_normalization(transform: Transform) -> Transform:
    """A transform up to its normalisation: an RGB image to uint8 pixels (3, H, W).

    Args:
        transform: Whatever a backbone's library gives. What is not torchvision's composition that ends in `ToTensor`
            and `Normalize` comes back as it is.
    """
    match getattr(transform, "transforms", None):
        case [*steps, T.ToTensor(), T.Normalize()]:
            pixels: Transform = T.Compose([*steps, T.PILToTensor()])
            return pixels
    return transform
