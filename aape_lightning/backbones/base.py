"""What all families of backbones share: frozen towers, unit-norm embeddings, refusal of overlong texts."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int, UInt8
from PIL.Image import Image
from torch import Tensor, nn
from torch.nn import functional as F

from aape_lightning.backbones.fingerprints import PROBES, fingerprint
from aape_lightning.backbones.pixels import without_normalization
from aape_lightning.backbones.protocol import BackboneSpec

__all__ = ["FrozenBackbone"]


class FrozenBackbone(nn.Module, ABC):
    """Two frozen towers; satisfies `Backbone`. A family gives its dimensions, tokeniser and towers.

    Args:
        name: The name under which it was asked for.
        model: The module that holds both towers.
        transform: The model's own evaluation transform, which worker processes must be able to pickle.
    """

    fingerprint: str
    image_mean: tuple[float, float, float]
    image_std: tuple[float, float, float]
    embed_dim: int
    input_size: int
    context_length: int
    logit_scale: float
    # Whether a text token sees only those before it, and the embedding is read at the end token.
    reads_causally = False

    def __init__(self, name: str, model: nn.Module, transform: Callable[[Image], Tensor]) -> None:
        super().__init__()
        self.name = name
        self.model: Any = model.eval().requires_grad_(False)
        self._transform = transform

    @property
    def transform(self) -> Callable[[Image], Tensor]:
        """The model's own evaluation transform: an RGB image to a (3, H, W) tensor."""
        return self._transform

    @cached_property
    def pixel_transform(self) -> Callable[[Image], Tensor]:
        """`transform` up to its normalisation, to uint8 pixels; `transform` itself where the family's cannot be cut."""
        return without_normalization(self._transform)

    def normalize(self, images: Float[Tensor, "b 3 h w"] | UInt8[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        """Transformed images of the pixels that `pixel_transform` gives; what is not pixels comes back as it is."""
        if images.is_floating_point():
            return images
        channels = torch.tensor([self.image_mean, self.image_std], device=images.device)
        mean, std = channels[:, :, None, None]
        return images.float().div_(255).sub_(mean).div_(std)

    @property
    def spec(self) -> BackboneSpec:
        """This backbone in plain values."""
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "embed_dim": self.embed_dim,
            "logit_scale": self.logit_scale,
        }

    def tokenize(self, texts: Sequence[str], *, truncate: bool = False) -> Int[Tensor, "b t"]:
        """Tokens of each text, padded to the model's own context length.

        Raises:
            RuntimeError: If a text is longer than the context and `truncate` is off.
        """
        for text in () if truncate else texts:
            if self.token_count(text) > self.context_length:
                raise RuntimeError(
                    f"Input {text!r} is too long for context length {self.context_length}: it has "
                    f"{self.token_count(text)} tokens."
                )
        return self._tokens(list(texts))

    @abstractmethod
    def token_count(self, text: str) -> int:
        """Length of a text in tokens, start and end included, before any truncation."""

    @torch.no_grad()
    def encode_image(self, images: Float[Tensor, "b 3 h w"] | UInt8[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        """Unit-norm embeddings of transformed images, or of pixels."""
        return F.normalize(self._image_features(self._taken(images)).float(), dim=-1)

    @torch.no_grad()
    def image_tokens(self, images: Float[Tensor, "b 3 h w"] | UInt8[Tensor, "b 3 h w"]) -> Float[Tensor, "b t c"]:
        """The grid of images before it is pooled, row by row: what LiMBeR maps into a language model.

        Of a ViT the patches after the last layer and its LayerNorm, without the class token and before the projection
        (196 x 768 for ViT-B/16); of a ResNet what its attention pools (144 x 3072 for RN50x16). Not normalised to unit
        norm.

        Raises:
            BackboneNotFoundError: If the image tower has no grid.
        """
        return self._image_grid(self._taken(images)).float()

    @cached_property
    def image_token_shape(self) -> tuple[int, int]:
        """Number t and width c of an image's tokens, from the table of positions, which has one more than the grid."""
        tower = self.model.visual
        positions, width = getattr(tower, "attnpool", tower).positional_embedding.shape
        return int(positions) - 1, int(width)

    @torch.no_grad()
    def encode_text(self, tokens: Int[Tensor, "b t"]) -> Float[Tensor, "b d"]:
        """Unit-norm embeddings of tokenised texts, whose padding is no work where the tower is causal."""
        tokens = _without_padding(tokens) if self.reads_causally else tokens
        return F.normalize(self._text_features(tokens).float(), dim=-1)

    def _taken(self, images: Float[Tensor, "b 3 h w"] | UInt8[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        """Images as the tower takes them: under "bf16-true" Lightning casts them and not the tower."""
        return self.normalize(images).to(next(self.model.parameters()).dtype)

    def _fingerprint(self, settings: Mapping[str, object]) -> str:
        """Fingerprint of the weights, the tokeniser, and the settings of the rest."""
        tokens = self.tokenize(PROBES, truncate=True).tolist()
        return fingerprint(self.model.state_dict(), {**settings, "tokens": tokens})

    @abstractmethod
    def _tokens(self, texts: list[str]) -> Int[Tensor, "b t"]:
        """Tokens of each text, padded or cut to the context length."""

    @abstractmethod
    def _image_grid(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b t c"]:
        """The image tower's features before they are pooled."""

    def _image_features(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        """The image tower's output, where the model calls it as OpenAI's does."""
        features: Tensor = self.model.encode_image(images)
        return features

    def _text_features(self, tokens: Int[Tensor, "b t"]) -> Float[Tensor, "b d"]:
        """The text tower's output, where the model calls it as OpenAI's does."""
        features: Tensor = self.model.encode_text(tokens)
        return features


def _without_padding(tokens: Int[Tensor, "b t"]) -> Int[Tensor, "b s"]:
    """Tokens up to the end of the longest text.

    Padding repeats one token. Some tokenisers pad with the end token, so that one column of it is left.
    """
    places = torch.arange(tokens.shape[1], device=tokens.device)
    last = (tokens != tokens[:, -1:]).any(dim=0) * places
    return tokens[:, : int(last.max()) + 2]
