import math
from dataclasses import replace
from itertools import combinations
from random import Random

import numpy as np
import pytest
from aape_lightning.data.images import image_access
from aape_lightning.data.manifests import read_manifest
from aape_lightning.data.shapes import BACKGROUNDS, SHAPES, STYLES, open_shapes_image, sample_scene, shapes_scene
from aape_lightning.data.shapes.scenes import OPPOSITES, SCENES_PER_PART, clear_relation, scene_paths
from aape_lightning.data.splits import PARTS
from aape_lightning.errors import ImageError

SCENES = [shapes_scene(path) for path in scene_paths("test")]


def test_every_part_has_its_scenes_and_no_other_part_has_them():
    paths = [path for part in PARTS for path in scene_paths(part)]
    assert len(set(paths)) == len(paths) == sum(SCENES_PER_PART.values())
    assert scene_paths("train")[123] == "flat/scenes/train/000123.png"


def test_every_thing_can_be_seen():
    for scene in SCENES:
        for thing in scene.things:
            assert math.dist(thing.rgb, BACKGROUNDS[scene.background]) > 0.2
        for one, other in combinations(scene.things, 2):
            gap = math.hypot(one.x - other.x, one.y - other.y)
            assert gap > max(one.radius, other.radius)


def test_scenes_show_every_look_and_up_to_four_things():
    assert {thing.shape for scene in SCENES for thing in scene.things} == set(SHAPES)
    assert {len(scene.things) for scene in SCENES} == {1, 2, 3, 4}


@pytest.mark.parametrize("style", STYLES)
def test_a_scene_is_drawn_in_the_style_of_its_path(style):
    path = f"{style}/scenes/val/000007.png"
    assert shapes_scene(path).style == style
    image = open_shapes_image(path)
    assert (image.size, image.mode) == ((64, 64), "RGB")
    assert np.array_equal(image, open_shapes_image(path))


@pytest.mark.parametrize(
    "path", ["flat/scenes/exam/000001.png", "oil/scenes/val/000001.png", "flat/scenes/val/one.png"]
)
def test_a_path_outside_is_refused_with_an_example(path):
    with pytest.raises(ImageError, match=r"flat/scenes/train/000000\.png"):
        open_shapes_image(path)


@pytest.mark.parametrize(
    ("dx", "dy", "word"),
    [(-9, 5, "left of"), (9, -5, "right of"), (5, -9, "above"), (-5, 9, "below"), (9, 8, None), (-7, -9, None)],
)
def test_a_relation_is_clear_unless_things_lie_aslant(dx, dy, word):
    thing = sample_scene(Random(1)).subject
    other = replace(thing, x=thing.x + dx, y=thing.y + dy)
    assert clear_relation(other, thing) == word
    assert clear_relation(thing, other) == (word and OPPOSITES[word])


@pytest.mark.parametrize("name", ["shapes", "shapes_captions", "shapes_questions"])
def test_images_of_every_built_in_manifest_are_drawn(name, tmp_path):
    opener, size = image_access(read_manifest(name), tmp_path / "no")
    path = "flat/train/solid_red_arrow/0001.png" if name == "shapes" else "flat/scenes/train/000001.png"
    assert np.array_equal(opener(path), open_shapes_image(path))
    assert size(path) == 0
