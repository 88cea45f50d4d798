"""Contrastive pretraining of a small CLIP, such as shapes-tiny."""

import math
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional as F

from aape_lightning.backbones.clip import clip
from aape_lightning.batch import require
from aape_lightning.data.pretraining import CaptionBatch, ZeroShotBatch
from aape_lightning.errors import RecipeError
from aape_lightning.files import atomic_path
from aape_lightning.modules import contrastive_loss
from aape_lightning.tasks.means import EpochMeans
from aape_lightning.tasks.pretraining_schedule import decay_groups, warmup_cosine

__all__ = ["ContrastiveTask", "save_openai_weights"]

_MAX_LOGIT_SCALE = math.log(100)  # CLIP's own bound: logits are never scaled by more than 100


class ContrastiveTask(LightningModule):
    """Trains a CLIP of OpenAI's architecture on images with captions, and saves it in OpenAI's format.

    The defaults are shapes-tiny's. With several processes the loss contrasts the images and captions of all of
    them; a ResNet's batch norm is a process's own unless `--trainer.sync_batchnorm true`.

    Args:
        embed_dim: Width of the common embedding space.
        image_size: Side of the images, in pixels.
        vision_layers: Blocks in each of a ResNet's four stages, or the number of a ViT's layers.
        vision_width: Width of the image tower, a multiple of 64 for a ViT.
        patch_size: Side of a ViT's patches; unused by a ResNet.
        context_length: Length of the texts in tokens.
        vocab_size: Size of the vocabulary; CLIP's tokeniser has 49,408 entries.
        text_width: Width of the text tower, a multiple of 64.
        text_layers: Layers of the text tower.
        lr: Learning rate after warm-up; it falls to zero along a cosine.
        weight_decay: AdamW's, for weights of matrices and convolutions alone.
        warmup_steps: Steps over which the learning rate rises from zero.
        weights: The file to write when training is done; `shapes_tiny.pt` in the run folder where not given.

    Raises:
        RecipeError: If a width is not a multiple of 64 where OpenAI's format derives the number of heads from it.
    """

    def __init__(
        self,
        *,
        embed_dim: int = 256,
        image_size: int = 64,
        vision_layers: tuple[int, int, int, int] | int = (2, 2, 2, 2),
        vision_width: int = 24,
        patch_size: int = 8,
        context_length: int = 32,
        vocab_size: int = 49408,
        text_width: int = 64,
        text_layers: int = 3,
        lr: float = 2e-3,
        weight_decay: float = 0.05,
        warmup_steps: int = 200,
        weights: str | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.means = EpochMeans()
        vit = isinstance(vision_layers, int)
        if text_width % 64 or (vit and vision_width % 64):
            raise RecipeError(
                f"text_width is {text_width} and vision_width {vision_width}; OpenAI's format has one head per 64 "
                "channels, so the text width, and a ViT's width, must be multiples of 64."
            )
        self.model: nn.Module = clip.model.CLIP(
            embed_dim,
            image_size,
            vision_layers,
            vision_width,
            patch_size if vit else None,
            context_length,
            vocab_size,
            text_width,
            text_width // 64,
            text_layers,
        ).to(memory_format=torch.channels_last)

    def encode_image(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        """Unit-norm embeddings of normalised images."""
        return F.normalize(self.model.encode_image(images).float(), dim=-1)  # type: ignore[operator]

    def encode_text(self, tokens: Int[Tensor, "b t"]) -> Float[Tensor, "b d"]:
        """Unit-norm embeddings of tokenised texts."""
        return F.normalize(self.model.encode_text(tokens).float(), dim=-1)  # type: ignore[operator]

    def training_step(self, batch: CaptionBatch, batch_idx: int) -> Float[Tensor, ""]:
        """The contrastive loss of a batch."""
        batch = require(batch, "image", "tokens")
        scale = self.model.logit_scale.exp()  # type: ignore[operator]
        loss = contrastive_loss(self.encode_image(batch["image"]), self.encode_text(batch["tokens"]), scale)
        self.means.update({"loss": loss}, len(batch["image"]))
        return loss

    def on_train_epoch_end(self) -> None:
        """Log the mean of the epoch's loss."""
        self.log("train/loss", self.means.compute()["loss"], prog_bar=True, sync_dist=True)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Lightning's signature is not ours
        """Keep the logit scale within CLIP's bound, before a checkpoint of the step is written."""
        super().optimizer_step(*args, **kwargs)
        with torch.no_grad():
            self.model.logit_scale.clamp_(max=_MAX_LOGIT_SCALE)  # type: ignore[operator]

    def validation_step(self, batch: ZeroShotBatch, batch_idx: int) -> None:
        """Zero-shot accuracy by class name, over all classes and for each group of them."""
        batch = require(batch, "image", "label", "class_tokens", "groups")
        similarity = self.encode_image(batch["image"]) @ self.encode_text(batch["class_tokens"]).T
        correct = (similarity.argmax(dim=-1) == batch["label"]).float()
        self.log("val/accuracy", correct.mean(), prog_bar=True, batch_size=len(correct))
        for name, member in batch["groups"].items():
            self.log(f"val/accuracy_{name}", correct[member].mean(), batch_size=int(member.sum()))

    def on_train_end(self) -> None:
        """Write the weights in OpenAI's format."""
        if self.trainer.is_global_zero and not self.trainer.fast_dev_run:  # type: ignore[attr-defined]
            save_openai_weights(self.model, self.weights_path)

    @property
    def weights_path(self) -> Path:
        """Where the trained weights are written."""
        chosen = self.hparams["weights"]
        return Path(chosen) if chosen else Path(self.trainer.default_root_dir) / "shapes_tiny.pt"

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW with a linear warm-up and a cosine to zero, step by step."""
        optimizer = torch.optim.AdamW(
            decay_groups(self.parameters(), self.hparams["weight_decay"]),
            lr=self.hparams["lr"],
            betas=(0.9, 0.98),  # the second moment forgets faster than by default, as in CLIP: steadier at the start
            fused=True,
        )
        schedule = warmup_cosine(
            optimizer, self.hparams["warmup_steps"], float(self.trainer.estimated_stepping_batches)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def save_openai_weights(model: nn.Module, path: Path) -> None:
    """Write a CLIP's state dict in half precision, as `clip.load` reads it; whole or not at all."""
    state = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).cpu().contiguous().clone()
        for name, tensor in model.state_dict().items()
    }
    with atomic_path(path) as temporary:
        torch.save(state, temporary)
