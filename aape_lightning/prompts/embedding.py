"""Texts through the text tower, in parts that survive a kill."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from aape_lightning.backbones import Backbone
from aape_lightning.files import atomic_path
from aape_lightning.progress import progress

__all__ = ["embed_texts"]

_BATCH = 256  # texts through the tower at once
_PART = 1024  # texts between two notes of progress
_QUIET_BELOW = 2048  # texts that need no progress bar


def embed_texts(
    backbone: Backbone, texts: Sequence[str], device: torch.device, batch_size: int = _BATCH, parts: Path | None = None
) -> Tensor:
    """Unit-norm embeddings (M, D) of texts, on the CPU; texts beyond the context are cut.

    Args:
        backbone: The frozen encoder.
        texts: The texts.
        device: Where the text tower runs.
        batch_size: Texts at once.
        parts: A folder for parts that are done. What lies there is not computed again, so its name must stand for these
            very texts and this backbone; removing it is left to the caller.
    """
    backbone.to(device)
    embedded = []
    with progress(quiet=len(texts) < _QUIET_BELOW) as bar:
        task = bar.add_task("embedding sentences", total=len(texts))
        for start in range(0, len(texts), _PART):
            chunk = texts[start : start + _PART]
            embedded.append(_part(backbone, chunk, device, batch_size, parts and parts / f"{start:010d}.npy"))
            bar.advance(task, len(chunk))
    return torch.cat(embedded) if embedded else torch.empty(0, backbone.embed_dim)


def _part(backbone: Backbone, texts: Sequence[str], device: torch.device, batch_size: int, path: Path | None) -> Tensor:
    if path is not None and path.is_file():
        return torch.from_numpy(np.load(path))
    batches = [texts[start : start + batch_size] for start in range(0, len(texts), batch_size)]
    encoded = [backbone.encode_text(backbone.tokenize(batch, truncate=True).to(device)).cpu() for batch in batches]
    if path is not None:
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.save(file, torch.cat(encoded).numpy())
    return torch.cat(encoded)
