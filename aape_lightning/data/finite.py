"""Embeddings that are numbers: one NaN reaches every loss, every weight and every prediction after it."""

import torch
from torch import Tensor

from aape_lightning.errors import DataError

__all__ = ["first_not_finite", "not_finite", "require_finite"]

_ROWS = 2**14  # looked at together, so that little memory is taken beside the embeddings


def first_not_finite(rows: Tensor) -> int | None:
    """The first row that holds a NaN or an infinity; None where all are numbers."""
    for start in range(0, len(rows), _ROWS):
        block = rows[start : start + _ROWS]
        # One sum of many rows is read at the speed of memory; a NaN and an infinity survive in it.
        if block.sum(dtype=torch.float32).isfinite():
            continue
        sound = block.flatten(1).sum(1, dtype=torch.float64).isfinite()
        if not sound.all():  # else float32 was too small for the sum
            return start + int((~sound).nonzero()[0])
    return None


def require_finite(rows: Tensor, name: str) -> Tensor:
    """The rows themselves, once they are known to be numbers.

    Args:
        rows: One row an entry.
        name: What they are, for the error.

    Raises:
        DataError: If a row holds a NaN or an infinity.
    """
    if (row := first_not_finite(rows)) is not None:
        raise not_finite(f"Row {row} of {name}")
    return rows


def not_finite(name: str) -> DataError:
    """The error for what is named."""
    return DataError(
        f"{name} holds a NaN or an infinity: the backbone's weights are damaged, or its numbers are too large for half "
        "precision. Take other weights (--data.backbone) or --data.tower_precision float32, and remove what is stored "
        "of these (aape cache list)."
    )
