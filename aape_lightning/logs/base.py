"""What the loggers beside `metrics.csv` have in common: epochs as x axis, the whole configuration, pictures."""

from abc import abstractmethod
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger
from PIL import Image

from aape_lightning.errors import RecipeError

__all__ = ["Plain", "RunLogger", "require_library"]

Plain = str | int | float | bool


def require_library(library: str, extra: str, purpose: str) -> None:
    """Check that an optional library is installed.

    Args:
        library: The name that is imported.
        extra: The extra of this project that installs it.
        purpose: What needs it.

    Raises:
        RecipeError: If it is not.
    """
    if find_spec(library) is None:
        raise RecipeError(
            f"{purpose} needs {library}, which is not installed: pip install 'aape-lightning[{extra}]'. Every run "
            "writes metrics.csv without it."
        )


class RunLogger(Logger):
    """A logger that is told of the whole run, beside one of Lightning's that does the work.

    Metrics keep the names that tasks give them, such as `val/accuracy`. Hyper-parameters are those of the whole
    configuration, by names such as `model/lr` and `data/shots`.

    Attributes:
        folder: The run's folder.
    """

    folder = Path()

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log metrics at their epoch, which Lightning passes among them, instead of at the step."""
        named = dict(metrics)
        epoch = named.pop("epoch", None)
        super().log_metrics(named, step if epoch is None else int(epoch))  # type: ignore[safe-super]

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Lightning's own
        """Nothing: Lightning passes a task's alone, and `begin` is told of all."""

    def place(self, folder: Path) -> None:
        """Learn the run's folder, before anything is logged."""
        self.folder = folder

    @property
    def save_dir(self) -> str:
        """The run's folder, where Lightning puts `config.yaml`."""
        return str(self.folder)

    @abstractmethod
    def begin(self, run: str, hyper_parameters: Mapping[str, Plain]) -> None:
        """Name the run, and log what it is made of."""

    def end(self, hyper_parameters: Mapping[str, Plain], metrics: Mapping[str, float]) -> None:
        """Log what the run came to, where that is shown beside its hyper-parameters."""

    @abstractmethod
    def show(self, name: str, image: Image.Image, epoch: int) -> None:
        """Log a picture."""
