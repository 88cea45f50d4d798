"""Tip-Adapter and Tip-Adapter-F (Zhang et al., ECCV 2022): zero-shot CLIP and a memory of the training images."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional as F

from aape_lightning.backbones import BackboneSpec
from aape_lightning.baselines.class_bound import ClassBoundTask
from aape_lightning.baselines.tip_search import best_on_validation, cached_logits
from aape_lightning.batch import ClassificationBatch
from aape_lightning.errors import RecipeError

__all__ = ["TipAdapterTask"]


class TipAdapterTask(ClassBoundTask):
    r"""Zero-shot logits plus those of the training images, each voting for its class by its affinity to the image.

    .. math:: \frac{\cos(x, w_c)}{\tau} + \alpha \sum_{i: y_i = c} \exp(-\beta (1 - x^\top k_i))

    The key k_i is the unit-norm mean of a training image's embeddings over the DataModule's `views`. Tip-Adapter keeps
    the keys (one epoch without an optimizer step); Tip-Adapter-F trains them by cross-entropy: AdamW, its learning rate
    falling to zero as a cosine over all steps, with the initial alpha and beta.

    Then alpha and beta are those of the best validation accuracy on the published grid (the first where several tie).
    Data without validation images keep the initial ones. Nothing is chosen on test images: the released code
    (gaopengcuhk/Tip-Adapter) keeps the epoch of the best test accuracy, and this keeps the last.
    Its crops are of 50 to 100 % of an image's area; ours are of 8 to 100 %, those of every other method.

    Args:
        finetune: Train the keys (Tip-Adapter-F).
        alpha: Initial weight of the votes; the released configuration of ImageNet has 1.17, others 2 to 10.
        beta: Initial sharpness of the affinity.
        alpha_scale: Upper end of the search for alpha; it starts at 0.1 and has 20 steps.
        beta_scale: Upper end of the search for beta; it starts at 0.1 and has 200 steps.
        lr: AdamW's learning rate.
        weight_decay: AdamW's.
        backbone_spec: The backbone trained on; recorded by the first fit, not for users to set.
        class_names: The classes trained on; recorded likewise.

    Raises:
        RecipeError: If a number is not above 0.
    """

    alpha: Float[Tensor, ""]
    beta: Float[Tensor, ""]
    labels: Int[Tensor, " m"]

    def __init__(
        self,
        *,
        finetune: bool = False,
        alpha: float = 1.17,
        beta: float = 1.0,
        alpha_scale: float = 3.0,
        beta_scale: float = 7.0,
        lr: float = 1e-3,
        weight_decay: float = 0.01,
        backbone_spec: dict[str, str | int | float] | None = None,
        class_names: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        for name in ("alpha", "beta", "alpha_scale", "beta_scale", "lr"):
            if not self.hparams[name] > 0:
                raise RecipeError(f"{name} is {self.hparams[name]}; it must be above 0 (--model.{name}).")
        self.automatic_optimization = finetune
        self.register_buffer("alpha", torch.tensor(alpha))
        self.register_buffer("beta", torch.tensor(beta))
        self.build_if_known()

    def build(self, spec: BackboneSpec) -> None:
        """Build an empty memory."""
        self._remember(torch.empty(0, spec["embed_dim"]), torch.empty(0, dtype=torch.long))

    def _remember(self, keys: Float[Tensor, "m d"], labels: Int[Tensor, " m"]) -> None:
        self.keys = nn.Parameter(keys, requires_grad=self.hparams["finetune"])
        self.register_buffer("labels", labels)

    def setup(self, stage: str) -> None:
        """As `ClassBoundTask`; a fit takes its memory from the DataModule's training images.

        Raises:
            BatchError: If there is no DataModule.
            BackboneMismatchError: If the DataModule uses another backbone than the one trained on.
            DataError: If the classes to be trained on are not those trained on before.
            RecipeError: If several processes are to train what has nothing to train.
        """
        super().setup(stage)
        if stage != "fit":
            return
        if self.trainer.world_size > 1 and not self.hparams["finetune"]:
            raise RecipeError("Tip-Adapter trains nothing that processes could share: set --trainer.devices 1.")
        features, labels = self.data.training_features()
        self._remember(F.normalize(features.mean(1), dim=-1).to(self.device), labels.to(self.device))

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take over what the checkpoint's training recorded, and make room for its memory.

        Raises:
            CheckpointError: If nothing was trained.
            BackboneMismatchError: If it was trained on another backbone than this task.
        """
        super().on_load_checkpoint(checkpoint)
        held = checkpoint["state_dict"]
        self._remember(torch.empty_like(held["keys"]), torch.empty_like(held["labels"]))

    @property
    def values(self) -> Float[Tensor, "m k"]:
        """The keys' classes, one-hot."""
        return F.one_hot(self.labels, len(self.hparams["class_names"])).float()

    def forward(
        self, image_embedding: Float[Tensor, "b d"], class_embeddings: Float[Tensor, "c d"]
    ) -> Float[Tensor, "b c"]:
        """Logits of unit-norm image embeddings over classes that were trained on."""
        votes = cached_logits(image_embedding.float() @ self.keys.float().T, self.values, self.beta)
        return self.cosine_logits(image_embedding, class_embeddings) + self.alpha * self.of_classes(votes)

    def training_step(self, batch: ClassificationBatch, batch_idx: int) -> Float[Tensor, ""] | None:
        """Cross-entropy of one batch where keys are trained; else nothing."""
        return super().training_step(batch, batch_idx) if self.hparams["finetune"] else None

    @torch.no_grad()
    def on_train_epoch_end(self) -> None:
        """Choose alpha and beta after the last epoch."""
        super().on_train_epoch_end()
        validation = self.data.validation_features()
        if self.current_epoch + 1 == self.trainer.max_epochs and validation is not None:
            features, labels = validation
            affinity = features @ self.keys.float().T
            zero_shot = self.cosine_logits(features, self.data.class_embeddings)
            scales = self.hparams["alpha_scale"], self.hparams["beta_scale"]
            alpha, beta = best_on_validation(zero_shot, affinity, self.values, labels, *scales)
            self.alpha.fill_(alpha)
            self.beta.fill_(beta)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW over the keys; none where they are not trained."""
        if not self.hparams["finetune"]:
            return []
        optimizer = torch.optim.AdamW(
            [self.keys], lr=self.hparams["lr"], eps=1e-4, weight_decay=self.hparams["weight_decay"]
        )
        steps = max(1, int(self.trainer.estimated_stepping_batches))
        curve = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": curve, "interval": "step"}}
