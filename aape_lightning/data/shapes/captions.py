"""Captions such as people write beside pictures: short, uneven, sometimes off the point; for pretraining."""

from random import Random

from aape_lightning.data.shapes.chance import pick
from aape_lightning.data.shapes.scene import Scene, Thing, relation
from aape_lightning.data.shapes.wording import (
    Mention,
    colour_words,
    noun_phrase,
    shape_words,
    texture_after,
    with_article,
)

__all__ = ["caption"]

_EVERYDAY = Mention(texture=0.75, colour=0.9, shape=0.95)
_NAMED = Mention(texture=0.85, colour=0.95, shape=1.0)
_OTHER = Mention(texture=0.3, colour=0.8, shape=0.95)
_FRAMES = (
    "{}", "{}", "{}", "{}.", "a photo of {}.", "a photo of {}", "a picture of {}", "a picture of {}.", "an image of {}",
    "a drawing of {}", "this is {}.", "there is {}", "{} in the picture", "the image shows {}.", "we see {}.",
    "it looks like {}.", "you can see {} here", "a close view of {}", "one can recognise {}.", "here is {}",
)  # fmt: skip
_STYLE_FRAMES = {
    "sketch": ("a sketch of {}", "a pencil drawing of {}", "{}, sketched"),
    "crayon": ("a crayon drawing of {}", "{} in wax crayon"),
    "neon": ("a neon sign of {}", "{} in neon light"),
}
_ASIDES = (
    "made of paper", "made of wood", "for sale", "at a good price", "from last year", "on a rainy day", "for my friend",
    "printed on cotton", "used in a game", "found in a shop", "from an old book", "a nice gift", "made by hand",
    "very popular", "as seen in summer", "i like it", "free to use", "in the museum", "bought at the market",
)  # fmt: skip


def caption(scene: Scene, random: Random, *, named_share: float) -> str:
    """A caption of a scene.

    Args:
        scene: What is to be described.
        random: Chooses what is mentioned and how.
        named_share: Share of captions that use proper names, the only ones in which rare words occur.
    """
    subject = scene.subject
    if random.random() < named_share:
        phrase = noun_phrase(random, _look(subject), _NAMED, named=True)
        return pick(random, _FRAMES).format(phrase)
    size = subject.size if random.random() < 0.12 and subject.size != "medium" else ""
    if random.random() < 0.15:
        return _sentences(random, subject)
    phrase = noun_phrase(random, _look(subject), _EVERYDAY, size=size) + _surroundings(random, scene)
    text = _frame(random, scene.style).format(phrase)
    return f"{text.rstrip('.')}, {pick(random, _ASIDES)}" if random.random() < 0.08 else text


def _look(thing: Thing) -> tuple[str, str, str]:
    return thing.texture, thing.colour, thing.shape


def _frame(random: Random, style: str) -> str:
    frames = _STYLE_FRAMES.get(style)
    return pick(random, frames) if frames and random.random() < 0.5 else pick(random, _FRAMES)


def _surroundings(random: Random, scene: Scene) -> str:
    """Another thing of the scene, or the background, or nothing."""
    draw = random.random()
    if draw < 0.2 and len(scene.things) > 1:
        other = pick(random, scene.things[1:])
        phrase = noun_phrase(random, _look(other), _OTHER, size="small" if random.random() < 0.5 else "")
        return f" {pick(random, ('and', 'next to', relation(scene.subject, other)))} {phrase}"
    if draw < 0.4:
        return f" {pick(random, ('on', 'against'))} {with_article(scene.background)} background"
    return ""


def _sentences(random: Random, thing: Thing) -> str:
    """The look of a thing in a sentence of its own, as in a longer description."""
    colour, shape, texture = (
        colour_words(random, thing.colour),
        shape_words(random, thing.shape),
        texture_after(random, thing.texture),
    )
    return pick(
        random,
        (
            f"the colour is {colour} and it looks like {with_article(shape)}",
            f"it has the form of {with_article(shape)}, {texture}",
            f"a shape in {colour}, {texture}",
            f"its colour is {colour}, and it is {with_article(shape)} {texture}",
            f"you can tell it by the {colour} surface, {texture}",
            f"what stands out is {with_article(shape)} in {colour}",
        ),
    )
