"""Pretraining of a small causal language model, such as shapes-lm."""

from pathlib import Path

import torch
from jaxtyping import Float
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from aape_lightning.batch import require
from aape_lightning.data.text import TextBatch, TextDataModule
from aape_lightning.errors import DataError
from aape_lightning.language.build import new_language_model, save_language_model
from aape_lightning.language.loss import next_token_loss
from aape_lightning.tasks.means import EpochMeans
from aape_lightning.tasks.pretraining_schedule import decay_groups, warmup_cosine

__all__ = ["CausalLMTask"]


class CausalLMTask(LightningModule):
    """Trains a model of GPT-2's architecture on a `TextDataModule`'s texts, and writes it as a folder of transformers.

    Vocabulary and context are the DataModule's. The defaults are shapes-lm's.

    Args:
        width: Width of the embeddings, a multiple of `heads`.
        layers: Number of layers.
        heads: Attention heads in each.
        dropout: Chance to drop a value in training.
        lr: Learning rate after warm-up; it falls to zero along a cosine.
        weight_decay: AdamW's, for weights of matrices alone.
        warmup_steps: Steps over which the learning rate rises from zero.
        folder: Where the model is written when training is done; `language_model` in the run folder where not given.
    """

    def __init__(
        self,
        *,
        width: int = 128,
        layers: int = 6,
        heads: int = 4,
        dropout: float = 0.0,
        lr: float = 2e-3,
        weight_decay: float = 0.1,
        warmup_steps: int = 100,
        folder: str | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.model: nn.Module | None = None
        self.means, self._held_out = EpochMeans(), EpochMeans()

    @property
    def _data(self) -> TextDataModule:
        data = getattr(self.trainer, "datamodule", None)
        if not isinstance(data, TextDataModule):
            raise DataError(
                f"CausalLMTask takes its tokeniser from a TextDataModule, not from {type(data).__name__}: pass one as "
                "Trainer.fit(task, datamodule=TextDataModule(...)) or --data TextDataModule."
            )
        return data

    def configure_model(self) -> None:
        """Build the model for the DataModule's tokeniser, once.

        Raises:
            DataError: If the Trainer has another DataModule, or none.
            LanguageModelError: If the width is no multiple of the number of heads.
        """
        if self.model is None:
            settings = {name: self.hparams[name] for name in ("width", "layers", "heads", "dropout")}
            data = self._data
            self.model = new_language_model(data.tokenizer, context=data.hparams["context"], **settings)

    def loss(self, batch: TextBatch) -> tuple[Float[Tensor, ""], int]:
        """Mean loss of a batch's tokens in nats, and how many tokens it is the mean of."""
        batch = require(batch, "tokens", "mask")
        assert self.model is not None
        logits = self.model(input_ids=batch["tokens"], attention_mask=batch["mask"].long(), use_cache=False).logits
        return next_token_loss(logits, batch["tokens"], batch["mask"]), int(batch["mask"][:, 1:].sum())

    def training_step(self, batch: TextBatch, batch_idx: int) -> Float[Tensor, ""]:
        """The loss of a batch."""
        loss, _ = self.loss(batch)
        self.means.update({"loss": loss}, len(batch["tokens"]))
        return loss

    def on_train_epoch_end(self) -> None:
        """Log the mean of the epoch's loss."""
        self.log("train/loss", self.means.compute()["loss"], prog_bar=True, sync_dist=True)

    def validation_step(self, batch: TextBatch, batch_idx: int) -> None:
        """Add a batch to the means over the texts that are held out."""
        loss, count = self.loss(batch)
        self._held_out.update({"val/loss": loss}, count)

    def on_validation_epoch_end(self) -> None:
        """Log the mean loss of a token that is held out, and its exponential, the perplexity."""
        loss = self._held_out.compute()["val/loss"]
        self.log("val/loss", loss)
        self.log("val/perplexity", loss.exp(), prog_bar=True)

    def on_train_end(self) -> None:
        """Write model and tokeniser."""
        if self.trainer.is_global_zero and not self.trainer.fast_dev_run:  # type: ignore[attr-defined]
            assert self.model is not None
            save_language_model(self.model, self._data.tokenizer, self.folder)
            print(f"Language model: {self.folder}")

    @property
    def folder(self) -> Path:
        """Where the trained model is written."""
        chosen = self.hparams["folder"]
        return Path(chosen) if chosen else Path(self.trainer.default_root_dir) / "language_model"

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW with a linear warm-up and a cosine to zero, step by step."""
        groups = decay_groups(self.parameters(), self.hparams["weight_decay"])
        optimizer = torch.optim.AdamW(groups, lr=self.hparams["lr"], betas=(0.9, 0.98))
        schedule = warmup_cosine(
            optimizer, self.hparams["warmup_steps"], float(self.trainer.estimated_stepping_batches)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
