"""What torchmetrics lacks.

Names are imported on first use, so that light commands do not wait for heavy libraries.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aape_lightning.metrics.harmonic import harmonic_mean

__all__ = ["harmonic_mean"]

_HOMES = {"harmonic_mean": "harmonic"}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
