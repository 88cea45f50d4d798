"""Five captions a scene: short, true and unlike one another, as the captions of COCO and Flickr are.

Each caption mentions the subject and, in turns, its size, the background, another thing and where it is, or how many
things there are. Words are chosen as people choose them: everyday phrases, and the plain name of a common look in half
of the cases. One caption in five uses the proper names throughout. That is the only place of the rare names, so a scene
with a rare look is described mostly in words that shapes-tiny knows well, and sometimes in words that it knows badly.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from random import Random
from types import MappingProxyType

from aape_lightning.data.shapes.chance import pick, random_of
from aape_lightning.data.shapes.scene import Scene, Thing
from aape_lightning.data.shapes.scenes import clear_relation, scene_paths
from aape_lightning.data.shapes.wording import Mention, noun_phrase, with_article
from aape_lightning.data.shapes.world import shapes_scene
from aape_lightning.data.splits import Part

__all__ = ["CAPTIONS_PER_SCENE", "NAMED_SHARE", "describe", "shapes_captions"]

CAPTIONS_PER_SCENE = 5
NAMED_SHARE = 0.2
_SUBJECT = Mention(texture=0.7, colour=1.0, shape=1.0)
_OTHER = Mention(texture=0.15, colour=0.8, shape=1.0)
_LONGEST = 112  # characters; what surely fits in shapes-tiny's context of 32 tokens
_OTHERS = ("another small thing", "two small things", "three small things")  # all but a subject are small


@lru_cache(maxsize=3)
def shapes_captions(part: Part) -> Mapping[str, tuple[str, ...]]:
    """The captions of a part's scenes, by the scene's path."""
    return MappingProxyType(
        {path: describe(shapes_scene(path), random_of(f"captions {path}")) for path in scene_paths(part)}
    )


def describe(scene: Scene, random: Random) -> tuple[str, ...]:
    """Different true captions of a scene.

    Args:
        scene: What is to be described.
        random: Chooses what is mentioned and how.
    """
    written: dict[str, None] = {}
    forms = _forms(scene)
    while len(written) < CAPTIONS_PER_SCENE:
        text = forms[len(written) % len(forms)](random, scene, random.random() < NAMED_SHARE)
        if len(text) <= _LONGEST:
            written.setdefault(text)
    return tuple(written)


Form = Callable[[Random, Scene, bool], str]


def _forms(scene: Scene) -> tuple[Form, ...]:
    """What may be said of a scene, in the order in which its captions say it."""
    return (_alone, _related, _grounded, _counted) if len(scene.things) > 1 else (_alone, _grounded)


def _alone(random: Random, scene: Scene, named: bool) -> str:
    return _subject(random, scene, named)


def _grounded(random: Random, scene: Scene, named: bool) -> str:
    where = f"{pick(random, ('on', 'against'))} {with_article(scene.background)} background"
    return f"{_subject(random, scene, named)} {where}"


def _related(random: Random, scene: Scene, named: bool) -> str:
    subject, other = scene.subject, pick(random, scene.things[1:])
    one, two = _subject(random, scene, named), _phrase(random, other, _OTHER, named)
    where = clear_relation(other, subject)
    if where is None:
        return f"{one} {pick(random, ('and', 'with', 'next to'))} {two}"
    if random.random() < 0.5:
        return f"{two} {where} {one}"
    return f"{one} {clear_relation(subject, other)} {two}"


def _counted(random: Random, scene: Scene, named: bool) -> str:
    return f"{_subject(random, scene, named)} and {_OTHERS[len(scene.things) - 2]}"


def _subject(random: Random, scene: Scene, named: bool) -> str:
    return _phrase(random, scene.subject, _SUBJECT, named)


def _phrase(random: Random, thing: Thing, mention: Mention, named: bool) -> str:
    size = thing.size if thing.size != "medium" and random.random() < 0.4 else ""
    return noun_phrase(random, (thing.texture, thing.colour, thing.shape), mention, named=named, size=size)
