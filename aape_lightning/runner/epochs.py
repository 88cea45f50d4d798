"""A job's epochs under the protocol's bar."""

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.progress import Progress, TaskID

__all__ = ["EpochProgress"]


class EpochProgress(Callback):
    """Shows the epochs of a training on a bar, while it lasts.

    Args:
        bar: The bar.
    """

    def __init__(self, bar: Progress) -> None:
        self.bar = bar
        self.task: TaskID | None = None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add a line to the bar."""
        self.task = self.bar.add_task("epochs", total=trainer.max_epochs)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Advance it."""
        assert self.task is not None
        self.bar.advance(self.task)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take it away."""
        self._remove()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Take it away: the jobs behind a failed one have lines of their own."""
        self._remove()

    def _remove(self) -> None:
        if self.task is not None:
            self.bar.remove_task(self.task)
            self.task = None
