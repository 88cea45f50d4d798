"""Image transforms: the backbone's own for evaluation, CoOp's random crop and flip for training."""

import hashlib
from collections.abc import Callable

import torch
from PIL.Image import Image
from torch import Tensor
from torchvision import transforms as T

from aape_lightning.backbones import Backbone

__all__ = ["TRANSFORM_VERSION", "augmentation", "seeded"]

# Raise it whenever the same image file gives other pixels to the image tower than before: a change of `augmentation`,
# `seeded`, a backbone's own transform, the decoding of images, or the renderer of the shapes world. Feature stores are
# keyed by it, so that those of the old pixels are left alone and new ones are built.
TRANSFORM_VERSION = 2  # 2: 16-bit PGM is scaled to 8 bits; it was clipped to white

Transform = Callable[[Image], Tensor]


def augmentation(backbone: Backbone, *, normalized: bool = True) -> Transform:
    """CoOp's training transform: random resized crop (8 to 100 % of the area, bicubic), flip, normalisation.

    Args:
        backbone: Says the size, mean and deviation.
        normalized: Off, the last step is left to `backbone.normalize`, and images become uint8 pixels.
    """
    steps = [
        T.RandomResizedCrop(backbone.input_size, scale=(0.08, 1.0), interpolation=T.InterpolationMode.BICUBIC),
        T.RandomHorizontalFlip(),
    ]
    last = [T.ToTensor(), T.Normalize(backbone.image_mean, backbone.image_std)] if normalized else [T.PILToTensor()]
    composed: Transform = T.Compose(steps + last)
    return composed


def seeded(transform: Transform, image: Image, key: str) -> Tensor:
    """Apply a random transform with randomness that depends on the key alone.

    The same image, view and seed give the same tensor in every process, worker and resumed run.
    """
    seed = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=7).digest(), "big")
    # torch.manual_seed seeds every device that there might be, which takes longer than some transforms.
    generator = torch.default_generator
    state = generator.get_state()
    try:
        generator.manual_seed(seed)
        return transform(image)
    finally:
        generator.set_state(state)
