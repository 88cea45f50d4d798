"""The backbone that a checkpoint records: found by its name, or where it lies now, and held to its weights."""

from aape_lightning.backbones.load import load_backbone
from aape_lightning.backbones.protocol import Backbone, BackboneSpec
from aape_lightning.errors import BackboneMismatchError, BackboneNotFoundError

__all__ = ["recorded_backbone"]


def recorded_backbone(trained_on: BackboneSpec, asked: str | None, source: str) -> Backbone:
    """The backbone that a task was trained on.

    Args:
        trained_on: What the task's file records of it.
        asked: Where to load it from; by the recorded name where None.
        source: The task's file, for messages.

    Raises:
        BackboneNotFoundError: If it cannot be had.
        BackboneMismatchError: If it has other weights.
    """
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
