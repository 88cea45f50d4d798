"""Images made worse by name, to see what helps where visual cues are confusing or missing."""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

from PIL import Image, ImageFilter

from aape_lightning.data.shapes.chance import between, random_of
from aape_lightning.errors import DataError, did_you_mean

__all__ = ["DEGRADATIONS", "degrade"]

# A twentieth of the shorter side: told by the mean of their faithful sentences, shapes-tiny knows 66 % of the shapes
# world's test images, 50 % of them blurred, and 20 % of them occluded.
_BLUR = 0.05
_OCCLUDED = 1 / 3
_GREY = (128, 128, 128)


def degrade(image: Image.Image, kind: str, path: str) -> Image.Image:
    """An image made worse, always in the same way; the image that is given stays as it is.

    Args:
        image: An RGB image of any size.
        kind: `blur` (Gaussian, its deviation a twentieth of the shorter side), `occlusion` (a grey rectangle over a
            third of the picture) or `none`.
        path: The image's path, by which the rectangle's place and form are drawn.

    Raises:
        DataError: If there is no such kind.
    """
    if kind not in DEGRADATIONS:
        raise DataError(
            f"No degradation {kind!r} of images; there are {', '.join(DEGRADATIONS)}.{did_you_mean(kind, DEGRADATIONS)}"
        )
    return DEGRADATIONS[kind](image, path)


def _none(image: Image.Image, path: str) -> Image.Image:
    return image


def _blur(image: Image.Image, path: str) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(_BLUR * min(image.size)))


def _occlusion(image: Image.Image, path: str) -> Image.Image:
    random, (width, height) = random_of(f"occlusion {path}"), image.size
    across = math.sqrt(_OCCLUDED) * math.exp(between(random, -0.4, 0.4))  # neither a bar nor always a square
    size = round(across * width), round(_OCCLUDED / across * height)
    corner = round(random.random() * (width - size[0])), round(random.random() * (height - size[1]))
    covered = image.copy()
    covered.paste(_GREY, (*corner, corner[0] + size[0], corner[1] + size[1]))
    return covered


DEGRADATIONS: Mapping[str, Callable[[Image.Image, str], Image.Image]] = MappingProxyType(
    {"none": _none, "blur": _blur, "occlusion": _occlusion}
)
