"""What steps the weights of AAPE's tasks, and with which learning rates."""

import inspect
import math

import pytest
import torch
from aape_lightning.callbacks import RunFiles
from aape_lightning.errors import RecipeError
from aape_lightning.tasks import ClassificationTask
from lightning.pytorch import Callback, seed_everything

STEPS = 5  # an epoch: 20 images in batches of 4


def coop(epoch, lr, epochs):
    """The curve of the CoOp family (Dassl): a warm-up epoch at 1e-5, counted among the cosine's."""
    return 1e-5 if epoch == 0 else 0.5 * lr * (1 + math.cos(math.pi * (epoch - 1) / epochs))


class Steps(Callback):
    """Before each step: stage, optimizer and learning rate; and what the step makes of weights and gradients."""

    def __init__(self):
        self.seen, self.weights, self.gradients = [], [], []

    def on_train_batch_start(self, trainer, task, batch, batch_idx):
        (group,) = trainer.optimizers[0].param_groups
        self.seen.append((task.stage, type(trainer.optimizers[0]).__name__, group["lr"]))

    def on_before_optimizer_step(self, trainer, task, optimizer):
        parameters = optimizer.param_groups[0]["params"]
        self.weights.append([parameter.detach().clone() for parameter in parameters])
        self.gradients.append([parameter.grad.clone() for parameter in parameters])

    def on_train_end(self, trainer, task):
        self.weights.append([p.detach().clone() for p in trainer.optimizers[0].param_groups[0]["params"]])


@pytest.fixture
def run(toy_data, quiet_trainer):
    """Fits a task; returns it and its steps."""

    def fit(epochs, **settings):
        task, steps = ClassificationTask(**settings), Steps()
        quiet_trainer(max_epochs=epochs, callbacks=[steps]).fit(task, datamodule=toy_data())
        return task, steps

    return fit


def rates(steps, stage):
    """The learning rate of each epoch of a stage, each epoch at one rate."""
    of_stage = [rate for found, _, rate in steps.seen if found == stage]
    epochs = [of_stage[start : start + STEPS] for start in range(0, len(of_stage), STEPS)]
    assert all(len(set(epoch)) == 1 for epoch in epochs)
    return [epoch[0] for epoch in epochs]


def test_sgd_follows_coops_curve_over_the_second_stage(run):
    _, steps = run(8, optimizer="sgd", lr=2e-3, aggregator_epochs=2, aggregator_lr=1e-3)
    assert {(stage, name) for stage, name, _ in steps.seen} == {("aggregator", "AdamW"), ("generator", "SGD")}
    assert rates(steps, "generator") == pytest.approx([coop(epoch, 2e-3, 6) for epoch in range(6)], rel=1e-12)
    first = [rate for stage, _, rate in steps.seen if stage == "aggregator"]
    cosine = [1e-3 * (1 + math.cos(math.pi * step / (2 * STEPS))) / 2 for step in range(2 * STEPS)]
    assert first == pytest.approx(cosine, abs=1e-9)


@pytest.mark.parametrize("settings", [{"distillation_weight": 0.0}, {"aggregator": "mean"}])
def test_a_skipped_first_stage_leaves_the_curve_as_long_as_the_second(settings, run):
    _, steps = run(7, optimizer="sgd", lr=1e-2, aggregator_epochs=2, **settings)
    assert rates(steps, "generator") == pytest.approx([coop(epoch, 1e-2, 5) for epoch in range(5)], rel=1e-12)


def test_a_joint_run_follows_it_from_end_to_end(run):
    _, steps = run(6, optimizer="sgd", lr=5e-3, schedule="joint")
    assert {name for _, name, _ in steps.seen} == {"SGD"}
    assert rates(steps, "joint") == pytest.approx([coop(epoch, 5e-3, 6) for epoch in range(6)], rel=1e-12)


def test_sgd_has_momentum_and_the_weight_decay_that_is_asked_for(run):
    seed_everything(1)
    _, steps = run(4, optimizer="sgd", lr=0.1, weight_decay=0.05, distillation_weight=0.0, aggregator_epochs=0)
    assert len(steps.gradients) == 4 * STEPS
    velocity = [torch.zeros_like(weight) for weight in steps.weights[0]]
    for step, gradients in enumerate(steps.gradients):
        before, after = steps.weights[step], steps.weights[step + 1]
        velocity = [0.9 * v + g + 0.05 * w for v, g, w in zip(velocity, gradients, before, strict=True)]
        for w, v, found in zip(before, velocity, after, strict=True):
            torch.testing.assert_close(found, w - coop(step // STEPS, 0.1, 4) * v)


def test_sgd_goes_on_where_a_run_was_cut(toy_data, quiet_trainer, tmp_path):
    class Cut(Callback):
        def on_train_epoch_end(self, trainer, task):
            if trainer.current_epoch == 3:
                raise InterruptedError

    def fit(folder, path=None, *others):
        steps = Steps()
        task = ClassificationTask(optimizer="sgd", lr=0.05, aggregator_epochs=2)
        callbacks = [steps, RunFiles(str(tmp_path / folder), every_seconds=0.0), *others]
        quiet_trainer(max_epochs=6, callbacks=callbacks).fit(task, datamodule=toy_data(), ckpt_path=path)
        return task, steps

    seed_everything(3)
    whole, steps = fit("whole")
    seed_everything(3)
    with pytest.raises(InterruptedError):
        fit("cut", None, Cut())
    resumed, again = fit("cut", tmp_path / "cut" / "last.ckpt")
    assert again.seen == steps.seen[-len(again.seen) :]
    assert all(torch.equal(tensor, resumed.state_dict()[name]) for name, tensor in whole.state_dict().items())


def test_another_optimizer_is_refused():
    with pytest.raises(RecipeError, match="optimizer is 'adam'; it must be 'adamw' or 'sgd'"):
        inspect.unwrap(ClassificationTask.__init__)(ClassificationTask(), optimizer="adam")  # past the annotations
