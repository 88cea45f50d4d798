"""What a checkpoint records of its run, and what a task checks of it before it goes on from there."""

from typing import Any

from lightning.pytorch import LightningModule

from aape_lightning.backbones import BackboneSpec
from aape_lightning.errors import BackboneMismatchError, CheckpointError

__all__ = ["record_run", "refuse_another_backbone", "refuse_other_epochs"]

_INSTANTIATOR = {"_instantiator": "lightning.pytorch.cli.instantiate_module"}  # reads `_class_path` when loading


def record_run(task: LightningModule, checkpoint: dict[str, Any]) -> None:
    """Record the planned epochs, on which the schedule depends, and the class, as the command line would."""
    checkpoint["max_epochs"] = None if task._trainer is None else task._trainer.max_epochs
    module, name = type(task).__module__, type(task).__qualname__
    if module != "__main__" and "." not in name:  # a class of a script or of a function is found by no path
        checkpoint["hyper_parameters"] |= _INSTANTIATOR | {"_class_path": f"{module}.{name}"}


def refuse_other_epochs(checkpoint: dict[str, Any], epochs: int | None) -> None:
    """Check that a resumed run keeps the length that its schedule was made for.

    Raises:
        CheckpointError: If it does not.
    """
    planned = checkpoint.get("max_epochs")
    if planned is not None and planned != epochs:
        raise CheckpointError(
            f"The run was planned for {planned} epochs, over which its learning rate falls, and is resumed with "
            f"trainer.max_epochs {epochs}. Resume it with {planned}, or train anew."
        )


def refuse_another_backbone(trained_on: BackboneSpec, used: BackboneSpec) -> None:
    """Check that the backbone in use is the one trained on.

    Raises:
        BackboneMismatchError: If its fingerprint is another.
    """
    if trained_on["fingerprint"] != used["fingerprint"]:
        raise BackboneMismatchError(
            f"The checkpoint was trained on backbone {_told(trained_on)}; the data use {_told(used)}. Use the first "
            "with --data.backbone, or train anew."
        )


def _told(spec: BackboneSpec) -> str:
    return f"{spec['name']!r} (width {spec['embed_dim']}, weights {spec['fingerprint'][:12]})"
