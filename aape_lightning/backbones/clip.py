"""OpenAI's CLIP models through clip-anytorch: by name, or from a state dict in OpenAI's format."""

import hashlib
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from PIL.Image import Image
from torch import Tensor, nn
from torch.nn import functional as F

from aape_lightning.backbones.protocol import BackboneSpec

with warnings.catch_warnings():
    # clip-anytorch 2.6.0 imports pkg_resources, which warns of its own end; our bound on setuptools keeps it.
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
    import clip

__all__ = ["ClipBackbone", "clip", "fingerprint"]


def fingerprint(state_dict: dict[str, Tensor]) -> str:
    """Hash of the weights themselves: the same for every file that holds them."""
    digest = hashlib.sha256()
    for name in sorted(state_dict):
        tensor = state_dict[name].detach().cpu().contiguous()
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


class ClipBackbone(nn.Module):
    """A frozen CLIP of OpenAI's architecture (ModifiedResNet or ViT); satisfies `Backbone`.

    Args:
        name: The name under which it was asked for.
        model: The CLIP model, as `clip.load` returns it.
        transform: The model's evaluation transform, as `clip.load` returns it.
    """

    image_mean = (0.48145466, 0.4578275, 0.40821073)
    image_std = (0.26862954, 0.26130258, 0.27577711)

    def __init__(self, name: str, model: nn.Module, transform: Callable[[Image], Tensor]) -> None:
        super().__init__()
        self.name = name
        self.model: Any = model.eval().requires_grad_(False)
        self.fingerprint = fingerprint(model.state_dict())
        self._transform = transform

    @property
    def embed_dim(self) -> int:
        """Width d of the embedding space."""
        return int(self.model.text_projection.shape[1])

    @property
    def input_size(self) -> int:
        """Side of the images that the image tower takes, in pixels."""
        return int(self.model.visual.input_resolution)

    @property
    def context_length(self) -> int:
        """Longest text in tokens, start and end included."""
        return int(self.model.context_length)

    @property
    def logit_scale(self) -> float:
        """1 / tau."""
        return float(self.model.logit_scale.exp())

    @property
    def transform(self) -> Callable[[Image], Tensor]:
        """CLIP's transform: bicubic resize of the short side, centre crop, normalisation."""
        return self._transform

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
        tokens: Tensor = clip.tokenize(list(texts), context_length=self.context_length, truncate=truncate)
        return tokens

    def token_count(self, text: str) -> int:
        """Length of a text in tokens, start and end included."""
        return len(clip.clip._tokenizer.encode(text)) + 2

    @torch.no_grad()
    def encode_image(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        """Unit-norm embeddings of transformed images."""
        # Under "bf16-true" Lightning casts the images and not the tower.
        embeddings = self.model.encode_image(images.to(self.model.dtype))
        return F.normalize(embeddings.float(), dim=-1)

    @torch.no_grad()
    def encode_text(self, tokens: Int[Tensor, "b t"]) -> Float[Tensor, "b d"]:
        """Unit-norm embeddings of tokenised texts."""
        return F.normalize(self.model.encode_text(tokens).float(), dim=-1)
