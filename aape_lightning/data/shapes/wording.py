"""Phrases for things: "a large stripy star in bright orange-red", in everyday words or by the proper names."""

from dataclasses import dataclass
from random import Random

from aape_lightning.data.shapes.chance import pick
from aape_lightning.data.shapes.vocabulary import COLOURS, SHAPES, TEXTURES, Look

__all__ = ["Mention", "colour_words", "noun_phrase", "shape_words", "texture_after", "with_article"]

_VAGUE_NOUNS = ("shape", "thing", "figure")
_COMMON_NAME_SHARE = 0.5  # how often everyday wording uses the name of a look that is not rare


@dataclass(frozen=True, slots=True)
class Mention:
    """Chances that a phrase mentions an attribute, from 0 to 1.

    Attributes:
        texture: Chance for the texture; a third of it where the thing has no pattern, which people seldom point out.
        colour: Chance for the colour.
        shape: Chance for the shape; a vague noun otherwise.
    """

    texture: float
    colour: float
    shape: float


def with_article(noun: str) -> str:
    """The noun after "a" or "an"."""
    return f"{'an' if noun[0] in 'aeio' else 'a'} {noun}"


def noun_phrase(
    random: Random, look: tuple[str, str, str], mention: Mention, *, named: bool = False, size: str = ""
) -> str:
    """A thing as a noun phrase with its article.

    Args:
        random: Chooses the words.
        look: Texture, colour and shape.
        mention: How likely each of them is mentioned.
        named: Use the proper names, rare or not.
        size: A word for its size, or nothing.
    """
    texture, colour, shape = look
    plain = texture == "solid" and not named
    before, after = size, ""
    if random.random() < mention.texture / (3 if plain else 1):
        if not named and random.random() < 0.6:
            after = " " + texture_after(random, texture)
        else:
            before += " " + _words(random, TEXTURES[texture], named=named)
    if random.random() < mention.colour:
        colour_word = _words(random, COLOURS[colour], named=named)
        if random.random() < 0.75:
            before += " " + colour_word
        else:
            after = f" in {colour_word}{after}"
    noun = _words(random, SHAPES[shape], named=named) if random.random() < mention.shape else pick(random, _VAGUE_NOUNS)
    return with_article(f"{before} {noun}".strip()) + after


def colour_words(random: Random, colour: str) -> str:
    """A colour in everyday words."""
    return _words(random, COLOURS[colour], named=False)


def shape_words(random: Random, shape: str) -> str:
    """A shape in everyday words, without an article."""
    return _words(random, SHAPES[shape], named=False)


def texture_after(random: Random, texture: str) -> str:
    """A texture in everyday words that follow a noun."""
    return pick(random, TEXTURES[texture].after)


def _words(random: Random, look: Look, *, named: bool) -> str:
    if named or (not look.rare and random.random() < _COMMON_NAME_SHARE):
        return look.name
    return pick(random, look.phrases)
