"""What the rest of the project asks of a frozen two-tower encoder."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypedDict, runtime_checkable

import torch
from jaxtyping import Float, Int, UInt8
from PIL.Image import Image
from torch import Tensor

__all__ = ["Backbone", "BackboneSpec"]


class BackboneSpec(TypedDict):
    """A backbone in plain values: what a checkpoint records of the backbone that it was trained on.

    Attributes:
        name: The name that loads it.
        fingerprint: Hash of its weights.
        embed_dim: Width d of the shared embedding space.
        logit_scale: 1 / tau, the factor that turns cosines into logits.
    """

    name: str
    fingerprint: str
    embed_dim: int
    logit_scale: float


@runtime_checkable
class Backbone(Protocol):
    """A frozen image tower and text tower that share one embedding space.

    Both `encode_*` methods return L2-normalised float32 embeddings of shape (B, embed_dim), without gradients.

    Attributes:
        name: The name that loads it.
        fingerprint: Hash of its weights and of all else that its embeddings depend on; caches and checkpoints are bound
            to it.
        image_mean: Mean of each colour channel that `transform` subtracts, in [0, 1].
        image_std: Deviation of each colour channel by which `transform` divides.
    """

    name: str
    fingerprint: str
    image_mean: tuple[float, float, float]
    image_std: tuple[float, float, float]

    @property
    def embed_dim(self) -> int:
        """Width d of the embedding space."""

    @property
    def image_token_shape(self) -> tuple[int, int]:
        """Number t and width c of the tokens that `image_tokens` gives of each image."""

    @property
    def input_size(self) -> int:
        """Side of the square images that the image tower takes, in pixels."""

    @property
    def context_length(self) -> int:
        """Longest text that the text tower takes, in tokens, start and end included."""

    @property
    def logit_scale(self) -> float:
        """1 / tau, the factor that turns cosines into logits."""

    @property
    def transform(self) -> Callable[[Image], Tensor]:
        """The backbone's own evaluation transform: an RGB image to a (3, H, W) tensor."""

    @property
    def pixel_transform(self) -> Callable[[Image], Tensor]:
        """`transform` for many images: uint8 pixels (3, H, W) that `normalize` completes.

        Where the transform cannot be cut ahead of its normalisation it is `transform`, whose floats `normalize` leaves
        as they are.
        """

    @property
    def spec(self) -> BackboneSpec:
        """This backbone in plain values."""

    def tokenize(self, texts: Sequence[str], *, truncate: bool = False) -> Int[Tensor, "b t"]:
        """Tokens of each text, padded to `context_length`.

        Raises:
            RuntimeError: If a text is longer than the context and `truncate` is off.
        """

    def token_count(self, text: str) -> int:
        """Length of a text in tokens, start and end included, before any truncation."""

    def normalize(self, images: Float[Tensor, "b 3 h w"] | UInt8[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        """Transformed images, on the device of what `pixel_transform` gave of them."""

    def encode_image(self, images: Float[Tensor, "b 3 h w"] | UInt8[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        """Unit-norm embeddings of transformed images, or of what `pixel_transform` gives of them."""

    def image_tokens(self, images: Float[Tensor, "b 3 h w"] | UInt8[Tensor, "b 3 h w"]) -> Float[Tensor, "b t c"]:
        """The grid of images before it is pooled, in float32, without gradients and not normalised.

        Raises:
            BackboneNotFoundError: If the image tower has no grid.
        """

    def encode_text(self, tokens: Int[Tensor, "b t"]) -> Float[Tensor, "b d"]:
        """Unit-norm embeddings of tokenised texts."""

    def to(self, device: torch.device | str) -> "Backbone":
        """Move both towers to a device."""
