"""What MaPLe and PromptSRC share: learned prompts in both towers, so that images are encoded in every step."""

from abc import abstractmethod
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from aape_lightning.backbones import Backbone
from aape_lightning.backbones.prompted_text import with_context
from aape_lightning.backbones.prompted_vision import PromptedVision
from aape_lightning.baselines.prompt_learner import PromptLearnerTask
from aape_lightning.batch import ClassificationBatch, require
from aape_lightning.errors import RecipeError

__all__ = ["MultimodalPromptTask"]

_STD = 0.02


class MultimodalPromptTask(PromptLearnerTask):
    """A prompt learner whose prompts change the image embeddings too: it encodes the images itself, in every step.

    The DataModule's `inputs` must be `image`. Subclasses build `text_tokens` and what they make `image_prompts` of; the
    hyper-parameters read here, beside those of `PromptLearnerTask`: `context`, `tokens`, `depth`.

    Attributes:
        text_tokens: The text tower's prompts (m, w), first block first; the first block's replace the context's first m
            words, from which they start.
    """

    vision: PromptedVision
    text_tokens: nn.ParameterList

    # ---- what subclasses give ------------------------------------------------------------------------------------

    @abstractmethod
    def image_prompts(self) -> list[Float[Tensor, "m v"]]:
        """The image tower's prompts, first block first."""

    # ---- building ------------------------------------------------------------------------------------------------

    def build_if_known(self) -> None:
        """Build the parameters as soon as the backbone is known.

        Raises:
            RecipeError: If a hyper-parameter is out of range.
        """
        for name in ("tokens", "depth"):
            if self.hparams[name] < 1:
                raise RecipeError(f"{name} is {self.hparams[name]}; it must be at least 1 (--model.{name}).")
        super().build_if_known()

    def measure(self, backbone: Backbone) -> dict[str, int]:
        """How deep the prompts go, at most through all blocks of the shorter tower, and the width of each tower."""
        vision = PromptedVision(backbone)
        return {
            "depth": min(self.hparams["depth"], self.text.layers, vision.layers),
            "text_width": self.text.width,
            "image_width": vision.width,
        }

    def drawn(self, depth: int, width: int) -> nn.ParameterList:
        """Prompts for each block, from a normal distribution of deviation 0.02."""
        shape = (self.hparams["tokens"], width)
        return nn.ParameterList([nn.Parameter(torch.randn(shape) * _STD) for _ in range(depth)])

    def start(self, backbone: Backbone) -> None:
        """Start the first block's text prompts from the context's words.

        Raises:
            RecipeError: If the context has fewer words than there are prompts.
        """
        context, tokens = self.hparams["context"], self.hparams["tokens"]
        words = self.text.embed_words(context)
        if len(words) < tokens:
            raise RecipeError(
                f"context {context!r} has {len(words)} tokens and tokens is {tokens}: the prompts start from the "
                "context's first. Lengthen --model.context or lower --model.tokens."
            )
        self.text_tokens[0].data.copy_(words[:tokens])

    def template(self) -> str:
        """The context and the class's name."""
        return f"{self.hparams['context']} {{}}."

    def setup(self, stage: str) -> None:
        """Take both towers and the class names from the DataModule, or check that they are those trained on.

        Raises:
            BatchError: If there is no DataModule.
            BackboneMismatchError: If the DataModule uses another backbone.
            RecipeError: If the backbone is no ViT of OpenAI's architecture, or batches hold no images.
        """
        data: Any = getattr(self.trainer, "datamodule", None)
        if data is not None and data.hparams.get("inputs") != "image":
            raise RecipeError(
                f"{type(self).__name__} learns prompts of the image tower and encodes the images itself; the data's "
                f"inputs are {data.hparams.get('inputs')!r}. Add --data.inputs image."
            )
        super().setup(stage)
        self.vision = PromptedVision(data.backbone)

    # ---- classifying ---------------------------------------------------------------------------------------------

    def class_features(self) -> Float[Tensor, "c d"]:
        """Unit-norm class embeddings of the learned prompts."""
        first, *deeper = self.text_tokens
        return self.text.encode(with_context(self.texts, first), deeper)

    def image_features(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        """Unit-norm image embeddings of the learned prompts."""
        return self.vision.encode(image, self.image_prompts())

    def batch_logits(self, batch: ClassificationBatch) -> Float[Tensor, "b c"]:
        """Logits cos(x, w_c) / tau of a batch's images over the DataModule's classes."""
        require(batch, "image")
        return self.logits(self.image_features(batch["image"]), self.features())
