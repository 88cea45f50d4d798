"""CoCoOp: a context that shifts with the image (Zhou et al., CVPR 2022)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from aape_lightning.backbones import BackboneSpec
from aape_lightning.backbones.prompted_text import EmbeddedTexts
from aape_lightning.baselines.context import ContextTask
from aape_lightning.errors import RecipeError

__all__ = ["CoCoOpTask"]

_REDUCTION = 16
_EVALUATION_CHUNK = 2048  # prompts a pass without gradients, where `chunk` says nothing


class CoCoOpTask(ContextTask):
    r"""Learns a context and a network pi that shifts it by the image: v_m(x) = v_m + pi(x).

    .. math:: p(y = c \mid x) = \mathrm{softmax}_c(\cos(x, w_c(x)) / \tau),
        \quad w_c(x) = \mathrm{text}([v_1(x), ..., v_M(x), c])

    pi is linear, ReLU, linear, from the image embedding through a sixteenth of its width to the text tower's. Every
    image has prompts of its own for all classes: they go through the text tower in one pass.

    Args:
        context: The words that the context starts from, or the number M of vectors drawn with deviation 0.02.
        chunk: Prompts a pass at most. In training the passes are then computed again in the backward pass, so that
            memory holds one at a time; the result is the same. Without it all prompts of a training batch go in one
            pass, and 2048 in evaluation.
        lr: The highest learning rate of `coop_learning_rate`.
        weight_decay: SGD's.
        backbone_spec: The backbone trained on; recorded by the first fit, not for users to set.
        sizes: Width and number of the context vectors; recorded by the first fit, not for users to set.
    """

    meta_net: nn.Sequential

    def __init__(
        self,
        *,
        context: int | str = "a photo of a",
        chunk: int | None = None,
        lr: float = 2e-3,
        weight_decay: float = 5e-4,
        backbone_spec: dict[str, str | int | float] | None = None,
        sizes: dict[str, int] | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        if chunk is not None and chunk < 1:
            raise RecipeError(f"chunk is {chunk}; it must be at least 1 prompt a pass (--model.chunk), or null.")
        self.build_if_known()

    def build(self, spec: BackboneSpec, sizes: dict[str, int]) -> None:
        """Draw the context and pi."""
        super().build(spec, sizes)
        width = spec["embed_dim"]
        hidden = max(1, width // _REDUCTION)
        self.meta_net = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, sizes["width"]))

    def forward(
        self, image_embedding: Float[Tensor, "b d"], class_embeddings: Float[Tensor, "c d"]
    ) -> Float[Tensor, "b c"]:
        """Logits cos(x, w_c(x)) / tau of unit-norm image embeddings over the DataModule's classes."""
        contexts = self.context + self.meta_net(image_embedding.to(self.context.dtype))[:, None]
        images, classes = self._a_pass(len(image_embedding), len(self.texts.end))
        return torch.cat(
            [
                torch.cat([self._scores(x, context, texts) for texts in _split(self.texts, classes)], dim=1)
                for x, context in zip(image_embedding.split(images), contexts.split(images), strict=True)
            ]
        )

    def _a_pass(self, b: int, c: int) -> tuple[int, int]:
        """Images and classes whose prompts go through the text tower together."""
        chunk = self.hparams["chunk"] or (b * c if torch.is_grad_enabled() else _EVALUATION_CHUNK)
        return max(1, chunk // c), min(c, chunk)

    def _scores(
        self, x: Float[Tensor, "b d"], context: Float[Tensor, "b m w"], texts: EmbeddedTexts
    ) -> Float[Tensor, "b c"]:
        """Logits of images with their own contexts over some classes."""
        recomputed = torch.is_grad_enabled() and self.hparams["chunk"] is not None
        features = self.text.encode_each(texts, context, checkpoint=recomputed)
        with torch.autocast(self.device.type, enabled=False):
            return self.logit_scale * torch.einsum("bd,bcd->bc", x, features)

    def remember_features(self) -> None:
        """Nothing: class features differ from image to image."""


def _split(texts: EmbeddedTexts, count: int) -> list[EmbeddedTexts]:
    """The texts, `count` at a time."""
    parts = zip(texts.tokens.split(count), texts.end.split(count), strict=True)
    return [EmbeddedTexts(tokens, end, texts.shared) for tokens, end in parts]
