"""What a protocol is asked to do, in plain values, so that every process can work on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aape_lightning.arguments import recipe_arguments
from aape_lightning.errors import RecipeError
from aape_lightning.protocols.catalogue import find_protocol
from aape_lightning.protocols.jobs import Job, Protocol, Value, jobs, settings_of
from aape_lightning.protocols.names import BASE_TO_NEW, TRANSFERS
from aape_lightning.protocols.targets import default_targets
from aape_lightning.resources import method_path, recipe_path

__all__ = ["Request"]


@dataclass(frozen=True, kw_only=True)
class Request:
    """One call of `aape protocol`.

    Attributes:
        protocol: The protocol's name.
        recipes: Paths or short names of recipes, one a dataset.
        methods: Paths or short names of methods, each laid over each recipe.
        seeds: Seeds of draw and training.
        out: Folder of the results: `RECIPE/[SETTING/]METHOD/seedN/result.json`.
        vary: Dotted keys of a recipe, and the values that each takes; every combination is a setting.
        over: The protocol that a sweep follows.
        targets: Manifests to test on, for the protocols that transfer; those of the field where there are none.
        backbone: Another backbone than the recipes'.
        data_root: The data root.
        overrides: Further keys, as for `aape fit`; they reach every method that has a use for them.
    """

    protocol: str
    recipes: Sequence[str]
    methods: Sequence[str]
    seeds: Sequence[int]
    out: Path
    vary: Mapping[str, Sequence[Value]] = field(default_factory=dict)
    over: str = BASE_TO_NEW
    targets: Sequence[str] = ()
    backbone: str | None = None
    data_root: str | None = None
    overrides: Sequence[str] = ()

    def jobs(self) -> list[Job]:
        """The protocol's jobs.

        Raises:
            RecipeError: If a recipe or method is unknown, or two of them would write their results to one place.
        """
        for recipe in self.recipes:
            recipe_path(recipe)  # a mistyped name is told once, before the first job
        methods = [str(method_path(method)) for method in self.methods]
        chosen = list(dict.fromkeys(jobs(self.recipes, methods, self.seeds, settings_of(self.vary))))
        places: dict[Path, Job] = {}
        for job in chosen:
            if (other := places.setdefault(job.folder, job)) != job:
                raise RecipeError(
                    f"Two jobs would write to {str(job.folder)!r}: ({other.recipe}, {other.method}) and "
                    f"({job.recipe}, {job.method}). Give one of the files another name."
                )
        return chosen

    def protocol_of(self, job: Job) -> Protocol:
        """How a job is run."""
        targets = self.targets
        if self.protocol in TRANSFERS and not targets:
            targets = default_targets(self.protocol, job.recipe, self.overrides)
        return find_protocol(self.protocol, over=self.over, targets=targets)

    def arguments(self, job: Job) -> list[str]:
        """A job's command line, as for `aape fit`."""
        varied = [word for key, value in job.setting for word in (f"--{key}", _written(value))]
        laid = recipe_arguments(
            job.recipe,
            job.method,
            backbone=self.backbone,
            data_root=self.data_root,
            overrides=[*self.overrides, *varied],
        )
        return [*laid, *self.protocol_of(job).job_arguments(job), "--run", str(self.out / job.folder)]


def _written(value: Value) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
