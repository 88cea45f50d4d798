"""Which loggers a run has: `metrics.csv` always, and beside it TensorBoard, or what the configuration names."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from lightning.pytorch.loggers import CSVLogger, Logger

from aape_lightning.logs.base import RunLogger
from aape_lightning.logs.metrics_file import MetricsFile
from aape_lightning.logs.tensorboard import TensorBoard

__all__ = ["chosen_loggers", "default_loggers"]


def default_loggers() -> list[Logger]:
    """What a configuration stands for that names no logger: TensorBoard, where it is installed."""
    return [TensorBoard()] if find_spec("tensorboard") else []


def chosen_loggers(given: Sequence[Logger], folder: Path, *, trains: bool) -> list[Logger]:
    """The loggers of a run.

    Args:
        given: What the configuration names.
        folder: The run's folder.
        trains: Whether this is a fit. What is tested leaves `result.json`, so the loggers that write into the folder
            are those of fits.
    """
    others = [logger for logger in given if not isinstance(logger, MetricsFile)]
    for logger in others:
        if isinstance(logger, RunLogger):
            logger.place(folder)
    if not trains:
        return [logger for logger in others if not isinstance(logger, TensorBoard)]
    has_csv = any(isinstance(logger, CSVLogger) for logger in others)
    return others if has_csv else [MetricsFile.of(folder), *others]  # first: its folder is where config.yaml goes
