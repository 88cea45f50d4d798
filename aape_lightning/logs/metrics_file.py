"""`metrics.csv`, which every run writes: reports and people read it."""

from pathlib import Path

from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities import rank_zero_only

__all__ = ["MetricsFile"]


class MetricsFile(CSVLogger):
    """Writes `metrics.csv` and the task's hyper-parameters as `hparams.yaml` into the run's folder.

    A resumed run keeps what the interrupted one had written as `metrics-1.csv`, `-2`, ...

    Args:
        folder: The run's folder; the command line gives it.
    """

    def __init__(self, folder: str = ".") -> None:
        super().__init__(folder, name="", version="")

    @classmethod
    def of(cls, folder: Path) -> "MetricsFile":
        """The logger of a run's folder; metrics of an earlier run there are kept under another name."""
        _keep_metrics(folder)
        return cls(str(folder))


@rank_zero_only  # of processes that start together one renames the file
def _keep_metrics(folder: Path) -> None:
    metrics = folder / "metrics.csv"
    if metrics.is_file():
        metrics.rename(folder / f"metrics-{len(list(folder.glob('metrics-*.csv'))) + 1}.csv")
