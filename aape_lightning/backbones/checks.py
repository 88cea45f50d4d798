"""What is checked of files that strangers wrote, and how their faults are told."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from PIL import Image

from aape_lightning.backbones.base import FrozenBackbone
from aape_lightning.errors import BackboneNotFoundError, reason

__all__ = ["reading", "require_plain_transform"]


def require_plain_transform(backbone: FrozenBackbone) -> None:
    """Check that a transform makes square images of `input_size`, normalised by `image_mean` and `image_std`.

    The training transform is composed from these three (`aape_lightning.data.transforms.augmentation`).

    Raises:
        BackboneNotFoundError: If the transform does something else.
    """
    side, colour = backbone.input_size, (51, 102, 204)
    made = backbone.transform(Image.new("RGB", (3 * side, 2 * side), colour))
    expected = (torch.tensor(colour) / 255 - torch.tensor(backbone.image_mean)) / torch.tensor(backbone.image_std)
    if made.shape != (3, side, side) or not torch.allclose(made, expected[:, None, None], atol=1e-2):
        raise BackboneNotFoundError(
            f"Backbone {backbone.name!r} cannot be used: of an image of one colour its preprocessing makes a tensor of "
            f"shape {tuple(made.shape)} with values from {made.min():.3g} to {made.max():.3g}, where its image tower "
            f"takes (3, {side}, {side}), normalised by mean {backbone.image_mean} and deviation {backbone.image_std}. "
            "Correct its preprocessing files."
        )


@contextmanager
def reading(what: str, remedy: str) -> Iterator[None]:
    """Turn whatever a library raises while it reads `what` into a `BackboneNotFoundError` that ends with `remedy`."""
    try:
        yield
    except Exception as error:  # libraries raise a dozen kinds on files that are missing, damaged or of another kind
        raise BackboneNotFoundError(f"{what} cannot be read ({reason(error)}). {remedy}") from error
