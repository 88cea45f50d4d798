import csv
import math
from collections import Counter, defaultdict

import pytest
import torch
from aape_lightning.errors import MetricError
from aape_lightning.metrics import CaptionScores, caption_scores, score_captions
from aape_lightning.metrics.java import has_java
from torchmetrics.text import BLEUScore

needs_java = pytest.mark.skipif(not has_java(), reason="there is no Java here")

CANDIDATES = {
    7: "a dog runs on the green grass",
    3: "two men play football in the park",
    "x": "a cat",
    9: "the the the the cat sits on a mat near a dog",
}
REFERENCES = {
    7: ["the brown dog runs on green grass", "a dog runs on grass"],
    3: ["people are playing football in a park", "two men in the park", "men play"],
    "x": ["one cat sleeps on a bed", "a cat on a bed"],
    9: ["a cat sits on the mat"],
}


def grams(text, n):
    words = text.split()
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def plain_cider_d(candidates, references):
    """CIDEr-D as its paper defines it (sigma = 6, clipped, times 10), image by image."""
    frequency = Counter(
        gram for texts in references.values() for gram in {g for t in texts for n in range(1, 5) for g in grams(t, n)}
    )
    log_images = math.log(len(references))

    def vector(text, n):
        return {g: k * (log_images - math.log(max(1, frequency[g]))) for g, k in grams(text, n).items()}

    def similarity(made, given, n):
        a, b = vector(made, n), vector(given, n)
        norms = math.hypot(*a.values()) * math.hypot(*b.values())
        dot = sum(min(value, b.get(g, 0.0)) * b.get(g, 0.0) for g, value in a.items())
        # The reference code counts bigrams for the length.
        difference = max(len(made.split()) - 1, 0) - max(len(given.split()) - 1, 0)
        return (dot / norms if norms else 0.0) * math.exp(-(difference**2) / 72)

    return {
        image: 10 * sum(similarity(made, given, n) for given in references[image] for n in range(1, 5))
        / 4 / len(references[image])
        for image, made in candidates.items()
    }  # fmt: skip


def plain_rouge_l(made, references):
    """F of the longest common subsequence, beta = 1.2, from the best precision and the best recall."""

    def common(a, b):
        if not a or not b:
            return 0
        if a[0] == b[0]:
            return 1 + common(a[1:], b[1:])
        return max(common(a[1:], b), common(a, b[1:]))

    words = made.split()
    lengths = [(common(words, text.split()), len(text.split())) for text in references]
    precision = max(length for length, _ in lengths) / len(words)
    recall = max(length / of for length, of in lengths)
    return (1 + 1.44) * precision * recall / (recall + 1.44 * precision) if precision else 0.0


def test_cider_d_equals_its_definition():
    scored, plain = score_captions(CANDIDATES, REFERENCES, tokenizer="simple"), plain_cider_d(CANDIDATES, REFERENCES)
    assert {image: scores["cider_d(simple)"] for image, scores in scored.images.items()} == pytest.approx(plain)
    assert scored.corpus["cider_d(simple)"] == pytest.approx(sum(plain.values()) / 4)
    assert 0.1 < scored.corpus["cider_d(simple)"] < 10


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_bleu_equals_torchmetrics(n):
    theirs = BLEUScore(n_gram=n)(list(CANDIDATES.values()), list(REFERENCES.values()))
    ours = caption_scores(CANDIDATES, REFERENCES, tokenizer="simple")[f"bleu_{n}(simple)"]
    assert ours == pytest.approx(float(theirs), abs=1e-6)


def test_rouge_l_equals_its_definition():
    scored = score_captions(CANDIDATES, REFERENCES, tokenizer="simple")
    plain = {image: plain_rouge_l(made, REFERENCES[image]) for image, made in CANDIDATES.items()}
    assert {image: scores["rouge_l(simple)"] for image, scores in scored.images.items()} == pytest.approx(plain)
    assert scored.corpus["rouge_l(simple)"] == pytest.approx(sum(plain.values()) / 4)


@pytest.mark.shared_data
@needs_java
def test_flickr8k_gives_what_was_computed_independently(shared_data):
    captions = defaultdict(list)
    with (shared_data / "flickr8k" / "captions.txt").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            captions[row["image"]].append(row["caption"])
    assert len(captions) == 8091
    candidates = {image: texts[4] for image, texts in captions.items()}
    references = {image: texts[:4] for image, texts in captions.items()}
    scores = caption_scores(candidates, references, tokenizer="ptb")
    expected = {"cider_d(ptb)": 0.7507, "bleu_4(ptb)": 0.1879, "rouge_l(ptb)": 0.4600}
    assert {name: round(scores[name], 4) for name in expected} == expected


@needs_java
def test_meteor_equals_pycocoevalcaps_own_class():
    candidates = {1: "a dog runs in the grass", 2: "", 3: "two men play football"}
    references = {
        1: ["the brown dog runs on grass", "a dog"],
        2: ["a cat sits", "cat"],
        3: ["people are playing soccer"],
    }
    scored = score_captions(candidates, references, tokenizer="simple", meteor=True)
    assert scored.corpus["meteor(simple)"] == 0.20377982675834636  # Meteor().compute_score(...) of pycocoevalcap 1.2
    found = [scores["meteor(simple)"] for scores in scored.images.values()]
    assert found == [0.367438201555635, 0.0, 0.24584396694120228]


def test_meteor_that_fails_is_a_metric_error(monkeypatch):
    monkeypatch.setattr("aape_lightning.metrics.meteor.JAVA", ("false",))
    monkeypatch.setattr("aape_lightning.metrics.meteor.require_java", lambda purpose: None)
    with pytest.raises(MetricError, match=r"METEOR failed in Java \(meteor-1\.5\.jar\)"):
        score_captions(CANDIDATES, REFERENCES, tokenizer="simple", meteor=True)


def test_an_empty_caption_scores_0_even_where_a_reference_is_empty():
    scored = score_captions({1: "", 2: "a dog"}, {1: ["...", "a cat"], 2: ["a dog"]}, tokenizer="simple")
    assert set(scored.images[1].values()) == {0.0}
    assert scored.corpus["rouge_l(simple)"] == 0.5
    alone = caption_scores({1: ""}, {1: ["a cat"]}, tokenizer="simple")
    assert set(alone.values()) == {0.0}


def test_only_the_candidates_references_count():
    more = REFERENCES | {"unseen": ["a dog a dog", "green grass"]}
    assert caption_scores(CANDIDATES, more, tokenizer="simple") == caption_scores(
        CANDIDATES, REFERENCES, tokenizer="simple"
    )


def test_punctuation_and_case_change_nothing():
    shouted = {image: f"{text.upper()}!" for image, text in CANDIDATES.items()}
    assert caption_scores(shouted, REFERENCES, tokenizer="simple") == caption_scores(
        CANDIDATES, REFERENCES, tokenizer="simple"
    )


@pytest.mark.parametrize(
    ("candidates", "references", "words"),
    [
        ({}, {}, "no caption to score"),
        ({1: "a", 2: "b"}, {1: ["a"]}, "1 of 2 images have no reference: '2'"),
        ({1: "a"}, {1: []}, "1 of 1 images have no reference: '1'"),
    ],
)
def test_what_cannot_be_scored_is_refused(candidates, references, words):
    with pytest.raises(MetricError, match=words):
        caption_scores(candidates, references, tokenizer="simple")


def test_the_metric_collects_by_position_and_forgets():
    positions = dict(enumerate(CANDIDATES))
    metric = CaptionScores({k: REFERENCES[image] for k, image in positions.items()}, tokenizer="simple")
    texts = list(CANDIDATES.values())
    assert metric(torch.tensor([2, 0]), [texts[2], "to be replaced"]) is None
    metric.update(torch.tensor([1, 3, 0]), [texts[1], texts[3], texts[0]])
    assert metric.compute() == caption_scores(CANDIDATES, REFERENCES, tokenizer="simple")
    metric.reset()
    metric.update(torch.tensor([2]), ["a cat"])
    assert set(metric._captions.compute()) == {2}
    metric.update(torch.tensor([8]), ["a cat"])
    with pytest.raises(MetricError, match="1 of 2 images have no reference: '8'"):
        metric.compute()
