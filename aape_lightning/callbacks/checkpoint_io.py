"""How a checkpoint gets to disk: straight into the file that it is for."""

from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

__all__ = ["DirectCheckpointIO"]


class DirectCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint where it belongs.

    Lightning's own writes it into the system's folder of temporary files first, which may be small, and copies it from
    there: a full disk is then told of a file that nobody knows, and the copy stays behind.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:  # noqa: ANN401
        """Write a checkpoint; whoever calls it takes care that no half of one is taken for a whole."""
        if "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with Path(path).open("wb") as file:  # torch hides what the system refuses, where it opens the file itself
            torch.save(checkpoint, file)
