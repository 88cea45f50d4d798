"""What torchmetrics lacks.

Names are imported on first use, so that light commands do not wait for heavy libraries.
"""

from typing import TYPE_CHECKING

from aape_lightning.lazy import lazy_names

if TYPE_CHECKING:
    from aape_lightning.metrics.harmonic import harmonic_mean

__all__ = ["harmonic_mean"]

_HOMES = {"harmonic_mean": "harmonic"}

__getattr__ = lazy_names(__name__, _HOMES)
