from fractions import Fraction

import pytest
import torch
from aape_lightning.errors import MetricError
from aape_lightning.metrics import recall, recall_scores, retrieval_ranks, retrieval_scores
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torchmetrics.retrieval import RetrievalHitRate


def exact_scores(images, captions):
    """Every dot product, without rounding."""
    rows = [[[Fraction(value) for value in row] for row in table.tolist()] for table in (images, captions)]
    return [[sum(a * b for a, b in zip(image, text, strict=True)) for text in rows[1]] for image in rows[0]]


def brute_force(images, captions, owner):
    """Ranks from all scores: the positive stands behind every other candidate that scores as high."""
    scores, owner = exact_scores(images, captions), owner.tolist()
    to_text = []
    for image, row in enumerate(scores):
        best = max(score for score, of in zip(row, owner, strict=True) if of == image)
        to_text.append(1 + sum(score >= best for score, of in zip(row, owner, strict=True) if of != image))
    to_image = [
        1 + sum(scores[other][text] >= scores[of][text] for other in range(len(scores)) if other != of)
        for text, of in enumerate(owner)
    ]
    return to_text, to_image


def ragged_owner(images, captions, generator):
    """Every image has one caption or more, in any order."""
    rest = torch.randint(images, (captions - images,), generator=generator)
    return torch.cat([torch.arange(images), rest])[torch.randperm(captions, generator=generator)]


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks that divide nothing evenly."""
    monkeypatch.setattr(recall, "_IMAGES", 7)
    monkeypatch.setattr(recall, "_CAPTIONS", 11)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("seed", range(8))
def test_equals_brute_force_with_ties_and_several_positives(seed):
    generator = torch.Generator().manual_seed(seed)
    images, captions = (torch.randint(-2, 3, (n, 3), generator=generator).float() for n in (20, 60))
    owner = ragged_owner(20, 60, generator)
    expected = brute_force(images, captions, owner)
    assert [ranks.tolist() for ranks in retrieval_ranks(images, captions, owner)] == list(expected)
    scores = exact_scores(images, captions)
    assert len({score for row in scores for score in row}) < 30  # there were ties


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_a_twin_of_the_positive_counts_as_before_it_wherever_it_stands(dtype):
    generator = torch.Generator().manual_seed(0)
    images = F.normalize(torch.randn(20, 24, generator=generator), dim=1).to(dtype)
    twins = F.normalize(torch.randn(20, 24, generator=generator) + images[torch.arange(20)], dim=1).to(dtype)
    captions = twins.repeat(3, 1)  # the same text in every block, each time another image's
    owner = torch.cat([torch.arange(20), torch.arange(20).roll(1), torch.arange(20).roll(7)])
    expected = brute_force(images, captions, owner)
    assert [ranks.tolist() for ranks in retrieval_ranks(images, captions, owner)] == list(expected)
    assert min(expected[0]) == 3  # the two twins stand before even the best positive


def test_equals_torchmetrics_on_tie_free_data():
    generator = torch.Generator().manual_seed(1)
    owner = ragged_owner(40, 130, generator)
    images = torch.randn(40, 16, generator=generator)
    captions = torch.randn(130, 16, generator=generator) + images[owner]
    found = retrieval_scores(images, captions, owner)
    scores, positive = images @ captions.T, owner == torch.arange(40)[:, None]
    directions = {"image_to_text": (scores, positive), "text_to_image": (scores.T, positive.T)}
    for direction, (preds, target) in directions.items():
        indexes = torch.arange(len(preds))[:, None].expand_as(preds)
        for k in (1, 5, 10):
            theirs = RetrievalHitRate(top_k=k)(preds.flatten(), target.flatten(), indexes=indexes.flatten())
            assert found[f"{direction}/recall@{k}"] == pytest.approx(float(theirs), abs=1e-7)
    assert 0.05 < found["image_to_text/recall@1"] < 0.95


def test_scores_of_ranks_by_hand():
    by_hand = {"recall@1": 0.25, "recall@5": 0.5, "recall@10": 0.75, "median_rank": 6.0}
    assert recall_scores(torch.tensor([11, 1, 7, 5])) == by_hand
    assert recall_scores(torch.tensor([3, 9, 4]))["median_rank"] == 4.0


def test_an_image_is_found_by_any_of_its_captions_and_they_do_not_stand_in_each_others_way():
    images, captions = torch.eye(2), torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    to_text, to_image = retrieval_ranks(images, captions, torch.tensor([0, 0, 1, 1]))
    assert to_text.tolist() == [1, 1]
    assert to_image.tolist() == [1, 1, 1, 2]  # the last one scores alike with both images


def test_all_embeddings_alike_are_no_hits():
    found = retrieval_scores(torch.ones(30, 4), torch.ones(60, 4), torch.arange(60) // 2)
    assert found["image_to_text/recall@10"] == found["text_to_image/recall@10"] == 0.0
    assert found["image_to_text/median_rank"] == 59.0
    assert found["text_to_image/median_rank"] == 30.0


class LargestTensor(TorchDispatchMode):
    """Bytes of the largest tensor that any operation makes."""

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **kwargs or {})
        if isinstance(made, torch.Tensor):
            self.bytes = max(self.bytes, made.numel() * made.element_size())
        return made


def test_no_tensor_is_larger_than_a_block_of_scores():
    images, owner = torch.randn(1500, 8), torch.arange(9000) % 1500
    with LargestTensor() as largest:
        retrieval_scores(images, images[owner] + torch.randn(9000, 8), owner)
    assert largest.bytes == recall._IMAGES * recall._CAPTIONS * 8 < 1500 * 9000 * 4


@pytest.mark.parametrize(
    ("images", "captions", "owner", "words"),
    [
        (torch.ones(2, 3), torch.ones(2, 3), [0, 0], "1 of 2 images have no caption: rows '1'"),
        (torch.ones(2, 3), torch.ones(2, 3), [0, 2], "belong to images 0 to 2, and the images are 0 to 1"),
        (torch.ones(2, 3), torch.ones(2, 3), [-1, 1], "belong to images -1 to 1"),
        (torch.ones(2, 3), torch.ones(2, 3).log() / 0, [0, 1], "2 of 2 caption embeddings hold NaN, .* row 0"),
        (torch.tensor([[1.0], [torch.inf]]), torch.ones(2, 1), [0, 1], "1 of 2 image embeddings hold .* row 1"),
        (torch.ones(0, 3), torch.ones(2, 3), [0, 1], "no image embeddings to rank"),
        (torch.ones(2, 3), torch.ones(0, 3), [], "no caption embeddings to rank"),
    ],
)
def test_what_cannot_be_ranked_is_refused(images, captions, owner, words):
    with pytest.raises(MetricError, match=words):
        retrieval_ranks(images, captions, torch.tensor(owner, dtype=torch.long))
