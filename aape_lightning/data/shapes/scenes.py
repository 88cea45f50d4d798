"""Scenes to be described and asked about: not bound to the world's classes, and plain enough that words are exact.

Their pseudo-paths are `STYLE/scenes/PART/NUMBER.png`, such as `flat/scenes/train/000123.png`. Captions and questions
are about the same scenes.
"""

import math
from collections.abc import Mapping
from itertools import combinations
from random import Random
from types import MappingProxyType

from aape_lightning.data.shapes.scene import Scene, Thing, relation, sample_scene
from aape_lightning.data.shapes.vocabulary import BACKGROUNDS
from aape_lightning.data.splits import Part

__all__ = ["OPPOSITES", "SCENES_PER_PART", "clear_relation", "sample_plain_scene", "scene_paths"]

SCENES_PER_PART: Mapping[Part, int] = MappingProxyType({"train": 4000, "val": 500, "test": 600})
OPPOSITES: Mapping[str, str] = MappingProxyType(
    {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
)
_MIN_CONTRAST = 0.25  # of every thing to the background, as a distance of RGB colours
_MIN_SLANT = 1.5  # how much further apart two things are along a relation than across it


def scene_paths(part: Part) -> list[str]:
    """The pseudo-paths of a part's scenes, drawn flat; another style in the place of `flat` makes another domain."""
    return [f"flat/scenes/{part}/{number:06d}.png" for number in range(SCENES_PER_PART[part])]


def sample_plain_scene(random: Random, style: str) -> Scene:
    """A scene in which every thing can be seen: none hides another, and none sinks into the background.

    Args:
        random: Where the randomness comes from; the same state gives the same scene.
        style: How the scene is drawn.
    """
    while True:
        scene = sample_scene(random, style=style)
        if _is_plain(scene):
            return scene


def clear_relation(thing: Thing, other: Thing) -> str | None:
    """Where `thing` is, seen from `other`, as `relation` says it; None where it lies aslant and two words would do."""
    across, along = sorted((abs(thing.x - other.x), abs(thing.y - other.y)))
    return relation(thing, other) if along >= _MIN_SLANT * across else None


def _is_plain(scene: Scene) -> bool:
    ground = BACKGROUNDS[scene.background]
    return all(math.dist(thing.rgb, ground) > _MIN_CONTRAST for thing in scene.things) and not any(
        _touch(*pair) for pair in combinations(scene.things, 2)
    )


def _touch(one: Thing, other: Thing) -> bool:
    small, large = sorted((one.radius, other.radius))
    return math.hypot(one.x - other.x, one.y - other.y) <= large + 0.6 * small
