"""MLflow: a tracking server, or a folder."""

import os
from collections.abc import Mapping
from typing import Any

from lightning.pytorch.loggers import MLFlowLogger
from lightning.pytorch.utilities import rank_zero_only
from PIL import Image

from aape_lightning.errors import RecipeError, reason
from aape_lightning.logs.base import Plain, RunLogger, require_library

__all__ = ["MLflow"]

_LONGEST = 250  # characters that every MLflow takes as a value


class MLflow(RunLogger, MLFlowLogger):
    """Logs to MLflow.

    Args:
        experiment: The experiment that runs belong to.
        tracking_uri: A server's address, or a folder as `file:runs/mlruns`; $MLFLOW_TRACKING_URI where not given,
            else that folder.

    Raises:
        RecipeError: If MLflow is not installed, or refuses the address.
    """

    def __init__(self, experiment: str = "aape", *, tracking_uri: str | None = None) -> None:
        require_library("mlflow", "mlflow", "MLflow (--config mlflow)")
        uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or "file:runs/mlruns"
        if uri.startswith("file:"):
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # MLflow 3.17 refuses folders otherwise
        from mlflow.exceptions import MlflowException

        try:
            super().__init__(experiment_name=experiment, tracking_uri=uri)
        except MlflowException as error:
            raise RecipeError(f"MLflow refuses {uri!r} (--trainer.logger.tracking_uri): {reason(error)}.") from error

    @rank_zero_only
    def begin(self, run: str, hyper_parameters: Mapping[str, Plain]) -> None:
        """Name the run, and log what it is made of."""
        client: Any = self.experiment
        client.set_tag(self.run_id, "mlflow.runName", run)
        shortened = {name: str(value)[:_LONGEST] for name, value in hyper_parameters.items()}
        MLFlowLogger.log_hyperparams(self, shortened)

    @rank_zero_only
    def show(self, name: str, image: Image.Image, epoch: int) -> None:
        """Log a picture, as the artifact `NAME.png`."""
        client: Any = self.experiment
        client.log_image(self.run_id, image, f"{name}.png")
