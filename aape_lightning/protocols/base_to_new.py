"""The base-to-new protocol (CoCoOp's, paper section 4.1): train on the first half of the classes, test on each half.

Each half is a task of its own: accuracy on the new classes is measured among the new classes only.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from lightning.pytorch import LightningModule, Trainer

from aape_lightning.callbacks import Curves
from aape_lightning.data import ClassificationDataModule
from aape_lightning.protocols.diagnostics import diagnose

__all__ = ["NAME", "Job", "Measured", "jobs", "measure"]

NAME = "base-to-new"


@dataclass(frozen=True)
class Job:
    """One training and its tests.

    Attributes:
        recipe: Path or short name of the recipe.
        method: Path or short name of the method, which is laid over the recipe.
        seed: Seed of the draw and of the training.
    """

    recipe: str
    method: str
    seed: int


@dataclass(frozen=True)
class Measured:
    """What one job measured; the names are those of `Result`."""

    metrics: dict[str, float]
    diagnostics: dict[str, float] = field(default_factory=dict)
    curves: dict[str, list[float]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def jobs(recipe: str, methods: Iterable[str], seeds: Iterable[int]) -> list[Job]:
    """Every method with every seed, seed by seed, so that a run cut short leaves comparable methods.

    Example:
        >>> [(job.method, job.seed) for job in jobs("shapes", ["zero-shot", "aape"], [1, 2])]
        [('zero-shot', 1), ('aape', 1), ('zero-shot', 2), ('aape', 2)]
    """
    return [Job(recipe, method, seed) for seed, method in product(seeds, methods)]


def measure(task: LightningModule, data: ClassificationDataModule, trainer: Trainer) -> Measured:
    """Train on the base classes and test on base and on new ones.

    Args:
        task: The method; a task with `training_free` is not trained.
        data: The dataset, on its base classes.
        trainer: Fits and tests; its callbacks record curves.
    """
    curves = next((callback for callback in trainer.callbacks if isinstance(callback, Curves)), Curves())  # type: ignore[attr-defined]
    seconds: dict[str, float] = {}
    diagnostics: dict[str, float] = {}
    if not getattr(task, "training_free", False):
        data.trainer = trainer
        start = time.perf_counter()
        data.setup("fit")  # stores and banks are built outside the clock: they are made once for all jobs
        seconds["prepare"] = time.perf_counter() - start
        start = time.perf_counter()
        trainer.fit(task, datamodule=data)
        seconds["fit"] = time.perf_counter() - start
        diagnostics = diagnose(task, data)
    start = time.perf_counter()
    metrics = {
        f"{classes}/{name.removeprefix('test/')}": value
        for classes, subset in (("base", data), ("new", data.with_classes("new")))
        for name, value in _test(task, subset, trainer).items()
    }
    seconds["test"] = time.perf_counter() - start
    return Measured(metrics, diagnostics, curves.values, seconds)


def _test(task: LightningModule, data: ClassificationDataModule, trainer: Trainer) -> dict[str, float]:
    logged: Any = trainer.test(task, datamodule=data, verbose=False)
    return {name: float(value) for name, value in logged[0].items()}
