"""What every job of a protocol does: fit one task, test it, and keep what comes of it."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from lightning.pytorch import LightningDataModule, LightningModule, Trainer

from aape_lightning.callbacks import Curves
from aape_lightning.data import ClassificationDataModule
from aape_lightning.metrics import Outcomes
from aape_lightning.protocols.diagnostics import diagnose
from aape_lightning.protocols.examples import Examples, make_examples
from aape_lightning.protocols.outcomes import PartOutcomes

__all__ = ["ALL", "Tested", "Training", "evaluate", "kept_examples", "kept_outcomes", "timed", "train"]

ALL = "all"  # the part of a test that has no other


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


@dataclass(frozen=True)
class Tested:
    """What tests have measured; the names are those of `Measured`."""

    metrics: dict[str, float] = field(default_factory=dict)
    outcomes: dict[str, PartOutcomes] = field(default_factory=dict)


def evaluate(task: LightningModule, parts: Mapping[str, LightningDataModule], trainer: Trainer) -> Tested:
    """Test a task on one part after another.

    Args:
        task: The method.
        parts: The data of each part; `ALL` is one whose metrics need no name in front.
        trainer: Tests.

    Returns:
        What the task logs, by names `PART/METRIC` without the prefix `test/`, and what became of the images, by part.
    """
    tested = Tested()
    for part, data in parts.items():
        logged: Any = trainer.test(task, datamodule=data, verbose=False)
        before = "" if part == ALL else f"{part}/"
        for loader in logged:
            tested.metrics.update({before + name.removeprefix("test/"): float(loader[name]) for name in loader})
        if outcomes := kept_outcomes(task, list(getattr(data, "class_names", []))):
            tested.outcomes[part] = outcomes
    return tested


def kept_examples(task: LightningModule, data: LightningDataModule) -> Examples | None:
    """What a task that was just tested has to show, if it has a method `examples`.

    Raises:
        ResultError: If that is of no kind that a report can show.
    """
    found: Any = task.examples() if hasattr(task, "examples") else []  # type: ignore[operator]
    return make_examples(data.hparams["manifest"], data.hparams["root"], found) if found else None


def kept_outcomes(task: LightningModule, classes: list[str]) -> PartOutcomes | None:
    """What a task has counted in the test that it has just done; None of a task that classifies nothing.

    Args:
        task: The task.
        classes: The names of the classes that were tested.
    """
    found = getattr(task, "outcomes", None)
    if not isinstance(found, Outcomes):
        return None
    return PartOutcomes(
        classes=classes,
        images=found.images,
        correct=found.correct,
        confusions=found.confusions,
        reliability=found.reliability,
    )


@contextmanager
def timed(seconds: dict[str, float], phase: str) -> Iterator[None]:
    """Note how long the block takes, in seconds of the wall clock."""
    start = time.perf_counter()
    yield
    seconds[phase] = time.perf_counter() - start
