"""What every job of a protocol does: fit one task, test it, and keep what comes of it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from lightning.pytorch import LightningDataModule, LightningModule, Trainer

from aape_lightning.callbacks import Curves
from aape_lightning.data import ClassificationDataModule
from aape_lightning.protocols.diagnostics import diagnose
from aape_lightning.protocols.examples import Examples, make_examples

__all__ = ["Training", "evaluate", "kept_examples", "timed", "train"]


@dataclass(frozen=True)
class Training:
    """What a training leaves beside the weights; the names are those of `Result`. Empty where nothing is trained."""

    diagnostics: dict[str, float] = field(default_factory=dict)
    curves: dict[str, list[float]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def train(task: LightningModule, data: LightningDataModule, trainer: Trainer) -> Training:
    """Fit a task, unless it is `training_free`.

    Args:
        task: The method.
        data: The dataset. Where it knows its classes' sentences, what the method does with them is told too.
        trainer: Fits; its `Curves` callback records curves.
    """
    if getattr(task, "training_free", False):
        return Training()
    curves = next((callback for callback in trainer.callbacks if isinstance(callback, Curves)), Curves())  # type: ignore[attr-defined]
    seconds: dict[str, float] = {}
    data.trainer = trainer
    with timed(seconds, "prepare"):  # stores and banks are built outside the fit's clock: they are made once for all
        data.setup("fit")
    with timed(seconds, "fit"):
        trainer.fit(task, datamodule=data)
    diagnostics = diagnose(task, data) if isinstance(data, ClassificationDataModule) else {}
    return Training(diagnostics, curves.values, seconds)


def evaluate(task: LightningModule, data: LightningDataModule, trainer: Trainer) -> dict[str, float]:
    """Test a task: what it logs, by name, without the prefix `test/`."""
    logged: Any = trainer.test(task, datamodule=data, verbose=False)
    return {name.removeprefix("test/"): float(value) for loader in logged for name, value in loader.items()}


def kept_examples(task: LightningModule, data: LightningDataModule) -> Examples | None:
    """What a task that was just tested has to show, if it has a method `examples`.

    Raises:
        ResultError: If that is of no kind that a report can show.
    """
    found: Any = task.examples() if hasattr(task, "examples") else []  # type: ignore[operator]
    return make_examples(data.hparams["manifest"], data.hparams["root"], found) if found else None


@contextmanager
def timed(seconds: dict[str, float], phase: str) -> Iterator[None]:
    """Note how long the block takes, in seconds of the wall clock."""
    start = time.perf_counter()
    yield
    seconds[phase] = time.perf_counter() - start
