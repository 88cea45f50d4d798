"""AAPE: aggregate-and-adapt natural language prompts for CLIP.

`load` gives a run as an object that classifies, embeds, retrieves, captions and answers. Names are imported on first
use, so that light commands do not wait for heavy libraries.
"""

from typing import TYPE_CHECKING

from aape_lightning.lazy import lazy_names

if TYPE_CHECKING:
    from aape_lightning.inference.loading import load
    from aape_lightning.inference.model import AdaptedCLIP

__all__ = ["AdaptedCLIP", "__version__", "load"]

__version__ = "0.1.0"

_HOMES = {"AdaptedCLIP": "inference.model", "load": "inference.loading"}

__getattr__ = lazy_names(__name__, _HOMES)
