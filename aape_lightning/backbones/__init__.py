"""Frozen two-tower encoders behind one Protocol."""

from aape_lightning.backbones.clip import ClipBackbone
from aape_lightning.backbones.load import load_backbone
from aape_lightning.backbones.protocol import Backbone, BackboneSpec

__all__ = ["Backbone", "BackboneSpec", "ClipBackbone", "load_backbone"]
