"""PromptSRC: prompts in both towers, regularised by what the frozen towers say (Khattak et al., ICCV 2023)."""

import math
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from aape_lightning.backbones import BackboneSpec
from aape_lightning.baselines.gaussian_averaging import GaussianAverage
from aape_lightning.baselines.multimodal import MultimodalPromptTask
from aape_lightning.batch import ClassificationBatch, require
from aape_lightning.data.manifests.templates import chosen_templates
from aape_lightning.errors import RecipeError

__all__ = ["PromptSRCTask", "divergence"]

_AVERAGE = "prompt_average"


class PromptSRCTask(MultimodalPromptTask):
    r"""Learns independent prompts of both towers by cross-entropy and three regularisers, averaged over the epochs.

    .. math:: L = L_{CE} + \lambda_1 |w^p - w|_1 + \lambda_2 |x^p - x|_1 + KL(q \| q^p), \quad
        q = softmax(x \cdot w / \tau), \quad q^p = softmax(x^p \cdot w^p / \tau)

    x^p and w^p are the prompted features, x and w the frozen ones, all of unit norm. Each regulariser is a mean over
    all elements, as in the authors' code (https://github.com/muzairkhattak/PromptSRC, trainers/promptsrc.py). At the
    end of the last epoch the prompts become their Gaussian weighted average over all epochs.

    The w are means over the 80 templates of CLIP's authors, each template's embedding of unit norm; the PromptSRC
    authors' file holds 60 of these 80, and they average before they normalise.

    Args:
        context: The words ahead of the class's name.
        tokens: Prompts m in each block of each tower; the text tower's replace the context's first m words.
        depth: How many blocks of each tower have prompts of their own; at most all of the shorter tower.
        text_weight: lambda_1.
        image_weight: lambda_2.
        aggregation_mean: The epoch that counts most in the average, from 1; beyond the last epoch the average is all
            but the last epoch's prompts.
        aggregation_std: How many epochs around it count.
        lr: The highest learning rate of `coop_learning_rate`.
        weight_decay: SGD's.
        backbone_spec: The backbone trained on; recorded by the first fit, not for users to set.
        sizes: Depth and widths of the prompts; recorded by the first fit, not for users to set.
    """

    visual_tokens: nn.ParameterList
    frozen_text: Float[Tensor, "c d"]

    def __init__(
        self,
        *,
        context: str = "a photo of a",
        tokens: int = 4,
        depth: int = 9,
        text_weight: float = 25.0,
        image_weight: float = 10.0,
        aggregation_mean: float = 15.0,
        aggregation_std: float = 1.0,
        lr: float = 2.5e-3,
        weight_decay: float = 5e-4,
        backbone_spec: dict[str, str | int | float] | None = None,
        sizes: dict[str, int] | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.average: GaussianAverage | None = None
        self.build_if_known()

    # ---- building ------------------------------------------------------------------------------------------------

    def build_if_known(self) -> None:
        """Build the parameters as soon as the backbone is known.

        Raises:
            RecipeError: If a hyper-parameter is out of range.
        """
        for name in ("text_weight", "image_weight"):
            if not 0 <= self.hparams[name] < math.inf:
                raise RecipeError(f"{name} is {self.hparams[name]}; it must be 0 or more (--model.{name}).")
        super().build_if_known()

    def build(self, spec: BackboneSpec, sizes: dict[str, int]) -> None:
        """Draw the prompts of both towers."""
        self.text_tokens = self.drawn(sizes["depth"], sizes["text_width"])
        self.visual_tokens = self.drawn(sizes["depth"], sizes["image_width"])

    def image_prompts(self) -> list[Float[Tensor, "m v"]]:
        """The learned tokens of each block."""
        return list(self.visual_tokens)

    def prepare(self) -> None:
        """Embed the classes by the frozen text tower, and begin the average."""
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        self.frozen_text = data.embed_class_names(chosen_templates(data.manifest, "imagenet-80"))
        epochs = max(self.trainer.max_epochs or 0, 0)  # a run without a number of epochs is refused with its optimizer
        mean, std = self.hparams["aggregation_mean"], self.hparams["aggregation_std"]
        self.average = GaussianAverage(epochs, mean=mean, std=std)

    # ---- training ------------------------------------------------------------------------------------------------

    def terms(self, batch: ClassificationBatch) -> dict[str, Float[Tensor, ""]]:
        """Cross-entropy and the three regularisers: of text features, image features and logits."""
        require(batch, "image")
        image, text = self.image_features(batch["image"]), self.features()
        frozen_image, frozen_text = self.vision.encode(batch["image"]), self.frozen_text
        logits = self.logits(image, text)
        return {
            "cross_entropy": F.cross_entropy(logits, batch["label"]),
            "text_consistency": self.hparams["text_weight"] * F.l1_loss(text, frozen_text),
            "image_consistency": self.hparams["image_weight"] * F.l1_loss(image, frozen_image),
            "logit_consistency": divergence(logits, self.logits(frozen_image, frozen_text)),
        }

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Lightning's signature is not ours
        """Count an epoch's prompts after its last step; in the last epoch, take the average for them."""
        super().optimizer_step(*args, **kwargs)
        if not self.trainer.is_last_batch:
            return
        assert self.average is not None
        self.average.add(self.current_epoch, self.state_dict())
        if self.current_epoch + 1 == self.trainer.max_epochs:
            self.load_state_dict(self.average.total)

    # ---- checkpoints ---------------------------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the average of the epochs so far, for a run that is resumed."""
        super().on_save_checkpoint(checkpoint)
        if self.average is not None:
            checkpoint[_AVERAGE] = self.average.total

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the average of the epochs so far.

        Raises:
            BackboneMismatchError: If the checkpoint was trained on another backbone than this task's.
            CheckpointError: If a run is resumed for another number of epochs.
        """
        super().on_load_checkpoint(checkpoint)
        if self.average is not None and self.trainer.training:
            self.average.total = checkpoint[_AVERAGE]


def divergence(logits: Float[Tensor, "b c"], reference: Float[Tensor, "b c"]) -> Float[Tensor, ""]:
    """KL(reference || logits) of the class distributions, over the number of images and of classes."""
    total = F.kl_div(logits.log_softmax(1), reference.log_softmax(1), reduction="sum", log_target=True)
    return total / logits.numel()
