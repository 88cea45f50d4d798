"""The checkpoint of a SLURM job that is requeued is that of a whole step."""

import signal
from types import FrameType
from typing import Any

from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch import Callback, LightningModule, Trainer

__all__ = ["RequeueAfterStep"]


class RequeueAfterStep(Callback):
    """Answers SIGUSR1 when the step at hand is over, in all processes after the same one.

    Lightning, which requeues the job then, would write its checkpoint at once: perhaps between the change of the
    weights and that of the learning rate. Outside SLURM nothing changes.

    Args:
        requeue_signal: What the job is told to stop by; `SLURMEnvironment` is given the same.
    """

    def __init__(self, requeue_signal: signal.Signals = signal.SIGUSR1) -> None:
        self.requeue_signal = requeue_signal
        self._answer: Any = None
        self._asked = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put off what Lightning does on the signal."""
        self._answer, self._asked = signal.getsignal(self.requeue_signal), False
        if SLURMEnvironment.detect() and callable(self._answer):
            signal.signal(self.requeue_signal, self._ask)  # Lightning's teardown restores what was there before it
        else:
            self._answer = None

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._asked = True

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,  # noqa: ANN401 - Lightning's own
        batch: Any,  # noqa: ANN401
        batch_idx: int,
    ) -> None:
        """Do it, unless gradients are still being accumulated."""
        whole = trainer.is_last_batch or (batch_idx + 1) % trainer.accumulate_grad_batches == 0
        if self._answer is None or not whole:
            return
        if trainer.strategy.reduce_boolean_decision(self._asked, all=False):
            self._asked = False
            self._answer(self.requeue_signal, None)
