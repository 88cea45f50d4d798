"""Training curves in memory, for results and figures."""

from lightning.pytorch import Callback, LightningModule, Trainer

__all__ = ["Curves"]


class Curves(Callback):
    """Collects the metrics that a task logs at the end of each epoch, by name.

    Attributes:
        values: For each metric its values, one an epoch in which it was logged.
    """

    def __init__(self) -> None:
        self.values: dict[str, list[float]] = {}

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take this epoch's training means."""
        self._collect(trainer, "train/")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take a validation's metrics."""
        if not trainer.sanity_checking:
            self._collect(trainer, "val/")

    def _collect(self, trainer: Trainer, prefix: str) -> None:
        for name, value in trainer.logged_metrics.items():
            if name.startswith(prefix):
                self.values.setdefault(name, []).append(float(value))
