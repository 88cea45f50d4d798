"""Inference: what a run has learned at work on images, without a Trainer and without a DataModule.

Names are imported on first use, so that light commands do not wait for heavy libraries.
"""

from typing import TYPE_CHECKING

from aape_lightning.lazy import lazy_names

if TYPE_CHECKING:
    from aape_lightning.inference.loading import load
    from aape_lightning.inference.model import AdaptedCLIP
    from aape_lightning.inference.saved import SavedTask, read_saved

__all__ = ["AdaptedCLIP", "SavedTask", "load", "read_saved"]

_HOMES = {
    "AdaptedCLIP": "model",
    "SavedTask": "saved",
    "load": "loading",
    "read_saved": "saved",
}

__getattr__ = lazy_names(__name__, _HOMES)
