"""The bar of a running Trainer, drawn a few times a second however fast the steps are."""

from time import monotonic
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.callbacks.progress.rich_progress import BatchesProcessedColumn, CustomBarColumn
from rich.progress import ProgressColumn, TextColumn
from rich.table import Column

from aape_lightning.callbacks.fit_columns import FitTime
from aape_lightning.progress import Speed

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

    def configure_columns(self, trainer: Trainer) -> list[ProgressColumn]:
        """The epoch or what else is done, its steps, the time of the whole fit, and the speed."""
        return [
            TextColumn("{task.description}", table_column=Column(no_wrap=True)),
            CustomBarColumn(
                bar_width=8,  # leaves room for the metrics in 80 columns
                complete_style=self.theme.progress_bar,
                finished_style=self.theme.progress_bar_finished,
                pulse_style=self.theme.progress_bar_pulse,
            ),
            BatchesProcessedColumn(style=self.theme.batch_progress),
            FitTime(trainer),
            Speed(),
        ]

    def _get_train_description(self, current_epoch: int) -> str:
        """The epoch, counted from 1, and what it trains where a task has stages."""
        epochs = self.trainer.max_epochs
        described = f"Epoch {current_epoch + 1}" + ("" if epochs is None else f"/{epochs}")
        plan = getattr(self.trainer.lightning_module, "plan", None)
        return described if plan is None else f"{described} {plan.stage_at(current_epoch)}"

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """What stands behind the bar: the first metric of training and of validation; 80 columns hold no more."""
        metrics: dict[str, Any] = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)  # the logger's version, which is none here
        firsts = {name.partition("/")[0]: name for name in reversed(metrics)}
        return {name: metrics[name] for name in metrics if name in firsts.values()}
