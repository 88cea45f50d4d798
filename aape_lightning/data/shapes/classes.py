"""The classes of the shapes world: combinations of a texture, a colour and a shape, named by their proper words.

The first half are base classes, the second half new ones. Classes come in fours that differ in one attribute only, two
of the four by a rare word, so that a model has to know the words and not just two of the three. A new class shares its
words with base classes and never the combination.
"""

__all__ = ["CLASS_NAMES", "class_look"]

_BASE = (
    "checkered orange cross", "checkered yellow heart", "checkered yellow oval", "checkered yellow quatrefoil",
    "checkered yellow teardrop", "dotted blue circle", "dotted blue crescent", "dotted blue oval",
    "dotted blue teardrop", "dotted brown hexagon", "dotted brown rhombus", "dotted brown square",
    "dotted brown trapezoid", "dotted vermilion triangle", "latticed chartreuse star", "latticed green star",
    "latticed ochre star", "latticed orange cross", "latticed yellow star", "marbled orange cross",
    "marbled red arrow", "ombre red arrow", "ombre vermilion triangle", "solid blue chevron",
    "solid chartreuse chevron", "solid green chevron", "solid red arrow", "solid teal chevron",
    "solid vermilion triangle", "speckled lavender hexagon", "speckled maroon hexagon", "speckled pink hexagon",
    "speckled purple hexagon", "speckled vermilion triangle", "striped lavender ring", "striped maroon ring",
    "striped orange cross", "striped pink ring", "striped purple ring", "striped red arrow",
)  # fmt: skip

_NEW = (
    "checkered blue oval", "checkered lavender oval", "checkered purple oval", "checkered red ring",
    "checkered teal oval", "dotted brown cross", "dotted green circle", "dotted ochre cross",
    "dotted orange cross", "dotted red ring", "dotted vermilion cross", "latticed pink circle",
    "latticed pink crescent", "latticed pink oval", "latticed pink teardrop", "latticed red ring",
    "marbled chartreuse hexagon", "marbled chartreuse rhombus", "marbled chartreuse square",
    "marbled chartreuse trapezoid", "marbled yellow heart", "ombre green circle", "ombre yellow heart",
    "solid blue quatrefoil",
    "solid green circle", "solid lavender quatrefoil", "solid maroon arrow", "solid maroon chevron",
    "solid maroon trapezoid", "solid maroon triangle", "solid purple quatrefoil", "solid teal quatrefoil",
    "solid yellow heart", "speckled green circle", "speckled red ring", "striped brown star",
    "striped ochre star", "striped orange star", "striped vermilion star", "striped yellow heart",
)  # fmt: skip

CLASS_NAMES: tuple[str, ...] = _BASE + _NEW


def class_look(name: str) -> tuple[str, str, str]:
    """Texture, colour and shape of a class."""
    texture, colour, shape = name.split()
    return texture, colour, shape
