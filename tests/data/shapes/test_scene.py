from dataclasses import replace
from random import Random

import pytest
from aape_lightning.data.shapes import SIZES, STYLES, relation, sample_scene
from aape_lightning.data.shapes.scene import SIDE, sample_style


def test_the_same_seed_gives_the_same_scene():
    assert sample_scene(Random(5)) == sample_scene(Random(5))
    assert sample_scene(Random(5)) != sample_scene(Random(6))


def test_the_subject_looks_as_asked_and_is_the_largest():
    for seed in range(200):
        scene = sample_scene(Random(seed), look=("striped", "teal", "heart"))
        assert (scene.subject.texture, scene.subject.colour, scene.subject.shape) == ("striped", "teal", "heart")
        assert all(other.radius < scene.subject.radius for other in scene.things[1:])
        assert 0 <= scene.subject.x <= SIDE
        assert 0 <= scene.subject.y <= SIDE


def test_scenes_have_up_to_three_further_things():
    counts = {len(sample_scene(Random(seed)).things) for seed in range(300)}
    assert counts == {1, 2, 3, 4}


def test_sizes_have_words():
    thing = sample_scene(Random(1)).subject
    assert [replace(thing, radius=radius).size for radius in (6.0, 14.0, 20.0)] == list(SIZES)


@pytest.mark.parametrize(
    ("dx", "dy", "word"), [(-9, 3, "left of"), (9, -3, "right of"), (2, -8, "above"), (-2, 8, "below")]
)
def test_relations_follow_the_larger_distance(dx, dy, word):
    thing = sample_scene(Random(1)).subject
    assert relation(replace(thing, x=thing.x + dx, y=thing.y + dy), thing) == word


def test_styles_come_in_their_shares():
    random = Random(2)
    drawn = [sample_style(random, {"sketch": 0.3, "neon": 0.1}) for _ in range(4000)]
    assert drawn.count("sketch") / 4000 == pytest.approx(0.3, abs=0.03)
    assert drawn.count("neon") / 4000 == pytest.approx(0.1, abs=0.02)
    assert drawn.count("crayon") == 0
    assert set(drawn) < set(STYLES)
