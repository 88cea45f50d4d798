"""What a protocol is: a list of jobs, what each adds to the recipe, and what it measures."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer

from aape_lightning.protocols.outcomes import PartOutcomes

__all__ = ["Job", "Measured", "Protocol", "Setting", "Value", "jobs", "settings_of"]

Value = str | int | float | bool | None
Setting = tuple[tuple[str, Value], ...]  # dotted keys of a recipe and the values that one job gives them

_UNFIT_FOR_FILES = re.compile(r"[^\w.=,+-]+")


@dataclass(frozen=True)
class Job:
    """One training and its tests.

    Attributes:
        recipe: Path or short name of the recipe.
        method: Path or short name of the method, which is laid over the recipe.
        seed: Seed of the draw and of the training.
        setting: What the protocol varies, and the values that this job takes.
    """

    recipe: str
    method: str
    seed: int
    setting: Setting = ()

    @property
    def recipe_name(self) -> str:
        """The recipe as results and folders call it."""
        return Path(self.recipe).stem

    @property
    def method_name(self) -> str:
        """The method as results and tables call it."""
        return Path(self.method).stem

    @property
    def folder(self) -> Path:
        """Where its result lies, under the protocol's folder: `RECIPE/[SETTING/]METHOD/seedN`."""
        varied = [_UNFIT_FOR_FILES.sub("-", name) for name in [_told(self.setting)] if name]
        return Path(self.recipe_name, *varied, self.method_name, f"seed{self.seed}")

    def __str__(self) -> str:
        return ", ".join(filter(None, [self.recipe_name, _told(self.setting), self.method_name, f"seed {self.seed}"]))


def _told(setting: Setting) -> str:
    """A setting in short: `shots=4,noise=0.2`."""
    return ",".join(f"{key.rpartition('.')[2]}={value}" for key, value in setting)


@dataclass(frozen=True)
class Measured:
    """What one job measured; the names are those of `Result`, but for `outcomes`, which have a file of their own."""

    metrics: dict[str, float]
    diagnostics: dict[str, float] = field(default_factory=dict)
    curves: dict[str, list[float]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    outcomes: dict[str, PartOutcomes] = field(default_factory=dict)


def _nothing_more(data: Any, trainer: Trainer) -> list[str]:  # noqa: ANN401 - any DataModule
    return []


@dataclass(frozen=True)
class Protocol:
    """How each job is run.

    Attributes:
        name: The protocol's name, on the command line and in results.
        measure: Trains a task on its data and tests it.
        arguments: Keys that every job adds to the recipe and its method, as for `aape fit`.
        contents: What else than configuration, backbone and data a job's result depends on, in any words.
    """

    name: str
    measure: Callable[[LightningModule, Any, Trainer], Measured]
    arguments: tuple[str, ...] = ()
    contents: Callable[[Any, Trainer], list[str]] = _nothing_more

    def job_arguments(self, job: Job) -> list[str]:
        """The keys that one job adds to the recipe and its method, beside its setting."""
        seed = str(job.seed)
        return [*self.arguments, "--data.seed", seed, "--seed_everything", seed]


def jobs(
    recipes: Iterable[str], methods: Iterable[str], seeds: Iterable[int], settings: Iterable[Setting] = ((),)
) -> list[Job]:
    """Every recipe and setting with every method and seed, seed by seed, so that a run cut short can be compared.

    Example:
        >>> [(job.method, job.seed) for job in jobs(["shapes"], ["zero-shot", "aape"], [1, 2])]
        [('zero-shot', 1), ('aape', 1), ('zero-shot', 2), ('aape', 2)]
    """
    return [
        Job(recipe, method, seed, setting)
        for seed, recipe, setting, method in product(seeds, recipes, settings, methods)
    ]


def settings_of(varied: Mapping[str, Sequence[Value]]) -> list[Setting]:
    """Every combination of the values of some keys, the last key's fastest; one empty setting of no keys.

    Example:
        >>> settings_of({"data.shots": [1, 2]})
        [(('data.shots', 1),), (('data.shots', 2),)]
    """
    return [tuple(zip(varied, values, strict=True)) for values in product(*varied.values())]
