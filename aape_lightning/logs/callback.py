"""Tells a run's loggers what it is made of, what it came to, and what it looks like."""

import warnings
from collections.abc import Mapping
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from PIL import Image

from aape_lightning.errors import AAPEError
from aape_lightning.logs.base import Plain, RunLogger
from aape_lightning.logs.examples import example_pictures

__all__ = ["LogRun"]


class LogRun(Callback):
    """Logs hyper-parameters, final metrics and example pictures to every `RunLogger` of the Trainer.

    Args:
        run: What loggers call the run.
        hyper_parameters: By flat names, as `flat_hyper_parameters` gives them.
    """

    def __init__(self, run: str, hyper_parameters: Mapping[str, Plain]) -> None:
        self.run = run
        self.hyper_parameters = hyper_parameters

    def _loggers(self, trainer: Trainer) -> list[RunLogger]:
        loggers = trainer.loggers if trainer.is_global_zero else []
        return [logger for logger in loggers if isinstance(logger, RunLogger)]

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Log what the run is made of."""
        for logger in self._loggers(trainer):
            logger.begin(self.run, self.hyper_parameters)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the pictures, once a fit, and what it came to."""
        if loggers := self._loggers(trainer):
            for name, image in _pictures(trainer, pl_module).items():
                for logger in loggers:
                    logger.show(name, image, max(0, trainer.current_epoch - 1))
        self._end(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log what `aape validate` came to; a fit's validation is no end."""
        if trainer.state.fn == "validate":
            self._end(trainer)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log what the test came to."""
        self._end(trainer)

    def _end(self, trainer: Trainer) -> None:
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        for logger in self._loggers(trainer):
            logger.end(self.hyper_parameters, metrics)


def _pictures(trainer: Trainer, pl_module: LightningModule) -> dict[str, Image.Image]:
    """The pictures; a warning where images have gone since they were embedded, for the training needs them no more."""
    data: Any = trainer.datamodule  # type: ignore[attr-defined]
    try:
        return example_pictures(pl_module, data)
    except AAPEError as error:
        warnings.warn(f"No example pictures are logged: {error}", stacklevel=2)
        return {}
