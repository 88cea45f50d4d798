"""Textures as patterns: how much of the second colour each pixel has, from 0 to 1.

Coordinates s and t count periods along and across the pattern; `grain` is white noise, one value a pixel.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from jaxtyping import Float

__all__ = ["PATTERNS"]

Grid = Float[np.ndarray, "n h w"]
_TURN = np.float32(2 * np.pi)


def _solid(s: Grid, t: Grid, grain: Grid) -> Grid:
    return np.zeros_like(s)


def _striped(s: Grid, t: Grid, grain: Grid) -> Grid:
    return _soft_step(np.sin(_TURN * s), 2.0)


def _dotted(s: Grid, t: Grid, grain: Grid) -> Grid:
    return _soft_step(np.cos(_TURN * s) + np.cos(_TURN * t) - 0.75, 1.5)


def _checkered(s: Grid, t: Grid, grain: Grid) -> Grid:
    return _soft_step(np.sin(np.pi * s) * np.sin(np.pi * t), 4.0)


def _ombre(s: Grid, t: Grid, grain: Grid) -> Grid:
    return np.clip(0.5 + 0.24 * s, 0.0, 1.0)


def _marbled(s: Grid, t: Grid, grain: Grid) -> Grid:
    waves = s + 0.45 * np.sin(2.9 * t) + 0.3 * np.sin(2.1 * s + 1.7 * t)
    return _soft_step(np.sin(0.75 * _TURN * waves) - 0.35, 1.2)


def _speckled(s: Grid, t: Grid, grain: Grid) -> Grid:
    return _soft_step(grain - 0.9, 3.0)


def _latticed(s: Grid, t: Grid, grain: Grid) -> Grid:
    lines = np.maximum(np.cos(0.85 * _TURN * s), np.cos(0.85 * _TURN * t))
    return _soft_step(lines - 0.80, 4.0)


def _soft_step(level: Grid, slope: float) -> Grid:
    return np.clip(0.5 + slope * level, 0.0, 1.0)


PATTERNS: Mapping[str, Callable[[Grid, Grid, Grid], Grid]] = MappingProxyType(
    {
        "solid": _solid,
        "striped": _striped,
        "dotted": _dotted,
        "checkered": _checkered,
        "ombre": _ombre,
        "marbled": _marbled,
        "speckled": _speckled,
        "latticed": _latticed,
    }
)
