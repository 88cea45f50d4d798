"""`train/lr`: the learning rate among a run's metrics."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

__all__ = ["LearningRate"]


class LearningRate(Callback):
    """Logs the learning rate of each epoch's first step as `train/lr`; nothing for what trains without an optimizer."""

    def __init__(self) -> None:
        self._rate: float | None = None

    def on_train_batch_start(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        batch: Any,  # noqa: ANN401 - Lightning's own
        batch_idx: int,
    ) -> None:
        """Take it, before a schedule changes it."""
        if batch_idx == 0:
            groups = trainer.optimizers[0].param_groups if trainer.optimizers else []
            self._rate = float(groups[0]["lr"]) if groups else None

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log it with the epoch's other metrics."""
        if self._rate is not None:
            pl_module.log("train/lr", self._rate)

    def state_dict(self) -> dict[str, Any]:
        """The rate of the epoch at hand, for a run that is resumed within it."""
        return {"rate": self._rate}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with it."""
        self._rate = state_dict["rate"]
