import pytest
import torch
from aape_lightning.baselines import LinearProbeTask, ZeroShotTask
from aape_lightning.callbacks import Curves
from aape_lightning.errors import RecipeError
from aape_lightning.protocols.base_to_new import measure
from aape_lightning.protocols.diagnostics import diagnose
from aape_lightning.tasks import ClassificationTask

METRICS = ("accuracy", "mean_class_accuracy", "cross_entropy", "calibration_error")


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture
def measured(toy_data, quiet_trainer):
    """The task, its data, and what `measure` says after a training of three epochs."""
    task, data = ClassificationTask(aggregator_epochs=1), toy_data(classes="base")
    return task, data, measure(task, data, quiet_trainer(max_epochs=3, callbacks=[Curves()]))


def test_metrics_equal_separate_tests_on_each_half(measured, toy_data, quiet_trainer):
    task, _, found = measured
    assert set(found.metrics) == {f"{half}/{name}" for half in ("base", "new") for name in METRICS}
    for half in ("base", "new"):
        (alone,) = quiet_trainer().test(task, datamodule=toy_data(classes=half), verbose=False)
        assert {f"{half}/{name}": alone[f"test/{name}"] for name in METRICS}.items() <= found.metrics.items()


def test_metrics_are_fractions_of_each_halfs_own_images(measured, toy_data):
    task, _, found = measured
    for half, count in (("base", 12), ("new", 8)):
        data = toy_data(classes=half)
        data.setup("test")
        part = data._parts["test"]
        with torch.no_grad():
            predicted = task(part.features[:, 0], data.class_embeddings).argmax(1)
        assert len(predicted) == count
        hits = [p == item.label for p, item in zip(predicted.tolist(), data.test_items(), strict=True)]
        assert found.metrics[f"{half}/accuracy"] == pytest.approx(sum(hits) / count, abs=1e-7)


def test_diagnostics_are_those_of_the_trained_task_on_the_base_classes(measured, toy_data):
    task, _, found = measured
    data = toy_data(classes="base")
    data.setup("fit")
    assert set(found.diagnostics) == {"cosine/prompt_mean", "cosine/summary", "cosine/aape"}
    assert diagnose(task, data) == found.diagnostics


def test_curves_have_a_value_an_epoch(measured):
    _, _, found = measured
    assert {name: len(values) for name, values in found.curves.items()} == {
        "train/loss": 3,
        "train/reward": 1,
        "train/cross_entropy": 2,
        "train/distillation": 2,
        "val/accuracy": 3,
        "val/mean_class_accuracy": 3,
    }


def test_seconds_are_told_by_phase(measured):
    _, _, found = measured
    assert set(found.seconds) == {"prepare", "fit", "test"}
    assert all(value > 0 for value in found.seconds.values())


def test_the_data_stay_on_the_base_classes(measured):
    _, data, _ = measured
    assert data.hparams["classes"] == "base"
    assert len(data.class_names) == 3


def test_a_training_is_measured_alike_twice(toy_data, quiet_trainer):
    found = []
    for _ in range(2):
        torch.manual_seed(5)
        task = ClassificationTask(aggregator_epochs=1)
        trainer = quiet_trainer(max_epochs=3, callbacks=[Curves()])
        found.append(measure(task, toy_data(classes="base"), trainer))
    first, second = found
    assert (first.metrics, first.diagnostics, first.curves) == (second.metrics, second.diagnostics, second.curves)


def test_a_training_free_task_is_tested_alone(toy_data, quiet_trainer, monkeypatch):
    trainer = quiet_trainer(callbacks=[Curves()])
    monkeypatch.setattr(trainer, "fit", lambda *_, **__: pytest.fail("it was trained"))
    found = measure(ZeroShotTask(), toy_data(classes="base"), trainer)
    assert set(found.metrics) == {f"{half}/{name}" for half in ("base", "new") for name in METRICS}
    assert set(found.seconds) == {"test"}
    assert found.diagnostics == found.curves == {}
    for half in ("base", "new"):
        data = toy_data(classes=half)
        data.setup("test")
        part = data._parts["test"]
        predicted = (part.features[:, 0] @ data.class_embeddings.T).argmax(1)
        expected = (predicted == part.keys).float().mean().item()
        assert found.metrics[f"{half}/accuracy"] == pytest.approx(expected, abs=1e-7)


def test_without_a_curves_callback_there_are_no_curves(toy_data, quiet_trainer):
    task = ClassificationTask(aggregator_epochs=1)
    assert measure(task, toy_data(classes="base"), quiet_trainer(max_epochs=2)).curves == {}


def test_what_is_bound_to_its_classes_is_refused_before_it_is_trained(toy_data, quiet_trainer):
    task = LinearProbeTask()
    with pytest.raises(RecipeError, match="cannot score new ones"):
        measure(task, toy_data(classes="base"), quiet_trainer(max_epochs=1))
    assert task.hparams["backbone_spec"] is None
