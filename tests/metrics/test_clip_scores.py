import statistics

import pytest
import torch
from aape_lightning.errors import MetricError
from aape_lightning.metrics import clip_scores
from aape_lightning.metrics.clip_score import clip_score, ref_clip_score
from torch.nn import functional as F

CAPTIONS = ["a red dog", "", "a red dog"]
REFERENCES = [["a dog", "the dog is red"], ["a cat"], ["a dog", "a red dog", "dogs"]]


def unit(n, seed):
    return F.normalize(torch.randn(n, 32, generator=torch.Generator().manual_seed(seed)), dim=1)


def plain(backbone, images, prefix):
    """Image by image, reference by reference."""

    def cosine(a, b):
        return float(sum(x * y for x, y in zip(a.tolist(), b.tolist(), strict=True)))

    def embed(text):
        return backbone.encode_text(backbone.tokenize([prefix + text]))[0]

    scores, with_references = [], []
    for image, caption, references in zip(images, CAPTIONS, REFERENCES, strict=True):
        scores.append(2.5 * max(cosine(image, embed(caption)), 0.0))
        nearest = max(0.0, *(cosine(embed(caption), embed(text)) for text in references))
        with_references.append(statistics.harmonic_mean([scores[-1], nearest]))
    return {"clip_score": statistics.fmean(scores), "ref_clip_score": statistics.fmean(with_references)}


@pytest.mark.parametrize("prefix", ["A photo depicts ", ""])
def test_equals_a_plain_loop(tiny_backbone, prefix):
    images = unit(3, 4)
    given = {} if prefix else {"prefix": ""}
    found = clip_scores(tiny_backbone, images, CAPTIONS, REFERENCES, **given)
    assert found == pytest.approx(plain(tiny_backbone, images, prefix), abs=1e-6)
    assert found["clip_score"] > 0


def test_by_hand():
    right, up = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    images, captions = torch.stack([right, right, right]), torch.stack([right, up, -right])
    scores = clip_score(images, captions)
    assert scores.tolist() == [2.5, 0.0, 0.0]
    references, owner = torch.stack([up, right, up, right]), torch.tensor([0, 0, 1, 2])
    # The first is as near to its image as can be, and so is one of its references; the others' images are not theirs.
    assert ref_clip_score(scores, captions, references, owner).tolist() == pytest.approx([2 * 2.5 / 3.5, 0.0, 0.0])


def test_texts_beyond_the_context_are_cut_and_each_goes_through_the_tower_once(tiny_backbone, embedded):
    long = "a dog " * 40
    clip_scores(tiny_backbone, unit(3, 0), [long] * 3, [[long], [long, "a cat"], ["a cat"]])
    assert embedded == [1, 2]


def test_what_cannot_be_scored_is_refused(tiny_backbone):
    with pytest.raises(MetricError, match="there are 3 images, 2 captions, and references for 3"):
        clip_scores(tiny_backbone, unit(3, 0), CAPTIONS[:2], REFERENCES)
    with pytest.raises(MetricError, match="1 of 3 images have no reference"):
        clip_scores(tiny_backbone, unit(3, 0), CAPTIONS, [*REFERENCES[:2], []])
    with pytest.raises(MetricError, match="there are 0 images"):
        clip_scores(tiny_backbone, unit(0, 0), [], [])
