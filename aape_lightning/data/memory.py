"""Where the numbers of a run lie: on the device where it has room for them, else in files and not in private memory."""

import mmap
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from aape_lightning.errors import DataError
from aape_lightning.files import reserve

__all__ = ["empty_beside", "to_device"]

_PRIVATE = 2**28  # bytes that a CPU's memory holds as a matter of course


def empty_beside(stored: Tensor, folder: Path) -> Tensor:
    """An uninitialised tensor like one of a store, on its device.

    On a CPU a large one is a file that has no name and is gone with the tensor: the system writes out what of it is not
    in use.

    Args:
        stored: What it is to be like.
        folder: Where such a file is made.

    Raises:
        DataError: If the device or the folder has no room for it.
    """
    if stored.device.type == "cpu" and stored.nbytes > _PRIVATE:
        return _in_file(stored, folder)
    try:
        return torch.empty_like(stored)
    except torch.OutOfMemoryError as error:
        raise _too_much(stored, stored.device) from error


def to_device(stored: Tensor, device: torch.device) -> Tensor:
    """What a store holds, on a device; on a CPU it stays memory-mapped.

    Raises:
        DataError: If the device has no room for it.
    """
    try:
        return stored.to(device)
    except torch.OutOfMemoryError as error:
        raise _too_much(stored, device) from error


def _in_file(stored: Tensor, folder: Path) -> Tensor:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            reserve(file, stored.nbytes)  # else a full disk would kill the process at some later step
            mapped = mmap.mmap(file.fileno(), stored.nbytes)
    except OSError as error:
        raise DataError(
            f"{str(folder)!r} cannot hold {_size(stored)} for this run ({error}). Choose another folder with "
            "--data.cache_dir, or fewer --data.views."
        ) from error
    return torch.frombuffer(mapped, dtype=stored.dtype).view(stored.shape)


def _too_much(stored: Tensor, device: torch.device) -> DataError:
    return DataError(
        f"{device} has no room for {_size(stored)} of stored embeddings or summaries. Take fewer --data.views or "
        "--data.shots, a device with more memory, or the CPU, where they stay on disk: --trainer.accelerator cpu."
    )


def _size(stored: Tensor) -> str:
    return f"{stored.nbytes / 1e9:.1f} GB"
