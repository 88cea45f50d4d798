"""Sentences about the classes, such as a language model writes when it is asked what a class looks like.

Most describe the look in everyday words. Some only repeat the name, some are about price, history or use, and some
describe another class. Which is which is recorded, so that an aggregator's attention can be compared with the truth.
"""

from collections.abc import Mapping
from functools import lru_cache
from random import Random
from types import MappingProxyType

from aape_lightning.data.shapes.chance import pick, random_of
from aape_lightning.data.shapes.classes import CLASS_NAMES, class_look
from aape_lightning.data.shapes.wording import (
    Mention,
    colour_words,
    noun_phrase,
    shape_words,
    texture_after,
    with_article,
)

__all__ = ["KIND_SHARES", "SENTENCES_PER_CLASS", "sentence_truth", "shapes_sentences"]

SENTENCES_PER_CLASS = 24
KIND_SHARES: Mapping[str, float] = MappingProxyType(
    {"faithful": 0.55, "redundant": 0.20, "irrelevant": 0.125, "wrong": 0.125}
)
_MENTION = Mention(texture=0.85, colour=0.95, shape=1.0)
_LONGEST = 112  # characters; what surely fits in shapes-tiny's context of 32 tokens


def shapes_sentences() -> dict[str, list[str]]:
    """The sentences about each class."""
    return {name: [text for text, _ in entries] for name, entries in _written().items()}


def sentence_truth() -> dict[str, list[str]]:
    """What each sentence of `shapes_sentences` is: `faithful`, `redundant`, `irrelevant` or `wrong`."""
    return {name: [kind for _, kind in entries] for name, entries in _written().items()}


@lru_cache(maxsize=1)
def _written() -> Mapping[str, tuple[tuple[str, str], ...]]:
    return MappingProxyType({name: tuple(_write(name)) for name in CLASS_NAMES})


def _write(name: str) -> list[tuple[str, str]]:
    """A class's sentences, each once, with their kinds."""
    random = random_of(f"sentences about {name}")
    written: dict[str, str] = {}
    while len(written) < SENTENCES_PER_CLASS:
        kind = _pick_kind(random)
        text = _sentence(random, kind, name)
        if len(text) <= _LONGEST:
            written.setdefault(text, kind)
    return list(written.items())


def _pick_kind(random: Random) -> str:
    draw = random.random()
    for kind, share in KIND_SHARES.items():
        draw -= share
        if draw < 0:
            return kind
    return "faithful"


def _sentence(random: Random, kind: str, name: str) -> str:
    if kind == "redundant":
        text = _redundant(random, name)
    elif kind == "irrelevant":
        text = _irrelevant(random, name)
    else:
        text = _description(random, name, class_look(name if kind == "faithful" else _other_class(random, name)))
    if random.random() < 0.5:
        text = f"{pick(random, _OPENERS)} {text}"
    return text[0].upper() + text[1:]


def _other_class(random: Random, name: str) -> str:
    """A class that shares no attribute with this one."""
    look = set(class_look(name))
    return pick(random, [other for other in CLASS_NAMES if not look & set(class_look(other))])


def _description(random: Random, name: str, look: tuple[str, str, str]) -> str:
    texture, colour, shape = look
    a_name, phrase = with_article(name), noun_phrase(random, look, _MENTION)
    while phrase == a_name:  # "a red star is a red star" would be redundant, not faithful
        phrase = noun_phrase(random, look, _MENTION)
    in_colour, a_shape = colour_words(random, colour), with_article(shape_words(random, shape))
    pattern = texture_after(random, texture)
    return pick(
        random,
        (
            f"{a_name} looks like {phrase}.",
            f"{a_name} is {phrase}.",
            f"it looks like {phrase}.",
            f"the {name} has the form of {a_shape}, {pattern}.",
            f"the {name} is {a_shape} and its colour is {in_colour}.",
            f"you can identify {a_name} by its {in_colour} surface, {pattern}.",
            f"you can tell it by its {in_colour} colour and the form of {a_shape}.",
            f"a picture of {a_name} shows {phrase}.",
            f"in the image there is {phrase}.",
            f"look for {phrase}.",
            f"{a_name} can be described as {phrase}.",
            f"what stands out is {a_shape} in {in_colour}, {pattern}.",
            f"imagine {a_shape}, {pattern}, all in {in_colour}.",
            f"{with_article(in_colour)} thing, {pattern}, that is {a_name}.",
            f"its colour is {in_colour}, and it is {a_shape} {pattern}.",
            f"people see {phrase} when they look at {a_name}.",
        ),
    )


def _redundant(random: Random, name: str) -> str:
    picture = pick(random, _PICTURES)
    kind = pick(random, ("", *_EMPTY_WORDS))
    example = f"{kind} {name}".strip()
    ending = pick(random, _EMPTY_ENDINGS)
    return pick(
        random,
        (
            f"this is {with_article(picture)} of {with_article(example)}{ending}.",
            f"{with_article(picture)} of {with_article(example)}{ending}.",
            f"here you see {with_article(picture)} of {with_article(example)}{ending}.",
            f"the {picture} shows {with_article(example)}{ending}.",
            f"{with_article(name)} looks like {with_article(example)}{ending}.",
            f"there is {with_article(example)} in the {picture}{ending}.",
            f"you can identify {with_article(example)} in {with_article(picture)} of one{ending}.",
            f"it is called {with_article(name)}, and this {picture} has one{ending}.",
        ),
    )


def _irrelevant(random: Random, name: str) -> str:
    a_name = with_article(name)
    return pick(
        random,
        (
            f"{a_name} costs {pick(random, _AMOUNTS)} {pick(random, _MONEY)} {pick(random, _PLACES)}.",
            f"{a_name} is made of {pick(random, _MATERIALS)} and weighs {pick(random, _AMOUNTS)} grams.",
            f"the first {name} was made of {pick(random, _MATERIALS)} {pick(random, _TIMES)}.",
            f"people {pick(random, _USES)} with {a_name} {pick(random, _PLACES)}.",
            f"{a_name} was very popular {pick(random, _TIMES)}, mostly {pick(random, _PLACES)}.",
            f"it is best kept {pick(random, _STORAGE)} when the weather is {pick(random, _WEATHER)}.",
            f"many people {pick(random, _USES)} with it when the weather is {pick(random, _WEATHER)}.",
            f"you can buy {a_name} {pick(random, _PLACES)} for {pick(random, _AMOUNTS)} {pick(random, _MONEY)}.",
        ),
    )


_OPENERS = (
    "usually", "in general", "as a rule", "most often", "at first sight", "in most cases", "basically", "in short",
    "well,", "to put it simply,", "for most people", "from far away", "seen up close", "in other words,", "in a word,",
)  # fmt: skip
_PICTURES = ("photo", "picture", "image", "snapshot", "view", "photograph", "illustration", "close-up", "drawing")
_EMPTY_WORDS = (
    "typical", "nice", "normal", "usual", "real", "simple", "single", "good", "common", "certain", "standard",
    "genuine", "complete", "proper",
)  # fmt: skip
_EMPTY_ENDINGS = (
    "", "", ", as the name says", ", nothing more", ", of course", ", as you may know", ", and that is all",
    ", no doubt", ", as one would expect", ", just as it is called", " as seen by a camera",
    ", or something of that kind",
)  # fmt: skip
_AMOUNTS = ("two", "three", "five", "ten", "twelve", "twenty", "fifty", "sixty", "a hundred", "nearly ninety")
_MONEY = ("dollars", "euros", "pounds", "coins", "cents")
_PLACES = (
    "at the market", "in most shops", "in the museum", "at school", "on the internet", "in the village", "at the fair",
    "in the city", "at home", "in the club",
)  # fmt: skip
_MATERIALS = ("paper", "wood", "cotton", "clay", "plastic", "wool", "tin", "glass", "cardboard", "wax")
_TIMES = (
    "last year", "a century ago", "in the old days", "before the war", "in ancient times", "two summers ago",
    "in the nineties", "for a short time", "during the holidays",
)  # fmt: skip
_USES = (
    "play games", "teach children", "decorate a room", "tell stories", "win a prize", "celebrate", "learn to count",
)  # fmt: skip
_STORAGE = ("in a dry box", "under the bed", "in the cellar", "away from children", "in a drawer", "in the garage")
_WEATHER = ("wet", "cold", "hot", "windy", "stormy", "mild", "foggy", "rainy")
