"""Runs a protocol's jobs one after another, skips those whose result exists, and prints the tables."""

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
from aape_lightning.protocols import base_to_new, train_test
from aape_lightning.protocols.examples import EXAMPLES_FILE, write_examples
from aape_lightning.protocols.jobs import Job, Protocol, jobs
from aape_lightning.protocols.provenance import config_hash
from aape_lightning.protocols.results import RESULT_FILE, Result
from aape_lightning.protocols.training import kept_examples
from aape_lightning.report import print_results, write_report
from aape_lightning.resources import method_path, recipe_path

__all__ = ["run_protocol"]

_PROTOCOLS = {protocol.name: protocol for protocol in (base_to_new.PROTOCOL, train_test.PROTOCOL)}


def run_protocol(
    name: str,
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
    """Run the jobs of a protocol and print the tables.

    Args:
        name: The protocol's name: `base-to-new` or `train-test`.
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
        ResultError: If the folder holds results of another protocol (nothing is run then), or a job failed; the others
            are done, and a second call runs what is missing.
    """
    protocol = _PROTOCOLS[name]
    recipe_path(recipe)  # a mistyped name is told once, before the first job
    chosen = jobs(recipe, [str(method_path(method)) for method in methods], seeds)
    _refuse_another_protocol(protocol, chosen, out)
    failures: dict[Job, AAPEError | OSError] = {}
    with quiet_lightning(), progress() as bar:
        overall = bar.add_task("jobs", total=len(chosen))
        for job in chosen:
            bar.update(overall, description=str(job))
            try:
                arguments = recipe_arguments(
                    job.recipe, job.method, backbone=backbone, data_root=data_root, overrides=overrides
                )
                _run(protocol, job, arguments, out / job.folder, bar, overrides)
            except (AAPEError, OSError) as error:
                failures[job] = error
            bar.advance(overall)
    if len(failures) < len(chosen):
        _tell(out, report=report)
    if failures:
        told = "\n".join(f"  {job}: {error}" for job, error in failures.items())
        raise ResultError(f"{len(failures)} of {len(chosen)} jobs failed; the same command runs them again.\n{told}")


def _refuse_another_protocol(protocol: Protocol, chosen: Sequence[Job], out: Path) -> None:
    """Two protocols call their results by the same names, and one would overwrite the other's."""
    for job in chosen:
        found = _protocol_of(out / job.folder / RESULT_FILE)
        if found not in (None, protocol.name):
            raise ResultError(
                f"{str(out)!r} holds results of {found}, such as {str(job.folder)!r}. Give {protocol.name} a folder of "
                "its own with --out."
            )


def _protocol_of(result: Path) -> str | None:
    try:
        return Result.read(result).protocol
    except (FileNotFoundError, ResultError):  # a malformed result is told with its job
        return None


def _run(
    protocol: Protocol, job: Job, arguments: Sequence[str], folder: Path, bar: Progress, overrides: Sequence[str]
) -> None:
    words = [*arguments, *protocol.job_arguments(job), "--run", str(folder)]
    cli = build(words, trainer_defaults=_trainer_defaults(bar))
    if _is_done(cli, folder / RESULT_FILE):
        return
    measured = protocol.measure(cli.model, cli.datamodule, cli.trainer)
    examples = kept_examples(cli.model, cli.datamodule)
    typed = [word for word in overrides if word != "--"]
    result = cli.result(protocol.name, job.method_name, overrides=typed, **vars(measured))
    # Wherever this is cut short, no result stands without its examples or beside another run's.
    for name in (RESULT_FILE, EXAMPLES_FILE):
        (folder / name).unlink(missing_ok=True)
    if examples is not None:
        write_examples(folder, examples)
    result.write(folder)


def _is_done(cli: AAPECLI, result: Path) -> bool:
    if not result.is_file():
        return False
    cli.datamodule.setup_backbone()
    data = cli.datamodule
    return Result.read(result).config_hash == config_hash(cli.resolved(), data.backbone.fingerprint, data.contents())


def _tell(out: Path, *, report: bool) -> None:
    if report:
        print(f"Report: {write_report(out)}")
    else:
        print_results(out)
        print(f"Results: {out}. Report: aape report {out}")


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
