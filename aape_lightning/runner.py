"""Runs a protocol's jobs one after another, skips those whose result exists, and prints the table."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.progress import Progress, TaskID

from aape_lightning.arguments import recipe_arguments
from aape_lightning.callbacks import Curves
from aape_lightning.cli import AAPECLI, build
from aape_lightning.errors import AAPEError, ResultError
from aape_lightning.messages import quiet_lightning
from aape_lightning.progress import progress
from aape_lightning.protocols import base_to_new
from aape_lightning.protocols.base_to_new import Job
from aape_lightning.protocols.provenance import config_hash
from aape_lightning.protocols.results import RESULT_FILE, Result, read_results
from aape_lightning.report import print_table, summarize, write_report
from aape_lightning.resources import method_path, recipe_path

__all__ = ["run_base_to_new"]


def run_base_to_new(
    recipe: str,
    methods: Sequence[str],
    seeds: Sequence[int],
    out: Path,
    *,
    backbone: str | None = None,
    data_root: str | None = None,
    overrides: Sequence[str] = (),
    report: bool = False,
) -> None:
    """Run the jobs of the base-to-new protocol and print the table.

    Args:
        recipe: Path or short name of the recipe.
        methods: Paths or short names of methods, each laid over the recipe.
        seeds: Seeds of draw and training.
        out: Folder of the results: `METHOD/seedN/result.json`.
        backbone: Another backbone than the recipe's.
        data_root: The data root.
        overrides: Further keys, as for `aape fit`; they reach every method that has a use for them.
        report: Write the report as well.

    Raises:
        RecipeError: If the recipe or a method is unknown; nothing is run then.
        ResultError: If a job failed; the others are done, and a second call runs what is missing.
    """
    recipe_path(recipe)  # a mistyped name is told once, before the first job
    jobs = base_to_new.jobs(recipe, [str(method_path(method)) for method in methods], seeds)
    failures: dict[Job, AAPEError | OSError] = {}
    with quiet_lightning(), progress() as bar:
        overall = bar.add_task("jobs", total=len(jobs))
        for job in jobs:
            bar.update(overall, description=f"{Path(job.method).stem}, seed {job.seed}")
            folder = out / Path(job.method).stem / f"seed{job.seed}"
            try:
                arguments = recipe_arguments(
                    job.recipe,
                    job.method,
                    backbone=backbone,
                    data_root=data_root,
                    overrides=overrides,
                )
                _run(job, [*arguments, *_job_arguments(job, folder)], folder, bar)
            except (AAPEError, OSError) as error:
                failures[job] = error
            bar.advance(overall)
    if len(failures) < len(jobs) and report:
        print(f"Report: {write_report(out)}")
    elif len(failures) < len(jobs):
        print_table(summarize(read_results(out)))
        print(f"Results: {out}. Report: aape report {out}")
    if failures:
        told = "\n".join(f"  {Path(job.method).stem}, seed {job.seed}: {error}" for job, error in failures.items())
        raise ResultError(f"{len(failures)} of {len(jobs)} jobs failed; the same command runs them again.\n{told}")


def _job_arguments(job: Job, folder: Path) -> list[str]:
    seed = str(job.seed)
    return ["--data.classes", "base", "--data.seed", seed, "--seed_everything", seed, "--run", str(folder)]


def _run(job: Job, arguments: list[str], folder: Path, bar: Progress) -> None:
    cli = build(arguments, trainer_defaults=_trainer_defaults(bar))
    if not _is_done(cli, folder / RESULT_FILE):
        measured = base_to_new.measure(cli.model, cli.datamodule, cli.trainer)
        cli.result(base_to_new.NAME, Path(job.method).stem, **vars(measured)).write(folder)


def _is_done(cli: AAPECLI, result: Path) -> bool:
    if not result.is_file():
        return False
    cli.datamodule.setup_backbone()
    data = cli.datamodule
    return Result.read(result).config_hash == config_hash(cli.resolved(), data.backbone.fingerprint, data.contents())


def _trainer_defaults(bar: Progress) -> dict[str, Any]:
    return {
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "logger": False,
        "callbacks": [Curves(), _EpochProgress(bar)],
    }


class _EpochProgress(Callback):
    """Shows a job's epochs under the protocol's bar."""

    def __init__(self, bar: Progress) -> None:
        self.bar = bar
        self.task: TaskID | None = None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.task = self.bar.add_task("epochs", total=trainer.max_epochs)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert self.task is not None
        self.bar.advance(self.task)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert self.task is not None
        self.bar.remove_task(self.task)
