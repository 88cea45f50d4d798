"""The bar of a running Trainer, drawn a few times a second however fast the steps are."""

from time import monotonic
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar

__all__ = ["ProgressBar"]

_PER_SECOND = 10


class ProgressBar(RichProgressBar):
    """Lightning's bar of rich, without its cost a step.

    Lightning's own reads the logged metrics back from the device after every step and draws in a thread a hundred times
    a second, which is longer than a step on stored features takes. Here most steps do neither.
    """

    def __init__(self) -> None:
        super().__init__(refresh_rate=_PER_SECOND)
        self._drawn = 0.0
        self._last: int | None = None  # the last step of this run, if it had any

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start anew."""
        self._last = None
        super().on_train_start(trainer, pl_module)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,  # noqa: ANN401 - Lightning's own
        batch: Any,  # noqa: ANN401
        batch_idx: int,
    ) -> None:
        """Show the step when it is time to."""
        self._last = batch_idx
        if (now := monotonic()) - self._drawn >= 1 / _PER_SECOND:
            self._drawn = now
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Nothing: the task logs its means after this, and a step of the next epoch shows them."""

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the last step, and the metrics of the last epoch."""
        if self._last is not None:
            super().on_train_batch_end(trainer, pl_module, None, None, self._last)

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """What stands behind the bar: the metrics, without the logger's version, which is none here."""
        metrics: dict[str, Any] = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics
