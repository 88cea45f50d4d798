"""The backbone that a checkpoint records: found by its name, or where it lies now, and held to its weights.

Whoever wrote the checkpoint chose that name. Unless the user names it too, nothing is downloaded from a repository of
somebody's, and of files on this machine none is opened in a way that could run what is in it.
"""

import hashlib
import os
import warnings
from pathlib import Path

import torch

from aape_lightning.backbones.load import MODEL_URLS, SHIPPED, load_backbone
from aape_lightning.backbones.protocol import Backbone, BackboneSpec
from aape_lightning.errors import BackboneMismatchError, BackboneNotFoundError, pasted, shown
from aape_lightning.hub import is_strangers

__all__ = ["recorded_backbone"]


def recorded_backbone(trained_on: BackboneSpec, asked: str | None, source: str) -> Backbone:
    """The backbone that a task was trained on.

    Args:
        trained_on: What the task's file records of it.
        asked: Where to load it from; by the recorded name where None.
        source: The task's file, for messages.

    Raises:
        BackboneNotFoundError: If it cannot be had, or the recorded name is one that the user has to say as well.
        BackboneMismatchError: If it has other weights.
    """
    if asked is None:
        _refuse_unasked(trained_on["name"], source)
    try:
        backbone: Backbone = load_backbone(asked or trained_on["name"])
    except BackboneNotFoundError as error:
        if asked is not None:
            raise
        raise BackboneNotFoundError(
            f"The checkpoint {source!r} was trained on backbone {trained_on['name']!r}. Say where that is now with "
            f"--backbone. {error}"
        ) from error
    if backbone.fingerprint != trained_on["fingerprint"]:
        raise BackboneMismatchError(
            f"The checkpoint {source!r} was trained on backbone {_told(trained_on)}; found is {_told(backbone.spec)}. "
            "Say where the first is with --backbone, or train anew."
        )
    return backbone


def _told(spec: BackboneSpec) -> str:
    return f"{spec['name']!r} (width {spec['embed_dim']}, weights {spec['fingerprint'][:12]})"


def _refuse_unasked(name: str, source: str) -> None:
    """Refuse a name that only the checkpoint says, where to follow it would be to trust whoever wrote it."""
    if name in MODEL_URLS or name in SHIPPED:
        return
    place = name.removeprefix("st:")
    if place != name:
        cache = os.environ.get("SENTENCE_TRANSFORMERS_HOME")
        if not Path(place).is_dir() and is_strangers(place, "modules.json", cache):
            raise _unasked(name, source, "would be downloaded from a repository that nobody here has named")
    elif Path(name).is_file() and not (_holds_tensors_only(Path(name)) or _is_published(Path(name))):
        raise _unasked(name, source, "is a file that holds more than weights")


def _unasked(name: str, source: str, why: str) -> BackboneNotFoundError:
    return BackboneNotFoundError(
        f"The checkpoint {source!r} asks for backbone {shown(name)}, which {why}. If you trust it, name it yourself: "
        f"--backbone {pasted(name)}"
    )


def _holds_tensors_only(path: Path) -> bool:
    """Whether a file is a state dict; an archive of TorchScript, the other form of OpenAI's, holds code."""
    with warnings.catch_warnings(action="ignore"):  # which torch gives of TorchScript, before it refuses it
        try:
            torch.load(path, map_location="cpu", weights_only=True)
        except Exception:  # torch raises a dozen kinds
            return False
    return True


def _is_published(path: Path) -> bool:
    """Whether a file is one of OpenAI's archives, by its SHA-256."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    return any(f"/{found}/" in url for url in MODEL_URLS.values())
