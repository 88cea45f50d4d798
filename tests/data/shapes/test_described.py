"""Captions of scenes, read back word by word and held against the scene."""

import re
import subprocess
import sys

import pytest
from aape_lightning.backbones import load_backbone
from aape_lightning.data import load_caption_manifest
from aape_lightning.data.readers import read_caption_split
from aape_lightning.data.shapes import (
    BACKGROUNDS,
    COLOURS,
    RARE_WORDS,
    SHAPES,
    TEXTURES,
    shapes_captions,
    shapes_scene,
)
from aape_lightning.data.splits import PARTS

TEST = shapes_captions("test")
PAIRS = [(shapes_scene(path), text) for path, texts in TEST.items() for text in texts]
RELATION = re.compile(r" (left of|right of|above|below) ")
ATTRIBUTES = {"colour": COLOURS, "shape": SHAPES, "texture": TEXTURES}


def lexicon():
    """Every phrase with the attribute and the look that it stands for, the longest first."""
    entries = [
        (phrase, attribute, name)
        for attribute, looks in ATTRIBUTES.items()
        for name, look in looks.items()
        for phrase in (name, *look.phrases, *getattr(look, "after", ()))
    ]
    return sorted(entries, key=lambda entry: -len(entry[0]))


LEXICON = [(re.compile(rf"(?<![\w-]){re.escape(phrase)}(?![\w-])"), *rest) for phrase, *rest in lexicon()]


def looks_in(text):
    """The looks that a text mentions, by attribute; a longer phrase is taken before a shorter one inside it."""
    found = {attribute: set() for attribute in ATTRIBUTES}
    for pattern, attribute, name in LEXICON:
        text, count = pattern.subn("#", text)
        if count:
            found[attribute].add(name)
    return found


def fits(thing, text):
    sizes = set(re.findall(r"\b(small|large)\b", text))
    return all(names <= {getattr(thing, attribute)} for attribute, names in looks_in(text).items()) and sizes <= {
        thing.size
    }


def plain(text):
    """The text without its background and without its count."""
    return re.sub(r" (on|against) an? [a-z ]+ background$| and (another|two|three) small things?$", "", text)


def test_every_scene_has_five_different_captions():
    for part, count in {"train": 4000, "val": 500, "test": 600}.items():
        captions = shapes_captions(part)
        assert len(captions) == count
        assert all(len(set(texts)) == 5 for texts in captions.values())


def test_every_look_that_is_mentioned_is_in_the_scene():
    for scene, text in PAIRS:
        for attribute, names in looks_in(plain(text)).items():
            assert names <= {getattr(thing, attribute) for thing in scene.things}, text


def test_captions_without_another_thing_describe_the_subject():
    for scene, text in PAIRS:
        mentioned = looks_in(plain(text))
        if len(mentioned["shape"]) == 1 and len(mentioned["colour"]) == 1 and not RELATION.search(text):
            assert fits(scene.subject, plain(text)), text


def test_relations_hold_between_the_things_that_are_described():
    related = [(scene, text) for scene, text in PAIRS if RELATION.search(text)]
    assert len(related) > 200
    for scene, text in related:
        left, word, right = RELATION.split(text)
        pairs = [(a, b) for a in scene.things for b in scene.things if a is not b and fits(a, left) and fits(b, right)]
        offsets = {"left of": (-1, 0), "right of": (1, 0), "above": (0, -1), "below": (0, 1)}[word]
        assert any(
            (a.x - b.x) * offsets[0] + (a.y - b.y) * offsets[1] > abs(a.x - b.x + a.y - b.y) / 4 for a, b in pairs
        )


def test_backgrounds_and_counts_are_true():
    counts = {"another": 1, "two": 2, "three": 3}
    seen = set()
    for scene, text in PAIRS:
        if ground := re.search(r" (?:on|against) an? ([a-z ]+) background$", text):
            assert ground[1] == scene.background
            seen.add(ground[1])
        if number := re.search(r"and (another|two|three) small things?$", text):
            assert counts[number[1]] == len(scene.things) - 1
            seen.add(number[1])
    assert seen == {*BACKGROUNDS, *counts}


def test_captions_of_one_scene_mention_different_things():
    crowded = [texts for path, texts in TEST.items() if len(shapes_scene(path).things) > 1]
    for texts in crowded:
        assert sum("background" in text for text in texts) == 1
        assert sum("small thing" in text for text in texts) == 1


def test_rare_names_stand_in_the_share_of_proper_ones_alone():
    rare = [bool(RARE_WORDS & set(re.findall("[a-z]+", text))) for _, text in PAIRS]
    assert 0.1 < sum(rare) / len(rare) < 0.2
    for look in [look for looks in ATTRIBUTES.values() for look in looks.values() if look.rare]:
        told = [text for scene, text in PAIRS if look.name in (scene.subject.colour, scene.subject.shape)]
        assert sum(look.name in text.split() for text in told) < 0.35 * max(1, len(told))


def test_no_caption_exceeds_the_context_of_shapes_tiny():
    backbone = load_backbone("shapes-tiny")
    assert max(backbone.token_count(text) for _, text in PAIRS) <= backbone.context_length


def test_captions_are_the_same_in_another_process():
    path = "flat/scenes/val/000042.png"
    code = f"from aape_lightning.data.shapes import shapes_captions; print(shapes_captions('val')[{path!r}])"
    environment = {"PYTHONHASHSEED": "77"}
    printed = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    assert printed.stdout.strip() == str(shapes_captions("val")[path])


def test_the_manifest_gives_them_without_files(tmp_path):
    manifest = load_caption_manifest("shapes_captions")
    split = read_caption_split(manifest, tmp_path / "no")
    for part in PARTS:
        assert len(split.part(part)) == getattr(manifest.counts, part)
    assert {image.path: image.captions for image in split.test} == dict(TEST)
    assert split.test[3].image_id == split.test[3].path


@pytest.mark.parametrize("part", PARTS)
def test_a_caption_belongs_to_few_scenes(part):
    """Else retrieval would have no right answer."""
    texts = [text for captions in shapes_captions(part).values() for text in captions]
    assert len(set(texts)) > 0.9 * len(texts)
