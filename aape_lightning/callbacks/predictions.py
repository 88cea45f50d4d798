"""`predictions.csv`: what `aape predict` leaves behind."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter

from aape_lightning.files import atomic_path

__all__ = ["PredictionWriter"]


class PredictionWriter(BasePredictionWriter):
    """Writes one row an image: path, true class, predicted class and its probability.

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
        index = torch.cat([batch["index"] for batch in predictions]).cpu()
        probability, predicted = torch.cat([batch["probabilities"] for batch in predictions]).cpu().max(dim=-1)
        items, names = data.test_items(), data.class_names
        table = pd.DataFrame(
            {
                "path": [items[i].path for i in index],
                "class": [names[items[i].label] for i in index],
                "predicted": [names[c] for c in predicted],
                "probability": probability.numpy(),
            }
        )
        name = "predictions.csv" if trainer.world_size == 1 else f"predictions-{trainer.global_rank}.csv"
        with atomic_path(Path(self.folder or trainer.default_root_dir) / name) as temporary:
            table.to_csv(temporary, index=False)
