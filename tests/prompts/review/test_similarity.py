import math
import statistics

import pytest
import torch
from aape_lightning.prompts.review import similarity
from aape_lightning.prompts.review.similarity import ClassFit, class_fit, misplaced, near_duplicates, off_topic
from torch.nn import functional as F

COUNTS = [6, 1, 9, 2, 5]


@pytest.fixture(params=[1, 4, 2048], autouse=True)
def block(request, monkeypatch):
    """Results must not depend on how many rows are done at once."""
    monkeypatch.setattr(similarity, "_BLOCK", request.param)


@pytest.fixture
def world():
    """Five classes of sentences in eight dimensions: embeddings, offsets, names."""
    generator = torch.Generator().manual_seed(3)
    names = F.normalize(torch.randn(5, 8, generator=generator), dim=-1)
    noise = torch.randn(sum(COUNTS), 8, generator=generator)
    embeddings = F.normalize(names.repeat_interleave(torch.tensor(COUNTS), 0) + 0.3 * noise, dim=-1)
    embeddings[8] = names[4]  # of class 2, and clearly one of class 4
    return embeddings, torch.tensor([0, *COUNTS]).cumsum(0), names


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def unit(a):
    return [x / math.sqrt(dot(a, a)) for x in a]


def plain_fit(embeddings, offsets, names):
    """(own, other, closest) of each sentence, by plain loops."""
    rows, bounds, names = embeddings.tolist(), offsets.tolist(), names.tolist()
    groups = [range(bounds[k], bounds[k + 1]) for k in range(len(names))]
    found = []
    for own_class, group in enumerate(groups):
        for row in group:
            fits = []
            for k, members in enumerate(groups):
                rest = [rows[member] for member in members if member != row]
                cosines = [dot(rows[row], names[k])]
                if rest:
                    cosines.append(dot(rows[row], unit([sum(column) for column in zip(*rest, strict=True)])))
                fits.append(max(cosines))
            others = [fit for k, fit in enumerate(fits) if k != own_class]
            found.append((fits[own_class], max(others), fits.index(max(fits))))
    return found


def test_class_fit_equals_plain_loops(world):
    fit, plain = class_fit(*world), plain_fit(*world)
    torch.testing.assert_close(fit.own, torch.tensor([own for own, _, _ in plain]))
    torch.testing.assert_close(fit.other, torch.tensor([other for _, other, _ in plain]))
    assert fit.closest.tolist() == [closest for _, _, closest in plain]
    torch.testing.assert_close(fit.best, torch.tensor([max(own, other) for own, other, _ in plain]))


def test_a_lone_sentence_is_compared_with_its_classes_name(world):
    embeddings, offsets, names = world
    assert offsets.diff()[1] == 1
    torch.testing.assert_close(class_fit(*world).own[6], embeddings[6] @ names[1])


def test_a_single_class_leaves_no_other(world):
    embeddings, _, names = world
    fit = class_fit(embeddings[:6], torch.tensor([0, 6]), names[:1])
    assert fit.other.tolist() == [-math.inf] * 6
    assert fit.closest.tolist() == [0] * 6
    assert not misplaced(fit, 0.0).any()


def test_misplaced_equals_plain_loops(world):
    fit, plain = class_fit(*world), plain_fit(*world)
    for margin in (0.0, 0.1, 0.4):
        assert misplaced(fit, margin).tolist() == [other - own > margin for own, other, _ in plain]
    assert misplaced(fit, 0.1)[8]
    assert fit.closest[8] == 4


def test_off_topic_equals_plain_statistics(world):
    embeddings, _, names = world
    embeddings[3] = F.normalize(-names.sum(0), dim=-1)
    fit = class_fit(*world)
    angles = [math.acos(min(1.0, max(own, other))) for own, other, _ in plain_fit(*world)]
    assert len(angles) % 2 == 1  # one middle value, by whatever definition
    median = statistics.median(angles)
    deviation = statistics.median([abs(angle - median) for angle in angles])
    for deviations in (1.0, 3.0, 6.0):
        assert off_topic(fit, deviations).tolist() == [angle > median + deviations * deviation for angle in angles]
    assert off_topic(fit, 6.0).nonzero().flatten().tolist() == [3]


def test_the_spread_of_the_dataset_decides_what_is_an_outlier():
    narrow = torch.tensor([0.90, 0.91, 0.92, 0.89, 0.88, 0.60])
    wide = torch.tensor([0.70, 0.80, 0.90, 0.60, 0.50, 0.40])
    for own, expected in ((narrow, [5]), (wide, [])):
        fit = ClassFit(own, torch.zeros(6), torch.zeros(6, dtype=torch.long))
        assert off_topic(fit, 6.0).nonzero().flatten().tolist() == expected


def plain_near_duplicates(embeddings, offsets, threshold):
    rows, bounds, found = embeddings.tolist(), offsets.tolist(), {}
    for k in range(len(bounds) - 1):
        kept = []
        for row in range(bounds[k], bounds[k + 1]):
            cosines = [dot(rows[row], rows[earlier]) for earlier in kept]
            if cosines and max(cosines) >= threshold:
                found[row] = (kept[cosines.index(max(cosines))], max(cosines))
            else:
                kept.append(row)
    return found


@pytest.mark.parametrize("threshold", [0.5, 0.8, 0.9, 0.99])
def test_near_duplicates_equal_plain_loops(world, threshold):
    embeddings, offsets, _ = world
    embeddings[20] = embeddings[18]
    found, plain = (
        near_duplicates(embeddings, offsets, threshold),
        plain_near_duplicates(embeddings, offsets, threshold),
    )
    assert {row: earlier for row, (earlier, _) in found.items()} == {
        row: earlier for row, (earlier, _) in plain.items()
    }
    for row, (_, cosine) in found.items():
        assert cosine == pytest.approx(plain[row][1], abs=1e-5)
    assert found[20][0] == plain[20][0]


def test_what_nearly_repeats_a_near_duplicate_only_is_kept():
    angles = torch.tensor([0.0, 0.2, 0.4])  # neighbours are close, the ends are not
    embeddings = torch.stack([angles.cos(), angles.sin()], -1)
    assert list(near_duplicates(embeddings, torch.tensor([0, 3]), math.cos(0.3))) == [1]


def test_sentences_of_different_classes_are_no_duplicates():
    assert near_duplicates(torch.ones(2, 1), torch.tensor([0, 1, 2]), 0.9) == {}
