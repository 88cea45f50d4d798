"""`aape fit|validate|test|predict`: LightningCLI over this project's tasks and DataModules."""

import datetime
import logging
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentError
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import CSVLogger

import aape_lightning.baselines
import aape_lightning.data.classification
import aape_lightning.data.pretraining
import aape_lightning.tasks
import aape_lightning.tasks.pretraining  # noqa: F401 - these five let recipes name classes by their short names
from aape_lightning.callbacks import PredictionWriter, RunFiles
from aape_lightning.errors import RecipeError
from aape_lightning.protocols.provenance import config_hash, now, versions
from aape_lightning.protocols.results import Result
from aape_lightning.resources import recipe_path

__all__ = ["AAPECLI", "build", "expand_recipes", "main", "recipe_arguments"]

_KNOWN_WARNINGS = (
    "LightningCLI's args parameter",  # main(args) is the door for tests and notebooks as well
    ".*does not have many workers.*",  # with stored features there is nothing for a worker to do
    ".*isinstance\\(treespec, LeafSpec\\).*",  # Lightning's own use of what torch has deprecated
    ".*smaller than the logging interval.*",  # tasks log once an epoch
    ".*Precision .* is not supported by the model summary.*",
    ".*Discarding init_args.*",  # a method of another class is laid over a recipe: that is what methods are for
)
_ADVERTISEMENT = "litlogger"
_NO_EXIT = {"exit_on_error": False}  # errors come back as exceptions, for `main` to show without a screen of usage


def expand_recipes(args: Sequence[str]) -> list[str]:
    """Replace short recipe names after `--config` by their files.

    Raises:
        RecipeError: If a name is neither a file nor a recipe.
    """
    expanded, config_next = [], False
    for arg in args:
        if config_next:
            arg = str(recipe_path(arg))
        elif arg.startswith("--config="):
            arg = f"--config={recipe_path(arg.removeprefix('--config='))}"
        config_next = arg in ("--config", "-c")
        expanded.append(arg)
    return expanded


class AAPECLI(LightningCLI):
    """LightningCLI with run folders, `result.json`, and recipes by short name."""

    def __init__(self, args: Sequence[str], *, run: bool = True, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(
            LightningModule,
            LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            auto_configure_optimizers=False,
            seed_everything_default=1,
            parser_kwargs=_NO_EXIT | dict.fromkeys(self.subcommands(), _NO_EXIT),
            save_config_kwargs={"overwrite": True},
            args=expand_recipes(args),
            run=run,
            **kwargs,
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the run folder."""
        parser.add_argument(
            "--run", type=str | None, default=None, help="Folder of this run (default: runs/RECIPE/TIME)."
        )

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:  # noqa: ANN401
        """Give the Trainer this run's folder, and what every run leaves in it."""
        folder = self.run_folder()
        settings: dict[str, Any] = {"default_root_dir": str(folder), "enable_checkpointing": False}
        given = self._get(self.config_init, "trainer", default={})
        if given.get("logger") in (None, True):
            settings["logger"] = CSVLogger(folder, name="", version="") if self.subcommand == "fit" else False
        callbacks = [*(given.get("callbacks") or []), RunFiles(), PredictionWriter()]
        return super().instantiate_trainer(**settings, callbacks=callbacks, **kwargs)

    def run_folder(self) -> Path:
        """Where this run writes: `--run`, else beside the checkpoint, else a new folder under `runs/`."""
        chosen = self._get(self.config_init, "run") or self._get(self.config_init, "trainer", default={}).get(
            "default_root_dir"
        )
        if chosen:
            return Path(chosen)
        checkpoint = self._get(self.config_init, "ckpt_path")
        if checkpoint and self.subcommand != "fit":
            return Path(checkpoint).parent / f"{self.subcommand}-{self.datamodule.hparams.get('classes', 'all')}"
        recipe = self._get(self.config, "config")
        name = Path(str(recipe[0])).stem if recipe else type(self.model).__name__
        return Path("runs") / name / datetime.datetime.now().strftime("%Y%m%d-%H%M%S")

    def after_fit(self) -> None:
        """Say where the run is and what comes next."""
        if self.trainer.is_global_zero and not self.trainer.fast_dev_run:  # type: ignore[attr-defined]
            folder = Path(self.trainer.default_root_dir)
            print(f"Run folder: {folder}")
            if (folder / "aape.ckpt").is_file():
                print(f"Test it: aape test --config {folder}/config.yaml --ckpt_path {folder}/aape.ckpt")

    def after_test(self) -> None:
        """Write `result.json`."""
        if self.trainer.is_global_zero and not self.trainer.fast_dev_run:  # type: ignore[attr-defined]
            metrics = {name: float(value) for name, value in self.trainer.callback_metrics.items()}
            result = self.result("test", metrics=metrics)
            print(f"Result: {result.write(Path(self.trainer.default_root_dir))}")

    def resolved(self) -> dict[str, Any]:
        """The configuration after recipes, command line and defaults, in plain values."""
        config = self.config[self.subcommand] if self.subcommand else self.config
        parser = self._parser(self.subcommand) if self.subcommand else self.parser
        plain: dict[str, Any] = yaml.safe_load(parser.dump(config, skip_link_targets=False, skip_none=False))
        return plain

    def result(self, protocol: str, method: str = "", **measured: Any) -> Result:  # noqa: ANN401
        """A `Result` of this run, with its provenance; `measured` is what was measured, by `Result`'s names."""
        config, data = self.resolved(), self.datamodule
        spec = dict(data.backbone.spec)
        recipe = config.get("config") or []
        return Result(
            protocol=protocol,
            recipe=Path(str(recipe[0])).stem if recipe else "",
            dataset=data.manifest.name,
            method=method or type(self.model).__name__,
            seed=data.hparams["seed"],
            backbone=spec,
            config=config,
            config_hash=config_hash(config, spec["fingerprint"]),
            versions=versions(),
            created=now(),
            **measured,
        )


def build(args: Sequence[str], **kwargs: Any) -> AAPECLI:  # noqa: ANN401
    """Task, DataModule and Trainer of a configuration, without running anything.

    Raises:
        RecipeError: If a key is unknown or a value is none that its key takes.
    """
    return _parsed(args, run=False, **kwargs)


def recipe_arguments(
    recipe: str,
    method: str | None = None,
    *,
    backbone: str | None = None,
    data_root: str | None = None,
    overrides: Sequence[str] = (),
) -> list[str]:
    """The command line of a recipe with overrides, and a method laid over both.

    What makes a method that method is never overridden, and a method of another class drops the keys that it has no
    use for: `--model.lr` reaches every AAPE row of a table and leaves zero-shot CLIP alone.

    Args:
        recipe: Path or short name of a recipe.
        method: Path of a method.
        backbone: Short for `--data.backbone`.
        data_root: Short for `--data.root`.
        overrides: Further keys, as for `aape fit`; a leading `--` is dropped.
    """
    arguments = ["--config", recipe]
    arguments += [] if backbone is None else ["--data.backbone", backbone]
    arguments += [] if data_root is None else ["--data.root", data_root]
    arguments += [word for word in overrides if word != "--"]
    return arguments + ([] if method is None else ["--config", method])


def _parsed(args: Sequence[str], **kwargs: Any) -> AAPECLI:  # noqa: ANN401
    quiet_known_messages()
    try:
        return AAPECLI(args, **kwargs)
    except ArgumentError as error:
        raise RecipeError(f"{error}\nList every key with: aape fit --help; a task's with: --model.help NAME") from error


def quiet_known_messages() -> None:
    """Hide the messages that are understood and harmless, one by one."""
    for message in _KNOWN_WARNINGS:
        warnings.filterwarnings("ignore", message=message)
    logger = logging.getLogger("lightning.pytorch.utilities.rank_zero")
    logger.addFilter(lambda record: _ADVERTISEMENT not in record.getMessage())


def main(args: Sequence[str] | None = None) -> None:
    """Run one of LightningCLI's commands.

    Raises:
        RecipeError: If a key is unknown or a value is none that its key takes.
    """
    _parsed(sys.argv[1:] if args is None else args)
