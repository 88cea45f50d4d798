"""The image tower of OpenAI's ViTs with learned prompts among its tokens, as in VPT, MaPLe and PromptSRC."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from aape_lightning.backbones.clip import ClipBackbone, clip
from aape_lightning.backbones.protocol import Backbone
from aape_lightning.backbones.vit import attention, embedded_patches
from aape_lightning.errors import RecipeError

__all__ = ["PromptedVision"]


class PromptedVision:
    """A frozen ViT that takes prompts beside the patches of an image.

    Not a module: the tower stays the backbone's, so that whoever holds this registers, saves and trains nothing of it.

    Args:
        backbone: A backbone of OpenAI's architecture whose image tower is a ViT.

    Raises:
        RecipeError: If it is of another family, or its image tower is a ResNet.
    """

    def __init__(self, backbone: Backbone) -> None:
        tower = backbone.model.visual if isinstance(backbone, ClipBackbone) else None
        if not isinstance(tower, clip.model.VisionTransformer):
            raise RecipeError(
                f"The image tower of backbone {backbone.name!r} takes no prompts: MaPLe and PromptSRC need a ViT of "
                "OpenAI's architecture. Use --data.backbone ViT-B/16, ViT-B/32, ViT-L/14, or a ViT's file in OpenAI's "
                "format."
            )
        self._tower: Any = tower

    @property
    def width(self) -> int:
        """Width w of the tower's tokens (768 for ViT-B/16)."""
        return int(self._tower.class_embedding.shape[0])

    @property
    def layers(self) -> int:
        """Number of the tower's blocks: the deepest that prompts can be."""
        return len(self._tower.transformer.resblocks)

    def encode(
        self, images: Float[Tensor, "b 3 h w"], deep: Sequence[Float[Tensor, "m v"]] = ()
    ) -> Float[Tensor, "b d"]:
        """Unit-norm float32 embeddings of transformed images, with gradients to the prompts.

        Args:
            images: As the backbone's transform makes them.
            deep: The m prompts of width v for each of the first blocks. Those of the first block stand behind the
                patches, before the first LayerNorm and without a position; the others replace what the prompts of the
                block before have become (VPT-deep). Without any it is the backbone's `encode_image`.
        """
        x = embedded_patches(self._tower, images)
        if deep:
            x = torch.cat([x, _for_all(deep[0], x)], dim=1)
        x = self._tower.ln_pre(x)
        for number, block in enumerate(self._tower.transformer.resblocks):
            if 0 < number < len(deep):
                prompts = _for_all(deep[number], x)
                x = torch.cat([x[:, : -prompts.shape[1]], prompts], dim=1)
            attended = attention(block.attn, block.ln_1(x))
            if number == self.layers - 1:  # of which the class token alone is read
                x, attended = x[:, 0], attended[:, 0]
            x = x + block.attn.out_proj(attended)
            x = x + block.mlp(block.ln_2(x))
        features = self._tower.ln_post(x) @ self._tower.proj
        return F.normalize(cast(Tensor, features).float(), dim=-1)


def _for_all(prompts: Float[Tensor, "m v"], x: Float[Tensor, "b t v"]) -> Float[Tensor, "b m v"]:
    """The same prompts for each image of the batch, in its precision."""
    return prompts.to(x.dtype).expand(len(x), -1, -1)
