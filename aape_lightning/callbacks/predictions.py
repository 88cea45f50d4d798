"""`predictions.csv`: what `aape predict` leaves behind, one row a position."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter

from aape_lightning.files import atomic_path

__all__ = ["PredictionWriter"]


class PredictionWriter(BasePredictionWriter):
    """Writes the table that the DataModule makes of a task's predictions.

    With several processes each writes its own rows, into `predictions-RANK.csv`.

    Args:
        folder: Where to; the Trainer's `default_root_dir` where not given.
    """

    def __init__(self, folder: str | None = None) -> None:
        super().__init__(write_interval="epoch")
        self.folder = folder

    def write_on_epoch_end(
        self, trainer: Trainer, pl_module: LightningModule, predictions: Sequence[Any], batch_indices: Sequence[Any]
    ) -> None:
        """Write the table."""
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        table: pd.DataFrame = data.prediction_table(predictions)
        name = "predictions.csv" if trainer.world_size == 1 else f"predictions-{trainer.global_rank}.csv"
        with atomic_path(Path(self.folder or trainer.default_root_dir) / name) as temporary:
            table.to_csv(temporary, index=False)
