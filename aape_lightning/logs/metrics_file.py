"""`metrics.csv`, which every run writes: reports and people read it."""

import re
from argparse import Namespace
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities import rank_zero_only

from aape_lightning.files import writing
from aape_lightning.logs.earlier import next_number

__all__ = ["MetricsFile"]

_KEPT = re.compile(r"metrics-(\d{1,9})\.csv")


class MetricsFile(CSVLogger):
    """Writes `metrics.csv` and the task's hyper-parameters as `hparams.yaml` into the run's folder.

    A resumed run keeps what the interrupted one had written as `metrics-1.csv`, `-2`, ...

    Args:
        folder: The run's folder; the command line gives it.
    """

    def __init__(self, folder: str = ".") -> None:
        super().__init__(folder, name="", version="")

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace | None = None) -> None:
        """Write `hparams.yaml`.

        Raises:
            StorageError: As `save`.
        """
        with writing(Path(self.log_dir) / "hparams.yaml"):
            super().log_hyperparams(params)

    @rank_zero_only
    def save(self) -> None:
        """Write what was logged since.

        Raises:
            StorageError: If the disk is full, or the folder is read-only or gone.
        """
        with writing(Path(self.log_dir) / "metrics.csv"):
            super().save()

    @classmethod
    def of(cls, folder: Path) -> "MetricsFile":
        """The logger of a run's folder; metrics of an earlier run there are kept under another name."""
        _keep_metrics(folder)
        return cls(str(folder))


@rank_zero_only  # of processes that start together one renames the file
def _keep_metrics(folder: Path) -> None:
    metrics = folder / "metrics.csv"
    if metrics.is_file():
        metrics.rename(folder / f"metrics-{next_number(folder, _KEPT)}.csv")
