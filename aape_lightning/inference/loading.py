"""`aape_lightning.load`: from a file to an object that works."""

from dataclasses import replace
from pathlib import Path

import torch

from aape_lightning.backbones import Backbone, load_backbone
from aape_lightning.backbones.recorded import recorded_backbone
from aape_lightning.baselines import ZeroShotTask
from aape_lightning.errors import CheckpointError
from aape_lightning.inference.device import chosen_device
from aape_lightning.inference.encoding import BATCH_SIZE
from aape_lightning.inference.model import AdaptedCLIP
from aape_lightning.inference.saved import SavedTask, read_saved
from aape_lightning.language.load import refuse_unasked

__all__ = ["ZERO_SHOT", "load", "load_saved"]

ZERO_SHOT = "zero-shot"


def load(
    source: str | Path = ZERO_SHOT,
    *,
    backbone: str | None = None,
    language_model: str | None = None,
    device: str | torch.device | None = None,
    batch_size: int = BATCH_SIZE,
) -> AdaptedCLIP:
    """Load a run for inference.

    Args:
        source: A run's `aape.ckpt` or `last.ckpt`, its folder, a folder written by `save_pretrained`, or `zero-shot`
            for the backbone alone.
        backbone: Name or path for `load_backbone`; by the name in the file where None.
        language_model: Name or folder for `load_language_model`; by the name in the file where None.
        device: Where the work is done; a GPU where there is one.
        batch_size: Images a batch.

    Raises:
        CheckpointError: If nothing can be read there, or it holds no trained task.
        BackboneNotFoundError: If the backbone cannot be had.
        BackboneMismatchError: If it has other weights than the one trained on.
        LanguageModelError: The same of a language model.
        DataError: If there is no such device, or the batch size is below 1.
    """
    if str(source) != ZERO_SHOT:
        return load_saved(
            read_saved(Path(source)),
            str(source),
            backbone=backbone,
            language_model=language_model,
            device=device,
            batch_size=batch_size,
        )
    if backbone is None:
        raise CheckpointError("Zero-shot CLIP needs a backbone: name one with --backbone, such as ViT-B/16.")
    where = chosen_device(device)
    towers: Backbone = load_backbone(backbone)
    task = ZeroShotTask().eval()
    task.logit_scale = towers.logit_scale
    return AdaptedCLIP(task, towers, where, source=ZERO_SHOT, batch_size=batch_size)


def load_saved(
    saved: SavedTask,
    source: str,
    *,
    backbone: str | None = None,
    language_model: str | None = None,
    device: str | torch.device | None = None,
    batch_size: int = BATCH_SIZE,
) -> AdaptedCLIP:
    """The same from a trained task that has been read.

    Args:
        saved: The task.
        source: Where it is from, for messages.
        backbone: As for `load`.
        language_model: As for `load`.
        device: As for `load`.
        batch_size: As for `load`.
    """
    where = chosen_device(device)
    if language_model is not None and "language_model" in saved.hyper_parameters:
        saved = replace(saved, hyper_parameters=saved.hyper_parameters | {"language_model": language_model})
    if language_model is None:
        refuse_unasked(saved.hyper_parameters.get("language_model"), f"The checkpoint {source!r}")
    task = saved.build()
    towers = recorded_backbone(saved.backbone_spec, backbone, source)
    return AdaptedCLIP(task, towers, where, saved=saved, source=source, batch_size=batch_size)
