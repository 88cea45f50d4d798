"""What a checkpoint says before a task is built from it: whether it retrieves, and on which backbone."""

from dataclasses import dataclass
from pathlib import Path

import torch

from aape_lightning.backbones import Backbone, BackboneSpec, load_backbone
from aape_lightning.errors import BackboneMismatchError, BackboneNotFoundError, CheckpointError, reason

__all__ = ["RetrievalCheckpoint", "backbone_of", "read_checkpoint"]

_TRAIN_ONE = "Name the aape.ckpt of a run that trained one, such as: aape fit --config shapes_retrieval."


@dataclass(frozen=True)
class RetrievalCheckpoint:
    """A retrieval run's checkpoint.

    Attributes:
        path: The file.
        trained_on: The backbone that it was trained on.
    """

    path: Path
    trained_on: BackboneSpec


def read_checkpoint(path: Path) -> RetrievalCheckpoint:
    """Read a checkpoint of a `RetrievalTask`, without building anything.

    Args:
        path: A run's `aape.ckpt` or `last.ckpt`.

    Raises:
        CheckpointError: If the file is missing or no checkpoint, or not of a `RetrievalTask` with a generator.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        state, settings = found["state_dict"], found["hyper_parameters"]
        trained_on: BackboneSpec | None = settings["backbone_spec"]
        told = str(settings.get("_class_path", "another task")).rpartition(".")[2]
    except Exception as error:  # torch raises a dozen kinds on files that are missing, damaged or of another kind
        raise CheckpointError(
            f"No retrieval task can be read from {str(path)!r} (--ckpt): {reason(error)}. {_TRAIN_ONE}"
        ) from error
    if "retrieve_with" not in settings:  # what no task but RetrievalTask has
        raise CheckpointError(f"The checkpoint {str(path)!r} (--ckpt) is of {told}, and no RetrievalTask. {_TRAIN_ONE}")
    if not trained_on or not any(name.startswith("generator.") for name in state):
        raise CheckpointError(f"The checkpoint {str(path)!r} (--ckpt) holds no generator. {_TRAIN_ONE}")
    return RetrievalCheckpoint(path, trained_on)


def backbone_of(checkpoint: RetrievalCheckpoint, asked: str | None) -> Backbone:
    """The backbone that a checkpoint was trained on.

    Args:
        checkpoint: The checkpoint.
        asked: Where to load it from; by the name in the checkpoint where None.

    Raises:
        BackboneNotFoundError: If it cannot be had.
        BackboneMismatchError: If it has other weights.
    """
    trained_on = checkpoint.trained_on
    try:
        backbone: Backbone = load_backbone(asked or trained_on["name"])
    except BackboneNotFoundError as error:
        if asked is not None:
            raise
        raise BackboneNotFoundError(
            f"The checkpoint {str(checkpoint.path)!r} was trained on backbone {trained_on['name']!r}. Say where "
            f"that is now with --backbone. {error}"
        ) from error
    if backbone.fingerprint != trained_on["fingerprint"]:
        raise BackboneMismatchError(
            f"The checkpoint {str(checkpoint.path)!r} was trained on backbone {_told(trained_on)}; this search uses "
            f"{_told(backbone.spec)}. Use the first with --backbone, or train anew."
        )
    return backbone


def _told(spec: BackboneSpec) -> str:
    return f"{spec['name']!r} (width {spec['embed_dim']}, weights {spec['fingerprint'][:12]})"
