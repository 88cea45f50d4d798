from dataclasses import replace
from random import Random

import numpy as np
import pytest
from aape_lightning.data.shapes import BACKGROUNDS, COLOURS, SHAPES, STYLES, TEXTURES, render, sample_scene
from aape_lightning.data.shapes.outlines import OUTLINES
from aape_lightning.data.shapes.patterns import PATTERNS


def plain_scene(shape="circle", colour="red", texture="solid", style="flat", **changes):
    """One thing in the middle of a white ground, without noise or shade."""
    scene = sample_scene(Random(3), look=(texture, colour, shape), style=style)
    thing = replace(scene.subject, x=32.0, y=32.0, radius=20.0, angle=0.0, rgb=COLOURS[colour].rgb, **changes)
    return replace(scene, things=(thing,), background="white", light=(1.0, 1.0), noise=0.0)


def test_every_look_can_be_drawn():
    assert set(OUTLINES) == set(SHAPES)
    assert set(PATTERNS) == set(TEXTURES)


def test_a_picture_does_not_depend_on_its_company():
    scenes = [sample_scene(Random(seed), style=STYLES[seed % len(STYLES)]) for seed in range(24)]
    together = render(scenes)
    for scene, picture in zip(scenes, together, strict=True):
        assert np.array_equal(render([scene])[0], picture)


def test_a_thing_has_its_colour_inside_and_the_background_outside():
    picture = render([plain_scene()])[0] / 255
    np.testing.assert_allclose(picture[32, 32], COLOURS["red"].rgb, atol=0.01)
    np.testing.assert_allclose(picture[2, 2], BACKGROUNDS["white"], atol=0.01)


def test_a_circle_covers_its_area():
    picture = render([plain_scene()])[0] / 255
    white, red = np.array(BACKGROUNDS["white"]), np.array(COLOURS["red"].rgb)
    cover = ((white - picture) @ (white - red)) / ((white - red) @ (white - red))
    assert cover.sum() == pytest.approx(np.pi * (0.9 * 20) ** 2, rel=0.01)


def test_the_subject_lies_over_the_others():
    scene = plain_scene()
    under = replace(scene.subject, colour="blue", rgb=COLOURS["blue"].rgb)
    picture = render([replace(scene, things=(scene.subject, under))])[0] / 255
    np.testing.assert_allclose(picture[32, 32], COLOURS["red"].rgb, atol=0.01)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_is_neither_empty_nor_full_and_lies_within_its_radius(shape):
    v, u = np.mgrid[-1.5:1.5:121j, -1.5:1.5:121j][:, None]
    inside = OUTLINES[shape](u, v) < 0
    assert 0.05 < inside.mean() < 0.45
    assert not inside[np.hypot(u, v) > 1.15].any()


def test_shapes_differ():
    pictures = {shape: render([plain_scene(shape)])[0].astype(int) for shape in SHAPES}
    names = list(pictures)
    for place, name in enumerate(names):
        for other in names[:place]:
            assert np.abs(pictures[name] - pictures[other]).mean() > 2, (name, other)


@pytest.mark.parametrize("texture", [name for name in TEXTURES if name != "solid"])
def test_a_texture_is_seen(texture):
    drawn, plain = render([plain_scene("square", texture=texture), plain_scene("square")]).astype(int)
    assert np.abs(drawn - plain)[20:44, 20:44].mean() > 8


@pytest.mark.parametrize("style", STYLES[1:])
def test_a_style_changes_the_picture(style):
    styled, flat = render([plain_scene("star", style=style), plain_scene("star")]).astype(int)
    assert np.abs(styled - flat).mean() > 5


@pytest.mark.parametrize(("x", "y"), [(0.0, 0.0), (63.9, 63.9), (2.0, 60.0)])
def test_a_thing_at_the_border_is_cut_off(x, y):
    scene = plain_scene()
    picture = render([replace(scene, things=(replace(scene.subject, x=x, y=y),))])
    assert picture.shape == (1, 64, 64, 3)
