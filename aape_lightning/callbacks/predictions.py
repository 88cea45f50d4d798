"""`predictions.csv`: what `aape predict` leaves behind, one row a position."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import torch.distributed as dist
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter

from aape_lightning.files import atomic_path

__all__ = ["PredictionWriter"]


class PredictionWriter(BasePredictionWriter):
    """Writes the table that the DataModule makes of a task's predictions.

    With several processes the first writes the rows of all, in the order of the positions: the file that one process
    would have written.

    Args:
        folder: Where to; the Trainer's `default_root_dir` where not given.
    """

    def __init__(self, folder: str | None = None) -> None:
        super().__init__(write_interval="epoch")
        self.folder = folder

    def write_on_epoch_end(
        self, trainer: Trainer, pl_module: LightningModule, predictions: Sequence[Any], batch_indices: Sequence[Any]
    ) -> None:
        """Write the table; every process calls it."""
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        table: pd.DataFrame = data.prediction_table(predictions)
        if trainer.world_size > 1:
            table = _of_all_processes(table, torch.cat([batch["index"] for batch in predictions]).tolist(), trainer)
        if trainer.is_global_zero:
            with atomic_path(Path(self.folder or trainer.default_root_dir) / "predictions.csv") as temporary:
                table.to_csv(temporary, index=False)


def _of_all_processes(table: pd.DataFrame, positions: list[int], trainer: Trainer) -> pd.DataFrame:
    """The rows of every process by position, in the first process; elsewhere the process's own."""
    mine = table.set_index(pd.Index(positions))
    tables: list[Any] | None = [None] * trainer.world_size if trainer.is_global_zero else None
    dist.gather_object(mine, tables)
    return mine if tables is None else pd.concat(tables).sort_index(kind="stable")
