import pytest
import torch
from aape_lightning.baselines import ZeroShotTask
from aape_lightning.callbacks import Curves
from aape_lightning.protocols import base_to_new
from aape_lightning.protocols.diagnostics import diagnose
from aape_lightning.protocols.train_test import measure
from aape_lightning.protocols.training import kept_examples, timed
from aape_lightning.tasks import ClassificationTask
from lightning.pytorch import LightningDataModule, LightningModule
from torch.utils.data import DataLoader

METRICS = {"accuracy", "mean_class_accuracy", "cross_entropy", "calibration_error"}


class TwoTests(LightningModule):
    """A task without training that is tested under two conditions."""

    training_free = True

    def test_step(self, batch, batch_idx, dataloader_idx=0):
        self.log(f"test/{('', 'blur/')[dataloader_idx]}step", float(batch.sum()), add_dataloader_idx=False)

    def on_test_epoch_end(self):
        self.log("test/end", 7.0, add_dataloader_idx=False)


class TwoLoaders(LightningDataModule):
    """Two loaders to test on, and the hyper-parameters of a dataset."""

    def __init__(self, manifest="toy", root=None):
        super().__init__()
        self.save_hyperparameters()

    def test_dataloader(self):
        return [DataLoader([torch.ones(1)]), DataLoader([2 * torch.ones(1)])]


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture
def measured(toy_data, quiet_trainer):
    """The task, its data, and what `measure` says after a training of three epochs."""
    task, data = ClassificationTask(aggregator_epochs=1), toy_data()
    return task, data, measure(task, data, quiet_trainer(max_epochs=3, callbacks=[Curves()]))


def test_metrics_equal_a_separate_test_on_all_classes(measured, toy_data, quiet_trainer):
    task, _, found = measured
    (alone,) = quiet_trainer().test(task, datamodule=toy_data(), verbose=False)
    assert found.metrics == {name.removeprefix("test/"): value for name, value in alone.items()}
    assert set(found.metrics) == METRICS


def test_diagnostics_curves_and_seconds_are_those_of_the_training(measured):
    task, data, found = measured
    data.setup("fit")
    assert found.diagnostics == diagnose(task, data) != {}
    assert set(found.seconds) == {"prepare", "fit", "test"}
    assert len(found.curves["train/loss"]) == 3


def test_the_training_is_the_same_as_in_base_to_new(toy_data, quiet_trainer):
    found = []
    for protocol in (base_to_new, None):
        torch.manual_seed(5)
        task = ClassificationTask(aggregator_epochs=1)
        run = measure if protocol is None else protocol.measure
        found.append(run(task, toy_data(classes="base"), quiet_trainer(max_epochs=2, callbacks=[Curves()])))
    on_halves, on_base = found
    assert on_base.metrics == {name: on_halves.metrics[f"base/{name}"] for name in METRICS}
    assert (on_base.curves, on_base.diagnostics) == (on_halves.curves, on_halves.diagnostics)


def test_a_training_free_task_is_tested_alone(toy_data, quiet_trainer, monkeypatch):
    trainer = quiet_trainer()
    monkeypatch.setattr(trainer, "fit", lambda *_, **__: pytest.fail("it was trained"))
    found = measure(ZeroShotTask(), toy_data(), trainer)
    assert set(found.metrics) == METRICS
    assert set(found.seconds) == {"test"}
    assert found.diagnostics == found.curves == {}


def test_metrics_of_every_loader_are_kept(quiet_trainer):
    found = measure(TwoTests(), TwoLoaders(), quiet_trainer())
    assert found.metrics == {"step": 1.0, "blur/step": 2.0, "end": 7.0}


def test_a_task_without_examples_leaves_none():
    assert kept_examples(TwoTests(), TwoLoaders()) is None


def test_examples_name_the_dataset_that_they_are_of():
    task = TwoTests()
    task.examples = lambda: [{"image": "a.png", "degradation": "none", "caption": "a", "references": ("b",)}]
    kept = kept_examples(task, TwoLoaders("mine.yaml", "/data"))
    assert (kept.kind, kept.manifest, kept.root) == ("captioning", "mine.yaml", "/data")
    assert kept.examples[0].references == ["b"]


def test_a_phase_that_fails_is_not_timed():
    seconds = {}
    with pytest.raises(KeyError), timed(seconds, "fit"):
        raise KeyError
    assert seconds == {}
