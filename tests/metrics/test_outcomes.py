"""Confusions and calibration of a test, against torchmetrics and plain counting."""

import math

import pytest
import torch
from aape_lightning.errors import MetricError
from aape_lightning.metrics import ClassifierOutcomes, Reliability, calibration_error, reliability
from torch.nn import functional as F
from torchmetrics.functional.classification import multiclass_calibration_error, multiclass_confusion_matrix


def world(images=400, classes=7, scale=2.0, seed=0):
    """Logits that are right now and then, and labels."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (images,), generator=generator)
    noise = torch.randn(images, classes, generator=generator)
    return scale * (noise + F.one_hot(labels, classes)), labels


def counted(logits, labels, batch=64):
    metric = ClassifierOutcomes(logits.shape[1])
    for rows, truth in zip(logits.split(batch), labels.split(batch), strict=True):
        metric.update(rows, rows.argmax(1), truth)
    return metric.outcomes()


def test_confusions_are_the_matrix_off_its_diagonal():
    logits, labels = world()
    found = counted(logits, labels)
    matrix = multiclass_confusion_matrix(logits, labels, 7)
    assert found.images == matrix.sum(1).tolist()
    assert found.correct == matrix.diagonal().tolist()
    off = matrix - matrix.diagonal().diag()
    assert found.confusions
    rebuilt = torch.zeros_like(off)
    for true, predicted, count in found.confusions:
        assert count > 0
        rebuilt[true, predicted] = count
    assert torch.equal(rebuilt, off)
    counts = [count for _, _, count in found.confusions]
    assert counts == sorted(counts, reverse=True)


@pytest.mark.parametrize("scale", [0.3, 1.0, 5.0])
@pytest.mark.parametrize("seed", range(3))
def test_the_calibration_error_is_that_of_torchmetrics(scale, seed):
    logits, labels = world(scale=scale, seed=seed)
    expected = multiclass_calibration_error(logits.softmax(1), labels, 7, n_bins=15, norm="l1").item()
    assert calibration_error(counted(logits, labels).reliability) == pytest.approx(expected, abs=2e-6)
    assert expected > 0.01


def test_the_cross_entropy_is_that_of_torch():
    logits, labels = world()
    assert counted(logits, labels).cross_entropy == pytest.approx(F.cross_entropy(logits, labels).item(), abs=1e-6)


def test_batches_make_no_difference():
    logits, labels = world()
    one, other = counted(logits, labels, 400), counted(logits, labels, 7)
    assert one._replace(cross_entropy=0.0) == other._replace(cross_entropy=0.0)


def test_certainty_belongs_to_the_last_bin():
    logits = torch.tensor([[200.0, 0.0], [0.0, 200.0]])
    found = counted(logits, torch.tensor([0, 0])).reliability
    assert found.images == [0] * 14 + [2]
    assert calibration_error(found) == 0.5


def test_every_image_falls_into_the_bin_that_holds_its_confidence():
    confidence = torch.rand(500, generator=torch.Generator().manual_seed(1))
    found = reliability(confidence, confidence > 0.5, bins=10)
    expected = [sum(low <= value * 10 < low + 1 for value in confidence.tolist()) for low in range(10)]
    assert found.images == expected
    assert sum(found.confidence) == pytest.approx(confidence.double().sum().item(), abs=1e-4)
    assert found.correct == [0] * 5 + expected[5:]


def test_a_calibrated_classifier_has_no_error():
    assert calibration_error(Reliability([4, 10], [1.0, 9.0], [1, 9])) == 0


def test_no_image_is_an_error():
    with pytest.raises(MetricError, match="no image"):
        calibration_error(Reliability([0], [0.0], [0]))


def test_halves_are_counted_in_their_own_precision():
    logits, labels = world()
    found = counted(logits.bfloat16(), labels)
    assert math.isfinite(found.cross_entropy)
    assert sum(found.reliability.images) == 400


def test_the_record_of_many_classes_stays_small():
    images, classes = 2_000, 1_000
    logits, labels = world(images, classes)
    metric = ClassifierOutcomes(classes)
    metric.update(logits, logits.argmax(1), labels)
    held = sum(tensor.nbytes for name in metric._defaults for tensor in getattr(metric, name))
    assert held == images * (8 + 4 + 4)
