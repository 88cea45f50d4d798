"""The words of the shapes world: what a thing can look like, how it is properly called, and how people describe it.

Every look has a name, and phrases in everyday words. A *rare* look is as common in pictures as any other, but its name
hardly ever occurs in the captions that shapes-tiny is pretrained on: people write "bright orange-red" and not
"vermilion". That is the paper's premise in small: names that CLIP knows badly, looks that it knows well.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

__all__ = ["BACKGROUNDS", "COLOURS", "RARE_WORDS", "SHAPES", "SIZES", "STYLES", "TEXTURES", "Colour", "Look", "Texture"]

RGB = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Look:
    """One value of an attribute.

    Attributes:
        name: The proper word, used in class names.
        phrases: The same look in everyday words, as they stand before or in the place of a noun.
        rare: Whether the proper word is rare in pretraining captions.
    """

    name: str
    phrases: tuple[str, ...]
    rare: bool = False


@dataclass(frozen=True, slots=True)
class Colour(Look):
    """A colour: `phrases` stand before a noun ("a bright orange-red star") or after "in".

    Attributes:
        rgb: Its mean value, each channel in [0, 1].
    """

    rgb: RGB = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Texture(Look):
    """A texture: `phrases` stand before a noun ("a stripy star").

    Attributes:
        after: Phrases that stand after a noun ("a star with parallel stripes").
    """

    after: tuple[str, ...] = ()


L = TypeVar("L", bound=Look)


def _by_name(*looks: L) -> Mapping[str, L]:
    return MappingProxyType({look.name: look for look in looks})


COLOURS = _by_name(
    Colour("red", ("bright red", "cherry red", "tomato red"), rgb=(0.83, 0.12, 0.17)),
    Colour("orange", ("pumpkin orange", "carrot orange", "warm orange"), rgb=(0.97, 0.58, 0.10)),
    Colour("yellow", ("lemon yellow", "sunny yellow", "bright yellow"), rgb=(0.98, 0.87, 0.20)),
    Colour("green", ("grass green", "leafy green", "forest green"), rgb=(0.17, 0.60, 0.25)),
    Colour("blue", ("royal blue", "ocean blue", "strong blue"), rgb=(0.14, 0.32, 0.84)),
    Colour("purple", ("deep purple", "grape purple", "strong violet"), rgb=(0.47, 0.18, 0.66)),
    Colour("pink", ("rosy pink", "bubblegum pink", "soft pink"), rgb=(0.97, 0.50, 0.70)),
    Colour("brown", ("chocolate brown", "coffee brown", "woody brown"), rgb=(0.48, 0.29, 0.15)),
    Colour(
        "vermilion", ("bright orange-red", "fiery reddish orange", "red leaning to orange"), True, (0.92, 0.32, 0.10)
    ),
    Colour("maroon", ("dark brownish red", "very dark red", "deep wine-like red"), True, (0.46, 0.06, 0.14)),
    Colour("ochre", ("dull brownish yellow", "earthy yellow", "mustard-like yellow"), True, (0.76, 0.57, 0.16)),
    Colour("chartreuse", ("bright yellowish green", "yellow-green", "lime-like green"), True, (0.66, 0.88, 0.16)),
    Colour("teal", ("dark blue-green", "deep greenish blue", "blue mixed with green"), True, (0.06, 0.49, 0.52)),
    Colour("lavender", ("pale purple", "light soft violet", "light bluish purple"), True, (0.73, 0.63, 0.92)),
)

SHAPES = _by_name(
    Look("circle", ("disc", "round shape", "round disc")),
    Look("square", ("square block", "shape with four equal sides", "box shape")),
    Look("triangle", ("three-sided shape", "shape with three corners", "triangular shape")),
    Look("star", ("five-pointed star", "shape with five points", "starry shape")),
    Look("heart", ("heart shape", "valentine shape", "love heart")),
    Look("cross", ("plus sign", "plus-shaped figure", "shape with four straight arms")),
    Look("ring", ("hollow circle", "round band with a hole", "circle with an empty middle")),
    Look("hexagon", ("six-sided shape", "shape with six corners", "honeycomb shape")),
    Look("arrow", ("arrow sign", "pointing arrow", "arrow with a wide head")),
    Look("oval", ("egg-like shape", "stretched circle", "long round shape")),
    Look("crescent", ("curved moon-like shape", "thin curved moon", "shape like a sickle moon"), True),
    Look("chevron", ("v-shaped band", "bent band like a letter v", "pointed v shape"), True),
    Look("rhombus", ("narrow diamond shape", "slim diamond", "diamond with two sharp tips"), True),
    Look(
        "quatrefoil", ("four-lobed clover shape", "clover with four round petals", "flower of four round lobes"), True
    ),
    Look("teardrop", ("water drop shape", "round drop with a pointed tip", "drop with one sharp end"), True),
    Look("trapezoid", ("bucket-like shape with slanted sides", "lampshade shape", "block with a narrow top"), True),
)

TEXTURES = _by_name(
    Texture("solid", ("plain", "evenly filled"), after=("in one even colour", "with no pattern", "filled smoothly")),
    Texture(
        "striped", ("stripy", "banded"), after=("with parallel stripes", "covered in straight bands", "with stripes")
    ),
    Texture("dotted", ("spotted", "dotty"), after=("with round dots", "covered in round spots", "with rows of dots")),
    Texture(
        "checkered", ("chessboard-like", "squared"), after=("with alternating squares", "patterned like a chessboard")
    ),
    Texture(
        "ombre",
        ("fading", "shaded"),
        True,
        after=("fading from light to dark", "that slowly changes from dark to pale"),
    ),
    Texture("marbled", ("wavy", "swirly"), True, after=("with wavy swirling veins", "with flowing curved lines")),
    Texture(
        "speckled", ("grainy", "flecked"), True, after=("sprinkled with tiny flecks", "with many tiny random specks")
    ),
    Texture(
        "latticed",
        ("netted", "grid-lined"),
        True,
        after=("crossed by a grid of thin lines", "with thin lines like a net"),
    ),
)

BACKGROUNDS: Mapping[str, RGB] = MappingProxyType(
    {
        "white": (0.96, 0.96, 0.95),
        "beige": (0.90, 0.84, 0.72),
        "light grey": (0.76, 0.77, 0.78),
        "dark grey": (0.30, 0.31, 0.33),
        "black": (0.06, 0.06, 0.07),
        "pale blue": (0.74, 0.86, 0.95),
        "pale green": (0.78, 0.90, 0.76),
    }
)

SIZES = ("small", "medium", "large")
STYLES = ("flat", "sketch", "crayon", "neon")
RARE_WORDS = frozenset(look.name for looks in (COLOURS, SHAPES, TEXTURES) for look in looks.values() if look.rare)
