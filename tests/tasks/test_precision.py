import pytest
import torch
from aape_lightning.baselines import ZeroShotTask
from aape_lightning.callbacks import RunFiles
from aape_lightning.protocols.diagnostics import diagnose
from aape_lightning.tasks import ClassificationTask
from lightning.pytorch import Callback, seed_everything

PRECISIONS = ("bf16-mixed", "bf16-true", "16-mixed")
SCHEDULES = ({"aggregator_epochs": 2}, {"schedule": "joint"})
PLACES = ({}, {"views": 2}, {"store": False, "views": 1})


class Losses(Callback):
    """The loss of every step, by stage."""

    def __init__(self):
        self.seen = []

    def on_train_batch_end(self, trainer, task, outputs, batch, batch_idx):
        self.seen.append((task.stage, outputs["loss"].float().item()))


@pytest.fixture
def diagnosed():
    """What `diagnose` found after each fit."""
    return []


@pytest.fixture
def run(toy_data, quiet_trainer, tmp_path, diagnosed):
    """Fits and tests under a precision: the task, its losses, its data, its folder, its accuracies."""

    def fit_and_test(precision, data=None, **settings):
        seed_everything(1)
        losses, folder = Losses(), tmp_path / precision
        task, source = ClassificationTask(lr=3e-3, **settings), toy_data(**data or {})
        callbacks = [losses, RunFiles(str(folder))]
        trainer = quiet_trainer(precision=precision, max_epochs=8, callbacks=callbacks)
        trainer.fit(task, datamodule=source)
        diagnosed.append(diagnose(task, source))
        tested = trainer.test(task, datamodule=source, verbose=False)[0]
        return task, losses.seen, source, folder, tested

    return fit_and_test


@pytest.mark.parametrize("data", PLACES, ids=["stored", "stored views", "not stored"])
@pytest.mark.parametrize("settings", SCHEDULES, ids=["staged", "joint"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_low_precision_trains_and_tests(precision, settings, data, run):
    task, losses, *_, tested = run(precision, data, **settings)
    expected = torch.bfloat16 if precision == "bf16-true" else torch.float32
    assert {parameter.dtype for parameter in task.parameters()} == {expected}
    assert all(parameter.isfinite().all() for parameter in task.parameters())
    of_generator = [loss for stage, loss in losses if stage != "aggregator"]
    assert sum(of_generator[-5:]) < sum(of_generator[:5])
    assert 0 <= tested["test/accuracy"] <= 1


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("projection", ["bottleneck", "full", "none"])
@pytest.mark.parametrize("aggregator", ["mlp", "random"])
def test_every_form_runs(aggregator, projection, precision, run):
    task, *_ = run(precision, aggregator=aggregator, projection=projection, aggregator_epochs=1)
    assert all(parameter.isfinite().all() for parameter in task.parameters())


def test_mixed_precision_follows_full_precision(run):
    """bf16 keeps 8 bits: the losses agree to a few per cent of the first."""
    full, mixed = (run(precision, aggregator_epochs=2)[1] for precision in ("32-true", "bf16-mixed"))
    assert [stage for stage, _ in mixed] == [stage for stage, _ in full]
    for (_, exact), (_, rounded) in zip(full, mixed, strict=True):
        assert rounded == pytest.approx(exact, abs=0.05 * full[10][1])


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_run_is_diagnosed_and_its_checkpoint_loads(precision, run, diagnosed, quiet_trainer):
    *_, data, folder, tested = run(precision, aggregator_epochs=2)
    (values,) = diagnosed
    assert values.keys() == {"cosine/prompt_mean", "cosine/summary", "cosine/aape"}
    assert all(-1 <= value <= 1.01 for value in values.values())
    loaded = ClassificationTask.load_from_checkpoint(folder / "aape.ckpt")
    again = quiet_trainer(precision=precision).test(loaded, datamodule=data, verbose=False)[0]
    assert again == tested


@pytest.mark.parametrize("store", [True, False])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_zero_shot_keeps_its_accuracy(precision, store, toy_data, quiet_trainer):
    data = toy_data(store=store)
    exact = quiet_trainer().test(ZeroShotTask(), datamodule=data, verbose=False)[0]
    low = quiet_trainer(precision=precision).test(ZeroShotTask(), datamodule=data, verbose=False)[0]
    assert low["test/accuracy"] == pytest.approx(exact["test/accuracy"], abs=2 / 20)
