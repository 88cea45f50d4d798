"""Outlines of the shapes, as signed distances: negative inside, positive outside, in units of the thing's radius.

Coordinates have their origin in the thing's centre, u to the right and v upwards. Distances need to be right near the
outline only, where they become the soft edge.
"""

# numpy's functions are typed as returning anything, and every function here is an expression of them.
# mypy: disable-error-code="no-any-return"

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from jaxtyping import Float

__all__ = ["OUTLINES"]

Grid = Float[np.ndarray, "n h w"]


def _circle(u: Grid, v: Grid) -> Grid:
    return np.sqrt(u * u + v * v) - 0.9


def _oval(u: Grid, v: Grid) -> Grid:
    return (np.sqrt(u * u + (1.85 * v) ** 2) - 1.0) * 0.65


def _ring(u: Grid, v: Grid) -> Grid:
    return np.abs(np.sqrt(u * u + v * v) - 0.7) - 0.25


def _square(u: Grid, v: Grid) -> Grid:
    return np.maximum(np.abs(u), np.abs(v)) - 0.74


def _triangle(u: Grid, v: Grid) -> Grid:
    return np.maximum(0.866 * np.abs(u) + 0.5 * v, -v) - 0.52


def _hexagon(u: Grid, v: Grid) -> Grid:
    return np.maximum(0.866 * np.abs(u) + 0.5 * np.abs(v), np.abs(v)) - 0.82


def _star(u: Grid, v: Grid) -> Grid:
    # Fold the plane into half a spike; its edge is a straight line between a tip and an inner corner.
    turn = 2 * np.pi / 5
    angle = np.arctan2(u, v)
    folded = np.abs(angle - turn * np.round(angle / turn))
    radius = np.sqrt(u * u + v * v)
    along, across = radius * np.cos(folded), radius * np.sin(folded)
    return along * 0.48 + across * 0.877 - 0.48


def _heart(u: Grid, v: Grid) -> Grid:
    side = np.abs(u)
    lobes = np.sqrt((side - 0.42) ** 2 + (v - 0.28) ** 2) - 0.47
    point = np.maximum(0.72 * side - 0.69 * (v + 0.86), v - 0.28)
    return np.minimum(lobes, point)


def _cross(u: Grid, v: Grid) -> Grid:
    long, short = np.maximum(np.abs(u), np.abs(v)), np.minimum(np.abs(u), np.abs(v))
    return np.maximum(long - 0.9, short - 0.28)


def _arrow(u: Grid, v: Grid) -> Grid:
    side = np.abs(v)
    shaft = np.maximum(np.abs(u + 0.35) - 0.6, side - 0.22)
    head = np.maximum(0.7 * side + 0.71 * u - 0.65, 0.05 - u)
    return np.minimum(shaft, head)


def _crescent(u: Grid, v: Grid) -> Grid:
    outer = np.sqrt(u * u + v * v) - 0.92
    bite = np.sqrt((u - 0.45) ** 2 + v * v) - 0.76
    return np.maximum(outer, -bite)


def _chevron(u: Grid, v: Grid) -> Grid:
    side = np.abs(u)
    return np.maximum(np.abs(v + 0.45 - side) * 0.72 - 0.26, side - 0.8)


def _rhombus(u: Grid, v: Grid) -> Grid:
    return (1.9 * np.abs(u) + np.abs(v) - 0.97) * 0.47


def _quatrefoil(u: Grid, v: Grid) -> Grid:
    long, short = np.maximum(np.abs(u), np.abs(v)), np.minimum(np.abs(u), np.abs(v))
    return np.sqrt((long - 0.47) ** 2 + short * short) - 0.45


def _teardrop(u: Grid, v: Grid) -> Grid:
    bulb = np.sqrt(u * u + (v + 0.38) ** 2) - 0.55
    tip = np.maximum(0.9 * np.abs(u) + 0.44 * (v - 0.98), -0.14 - v)
    return np.minimum(bulb, tip)


def _trapezoid(u: Grid, v: Grid) -> Grid:
    return np.maximum(np.abs(v) - 0.52, 0.9 * np.abs(u) + 0.42 * v - 0.55)


OUTLINES: Mapping[str, Callable[[Grid, Grid], Grid]] = MappingProxyType(
    {
        "circle": _circle,
        "square": _square,
        "triangle": _triangle,
        "star": _star,
        "heart": _heart,
        "cross": _cross,
        "ring": _ring,
        "hexagon": _hexagon,
        "arrow": _arrow,
        "oval": _oval,
        "crescent": _crescent,
        "chevron": _chevron,
        "rhombus": _rhombus,
        "quatrefoil": _quatrefoil,
        "teardrop": _teardrop,
        "trapezoid": _trapezoid,
    }
)
