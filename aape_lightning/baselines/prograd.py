"""ProGrad: CoOp whose steps never undo what the hand-crafted prompts know (Zhu et al., ICCV 2023)."""

from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from aape_lightning.backbones import Backbone
from aape_lightning.baselines.context import ContextTask
from aape_lightning.baselines.hand_crafted import hand_crafted_templates
from aape_lightning.batch import ClassificationBatch, require
from aape_lightning.errors import RecipeError

__all__ = ["ProGradTask", "aligned"]


def aligned(domain: Float[Tensor, "m w"], general: Float[Tensor, "m w"], strength: float = 1.0) -> Float[Tensor, "m w"]:
    """G_d without its part against G_g where the two disagree (their product is negative), else G_d itself.

    Args:
        domain: G_d, the gradient of the cross-entropy.
        general: G_g, the gradient of the divergence from zero-shot CLIP.
        strength: lambda; 1 projects onto the plane orthogonal to G_g.
    """
    product = (domain * general).sum()
    against = product.clamp(max=0) / general.square().sum().clamp(min=torch.finfo(general.dtype).tiny)
    return domain - strength * against * general


class ProGradTask(ContextTask):
    r"""CoOp on gradients that are aligned with those of staying at zero-shot CLIP.

    .. math:: G = G_d - \lambda \min(0, \langle G_d, G_g \rangle) \, G_g / \|G_g\|^2

    G_d is the gradient of the cross-entropy, G_g that of KL(zero-shot || prompted) at temperature 1, where zero-shot
    CLIP reads the prompts of `hand_crafted_templates`. As in the authors' code (BeierZhu/Prompt-align,
    ProGrad.public/trainers/prograd.py), the context is longer than its words, and the vectors ahead of them start at
    zero. There the words are each dataset's own; here they are `context`.

    Args:
        context: The words that the last of the context vectors start from.
        length: The number M of context vectors.
        projection_strength: lambda.
        lr: The highest learning rate of `coop_learning_rate`.
        weight_decay: SGD's.
        backbone_spec: The backbone trained on; recorded by the first fit, not for users to set.
        sizes: Width and number of the context vectors; recorded by the first fit, not for users to set.
    """

    def __init__(
        self,
        *,
        context: str = "a photo of a",
        length: int = 16,
        projection_strength: float = 1.0,
        lr: float = 2e-3,
        weight_decay: float = 5e-4,
        backbone_spec: dict[str, str | int | float] | None = None,
        sizes: dict[str, int] | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.build_if_known()

    def measure(self, backbone: Backbone) -> dict[str, int]:
        """Number and width of the context vectors.

        Raises:
            RecipeError: If the context has more words than vectors.
        """
        words, length = super().measure(backbone)["context"], self.hparams["length"]
        if length < words:
            raise RecipeError(
                f"length is {length}; it must be at least the {words} tokens of the context "
                f"{self.hparams['context']!r} (--model.length)."
            )
        return {"context": length, "width": self.text.width}

    def start(self, backbone: Backbone) -> None:
        """Start from zeros and the context's words."""
        words = self.text.embed_words(self.hparams["context"])
        self.context.data.zero_()
        self.context.data[-len(words) :] = words

    def template(self) -> str:
        """Words to be replaced, those of the context last, and the class's name."""
        words = len(self.text.embed_words(self.hparams["context"]))
        spare = self.hparams["length"] - words
        return f"{'X ' * spare}{self.hparams['context']} {{}}."

    def prepare(self) -> None:
        """Embed the classes by the hand-crafted prompts."""
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        self.hand_crafted: Tensor = data.embed_class_names(hand_crafted_templates(data.manifest))

    def terms(self, batch: ClassificationBatch) -> dict[str, Float[Tensor, ""]]:
        """Cross-entropy, and the divergence from zero-shot CLIP."""
        require(batch, "image_embedding")
        image = batch["image_embedding"]
        logits = self.logits(image, self.class_features())
        zero_shot = F.log_softmax(self.logits(image, self.hand_crafted), dim=-1)
        divergence = F.kl_div(F.log_softmax(logits, dim=-1), zero_shot, log_target=True, reduction="batchmean")
        return {"cross_entropy": F.cross_entropy(logits, batch["label"]), "divergence": divergence}

    def loss(self, terms: dict[str, Float[Tensor, ""]]) -> Float[Tensor, ""]:
        """The cross-entropy in value, with the aligned gradient: what follows, such as clipping, sees a plain loss."""
        domain, general = self._gradient(terms["cross_entropy"]), self._gradient(terms["divergence"])
        carrier = (self.context * aligned(domain, general, self.hparams["projection_strength"])).sum()
        return terms["cross_entropy"].detach() + carrier - carrier.detach()

    def _gradient(self, term: Float[Tensor, ""]) -> Float[Tensor, "m w"]:
        """A term's gradient by the context, the mean over all processes."""
        with torch.autocast(self.device.type, enabled=False):
            (gradient,) = torch.autograd.grad(term, self.context, retain_graph=True)
        return cast(Tensor, self.trainer.strategy.reduce(gradient.float(), reduce_op="mean"))
