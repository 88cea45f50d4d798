"""Scenes: things with looks, sizes and places, how they relate, and how one is drawn at random."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from aape_lightning.data.shapes.chance import between, pick
from aape_lightning.data.shapes.vocabulary import BACKGROUNDS, COLOURS, RGB, SHAPES, STYLES, TEXTURES

__all__ = ["SIDE", "Scene", "Thing", "relation", "sample_scene", "sample_style"]

SIDE = 64
_SUBJECT_RADII = (12.0, 23.0)
_OTHER_RADII = (5.0, 8.5)
_OTHER_COUNTS = (0.25, 0.40, 0.25, 0.10)  # chances of 0, 1, 2, 3 further things
_MIN_CONTRAST = 0.30


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing of a scene.

    Attributes:
        shape: A name of `SHAPES`.
        colour: A name of `COLOURS`.
        texture: A name of `TEXTURES`.
        x: Centre from the left, in pixels.
        y: Centre from the top, in pixels.
        radius: Of the circle around it, in pixels.
        angle: Its turn, in radians.
        rgb: The very colour of this thing, near its colour's mean.
        accent: The second colour of its texture: how far towards white (above 0) or black (below 0).
        period: Length of its texture's pattern, in pixels.
        slant: Turn of the pattern, in radians.
        phase: Shift of the pattern, in periods.
    """

    shape: str
    colour: str
    texture: str
    x: float
    y: float
    radius: float
    angle: float
    rgb: RGB
    accent: float
    period: float
    slant: float
    phase: float

    @property
    def size(self) -> str:
        """`small`, `medium` or `large`."""
        if self.radius < 10:
            return "small"
        return "medium" if self.radius < 17 else "large"


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture before it is drawn.

    Attributes:
        things: What it shows; the first is the subject, drawn over the others.
        background: A name of `BACKGROUNDS`.
        style: How it is drawn, one of `STYLES`.
        light: Brightness at the picture's start and end along `light_angle`.
        light_angle: Direction of the light, in radians.
        noise: Standard deviation of the pixel noise.
        grain: Where in the stock of noise this picture's grain begins.
    """

    things: tuple[Thing, ...]
    background: str
    style: str
    light: tuple[float, float]
    light_angle: float
    noise: float
    grain: int

    @property
    def subject(self) -> Thing:
        """The thing that the picture is about."""
        return self.things[0]


def relation(thing: Thing, other: Thing) -> str:
    """Where `thing` is, seen from `other`: `left of`, `right of`, `above` or `below`."""
    dx, dy = thing.x - other.x, thing.y - other.y
    if abs(dx) >= abs(dy):
        return "left of" if dx < 0 else "right of"
    return "above" if dy < 0 else "below"


def sample_scene(random: Random, look: tuple[str, str, str] | None = None, style: str = "flat") -> Scene:
    """A scene at random.

    Args:
        random: Where the randomness comes from; the same state gives the same scene.
        look: Texture, colour and shape of the subject; at random where not given.
        style: How the scene is drawn.
    """
    radius = between(random, *_SUBJECT_RADII)
    room = SIDE / 2 - 0.8 * radius
    x, y = (SIDE / 2 + between(random, -room, room) for _ in range(2))
    subject = _sample_thing(random, look or _sample_look(random), x, y, radius)
    draw = random.random()
    count = sum(draw > sum(_OTHER_COUNTS[: n + 1]) for n in range(len(_OTHER_COUNTS) - 1))
    others = [_sample_other(random, subject) for _ in range(count)]
    return Scene(
        things=(subject, *others),
        background=_sample_background(random, subject.rgb),
        style=style,
        light=(between(random, 0.75, 1.1), between(random, 0.75, 1.1)),
        light_angle=between(random, 0.0, 2 * math.pi),
        noise=between(random, 0.01, 0.09),
        grain=int(random.random() * 2**31),
    )


def sample_style(random: Random, shares: Mapping[str, float]) -> str:
    """A style by its share; the shares need not add up to 1, `flat` takes the rest."""
    draw = random.random()
    for style in STYLES[1:]:
        draw -= shares.get(style, 0.0)
        if draw < 0:
            return style
    return "flat"


def _sample_look(random: Random) -> tuple[str, str, str]:
    return pick(random, _TEXTURE_NAMES), pick(random, _COLOUR_NAMES), pick(random, _SHAPE_NAMES)


def _sample_thing(random: Random, look: tuple[str, str, str], x: float, y: float, radius: float) -> Thing:
    texture, colour, shape = look
    shift = between(random, -0.06, 0.06)
    red, green, blue = (
        min(1.0, max(0.0, value + shift + between(random, -0.07, 0.07))) for value in COLOURS[colour].rgb
    )
    strength = between(random, 0.45, 0.75)
    return Thing(
        shape, colour, texture, x, y, radius,
        angle=between(random, -0.6, 0.6),
        rgb=(red, green, blue),
        accent=strength if random.random() < 0.6 else -strength,
        period=max(4.0, radius * between(random, 0.36, 0.55)),
        slant=between(random, 0.0, math.pi),
        phase=random.random(),
    )  # fmt: skip


def _sample_other(random: Random, subject: Thing) -> Thing:
    """A smaller thing, where there is room for it: it may touch the subject, which is drawn over it."""
    radius = between(random, *_OTHER_RADII)
    x = y = 0.0
    for _ in range(6):
        x, y = (between(random, radius, SIDE - radius) for _ in range(2))
        if math.hypot(x - subject.x, y - subject.y) > subject.radius + 0.6 * radius:
            break
    return _sample_thing(random, _sample_look(random), x, y, radius)


def _sample_background(random: Random, rgb: RGB) -> str:
    """A background that the subject stands out from."""
    while True:
        name = pick(random, _BACKGROUND_NAMES)
        if math.dist(BACKGROUNDS[name], rgb) > _MIN_CONTRAST:
            return name


_TEXTURE_NAMES, _COLOUR_NAMES, _SHAPE_NAMES = tuple(TEXTURES), tuple(COLOURS), tuple(SHAPES)
_BACKGROUND_NAMES = tuple(BACKGROUNDS)
