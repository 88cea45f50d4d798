"""How every classifier is counted: against plain loops over its predictions."""

import json
from collections import Counter

import pytest
import torch
from aape_lightning.callbacks import PredictionWriter
from aape_lightning.errors import BatchError
from aape_lightning.tasks.evaluation import ClassifierEvaluation
from lightning.pytorch import Callback
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchmetrics.functional.classification import multiclass_calibration_error

CLASSES = ["red_car", "Blue Boat", "green tree", "yellow sun", "grey stone"]


class Scripted(ClassifierEvaluation):
    """Gives the logits that a test prepares, image after image."""

    def __init__(self, logits):
        super().__init__()
        self.logits, self.next = logits, 0

    def on_validation_epoch_start(self):
        self.next = 0

    def on_test_epoch_start(self):
        self.next = 0

    def on_predict_epoch_start(self):
        self.next = 0

    def forward(self, image_embedding, class_embeddings):
        rows = slice(self.next, self.next + len(image_embedding))
        self.next += len(image_embedding)
        return self.logits[rows, : len(class_embeddings)]


class Labels(Callback):
    """The labels of the images, in the order in which they were tested."""

    def __init__(self):
        self.seen, self.sizes = [], []

    def on_test_batch_end(self, trainer, task, outputs, batch, batch_idx, dataloader_idx=0):
        self.seen += batch["label"].tolist()
        self.sizes.append(len(batch["label"]))

    on_validation_batch_end = on_test_batch_end


def random_logits(images, seed=0):
    return torch.randn(images, 5, generator=torch.Generator().manual_seed(seed))


def plain_accuracies(logits, labels):
    """The fraction of images, and the mean of the classes' own fractions."""
    right = [int(row.argmax()) == label for row, label in zip(logits, labels, strict=True)]
    by_class = []
    for present in sorted(set(labels)):
        hits = [hit for hit, label in zip(right, labels, strict=True) if label == present]
        by_class.append(sum(hits) / len(hits))
    return sum(right) / len(right), sum(by_class) / len(by_class)


@pytest.fixture
def uneven(own_toy_root, toy_data):
    """The toy data with a test part of very uneven classes: 4 images of the first, then 1, 2, 3, 4."""
    path = own_toy_root / "toy" / "split_toy.json"
    split, counts = json.loads(path.read_text()), [4, 1, 2, 3, 4]
    by_class = [[item for item in split["test"] if item[1] == label] for label in range(5)]
    kept = [item for items, count in zip(by_class, counts, strict=True) for item in items[:count]]
    path.write_text(json.dumps(split | {"test": kept}))
    return toy_data(root=str(own_toy_root), store=False)  # batches of 4, 4, 4 and 2


@pytest.mark.parametrize("seed", range(4))
def test_accuracies_are_those_of_plain_counting(seed, uneven, quiet_trainer):
    labels, logits = Labels(), random_logits(14, seed)
    logged = quiet_trainer(callbacks=[labels]).test(Scripted(logits), datamodule=uneven, verbose=False)[0]
    assert labels.sizes == [4, 4, 4, 2]  # an unweighted mean over batches would be wrong
    micro, by_class = plain_accuracies(logits, labels.seen)
    assert abs(micro - by_class) > 1e-3  # the two differ here, so that one cannot stand for the other
    truth = torch.tensor(labels.seen)
    assert logged == {
        "test/accuracy": pytest.approx(micro, abs=1e-6),
        "test/mean_class_accuracy": pytest.approx(by_class, abs=1e-6),
        "test/cross_entropy": pytest.approx(F.cross_entropy(logits, truth).item(), abs=1e-6),
        "test/calibration_error": pytest.approx(
            multiclass_calibration_error(logits.softmax(1), truth, 5, n_bins=15, norm="l1").item(), abs=1e-6
        ),
    }


def test_validation_counts_alike(toy_data, quiet_trainer):
    labels, logits = Labels(), random_logits(15)
    data = toy_data(store=False)
    logged = quiet_trainer(callbacks=[labels]).validate(Scripted(logits), datamodule=data, verbose=False)[0]
    micro, by_class = plain_accuracies(logits, labels.seen)
    assert logged["val/accuracy"] == pytest.approx(micro, abs=1e-6)
    assert logged["val/mean_class_accuracy"] == pytest.approx(by_class, abs=1e-6)


@pytest.mark.parametrize(("classes", "count"), [("base", 3), ("new", 2), ("all", 5)])
def test_classes_outside_the_subset_are_no_answer(classes, count, toy_data, quiet_trainer):
    labels, logits = Labels(), random_logits(4 * count)
    data = toy_data(classes=classes)
    logged = quiet_trainer(callbacks=[labels]).test(Scripted(logits), datamodule=data, verbose=False)[0]
    assert set(labels.seen) == set(range(count))
    assert logged["test/accuracy"] == pytest.approx(plain_accuracies(logits[:, :count], labels.seen)[0], abs=1e-6)


@pytest.mark.parametrize(("share", "expected"), [(0, 0.0), (1, 1.0)])
def test_the_ends_of_the_scale(share, expected, toy_data, quiet_trainer):
    data = toy_data()
    labels = torch.arange(5).repeat_interleave(4)
    logits = F.one_hot(labels if share else (labels + 1) % 5, 5).float()
    logged = quiet_trainer().test(Scripted(logits), datamodule=data, verbose=False)[0]
    assert (logged["test/accuracy"], logged["test/mean_class_accuracy"]) == (expected, expected)


def test_a_second_test_starts_to_count_again(toy_data, quiet_trainer):
    trainer, data, task = quiet_trainer(), toy_data(), Scripted(random_logits(20))
    first = trainer.test(task, datamodule=data, verbose=False)
    assert 0 < first[0]["test/accuracy"] < 1
    task.logits = F.one_hot(torch.arange(5).repeat_interleave(4), 5).float()
    assert trainer.test(task, datamodule=data, verbose=False)[0]["test/accuracy"] == 1
    base = toy_data(classes="base")
    assert trainer.test(task, datamodule=base, verbose=False)[0]["test/accuracy"] == 1


def test_the_same_task_counts_over_another_class_list(toy_data, quiet_trainer):
    task, trainer = Scripted(random_logits(20)), quiet_trainer()
    for classes, count in (("all", 5), ("new", 2), ("base", 3)):
        labels = torch.arange(count).repeat_interleave(4).tolist()
        logged = trainer.test(task, datamodule=toy_data(classes=classes), verbose=False)[0]
        expected = plain_accuracies(task.logits[: 4 * count, :count], labels)[0]
        assert logged["test/accuracy"] == pytest.approx(expected, abs=1e-6)


def test_outcomes_are_those_of_the_last_test(uneven, toy_data, quiet_trainer):
    labels, task = Labels(), Scripted(random_logits(14))
    assert task.outcomes is None
    quiet_trainer(callbacks=[labels]).test(task, datamodule=uneven, verbose=False)
    pairs = list(zip(labels.seen, task.logits.argmax(1).tolist(), strict=True))
    counts = Counter((true, predicted) for true, predicted in pairs if true != predicted)
    assert {(true, predicted): count for true, predicted, count in task.outcomes.confusions} == counts
    assert task.outcomes.images == [4, 1, 2, 3, 4]
    assert task.outcomes.correct == [sum(pair == (place, place) for pair in pairs) for place in range(5)]
    task.logits = F.one_hot(torch.arange(5).repeat_interleave(4), 5).float()
    quiet_trainer().test(task, datamodule=toy_data(), verbose=False)
    assert task.outcomes.confusions == []
    assert task.outcomes.images == task.outcomes.correct == [4] * 5


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_predictions_are_probabilities_of_every_class(dtype, toy_data, quiet_trainer):
    logits = random_logits(20).to(dtype)
    batches = quiet_trainer().predict(Scripted(logits), datamodule=toy_data(store=False))
    assert torch.cat([batch["index"] for batch in batches]).tolist() == list(range(20))
    probabilities = torch.cat([batch["probabilities"] for batch in batches])
    powers = logits.double().exp()
    torch.testing.assert_close(probabilities.double(), powers / powers.sum(1, keepdim=True), rtol=0, atol=1e-6)
    assert probabilities.dtype == torch.float32


def test_the_table_of_predictions_names_image_truth_and_answer(toy_data, quiet_trainer, tmp_path):
    logits, data = random_logits(20), toy_data()
    trainer = quiet_trainer(callbacks=[PredictionWriter(str(tmp_path))])
    trainer.predict(Scripted(logits), datamodule=data, return_predictions=False)
    lines = (tmp_path / "predictions.csv").read_text().splitlines()
    assert lines[0] == "path,class,predicted,probability"
    assert len(lines) == 21
    for i, line in enumerate(lines[1:]):
        path, truth, predicted, probability = line.split(",")
        assert path == data.test_items()[i].path
        assert path.startswith(truth.replace(" ", "_"))
        assert predicted == CLASSES[int(logits[i].argmax())]
        assert float(probability) == pytest.approx(float(logits[i].softmax(0).max()), abs=1e-6)


@pytest.mark.parametrize("verb", ["validate", "test"])
def test_a_trainer_without_a_datamodule_is_an_error(verb, quiet_trainer):
    with pytest.raises(BatchError, match="Scripted learns the classes from its DataModule"):
        getattr(quiet_trainer(), verb)(Scripted(random_logits(1)), DataLoader([{"index": 0}]), verbose=False)


def test_a_batch_without_labels_is_an_error(toy_data, quiet_trainer, monkeypatch):
    data = toy_data()
    pair = data.on_after_batch_transfer

    def without(batch, dataloader_idx):
        return {key: value for key, value in pair(batch, dataloader_idx).items() if key != "label"}

    monkeypatch.setattr(data, "on_after_batch_transfer", without)
    with pytest.raises(BatchError, match="lacks label"):
        quiet_trainer().test(Scripted(random_logits(20)), datamodule=data)
