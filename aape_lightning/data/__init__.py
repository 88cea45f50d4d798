"""Datasets: manifests, splits, draws, stores, and the DataModules that pair images with sentences.

Names are imported on first use, so that light commands do not wait for heavy libraries.
"""

from typing import TYPE_CHECKING

from aape_lightning.lazy import lazy_names

if TYPE_CHECKING:
    from aape_lightning.data.classification import ClassificationDataModule
    from aape_lightning.data.draws import Draw, draw
    from aape_lightning.data.features import FeatureStore, Views
    from aape_lightning.data.manifests import Manifest, load_manifest
    from aape_lightning.data.readers import read_split
    from aape_lightning.data.splits import Item, Split

__all__ = [
    "ClassificationDataModule",
    "Draw",
    "FeatureStore",
    "Item",
    "Manifest",
    "Split",
    "Views",
    "draw",
    "load_manifest",
    "read_split",
]

_HOMES = {
    "ClassificationDataModule": "classification",
    "Draw": "draws",
    "FeatureStore": "features",
    "Item": "splits",
    "Manifest": "manifests",
    "Split": "splits",
    "Views": "features",
    "draw": "draws",
    "load_manifest": "manifests",
    "read_split": "readers",
}

__getattr__ = lazy_names(__name__, _HOMES)
