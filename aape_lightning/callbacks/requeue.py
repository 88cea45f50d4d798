"""The checkpoint of a SLURM job that is requeued is that of a whole step."""

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch import Callback, LightningModule, Trainer

__all__ = ["RequeueAfterStep"]


class RequeueAfterStep(Callback):
    """Answers SIGUSR1 when the step at hand is over, in all processes after the same one.

    Lightning, which requeues the job then, would write its checkpoint at once: perhaps between the change of the
    weights and that of the learning rate. Outside SLURM nothing changes.
    """

    def __init__(self) -> None:
        self._answer: Callable[[int, FrameType | None], object] | None = None
        self._asked = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put off what Lightning does on the signal."""
        self._answer, self._asked = None, False
        if SLURMEnvironment.detect() and callable(answer := signal.getsignal(signal.SIGUSR1)):
            self._answer = answer
            signal.signal(signal.SIGUSR1, self._ask)  # Lightning's teardown restores what was there before it

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
            self._answer(signal.SIGUSR1, None)
