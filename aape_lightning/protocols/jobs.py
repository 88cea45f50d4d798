"""What a protocol is: its jobs, what each job adds to the recipe, and what it measures."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer

__all__ = ["Job", "Measured", "Protocol", "jobs"]


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

    @property
    def method_name(self) -> str:
        """The method as results and tables call it."""
        return Path(self.method).stem

    @property
    def folder(self) -> Path:
        """Where its result lies, under the protocol's folder."""
        return Path(self.method_name) / f"seed{self.seed}"

    def __str__(self) -> str:
        return f"{self.method_name}, seed {self.seed}"


@dataclass(frozen=True)
class Measured:
    """What one job measured; the names are those of `Result`."""

    metrics: dict[str, float]
    diagnostics: dict[str, float] = field(default_factory=dict)
    curves: dict[str, list[float]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Protocol:
    """How each job is run.

    Attributes:
        name: The protocol's name, on the command line and in results.
        measure: Trains a task on its data and tests it.
        arguments: Keys that every job adds to the recipe and its method, as for `aape fit`.
    """

    name: str
    measure: Callable[[LightningModule, Any, Trainer], Measured]
    arguments: tuple[str, ...] = ()

    def job_arguments(self, job: Job) -> list[str]:
        """The keys that one job adds to the recipe and its method."""
        seed = str(job.seed)
        return [*self.arguments, "--data.seed", seed, "--seed_everything", seed]


def jobs(recipe: str, methods: Iterable[str], seeds: Iterable[int]) -> list[Job]:
    """Every method with every seed, seed by seed, so that a run cut short leaves comparable methods.

    Example:
        >>> [(job.method, job.seed) for job in jobs("shapes", ["zero-shot", "aape"], [1, 2])]
        [('zero-shot', 1), ('aape', 1), ('zero-shot', 2), ('aape', 2)]
    """
    return [Job(recipe, method, seed) for seed, method in product(seeds, methods)]
