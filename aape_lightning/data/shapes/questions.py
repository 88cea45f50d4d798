"""Questions about scenes with their answers: existence, count, colour, comparison and relation, one of each a scene.

A kind is left out where the scene has no question of it with one true answer: a thing is asked about by words that name
no other thing, a relation only where it is clear, and a thing that is not there is unlike those that are. Where the
answer is yes or no, a part's scenes take turns: of each kind exactly one half is yes. Looks go by their proper names.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from random import Random
from types import MappingProxyType

from aape_lightning.data.shapes.chance import pick, random_of
from aape_lightning.data.shapes.scene import Scene, Thing
from aape_lightning.data.shapes.scenes import OPPOSITES, clear_relation, scene_paths
from aape_lightning.data.shapes.vocabulary import COLOURS, SHAPES
from aape_lightning.data.shapes.wording import with_article
from aape_lightning.data.shapes.world import shapes_scene
from aape_lightning.data.splits import Part

__all__ = ["AnsweredQuestion", "ask", "shapes_questions"]

_LARGER = 1.3  # the least ratio of radii at which one thing is called larger than another
_UNLIKE = 0.35  # the least distance of a colour that is not there to those of the things of that shape


@dataclass(frozen=True, slots=True)
class AnsweredQuestion:
    """A question about a scene.

    Attributes:
        question: The question.
        answer: The only true answer, a word or a digit.
        question_type: `existence`, `count`, `colour`, `comparison` or `relation`.
        answer_type: VQA's type: `yes/no`, `number` or `other`.
    """

    question: str
    answer: str
    question_type: str
    answer_type: str


@lru_cache(maxsize=3)
def shapes_questions(part: Part) -> Mapping[str, tuple[AnsweredQuestion, ...]]:
    """The questions about a part's scenes, by the scene's path."""
    turns: Counter[str] = Counter()
    return MappingProxyType(
        {path: ask(shapes_scene(path), random_of(f"questions {path}"), turns) for path in scene_paths(part)}
    )


def ask(scene: Scene, random: Random, turns: Counter[str]) -> tuple[AnsweredQuestion, ...]:
    """Questions about a scene, at most one of each kind.

    Args:
        scene: What is asked about.
        random: Chooses the questions.
        turns: How many questions of each kind had yes or no for an answer so far; counted on.
    """
    kinds = (_existence, _count, _colour, _comparison, _relation)
    return tuple(question for kind in kinds if (question := kind(scene, random, turns)) is not None)


def _existence(scene: Scene, random: Random, turns: Counter[str]) -> AnsweredQuestion:
    thing, yes = pick(random, scene.things), _turn(turns, "existence")
    colour = thing.colour
    if not yes:
        alike = [COLOURS[other.colour].rgb for other in scene.things if other.shape == thing.shape]
        colour = pick(
            random,
            [name for name, look in COLOURS.items() if all(math.dist(look.rgb, rgb) > _UNLIKE for rgb in alike)],
        )
    return _yes_or_no(f"is there {with_article(f'{colour} {thing.shape}')}?", "existence", yes)


def _count(scene: Scene, random: Random, turns: Counter[str]) -> AnsweredQuestion:
    small = random.random() < 0.5
    number = sum(thing.size == "small" for thing in scene.things) if small else len(scene.things)
    return AnsweredQuestion(f"how many {'small ' * small}things are there?", str(number), "count", "number")


def _colour(scene: Scene, random: Random, turns: Counter[str]) -> AnsweredQuestion | None:
    named = list(_named(scene))
    if not named:
        return None
    words, thing = pick(random, named)
    return AnsweredQuestion(f"what colour is the {words}?", thing.colour, "colour", "other")


def _comparison(scene: Scene, random: Random, turns: Counter[str]) -> AnsweredQuestion | None:
    pairs = [(large, small) for large, small in _pairs(scene) if large[1].radius >= _LARGER * small[1].radius]
    if not pairs:
        return None
    (large, _), (small, _) = pick(random, pairs)
    yes = _turn(turns, "comparison")
    one, other = (large, small) if yes else (small, large)
    return _yes_or_no(f"is the {one} larger than the {other}?", "comparison", yes)


def _relation(scene: Scene, random: Random, turns: Counter[str]) -> AnsweredQuestion | None:
    places = [(one, where, other) for one, other in _pairs(scene) if (where := clear_relation(one[1], other[1]))]
    if not places:
        return None
    (one, thing), where, (other, landmark) = pick(random, places)
    if random.random() < 0.5 and _alone_there(scene, thing, where, landmark):
        return AnsweredQuestion(f"what is {where} the {other}?", thing.shape, "relation", "other")
    yes = _turn(turns, "relation")
    return _yes_or_no(f"is the {one} {where if yes else OPPOSITES[where]} the {other}?", "relation", yes)


def _turn(turns: Counter[str], kind: str) -> bool:
    turns[kind] += 1
    return turns[kind] % 2 == 1


def _yes_or_no(question: str, question_type: str, yes: bool) -> AnsweredQuestion:
    return AnsweredQuestion(question, "yes" if yes else "no", question_type, "yes/no")


Named = tuple[str, Thing]


def _named(scene: Scene) -> Iterator[Named]:
    """Things with the words that name each of them and no other: its shape, or its size and its shape."""
    for thing in scene.things:
        for words in _names(thing):
            if not words.startswith("medium") and sum(words in _names(other) for other in scene.things) == 1:
                yield words, thing


def _names(thing: Thing) -> tuple[str, str]:
    return thing.shape, f"{thing.size} {thing.shape}"


def _pairs(scene: Scene) -> list[tuple[Named, Named]]:
    """Pairs of different things, each by its shape alone, in both orders."""
    return list(permutations([(words, thing) for words, thing in _named(scene) if words in SHAPES], 2))


def _alone_there(scene: Scene, thing: Thing, where: str, landmark: Thing) -> bool:
    """Whether no other thing lies on that side of the landmark, not even aslant."""
    sides = {"left of": lambda at: at.x < landmark.x, "right of": lambda at: at.x > landmark.x}
    sides |= {"above": lambda at: at.y < landmark.y, "below": lambda at: at.y > landmark.y}
    return [other for other in scene.things if sides[where](other)] == [thing]
