"""Drawing scenes, many at once: each thing in a patch of its own, patches of like size and shape together."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby

import numpy as np
from jaxtyping import Float, UInt8

from aape_lightning.data.shapes.outlines import OUTLINES
from aape_lightning.data.shapes.patterns import PATTERNS
from aape_lightning.data.shapes.scene import SIDE, Scene, Thing
from aape_lightning.data.shapes.styles import DRAWN, edge_softness, finish, paper
from aape_lightning.data.shapes.vocabulary import BACKGROUNDS

__all__ = ["render"]

Patches = Float[np.ndarray, "n p p"]
Columns = Float[np.ndarray, "n 1 1"]
Broadcast = Float[np.ndarray, "#n #p #p"]

_HALVES = (9, 14, 19, 25)  # half-widths of patches; a thing goes into the smallest that holds it
_STOCK = np.random.default_rng(20240).standard_normal(1 << 16, dtype=np.float32)
_TILE = np.concatenate([_STOCK, _STOCK])  # every start within the stock has a whole picture's noise after it
_COLUMN, _ROW = np.meshgrid(np.linspace(-1, 1, SIDE, dtype=np.float32), np.linspace(-1, 1, SIDE, dtype=np.float32))


def render(scenes: Sequence[Scene]) -> UInt8[np.ndarray, "b 64 64 3"]:
    """Draw scenes; a scene's pixels do not depend on the scenes drawn with it."""
    canvas = np.empty((len(scenes), SIDE, SIDE, 3), dtype=np.float32)
    for index, scene in enumerate(scenes):
        canvas[index] = paper(scene.style, BACKGROUNDS[scene.background])
    for index, thing, colours, cover in _in_order(scenes):
        _paste(canvas[index], thing, colours, cover)
    for index, scene in enumerate(scenes):
        _light(canvas[index], scene)
    np.clip(canvas, 0.0, 1.0, out=canvas)
    return (canvas * 255 + 0.5).astype(np.uint8)


def _in_order(
    scenes: Sequence[Scene],
) -> Iterable[tuple[int, Thing, Float[np.ndarray, "p p 3"], Float[np.ndarray, "p p 1"]]]:
    """Every thing with its colours and its cover, each scene's subject last."""
    groups: dict[tuple[int, str, str], list[tuple[int, int]]] = defaultdict(list)
    for index, scene in enumerate(scenes):
        for order, thing in enumerate(scene.things):
            groups[_half(thing), thing.shape, scene.style].append((index, -order))
    drawn = []
    for (half, shape, style), places in groups.items():
        things = [scenes[index].things[-order] for index, order in places]
        colours, cover = _draw(things, [scenes[index].grain for index, _ in places], half, shape, style)
        drawn += [(*place, thing, *each) for place, thing, *each in zip(places, things, colours, cover, strict=True)]
    drawn.sort(key=lambda entry: entry[:2])
    return ((index, *rest) for index, _, *rest in drawn)


def _half(thing: Thing) -> int:
    return next((half for half in _HALVES if half >= thing.radius + 1.5), _HALVES[-1])


def _draw(
    things: Sequence[Thing], grains: Sequence[int], half: int, shape: str, style: str
) -> tuple[Float[np.ndarray, "n p p 3"], Float[np.ndarray, "n p p 1"]]:
    """Colours and cover of things of one shape and style, in patches around their centres' pixels."""
    offset = np.arange(2 * half, dtype=np.float32) - half + 0.5
    x = offset[None, None, :] - _column(thing.x % 1.0 for thing in things)
    y = _column(thing.y % 1.0 for thing in things) - offset[None, :, None]
    radius = _column(thing.radius for thing in things)
    u, v = _turned(x / radius, y / radius, _column(thing.angle for thing in things))
    grain = np.stack([_grain(start, 2 * half) for start in grains])
    depth = OUTLINES[shape](u, v) * radius
    texture = _textured(things, x, y, grain)
    rgb = np.array([thing.rgb for thing in things], dtype=np.float32)[:, None, None, :]
    accent = np.array([_accent(thing) for thing in things], dtype=np.float32)[:, None, None, :]
    flat = rgb + texture[..., None] * (accent - rgb)
    depth = edge_softness(style, depth, grain)
    return DRAWN[style](flat, depth, rgb, grain)


def _textured(things: Sequence[Thing], x: Broadcast, y: Broadcast, grain: Patches) -> Patches:
    """Each thing's pattern; things are gathered by texture."""
    patterns = np.zeros(grain.shape, dtype=np.float32)
    order = sorted(range(len(things)), key=lambda index: things[index].texture)
    for texture, members in groupby(order, key=lambda index: things[index].texture):
        chosen = list(members)
        if texture == "solid":
            continue
        period = _column(things[index].period for index in chosen)
        phase = _column(things[index].phase for index in chosen)
        s, t = _turned(x[chosen] / period, y[chosen] / period, _column(things[index].slant for index in chosen))
        patterns[chosen] = PATTERNS[texture](s + phase, t + phase, grain[chosen])
    return patterns


def _turned(x: Broadcast, y: Broadcast, angle: Columns) -> tuple[Patches, Patches]:
    cosine, sine = np.cos(angle), np.sin(angle)
    return cosine * x + sine * y, cosine * y - sine * x


def _accent(thing: Thing) -> list[float]:
    """The second colour: towards white or towards black."""
    goal = 1.0 if thing.accent > 0 else 0.0
    return [value + abs(thing.accent) * (goal - value) for value in thing.rgb]


def _grain(start: int, side: int) -> Float[np.ndarray, "p p"]:
    begin = start % _STOCK.size
    return _TILE[begin : begin + side * side].reshape(side, side)


def _column(values: Iterable[float]) -> Columns:
    return np.fromiter(values, dtype=np.float32)[:, None, None]


def _paste(
    picture: Float[np.ndarray, "64 64 3"],
    thing: Thing,
    colours: Float[np.ndarray, "p p 3"],
    cover: Float[np.ndarray, "p p 1"],
) -> None:
    """Lay a patch over the picture; what lies outside is cut off."""
    half = cover.shape[0] // 2
    left, top = int(thing.x) - half, int(thing.y) - half
    rows = slice(max(0, -top), min(2 * half, SIDE - top))
    columns = slice(max(0, -left), min(2 * half, SIDE - left))
    under = picture[top + rows.start : top + rows.stop, left + columns.start : left + columns.stop]
    under += cover[rows, columns] * (colours[rows, columns] - under)


def _light(picture: Float[np.ndarray, "64 64 3"], scene: Scene) -> None:
    """Uneven light, pixel noise, and the style's finish."""
    start, end = scene.light
    slope = 0.35 * (end - start)
    direction = np.float32(slope * np.cos(scene.light_angle)), np.float32(slope * np.sin(scene.light_angle))
    light = np.float32(0.5 * (start + end)) + direction[0] * _COLUMN + direction[1] * _ROW
    finish(scene.style, picture)
    picture *= light[..., None]
    # One stream for all three channels: neighbouring channels of a pixel get different values of it.
    begin = scene.grain % _STOCK.size
    picture += np.float32(scene.noise) * _TILE[begin : begin + picture.size].reshape(picture.shape)
