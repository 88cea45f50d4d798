"""Datasets: manifests, splits, draws, stores, and the DataModules that pair images with sentences.

Names are imported on first use, so that light commands do not wait for heavy libraries.
"""

from typing import TYPE_CHECKING

from aape_lightning.lazy import lazy_names

if TYPE_CHECKING:
    from aape_lightning.data.captioning import CaptioningDataModule
    from aape_lightning.data.classification import ClassificationDataModule
    from aape_lightning.data.draws import Draw, draw
    from aape_lightning.data.features import FeatureStore, Views
    from aape_lightning.data.manifests import load_caption_manifest, load_manifest, load_question_manifest
    from aape_lightning.data.readers.split import read_split
    from aape_lightning.data.retrieval import RetrievalDataModule
    from aape_lightning.data.schema import CaptionManifest, ClassManifest, QuestionManifest
    from aape_lightning.data.splits import Item, Split
    from aape_lightning.data.text import TextDataModule
    from aape_lightning.data.vqa import VQADataModule

__all__ = [
    "CaptionManifest",
    "CaptioningDataModule",
    "ClassManifest",
    "ClassificationDataModule",
    "Draw",
    "FeatureStore",
    "Item",
    "QuestionManifest",
    "RetrievalDataModule",
    "Split",
    "TextDataModule",
    "VQADataModule",
    "Views",
    "draw",
    "load_caption_manifest",
    "load_manifest",
    "load_question_manifest",
    "read_split",
]

_HOMES = {
    "CaptionManifest": "schema",
    "CaptioningDataModule": "captioning",
    "ClassManifest": "schema",
    "ClassificationDataModule": "classification",
    "Draw": "draws",
    "FeatureStore": "features",
    "Item": "splits",
    "QuestionManifest": "schema",
    "RetrievalDataModule": "retrieval",
    "Split": "splits",
    "TextDataModule": "text",
    "VQADataModule": "vqa",
    "Views": "features",
    "draw": "draws",
    "load_caption_manifest": "manifests",
    "load_manifest": "manifests",
    "load_question_manifest": "manifests",
    "read_split": "readers",
}

__getattr__ = lazy_names(__name__, _HOMES)
