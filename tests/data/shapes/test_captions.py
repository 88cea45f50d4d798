import re
from random import Random

import pytest
from aape_lightning.data.shapes import COLOURS, RARE_WORDS, SHAPES, TEXTURES, caption, sample_scene


def captions_of(count, named_share, look=None):
    random = Random(1)
    return [caption(sample_scene(random, look), random, named_share=named_share) for _ in range(count)]


def words(text):
    return set(re.findall(r"[a-z]+", text))


def test_everyday_captions_never_use_a_rare_word():
    assert not any(words(text) & RARE_WORDS for text in captions_of(3000, 0.0))


def test_proper_names_come_in_their_share():
    # Nearly every named caption of this look holds one of its three rare words.
    texts = captions_of(4000, 0.1, look=("latticed", "vermilion", "crescent"))
    share = sum(bool(words(text) & {"latticed", "vermilion", "crescent"}) for text in texts) / len(texts)
    assert share == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize(
    ("look", "phrases"),
    [
        (("striped", "red", "star"), {"red", "star"}),
        (("ombre", "vermilion", "crescent"), {"orange-red", "reddish orange", "red leaning", "moon"}),
    ],
)
def test_captions_mention_the_look(look, phrases):
    texts = captions_of(500, 0.0, look)
    assert sum(any(phrase in text for phrase in phrases) for text in texts) / len(texts) > 0.9


def test_captions_vary():
    assert len(set(captions_of(2000, 0.01))) > 1800


def test_every_rare_look_has_everyday_phrases_without_the_rare_word():
    for look in (*COLOURS.values(), *SHAPES.values(), *TEXTURES.values()):
        assert len(look.phrases) >= 2
        assert not any(words(phrase) & RARE_WORDS for phrase in (*look.phrases, *getattr(look, "after", ())))
