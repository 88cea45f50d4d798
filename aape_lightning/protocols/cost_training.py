"""What training costs: a few steps of every stage of a real fit, and what the whole recipe would take by them."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from torch.utils.flop_counter import FlopCounterMode

from aape_lightning.protocols.cost_counting import PeakMemory, counted_flops, finished
from aape_lightning.tasks import AAPETask

__all__ = ["StepClock", "TrainingCost", "measure_training"]

_EPOCHS, _STEPS_AN_EPOCH = 3, 8  # of each stage
_WARM_UP = 3  # steps of a stage that are not timed


@dataclass
class _Stage:
    """What was seen of a stage: seconds of each step and between epochs, images and forward operations of one step."""

    steps: list[float] = field(default_factory=list)
    between: list[float] = field(default_factory=list)
    images: int = 0
    flops: int = 0

    @property
    def step(self) -> float:
        """Seconds of a step: the median after the warm-up, or of all but the first where there are few."""
        return median(self.steps[min(_WARM_UP, len(self.steps) - 1) :])

    def all_epochs(self, epochs: int, steps_per_epoch: int) -> float:
        """Seconds of so many epochs."""
        return epochs * (steps_per_epoch * self.step + (median(self.between) if self.between else 0.0))


@dataclass(frozen=True)
class TrainingCost:
    """A whole training by the recipe.

    Attributes:
        seconds: All epochs at the pace of those measured, and once what is computed before, between and after the
            stages (a linear probe is solved there, and Tip-Adapter searches there). Without validation.
        images_per_second: Images of all steps by the steps' time.
        gflops: Forward pass of a step, for each of its images; the mean over all steps.
    """

    seconds: float
    images_per_second: float
    gflops: float


class StepClock(Callback):
    """Times steps from end to end, loading included, and counts the operations of each stage's first forward pass.

    Args:
        memory: The memory of the run; a step whose operations are counted is left out of it.
    """

    def __init__(self, memory: PeakMemory) -> None:
        self.memory = memory
        self.stages: dict[str, _Stage] = {}
        self.steps_per_epoch = 0
        self._seen: _Stage | None = None  # the stage of the step before
        self._counting = ExitStack()
        self._counter: FlopCounterMode | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock, ahead of what the task does here."""
        loader: Any = trainer.train_dataloader
        self.steps_per_epoch = len(loader)
        self._began = self._last = time.perf_counter()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:  # noqa: ANN401
        """Start an epoch; of a stage's first step the operations are counted until the backward pass."""
        if batch_idx:
            return
        stage = self.stages.setdefault(getattr(pl_module, "stage", "training"), _Stage())
        since = self._lap(pl_module)
        if stage is self._seen:
            stage.between.append(since)
        else:
            self.memory.hold()
            self._seen, self._counter = stage, self._counting.enter_context(counted_flops())

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: torch.Tensor) -> None:
        """The forward pass is over."""
        self._counting.close()

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,  # noqa: ANN401
        batch: Any,  # noqa: ANN401
        batch_idx: int,
    ) -> None:
        """Note how long the step took."""
        self._counting.close()
        assert self._seen is not None
        self._seen.steps.append(self._lap(pl_module))
        self._seen.images = len(batch["index"])
        if self._counter is not None:
            self._seen.flops, self._counter = self._counter.get_total_flops(), None
            self.memory.resume()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the clock; what the task did after its last step has been done."""
        self._lap(pl_module)
        timed = sum(sum(stage.steps) + sum(stage.between) for stage in self.stages.values())
        self._once = self._last - self._began - timed

    def _lap(self, task: LightningModule) -> float:
        finished(task.device)
        before, self._last = self._last, time.perf_counter()
        return self._last - before

    def cost(self, epochs: dict[str, int]) -> TrainingCost:
        """The whole training's, given the epochs of each stage in the recipe."""
        steps = {name: epochs[name] * self.steps_per_epoch for name in self.stages}
        whole = sum(stage.all_epochs(epochs[name], self.steps_per_epoch) for name, stage in self.stages.items())
        pace = sum(steps[name] * stage.step for name, stage in self.stages.items())
        images = sum(steps[name] * stage.images for name, stage in self.stages.items())
        flops = sum(steps[name] * stage.flops / stage.images for name, stage in self.stages.items())
        return TrainingCost(whole + self._once, images / pace, flops / sum(steps.values()) / 1e9)


def measure_training(
    task: LightningModule, data: LightningDataModule, trainer: Trainer, memory: PeakMemory
) -> TrainingCost:
    """Fit a task for a few steps of each of its stages.

    Args:
        task: The method; it is trained a little afterwards, and fit for no result.
        data: The dataset.
        trainer: The recipe's, with its real number of epochs.
        memory: Notes the memory of the steps.
    """
    clock = StepClock(memory)
    with _shortened(task, trainer), _added(trainer, clock):
        trainer.fit(task, datamodule=data)
    return clock.cost(_epochs(task, trainer))


def _epochs(task: LightningModule, trainer: Trainer) -> dict[str, int]:
    if isinstance(task, AAPETask):
        return {"aggregator": task.plan.aggregator, "generator": task.plan.generator, "joint": task.plan.joint}
    return {"training": trainer.max_epochs or 1}


@contextmanager
def _shortened(task: LightningModule, trainer: Trainer) -> Iterator[None]:
    """A few short epochs of each stage, without validation."""
    epochs, limits = trainer.max_epochs or 1, (trainer.limit_train_batches, trainer.limit_val_batches)
    staged = isinstance(task, AAPETask) and task.hparams["schedule"] == "staged"
    first = task.hparams["aggregator_epochs"] if staged else 0
    if first < epochs:  # else no stage is left to measure, and the task says so
        trainer.fit_loop.max_epochs = min(first, _EPOCHS) + min(epochs - first, _EPOCHS)
        if staged:
            task.hparams["aggregator_epochs"] = min(first, _EPOCHS)
    trainer.limit_train_batches, trainer.limit_val_batches = _STEPS_AN_EPOCH, 0
    try:
        yield
    finally:
        trainer.fit_loop.max_epochs = epochs
        trainer.limit_train_batches, trainer.limit_val_batches = limits
        if staged:
            task.hparams["aggregator_epochs"] = first


@contextmanager
def _added(trainer: Trainer, callback: Callback) -> Iterator[None]:
    trainer.callbacks.append(callback)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        trainer.callbacks.remove(callback)  # type: ignore[attr-defined]
