"""Manifests: read by name, guessed from a folder, and what they choose among."""

from aape_lightning.data.manifests.load import (
    load_caption_manifest,
    load_manifest,
    load_question_manifest,
    read_manifest,
)

__all__ = ["load_caption_manifest", "load_manifest", "load_question_manifest", "read_manifest"]
