"""Weights & Biases, online or offline."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_only
from PIL import Image

from aape_lightning.logs.base import Plain, RunLogger, require_library
from aape_lightning.messages import is_quiet

__all__ = ["WeightsAndBiases"]


class WeightsAndBiases(RunLogger, WandbLogger):
    """Logs to W&B; without a network set WANDB_MODE=offline, and later `wandb sync` the folder that it names.

    Args:
        project: The project.
        entity: The user or team; the account's own where not given.
        group: Runs of one group are shown together.
        tags: Tags of the run.
        save_dir: `wandb/` is made in this folder.

    Raises:
        RecipeError: If wandb is not installed.
    """

    def __init__(
        self,
        project: str = "aape",
        *,
        entity: str | None = None,
        group: str | None = None,
        tags: list[str] | None = None,
        save_dir: str = "runs",
    ) -> None:
        require_library("wandb", "wandb", "W&B (--config wandb)")
        import wandb

        settings = wandb.Settings(silent=is_quiet())
        Path(save_dir).mkdir(parents=True, exist_ok=True)  # wandb would take a temporary folder
        super().__init__(project=project, entity=entity, group=group, tags=tags, save_dir=save_dir, settings=settings)
        self._wandb_init.pop("anonymous", None)  # Lightning passes it, and wandb warns that it does nothing

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log metrics with their epoch, the x axis."""
        self.experiment.log(dict(metrics))

    @rank_zero_only
    def begin(self, run: str, hyper_parameters: Mapping[str, Plain]) -> None:
        """Name the run, make epochs the x axis, and log what it is made of."""
        experiment: Any = self.experiment
        experiment.name = run
        experiment.define_metric("epoch")
        experiment.define_metric("*", step_metric="epoch")
        WandbLogger.log_hyperparams(self, dict(hyper_parameters))

    @rank_zero_only
    def show(self, name: str, image: Image.Image, epoch: int) -> None:
        """Log a picture."""
        import wandb

        self.experiment.log({name: wandb.Image(image), "epoch": epoch})

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """End the run at W&B, so that the next one in this process is another."""
        super().finalize(status)
        if self._experiment is not None:
            self._experiment.finish(exit_code=0 if status == "success" else 1)
