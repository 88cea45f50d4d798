import hashlib
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from aape_lightning.data.shapes import (
    CLASS_NAMES,
    COLOURS,
    RARE_WORDS,
    SHAPES,
    STYLES,
    TEXTURES,
    class_look,
    open_shapes_image,
    shapes_scene,
    shapes_split,
)
from aape_lightning.errors import DataError, ImageError

BASE, NEW = CLASS_NAMES[:40], CLASS_NAMES[40:]


def test_split_has_eighty_classes_and_the_promised_parts():
    split = shapes_split()
    assert split.class_names == list(CLASS_NAMES)
    assert len(set(split.class_names)) == 80
    assert {part: len(split.part(part)) for part in ("train", "val", "test")} == {
        "train": 80 * 32,
        "val": 80 * 4,
        "test": 80 * 25,
    }
    paths = [item.path for part in ("train", "val", "test") for item in split.part(part)]
    assert len(set(paths)) == len(paths)


def test_new_classes_use_words_of_base_classes_in_other_combinations():
    words = {word for name in BASE for word in name.split()}
    assert {word for name in NEW for word in name.split()} <= words
    assert not set(BASE) & set(NEW)
    assert words >= RARE_WORDS


def test_both_halves_have_rare_classes():
    for half in (BASE, NEW):
        rare = [name for name in half if RARE_WORDS & set(name.split())]
        assert 15 <= len(rare) <= 30


@pytest.mark.parametrize("name", CLASS_NAMES)
def test_class_names_are_looks(name):
    texture, colour, shape = class_look(name)
    assert texture in TEXTURES
    assert colour in COLOURS
    assert shape in SHAPES


def test_every_style_is_a_domain_of_the_same_classes():
    split = shapes_split(STYLES)
    assert len(split.test) == len(STYLES) * 80 * 25
    assert {item.path.split("/")[0] for item in split.test} == set(STYLES)


@pytest.mark.parametrize("pattern", ["{}/test/solid_red_arrow/0003.png", "{}/scenes/val/000007.png"])
def test_every_style_draws_the_same_scene_in_its_own_way(pattern):
    scenes = [shapes_scene(pattern.format(style)) for style in STYLES]
    assert [scene.style for scene in scenes] == list(STYLES)
    assert len({replace(scene, style="flat") for scene in scenes}) == 1
    pictures = {open_shapes_image(pattern.format(style)).tobytes() for style in STYLES}
    assert len(pictures) == len(STYLES)


def test_a_part_that_is_not_asked_for_is_empty():
    whole, tested = shapes_split(("neon",)), shapes_split(("neon",), ("test",))
    assert (tested.train, tested.val, tested.test) == ([], [], whole.test)
    assert tested.class_names == whole.class_names


def test_an_unknown_style_is_refused_with_a_hint():
    with pytest.raises(DataError, match=r"sketches.*Did you mean 'sketch'"):
        shapes_split(("sketches",))


def test_an_image_depends_on_its_path_alone():
    item = shapes_split().test[7]
    first = open_shapes_image(item.path)
    assert first.size == (64, 64)
    assert first.mode == "RGB"
    assert np.array_equal(np.asarray(first), np.asarray(open_shapes_image(item.path)))
    other = open_shapes_image(shapes_split().test[8].path)
    assert not np.array_equal(np.asarray(first), np.asarray(other))


def test_an_image_is_the_same_in_another_process():
    path = shapes_split().test[7].path
    code = (
        "import hashlib; from aape_lightning.data.shapes import open_shapes_image; "
        f"print(hashlib.sha256(open_shapes_image({path!r}).tobytes()).hexdigest())"
    )
    environment = {"PYTHONHASHSEED": "77"}
    printed = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    assert printed.stdout.strip() == hashlib.sha256(open_shapes_image(path).tobytes()).hexdigest()


@pytest.mark.parametrize(
    "path",
    [
        "flat/train/no_such_class/0001.png",
        "oil/train/solid_red_star/0001.png",
        "flat/exam/solid_red_star/0001.png",
        "flat/train/solid_red_star/0001.jpg",
        "flat/train/solid_red_star/first.png",
        "solid_red_star.png",
    ],
)
def test_a_path_outside_the_world_is_refused(path):
    with pytest.raises(ImageError, match=re.escape(repr(path))):
        open_shapes_image(path)


def test_the_world_does_without_torch():
    code = "import sys; from aape_lightning.data.shapes import *; shapes_sentences(); print('torch' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert printed.stdout.strip() == "False"
