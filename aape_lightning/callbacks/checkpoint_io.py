"""How a checkpoint gets to disk: whole or not at all, and never by way of another folder."""

from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from aape_lightning.files import atomic_path

__all__ = ["AtomicCheckpointIO"]


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside the file that it is for, and renames it.

    Lightning's own writes it into the system's folder of temporary files first, which may be small, and copies it from
    there: a full disk is then told of a file that nobody knows, and the copy stays behind.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:  # noqa: ANN401
        """Write a checkpoint; Lightning does it where there are options, or the place is none of a file system's.

        Raises:
            StorageError: If there is no room, the folder is read-only, or it was removed meanwhile.
        """
        if storage_options is not None or "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        # torch hides what the system refuses, where it opens the file itself.
        with atomic_path(Path(path)) as temporary, temporary.open("wb") as file:
            torch.save(checkpoint, file)
