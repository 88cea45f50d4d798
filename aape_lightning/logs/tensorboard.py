"""TensorBoard: event files in the run's folder, hyper-parameters and final metrics under its tab HPARAMS."""

from collections.abc import Mapping

import numpy as np
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from PIL import Image

from aape_lightning.logs.base import Plain, RunLogger, require_library

__all__ = ["TensorBoard"]


class TensorBoard(RunLogger, TensorBoardLogger):
    """Writes `tensorboard/` into the run's folder: `tensorboard --logdir runs` compares all runs under `runs`.

    Raises:
        RecipeError: If TensorBoard is not installed.
    """

    def __init__(self) -> None:
        require_library("tensorboard", "logs", "TensorBoard (--config tensorboard)")
        super().__init__(".", name="", version="", default_hp_metric=False)

    @property
    def log_dir(self) -> str:
        """Where event files lie."""
        return str(self.folder / "tensorboard")

    @rank_zero_only
    def save(self) -> None:
        """Write what is waiting to be written."""
        self.experiment.flush()

    @rank_zero_only
    def begin(self, run: str, hyper_parameters: Mapping[str, Plain]) -> None:
        """Nothing: TensorBoard shows hyper-parameters with the final metrics, and the folder is the name."""

    @rank_zero_only
    def end(self, hyper_parameters: Mapping[str, Plain], metrics: Mapping[str, float]) -> None:
        """Log both for the tab HPARAMS, which reads the metrics' last values from their curves."""
        from torch.utils.tensorboard.summary import hparams

        # Lightning's own way, less its copy of every metric at step 0 of the curves.
        for summary in hparams(dict(hyper_parameters), dict(metrics)):
            self.experiment._get_file_writer().add_summary(summary)

    @rank_zero_only
    def show(self, name: str, image: Image.Image, epoch: int) -> None:
        """Log a picture."""
        self.experiment.add_image(name, np.asarray(image), epoch, dataformats="HWC")
