"""`aape fit|validate|test|predict`: LightningCLI over this project's tasks and DataModules."""

import contextlib
import datetime
import itertools
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentError, Namespace, set_parsing_settings
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.callbacks import ProgressBar as AnyProgressBar
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities.model_helpers import is_overridden

import aape_lightning.baselines
import aape_lightning.data.captioning
import aape_lightning.data.classification
import aape_lightning.data.pretraining
import aape_lightning.data.retrieval
import aape_lightning.data.vqa
import aape_lightning.tasks
import aape_lightning.tasks.pretraining  # noqa: F401 - these let recipes name classes by their short names
from aape_lightning.arguments import expand_recipes
from aape_lightning.callbacks import (
    LearningRate,
    MidEpoch,
    PredictionWriter,
    ProgressBar,
    RequeueAfterStep,
    RunFiles,
    SameRun,
    SavedConfig,
    StepSeeds,
)
from aape_lightning.checkpoints import check_checkpoint
from aape_lightning.errors import AAPEError, CheckpointError, RecipeError, StorageError
from aape_lightning.files import OF_DISKS, check_writable, told_os_error
from aape_lightning.logs import LogRun, chosen_loggers, default_loggers, flat_hyper_parameters, set_earlier_aside
from aape_lightning.messages import is_quiet, quiet_known_messages
from aape_lightning.protocols.provenance import config_hash, device_name, now, versions
from aape_lightning.protocols.results import Result
from aape_lightning.refusals import refusal
from aape_lightning.run_folder import RunRecord, git_state, last_metrics, typed_command
from aape_lightning.trainer_hints import read_whole_numbers_first

__all__ = ["AAPECLI", "build", "main"]

# By the first fit, not by users.
_RECORDED = ("backbone_spec", "sizes", "class_names", "image_token_width", "language_fingerprint", "answers")
_JSON = "--json"
set_parsing_settings(instantiate_subclass_spec_in_any=False)  # a value of no declared class is no object to build
_NO_EXIT = {"exit_on_error": False}  # errors come back as exceptions, for `main` to show without a screen of usage


class AAPECLI(LightningCLI):
    """LightningCLI with run folders, `result.json`, and recipes by short name."""

    def __init__(self, args: Sequence[str], *, run: bool = True, **kwargs: Any) -> None:  # noqa: ANN401
        self.typed = typed_command(args)
        try:
            super().__init__(
                LightningModule,
                LightningDataModule,
                subclass_mode_model=True,
                subclass_mode_data=True,
                auto_configure_optimizers=False,
                seed_everything_default=1,
                parser_kwargs=_NO_EXIT | dict.fromkeys(self.subcommands(), _NO_EXIT),
                save_config_callback=SavedConfig,
                args=expand_recipes(args),
                run=run,
                **kwargs,
            )
        except OSError as error:
            trainer = getattr(self, "trainer", None)
            if trainer is None or error.filename is not None or error.errno not in OF_DISKS:
                raise
            # A logger's, which names no file.
            raise StorageError(told_os_error(error, trainer.default_root_dir)) from error

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the run folder."""
        parser.add_argument(
            "--run", type=str | None, default=None, help="Folder of this run (default: runs/RECIPE/TIME)."
        )
        parser.add_argument(
            "--epoch_share_by_shots",
            type=dict[int, float] | None,
            default=None,
            help="Share of trainer.max_epochs to train for with so few shots, as CoOp does: {1: 0.25, 2: 0.5, 4: 0.5}.",
        )
        parser.add_argument(
            "--epochs_on",
            type=dict[str, int] | None,
            default=None,
            help="Epochs on some datasets, whatever trainer.max_epochs and the shots, as CoOp does: {imagenet: 50}.",
        )

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:  # noqa: ANN401
        """Parse, and look at a checkpoint before anything is built.

        Raises:
            CheckpointError: If `--ckpt_path` is no checkpoint.
        """
        super().parse_arguments(parser, args)
        subcommand = self.config.get("subcommand")
        if path := self.config[subcommand].get("ckpt_path") if subcommand else None:
            task = self.config[subcommand].get("model.class_path")
            language_model = self.config[subcommand].get("model.init_args.language_model")
            check_checkpoint(Path(path), task, language_model, resumes=subcommand == "fit")

    def before_instantiate_classes(self) -> None:
        """Take the run folder out of the configuration, which is saved there and may be run again elsewhere.

        The epochs are settled too, so that the saved configuration says how many there were.
        """
        self.chosen_folder: str | None = self._subconfig.run
        self._subconfig.run = None
        self._settle_epochs()

    def _settle_epochs(self) -> None:
        config = self._subconfig
        shares, on_datasets = config.get("epoch_share_by_shots") or {}, config.get("epochs_on") or {}
        data = config.data.init_args if "init_args" in config.data else {}
        if (epochs := on_datasets.get(data.get("manifest"))) is not None:
            config.trainer.max_epochs = epochs
        elif shares and config.trainer.max_epochs:
            config.trainer.max_epochs = max(1, round(config.trainer.max_epochs * shares.get(data.get("shots"), 1.0)))
        config.epoch_share_by_shots = config.epochs_on = None

    @property
    def _subconfig(self) -> Namespace:
        config: Namespace = self.config[self.subcommand] if self.subcommand else self.config
        return config

    def after_instantiate_classes(self) -> None:
        """Refuse to evaluate what was never trained.

        Raises:
            CheckpointError: If a task that learns is validated, tested or used without a checkpoint.
        """
        evaluates = self.subcommand not in (None, "fit")
        learns = not getattr(self.model, "training_free", False)
        if evaluates and learns and not self._get(self.config_init, "ckpt_path"):
            raise CheckpointError(
                f"aape {self.subcommand} of {type(self.model).__name__} needs the weights of a run: --ckpt_path "
                "RUN/aape.ckpt."
            )

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:  # noqa: ANN401
        """Give the Trainer this run's folder, and what every run leaves in it."""
        folder = self.run_folder()
        self._forget_checkpoint()
        given = self._get(self.config_init, "trainer", default={})
        loggers = self._loggers(given.get("logger"), folder)
        chosen = given.get("callbacks") or []
        callbacks = [
            *(chosen if isinstance(chosen, list) else [chosen]),
            RunFiles(),
            SameRun(),
            MidEpoch(),
            RequeueAfterStep(),
            StepSeeds(),
            PredictionWriter(),
        ]
        checkpoints = any(isinstance(callback, Checkpoint) for callback in callbacks)  # besides those of RunFiles
        settings: dict[str, Any] = {"default_root_dir": str(folder), "enable_checkpointing": checkpoints}
        callbacks += self._logging_callbacks(folder) if loggers else []
        has_bar = any(isinstance(callback, AnyProgressBar) for callback in callbacks)
        if is_quiet():
            settings |= {"enable_model_summary": False} | ({} if has_bar else {"enable_progress_bar": False})
        elif not has_bar and given.get("enable_progress_bar") is not False:
            callbacks.append(ProgressBar())
        if self.subcommand == "fit":
            self.record = RunRecord(self._facts())
            callbacks.append(self.record)
        return super().instantiate_trainer(**settings, logger=loggers or False, callbacks=callbacks, **kwargs)

    def _loggers(self, given: Any, folder: Path) -> list[Logger]:  # noqa: ANN401 - a logger, several, or a choice
        if given is False:
            return []
        trains = self.subcommand == "fit"
        tries = self._get(self.config_init, "trainer", default={}).get("fast_dev_run")
        if trains and not tries and not self._get(self.config_init, "ckpt_path"):
            self._tell_of_earlier(set_earlier_aside(folder), folder)
        if given in (None, True):
            given = default_loggers() if trains else []
        return chosen_loggers(given if isinstance(given, list) else [given], folder, trains=trains)

    def _tell_of_earlier(self, earlier: Path | None, folder: Path) -> None:
        if earlier is not None and not is_quiet():
            print(f"{str(folder)!r} holds an earlier run; its metrics are kept in {str(earlier)!r}.", file=sys.stderr)

    def _logging_callbacks(self, folder: Path) -> list[Callback]:
        log_run = LogRun("/".join(folder.parts[-2:]), flat_hyper_parameters(self.resolved()))
        return [LearningRate(), log_run] if self.subcommand == "fit" else [log_run]

    def _facts(self) -> dict[str, Any]:
        """What `run.json` tells of this run before it begins."""
        return {
            "command": self.typed,
            "recipe": self.recipe_name(),
            "task": type(self.model).__name__,
            "resumed_from": self._get(self.config_init, "ckpt_path"),
            "versions": versions(),
            "git": git_state(),
        }

    def before_fit(self) -> None:
        """Leave word of the run in its folder."""
        self.record.begin(self.trainer)

    def _forget_checkpoint(self) -> None:
        """Save the configuration of a resumed run as that of a run from the start, which it equals."""
        if "ckpt_path" in self._subconfig:
            self._subconfig.ckpt_path = None
        for arguments in ("init_args", "dict_kwargs"):
            found = self._subconfig.model.get(arguments) or {}
            for name in _RECORDED:
                if name in found:
                    found[name] = None

    def run_folder(self) -> Path:
        """Where this run writes: `--run`, else beside the checkpoint, else a new folder under `runs/`."""
        trainer = self._get(self.config_init, "trainer", default={})
        if chosen := self.chosen_folder or trainer.get("default_root_dir"):
            return Path(chosen)
        if checkpoint := self._get(self.config_init, "ckpt_path"):
            beside = Path(checkpoint).parent
            if self.subcommand == "fit":
                return beside
            tested = self.datamodule.hparams.get("classes") or self.datamodule.manifest.name
            return beside / f"{self.subcommand}-{tested}"
        name = self.recipe_name() or type(self.model).__name__
        return _new_folder(Path("runs") / name / datetime.datetime.now().strftime("%Y%m%d-%H%M%S"))

    def recipe_name(self) -> str | None:
        """The stem of the first configuration file; a method is laid over it as the second."""
        files = self._get(self.config, "config")
        return Path(str(files[0])).stem if files else None

    def before_test(self) -> None:
        """Be sure that the result can be written, before it is computed."""
        self._check_folder()

    def before_predict(self) -> None:
        """Be sure that the predictions can be written, before they are computed."""
        self._check_folder()

    def _check_folder(self) -> None:
        if self.trainer.is_global_zero and not self.trainer.fast_dev_run:  # type: ignore[attr-defined]
            check_writable(Path(self.trainer.default_root_dir))

    def after_fit(self) -> None:
        """Say where the run is and what comes next."""
        if self.trainer.is_global_zero and not self.trainer.fast_dev_run:  # type: ignore[attr-defined]
            folder = Path(self.trainer.default_root_dir)
            print(f"Run folder: {folder}")
            left = next((name for name in ("aape.ckpt", "last.ckpt") if (folder / name).is_file()), None)
            if left is not None and is_overridden("test_step", self.model) and not is_quiet():
                words = ["aape", "test", "--config", f"{folder}/config.yaml", "--ckpt_path", f"{folder}/{left}"]
                print(f"Test it: {shlex.join(words)}")

    def after_predict(self) -> None:
        """Say where the predictions are."""
        if self.trainer.is_global_zero and not self.trainer.fast_dev_run:  # type: ignore[attr-defined]
            print(f"Predictions: {self.trainer.default_root_dir}/predictions.csv")

    def after_test(self) -> None:
        """Write `result.json`."""
        if self.trainer.is_global_zero and not self.trainer.fast_dev_run:  # type: ignore[attr-defined]
            metrics = {name: float(value) for name, value in self.trainer.callback_metrics.items()}
            result = self.result("test", metrics=metrics)
            print(f"Result: {result.write(Path(self.trainer.default_root_dir))}")

    def outcome(self) -> dict[str, Any]:
        """What `--json` prints of the command: its run folder, the metrics, and the files that lie there."""
        folder = Path(self.trainer.default_root_dir)
        return {
            "command": self.subcommand,
            "run": str(folder),
            "metrics": last_metrics(self.trainer),
            "files": sorted(path.name for path in folder.iterdir()) if folder.is_dir() else [],
        }

    def resolved(self) -> dict[str, Any]:
        """The configuration after recipes, command line and defaults, in plain values."""
        config = self.config[self.subcommand] if self.subcommand else self.config
        parser = self._parser(self.subcommand) if self.subcommand else self.parser
        plain: dict[str, Any] = yaml.safe_load(parser.dump(config, skip_link_targets=False, skip_none=False))
        return plain

    def result(
        self,
        protocol: str,
        method: str = "",
        *,
        more_contents: Sequence[str] = (),
        **measured: Any,  # noqa: ANN401 - fields of `Result`
    ) -> Result:
        """A `Result` of this run, with its provenance.

        Args:
            protocol: The protocol's name.
            method: The method's; the task's class where there is none.
            more_contents: Hashes of what else than its data the result depends on.
            measured: What was measured, by `Result`'s names.
        """
        config, data = self.resolved(), self.datamodule
        spec = dict(data.backbone.spec)
        return Result(
            protocol=protocol,
            recipe=self.recipe_name() or "",
            dataset=data.manifest.name,
            method=method or type(self.model).__name__,
            seed=data.hparams["seed"],
            backbone=spec,
            config=config,
            config_hash=config_hash(config, spec["fingerprint"], data.contents(), *more_contents),
            versions=versions() | {"device": device_name(self.trainer.strategy.root_device)},
            created=now(),
            **measured,
        )


def _new_folder(folder: Path) -> Path:
    """This folder or, where a run has it already, since two began in one second or a clock was set back, `-2`, `-3`."""
    names = itertools.chain([folder], (folder.with_name(f"{folder.name}-{number}") for number in itertools.count(2)))
    return next(name for name in names if not name.exists())


def build(args: Sequence[str], **kwargs: Any) -> AAPECLI:  # noqa: ANN401
    """Task, DataModule and Trainer of a configuration, without running anything.

    Raises:
        RecipeError: If a key is unknown or a value is none that its key takes.
    """
    return _parsed(args, run=False, **kwargs)


def _parsed(args: Sequence[str], **kwargs: Any) -> AAPECLI:  # noqa: ANN401
    quiet_known_messages()
    read_whole_numbers_first()
    try:
        return AAPECLI(args, **kwargs)
    except (ArgumentError, ValueError) as error:
        # jsonargparse wraps what a constructor raises in errors of its own.
        if mendable := _mendable_cause(error):
            raise mendable from error
        if isinstance(error, ArgumentError):
            raise RecipeError(refusal(str(error))) from error
        if str(error).startswith("You selected an invalid"):  # Lightning, of an accelerator or a strategy
            raise RecipeError(str(error)) from error
        raise


def _mendable_cause(error: BaseException | None) -> AAPEError | None:
    while error is not None and not isinstance(error, AAPEError):
        error = error.__cause__ or error.__context__
    return error


def main(args: Sequence[str] | None = None) -> None:
    """Run one of LightningCLI's commands.

    With `--json` among the arguments, standard output is one JSON object, the command's `outcome`, and everything else
    goes to standard error.

    Raises:
        RecipeError: If a key is unknown or a value is none that its key takes.
    """
    args = list(sys.argv[1:] if args is None else args)
    if _JSON not in args:
        _parsed(args)
        return
    with contextlib.redirect_stdout(sys.stderr):
        cli = _parsed([arg for arg in args if arg != _JSON])
    if cli.trainer.is_global_zero:
        print(json.dumps(cli.outcome(), indent=2, ensure_ascii=False))
