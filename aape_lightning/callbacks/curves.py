"""Training curves in memory, for results and figures."""

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

__all__ = ["Curves"]


class Curves(Callback):
    """Collects the metrics that a task logs at the end of each epoch, by name.

    Attributes:
        values: For each metric its values in the last fit, one an epoch in which it was logged.
    """

    def __init__(self) -> None:
        self.values: dict[str, list[float]] = {}
        self._taken: dict[str, Tensor] = {}

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget an earlier fit."""
        self.values, self._taken = {}, {}

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the training means of the epoch before; at that epoch's own end, callbacks come before the task."""
        self._collect(trainer, "train/")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the last epoch's training means."""
        self._collect(trainer, "train/")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the metrics of a fit's validation."""
        if trainer.state.fn is TrainerFn.FITTING and not trainer.sanity_checking:
            self._collect(trainer, "val/")

    def _collect(self, trainer: Trainer, prefix: str) -> None:
        for name, value in trainer.logged_metrics.items():
            # A metric that was not logged again, such as the first stage's in the second, is still there: the very
            # tensor of the epoch in which it was.
            if name.startswith(prefix) and value is not self._taken.get(name):
                self._taken[name] = value
                self.values.setdefault(name, []).append(float(value))
