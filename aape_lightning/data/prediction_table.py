"""What a classifier predicted, image by image, as a table."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import torch

from aape_lightning.data.splits import Item

__all__ = ["prediction_table"]


def prediction_table(items: Sequence[Item], class_names: Sequence[str], predictions: Sequence[Any]) -> pd.DataFrame:
    """One row an image: path, true class, predicted class and its probability.

    Args:
        items: The images that were predicted, in the order of their `index`.
        class_names: The classes in the order of the probabilities.
        predictions: What `predict_step` returned, batch by batch.
    """
    index = torch.cat([batch["index"] for batch in predictions]).tolist()
    probability, predicted = torch.cat([batch["probabilities"] for batch in predictions]).cpu().max(dim=-1)
    return pd.DataFrame(
        {
            "path": [items[i].path for i in index],
            "class": [class_names[items[i].label] for i in index],
            "predicted": [class_names[c] for c in predicted],
            "probability": probability.numpy(),
        }
    )
