"""Generators that other runs have trained."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aape_lightning.errors import BackboneMismatchError, CheckpointError, reason

__all__ = ["trained_generator"]

_GENERATOR = "generator."


def trained_generator(path: Path, spec: dict[str, Any]) -> dict[str, Tensor]:
    """The weights of h in a run's `aape.ckpt` or `last.ckpt`.

    Args:
        path: The checkpoint.
        spec: The backbone that h is to work on.

    Raises:
        CheckpointError: If the file is missing or no checkpoint, or holds no generator.
        BackboneMismatchError: If h was trained on another backbone.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        state, hyper_parameters = checkpoint["state_dict"], checkpoint["hyper_parameters"]
    except Exception as error:  # torch raises a dozen kinds on files that are missing, damaged or of another kind
        raise CheckpointError(
            f"No generator can be read from {str(path)!r} ({reason(error)}). Name the aape.ckpt of a run that trained "
            "one, such as: aape fit --config shapes_retrieval."
        ) from error
    found = {name.removeprefix(_GENERATOR): tensor for name, tensor in state.items() if name.startswith(_GENERATOR)}
    if not found:
        raise CheckpointError(f"The checkpoint {str(path)!r} holds no generator; it holds {sorted(state)[:5]}.")
    trained_on = hyper_parameters.get("backbone_spec") or {}
    if trained_on.get("fingerprint") != spec["fingerprint"]:
        raise BackboneMismatchError(
            f"The generator of {str(path)!r} was trained on backbone {trained_on.get('name')!r} (weights "
            f"{str(trained_on.get('fingerprint'))[:12]}), and this run uses {spec['name']!r} (weights "
            f"{spec['fingerprint'][:12]}). Train one on this backbone."
        )
    return found
