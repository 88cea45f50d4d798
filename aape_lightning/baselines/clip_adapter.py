"""CLIP-Adapter (Gao et al., arXiv 2110.04544): a residual bottleneck on the image embedding; classes go by text."""

from jaxtyping import Float
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional as F

from aape_lightning.backbones import BackboneSpec
from aape_lightning.baselines.feature_task import FeatureTask
from aape_lightning.errors import RecipeError
from aape_lightning.tasks.schedules import sgd_by_epoch

__all__ = ["CLIPAdapterTask"]


class CLIPAdapterTask(FeatureTask):
    r"""The visual adapter, trained by cross-entropy.

    .. math:: x' = \alpha\, A(x) + (1 - \alpha)\, x, \quad
        A(x) = \mathrm{relu}(V\, \mathrm{relu}(U x)), \quad p(y = c \mid x) = \mathrm{softmax}_c(\cos(x', w_c) / \tau)

    A is d -> d/4 -> d without biases, so that x' has the same direction whatever the length of x. No trained tensor
    depends on the number of classes. The released trainer (gaopengcuhk/CLIP-Adapter) runs under CoOp's configurations:
    SGD with momentum 0.9 and CoOp's learning-rate curve; alpha is 0.2 there, and was chosen by dataset in the paper.

    Args:
        ratio: alpha, in [0, 1].
        reduction: d is divided by it inside the bottleneck.
        lr: Learning rate.
        weight_decay: SGD's.
        backbone_spec: The backbone trained on; recorded by the first fit, not for users to set.

    Raises:
        RecipeError: If a value is out of range.
    """

    def __init__(
        self,
        *,
        ratio: float = 0.2,
        reduction: int = 4,
        lr: float = 2e-3,
        weight_decay: float = 5e-4,
        backbone_spec: dict[str, str | int | float] | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        if not 0 <= ratio <= 1:
            raise RecipeError(f"ratio is {ratio}; it must be in [0, 1] (--model.ratio).")
        if reduction < 1:
            raise RecipeError(f"reduction is {reduction}; it must be 1 or more (--model.reduction).")
        if not lr > 0:
            raise RecipeError(f"lr is {lr}; it must be above 0 (--model.lr).")
        if not weight_decay >= 0:
            raise RecipeError(f"weight_decay is {weight_decay}; it must be 0 or more (--model.weight_decay).")
        self.build_if_known()

    def build(self, spec: BackboneSpec) -> None:
        """Build the adapter."""
        width = spec["embed_dim"]
        hidden = max(1, width // self.hparams["reduction"])
        self.adapter = nn.Sequential(
            nn.Linear(width, hidden, bias=False), nn.ReLU(), nn.Linear(hidden, width, bias=False), nn.ReLU()
        )

    def forward(
        self, image_embedding: Float[Tensor, "b d"], class_embeddings: Float[Tensor, "c d"]
    ) -> Float[Tensor, "b c"]:
        """Logits cos(x', w_c) / tau of unit-norm image embeddings over any list of classes."""
        ratio = self.hparams["ratio"]
        adapted = ratio * self.adapter(image_embedding) + (1 - ratio) * image_embedding
        return self.cosine_logits(F.normalize(adapted, dim=-1), class_embeddings)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """SGD, by CoOp's learning-rate curve, epoch by epoch."""
        chosen = self.hparams
        epochs = self.trainer.max_epochs or 0
        return sgd_by_epoch(self.parameters(), lr=chosen["lr"], weight_decay=chosen["weight_decay"], epochs=epochs)
