"""The schema of manifests: what one may say about a dataset of classes, of captions, or of questions."""

from aape_lightning.data.schema.base import Manifest
from aape_lightning.data.schema.captions import CaptionManifest
from aape_lightning.data.schema.classes import ClassManifest
from aape_lightning.data.schema.questions import QuestionManifest

__all__ = ["CaptionManifest", "ClassManifest", "Manifest", "QuestionManifest"]
