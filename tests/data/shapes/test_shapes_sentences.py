import re
from collections import Counter

import pytest
from aape_lightning.backbones.clip import clip
from aape_lightning.data.shapes import (
    CLASS_NAMES,
    COLOURS,
    SHAPES,
    TEXTURES,
    class_look,
    sentence_truth,
    shapes_sentences,
)
from aape_lightning.data.shapes.sentences import KIND_SHARES, SENTENCES_PER_CLASS

SENTENCES, TRUTH = shapes_sentences(), sentence_truth()
PAIRS = [(name, text, kind) for name in CLASS_NAMES for text, kind in zip(SENTENCES[name], TRUTH[name], strict=True)]


def without_name(name, text):
    return re.sub(rf"\b(?:an? |the )?{name}", "", text.lower())


def looks_in(text, looks):
    """Looks of one attribute that a text describes, by name or phrase; the longest phrase wins."""
    found, rest = set(), f" {text} "
    phrases = [
        (phrase, look.name)
        for look in looks.values()
        for phrase in (look.name, *look.phrases, *getattr(look, "after", ()))
    ]
    for phrase, name in sorted(phrases, key=lambda entry: -len(entry[0])):
        pattern = rf"(?<![\w-]){re.escape(phrase)}(?![\w-])"
        if re.search(pattern, rest):
            found.add(name)
            rest = re.sub(pattern, " ", rest)
    return found


def test_every_class_has_its_sentences_once():
    assert list(SENTENCES) == list(TRUTH) == list(CLASS_NAMES)
    for texts in SENTENCES.values():
        assert len(texts) == len(set(texts)) == SENTENCES_PER_CLASS


def test_kinds_come_in_their_shares():
    counts = Counter(kind for _, _, kind in PAIRS)
    for kind, share in KIND_SHARES.items():
        assert counts[kind] / len(PAIRS) == pytest.approx(share, abs=0.025)
    assert all("faithful" in kinds for kinds in TRUTH.values())


def test_at_most_five_percent_are_equal_without_the_class_name():
    counts = Counter(without_name(name, text) for name, text, _ in PAIRS)
    assert sum(count for count in counts.values() if count > 1) / len(PAIRS) <= 0.05


def test_sentences_fit_the_context_of_shapes_tiny():
    for texts in SENTENCES.values():
        clip.tokenize(texts, context_length=32)


def test_faithful_sentences_describe_their_class_and_nothing_else():
    for name, text, kind in PAIRS:
        if kind != "faithful":
            continue
        rest, (texture, colour, shape) = without_name(name, text), class_look(name)
        described = looks_in(rest, TEXTURES) | looks_in(rest, COLOURS) | looks_in(rest, SHAPES)
        assert described, text
        assert described <= {texture, colour, shape}, text


def test_wrong_sentences_describe_another_class():
    for name, text, kind in PAIRS:
        if kind == "wrong":
            rest = without_name(name, text)
            described = looks_in(rest, TEXTURES) | looks_in(rest, COLOURS) | looks_in(rest, SHAPES)
            assert described, text
            assert not described & set(class_look(name)), text


@pytest.mark.parametrize("kind", ["redundant", "irrelevant"])
def test_the_others_describe_no_look(kind):
    for name, text, found in PAIRS:
        if found == kind:
            rest = without_name(name, re.sub(rf"\b(\w+) {name}", name, text) if kind == "redundant" else text)
            assert not looks_in(rest, COLOURS) | looks_in(rest, SHAPES) | looks_in(rest, TEXTURES), text
