"""What all prompt learners share: schedule, checkpoints, frozen towers, precision and refusals."""

import math

import pytest
import torch
from aape_lightning.backbones import load_backbone
from aape_lightning.backbones.clip import fingerprint
from aape_lightning.baselines import CoCoOpTask, CoOpTask, KgCoOpTask, ProGradTask
from aape_lightning.callbacks import RunFiles
from aape_lightning.errors import BackboneMismatchError, BatchError, CheckpointError, RecipeError
from lightning.pytorch import Callback, LightningModule, seed_everything
from plain_prompts import Steps
from torch.utils.data import DataLoader

LEARNERS = [CoOpTask, CoCoOpTask, KgCoOpTask, ProGradTask]


class Rates(Callback):
    """The optimizer's learning rate and momentum settings in each epoch."""

    def __init__(self):
        self.rates = []

    def on_train_epoch_start(self, trainer, task):
        (optimizer,) = trainer.optimizers
        (group,) = optimizer.param_groups
        assert isinstance(optimizer, torch.optim.SGD)
        assert (group["momentum"], group["weight_decay"], group["nesterov"]) == (0.9, 5e-4, False)
        self.rates.append(group["lr"])


def closed_form(epoch, lr, epochs):
    return 1e-5 if epoch == 0 else 0.5 * lr * (1 + math.cos(math.pi * (epoch - 1) / epochs))


def accuracy(trainer, task, data):
    return trainer.test(task, datamodule=data, verbose=False)[0]["test/accuracy"]


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize(("lr", "epochs"), [(2e-3, 10), (3.5e-3, 3)])
def test_the_learning_rate_follows_the_closed_form(lr, epochs, learner, toy_data, quiet_trainer):
    rates = Rates()
    trainer = quiet_trainer(max_epochs=epochs, callbacks=[rates], limit_train_batches=2, limit_val_batches=0)
    trainer.fit(learner(lr=lr), datamodule=toy_data())
    assert rates.rates == pytest.approx([closed_form(epoch, lr, epochs) for epoch in range(epochs)], rel=1e-9)


def test_a_resumed_run_is_the_undisturbed_one(toy_data, quiet_trainer, tmp_path):
    class Stop(Callback):
        def on_train_epoch_end(self, trainer, task):
            trainer.should_stop = trainer.current_epoch == 3

    ended, rates = [], Rates()
    for disturbed in (False, True):
        seed_everything(0)
        task, path = CoOpTask(context=4, lr=0.1), None
        if disturbed:
            stopped = quiet_trainer(max_epochs=8, callbacks=[Stop()])
            stopped.fit(task, datamodule=toy_data())
            path = str(tmp_path / "last.ckpt")
            stopped.save_checkpoint(path)
            task = CoOpTask.load_from_checkpoint(path)
        quiet_trainer(max_epochs=8, callbacks=[rates]).fit(task, datamodule=toy_data(), ckpt_path=path)
        ended.append(task.context.detach())
    assert torch.equal(*ended)
    assert rates.rates[:8] == pytest.approx([closed_form(epoch, 0.1, 8) for epoch in range(8)])
    assert rates.rates[8:] == rates.rates[4:8]


def test_a_run_resumed_for_other_epochs_is_an_error(toy_data, quiet_trainer, tmp_path):
    trainer, path = quiet_trainer(max_epochs=1), str(tmp_path / "last.ckpt")
    trainer.fit(CoOpTask(), datamodule=toy_data())
    trainer.save_checkpoint(path)
    with pytest.raises(CheckpointError, match=r"planned for 1 epochs.*max_epochs 5"):
        quiet_trainer(max_epochs=5).fit(CoOpTask(), datamodule=toy_data(), ckpt_path=path)


@pytest.mark.parametrize("learner", LEARNERS)
def test_the_backbone_is_neither_trained_nor_saved(learner, toy_data, quiet_trainer, tiny_clip, tmp_path):
    backbone = load_backbone(str(tiny_clip))
    before = fingerprint(backbone.model.state_dict())
    task = learner(lr=0.1)
    trainer = quiet_trainer(max_epochs=2, callbacks=[RunFiles(str(tmp_path))])
    trainer.fit(task, datamodule=toy_data())
    assert fingerprint(backbone.model.state_dict()) == before
    expected = {"context"} | {name for name in task.state_dict() if name.startswith("meta_net.")}
    saved = torch.load(tmp_path / "last.ckpt", weights_only=True)["state_dict"]
    assert set(saved) == set(dict(task.named_parameters())) == expected
    assert all(parameter.requires_grad for parameter in task.parameters())
    assert (tmp_path / "last.ckpt").stat().st_size < 100_000


@pytest.mark.parametrize("learner", LEARNERS)
def test_a_checkpoint_loads_without_a_datamodule_and_tests_alike(learner, toy_data, quiet_trainer, tmp_path):
    seed_everything(0)
    task, trainer = learner(lr=0.5), quiet_trainer(max_epochs=5)
    trainer.fit(task, datamodule=toy_data(classes="base"))
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    loaded = learner.load_from_checkpoint(tmp_path / "last.ckpt")
    assert dict(loaded.hparams) == dict(task.hparams)
    for name, parameter in task.named_parameters():
        assert torch.equal(dict(loaded.named_parameters())[name], parameter)
    for classes in ("base", "new", "all"):
        data = toy_data(classes=classes)
        tested = accuracy(quiet_trainer(), loaded, data)
        assert tested == accuracy(quiet_trainer(), task, data)
        from_path = quiet_trainer().test(
            learner(), datamodule=data, ckpt_path=str(tmp_path / "last.ckpt"), verbose=False
        )
        assert from_path[0]["test/accuracy"] == tested


def test_a_checkpoint_that_python_wrote_names_its_class(toy_data, quiet_trainer, tmp_path):
    trainer = quiet_trainer(max_epochs=1)
    trainer.fit(CoOpTask(context=4), datamodule=toy_data())
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    loaded = LightningModule.load_from_checkpoint(tmp_path / "last.ckpt")
    assert isinstance(loaded, CoOpTask)
    assert loaded.context.shape == (4, 64)


def test_class_features_are_computed_once_a_test(toy_data, quiet_trainer, monkeypatch):
    task, calls = CoOpTask(), []
    quiet_trainer(max_epochs=1).fit(task, datamodule=toy_data())
    compute = task.class_features
    monkeypatch.setattr(task, "class_features", lambda: calls.append(None) or compute())
    quiet_trainer().test(task, datamodule=toy_data(store=False), verbose=False)  # five batches
    assert len(calls) == 1


def test_a_test_between_two_fits_leaves_nothing_behind(toy_data, quiet_trainer):
    ended = []
    for tested in (False, True):
        seed_everything(0)
        task = CoOpTask(context=4, lr=0.1)
        quiet_trainer(max_epochs=2).fit(task, datamodule=toy_data(classes="base"))
        if tested:
            quiet_trainer().test(task, datamodule=toy_data(classes="new"), verbose=False)
        quiet_trainer(max_epochs=2).fit(task, datamodule=toy_data(classes="base"))
        ended.append(task.context.detach())
    assert torch.equal(*ended)


def test_what_the_datamodule_calls_its_classes_is_not_read(toy_data, quiet_trainer):
    task = CoOpTask()
    quiet_trainer(max_epochs=1).fit(task, datamodule=toy_data())
    found = []
    for class_text in ("a photo of a {}.", "a drawing of one {}."):
        batches = quiet_trainer().predict(task, datamodule=toy_data(class_text=class_text))
        found.append(torch.cat([batch["probabilities"] for batch in batches]))
    assert torch.equal(*found)


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true", "16-mixed"])
def test_low_precision_trains_alike_and_tests(precision, learner, vivid_data, quiet_trainer):
    first = []
    for chosen in ("32-true", precision):
        seed_everything(0)
        task, steps = learner(), Steps()
        quiet_trainer(max_epochs=2, precision=chosen, callbacks=[steps]).fit(task, datamodule=vivid_data())
        first.append(steps.steps[0]["gradients"]["context"].flatten().float())
    exact, low = first
    assert not torch.equal(exact, low)
    if precision != "16-mixed":  # there the scaler has not settled: gradients are of its scale
        assert low.norm() == pytest.approx(float(exact.norm()), rel=0.2)
    assert torch.cosine_similarity(exact, low, dim=0) > 0.95
    assert all(parameter.isfinite().all() for parameter in task.parameters())
    batches = quiet_trainer(precision=precision).predict(task, datamodule=vivid_data())
    assert all(batch["probabilities"].dtype == torch.float32 for batch in batches)
    assert task.logits(torch.ones(1, 64), torch.ones(2, 64)).dtype == torch.float32


def test_the_loss_is_logged_once_an_epoch(toy_data, quiet_trainer):
    trainer = quiet_trainer(max_epochs=1)
    trainer.fit(CoOpTask(), datamodule=toy_data())
    assert {"train/loss", "train/cross_entropy", "val/accuracy"} <= set(trainer.callback_metrics)


def test_another_backbone_is_an_error(toy_data, quiet_trainer, other_clip, tmp_path):
    trainer = quiet_trainer(max_epochs=1)
    trainer.fit(CoOpTask(), datamodule=toy_data())
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    task = CoOpTask.load_from_checkpoint(tmp_path / "last.ckpt")
    with pytest.raises(BackboneMismatchError, match=r"tiny\.pt.*other\.pt.*--data\.backbone"):
        quiet_trainer().test(task, datamodule=toy_data(backbone=str(other_clip)))
    path = str(tmp_path / "last.ckpt")
    with pytest.raises(BackboneMismatchError, match=r"tiny\.pt.*other\.pt.*--data\.backbone"):
        quiet_trainer().test(CoOpTask(), datamodule=toy_data(backbone=str(other_clip)), ckpt_path=path)


@pytest.mark.parametrize("verb", ["fit", "test", "predict"])
def test_a_trainer_without_a_datamodule_is_an_error(verb, quiet_trainer):
    with pytest.raises(BatchError, match="CoOpTask takes the text tower from its DataModule"):
        getattr(quiet_trainer(), verb)(CoOpTask(), DataLoader([{"index": 0}]))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"lr": 0.0}, r"lr is 0\.0; it must be above 0 \(--model\.lr\)"),
        ({"lr": math.inf}, r"lr is inf; it must be above 0"),
        ({"weight_decay": -1.0}, r"weight_decay is -1\.0; it must be 0 or more"),
    ],
)
def test_a_rate_out_of_range_is_an_error(settings, said):
    with pytest.raises(RecipeError, match=said):
        CoOpTask(**settings)


def test_a_run_without_epochs_is_an_error(toy_data, quiet_trainer):
    with pytest.raises(RecipeError, match=r"max_epochs is -1.*--trainer\.max_epochs"):
        quiet_trainer(max_epochs=-1, max_steps=3).fit(CoOpTask(), datamodule=toy_data())
