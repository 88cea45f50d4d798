"""Fingerprints: what caches and checkpoints are bound to."""

import hashlib
import json
from collections.abc import Mapping

import torch
from torch import Tensor

__all__ = ["PROBES", "fingerprint"]

# Texts that tell tokenisers apart: case, punctuation, accents, digits, an entity, an emoji, odd spaces, a rare word,
# and more words than a context holds.
PROBES = (
    "",
    "A photo of a dog.",
    "Antirrhinum majus, the SNAPDRAGON!",
    "don't 1234567890 caf\u00e9 na\u00efve &amp; \u00bd \U0001f600",
    "  two\tspaces_and-dashes / (brackets) ",
    "one two three four five six seven eight nine ten " * 20,
)


def fingerprint(state_dict: dict[str, Tensor], settings: Mapping[str, object] | None = None) -> str:
    """Hash of the weights themselves: the same for every file that holds them.

    Args:
        state_dict: The weights.
        settings: Whatever else the embeddings depend on, in values that JSON can hold.
    """
    digest = hashlib.sha256()
    for name in sorted(state_dict):
        tensor = state_dict[name].detach().cpu().contiguous()
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    if settings is not None:
        digest.update(json.dumps(settings, sort_keys=True).encode())
    return digest.hexdigest()
