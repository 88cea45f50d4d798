"""Drawing styles: the same scenes filled flat, sketched in pencil, in wax crayon, or as a neon sign."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from jaxtyping import Float

from aape_lightning.data.shapes.vocabulary import RGB

__all__ = ["DRAWN", "edge_softness", "finish", "paper"]

Patches = Float[np.ndarray, "n p p"]
Colours = Float[np.ndarray, "n p p 3"]
Plain = Float[np.ndarray, "n 1 1 3"]
Drawn = tuple[Float[np.ndarray, "n p p 3"], Float[np.ndarray, "n p p 1"]]


def paper(style: str, background: RGB) -> RGB:
    """The ground of a picture: the scene's background, or what the style makes of it."""
    if style == "sketch":
        return _mixed(background, 1.0, 0.75)
    if style == "crayon":
        return _mixed(background, 0.9, 0.5)
    if style == "neon":
        return _mixed(background, 0.0, 0.85)
    return background


def edge_softness(style: str, depth: Patches, grain: Patches) -> Patches:
    """Signed distances in pixels, roughened where the style's edges are rough."""
    return depth + 0.7 * grain if style == "crayon" else depth


def finish(style: str, picture: Float[np.ndarray, "64 64 3"]) -> None:
    """What a style does to the whole picture, in place: crayon and sketch lose saturation."""
    keep = {"crayon": 0.75, "sketch": 0.8}.get(style)
    if keep is not None:
        grey = picture.mean(axis=-1, keepdims=True)
        picture += (1 - keep) * (grey - picture)


def _flat(colours: Colours, depth: Patches, rgb: Plain, grain: Patches) -> Drawn:
    return colours, _cover(depth)


def _sketch(colours: Colours, depth: Patches, rgb: Plain, grain: Patches) -> Drawn:
    """A dark outline around a pale fill."""
    line = np.clip(1.8 - np.abs(depth + 0.8), 0.0, 1.0)[..., None]
    pale = colours + 0.45 * (1.0 - colours)
    return pale + line * (0.45 * rgb - pale), _cover(depth)


def _crayon(colours: Colours, depth: Patches, rgb: Plain, grain: Patches) -> Drawn:
    """A fill through which the paper shows in grains."""
    strokes = np.clip(0.85 + 0.35 * grain, 0.25, 1.0)
    return colours, (np.clip(0.5 - depth, 0.0, 1.0) * strokes)[..., None]


def _neon(colours: Colours, depth: Patches, rgb: Plain, grain: Patches) -> Drawn:
    """A glowing outline around a dim fill."""
    glow = np.clip(1.6 - 0.6 * np.abs(depth), 0.0, 1.0)[..., None]
    bright = rgb + 0.25 * (1.0 - rgb)
    fill = 0.6 * colours
    return fill + glow * (bright - fill), np.maximum(_cover(depth), 0.8 * glow)


def _cover(depth: Patches) -> Float[np.ndarray, "n p p 1"]:
    return np.clip(0.5 - depth, 0.0, 1.0)[..., None]


def _mixed(colour: RGB, goal: float, share: float) -> RGB:
    red, green, blue = (value + share * (goal - value) for value in colour)
    return red, green, blue


DRAWN: Mapping[str, Callable[[Colours, Patches, Plain, Patches], Drawn]] = MappingProxyType(
    {"flat": _flat, "sketch": _sketch, "crayon": _crayon, "neon": _neon}
)
