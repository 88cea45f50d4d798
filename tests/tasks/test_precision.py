"""Trainers of every precision, and one training step under each, compared with full precision."""

import copy

import pytest
import torch
from aape_lightning.baselines import ZeroShotTask
from aape_lightning.callbacks import RunFiles
from aape_lightning.protocols.diagnostics import diagnose
from aape_lightning.tasks import ClassificationTask
from lightning.pytorch import Callback, seed_everything
from torch.nn import functional as F

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


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_mixed_precision_trains_as_full_precision(precision, run):
    """From the feature store nothing is left that autocast reaches."""
    full, mixed = (run(chosen, aggregator_epochs=2)[1] for chosen in ("32-true", precision))
    assert [stage for stage, _ in mixed] == [stage for stage, _ in full]
    for (_, exact), (_, other) in zip(full, mixed, strict=True):
        assert other == pytest.approx(exact, rel=1e-6)


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


# ---- one training step -------------------------------------------------------------------------------------------

LOW = (torch.bfloat16, torch.float16)
FORMS = (("residual", "attention"), ("bottleneck", "mlp"), ("full", "mean"), ("none", "random"))
# What parameters of 8 (bfloat16) or 11 bits (float16) may cost: logits at CLIP's scale of 100, and the gradient of each
# module relative to its norm.
LOGITS = {torch.bfloat16: 0.1, torch.float16: 0.015}
GRADIENTS = {torch.bfloat16: 0.15, torch.float16: 0.1}  # float16 loses small ones: `16-true` scales no loss


def unit(*shape):
    return F.normalize(torch.randn(shape), dim=-1)


def moved_task(projection, aggregator, logit_scale=100.0, d=512):
    """A task away from its start, without a Trainer."""
    spec = {"name": "random", "embed_dim": d, "logit_scale": logit_scale, "fingerprint": "0"}
    task = ClassificationTask(projection=projection, aggregator=aggregator, backbone_spec=spec)
    task.stage = "joint"
    for parameter in task.parameters():
        torch.nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5 if parameter.dim() > 1 else 0.3)
    return task


def one_batch(images=16, classes=20, sentences=7, d=512):
    """Images between their own class and another, so that the labels are neither known nor unknown."""
    w, label = unit(classes, d), torch.randint(classes, (images,))
    x = F.normalize(w[label] + w[label - 1] + 0.3 * unit(images, d), dim=-1)
    prompts = F.normalize(w[label][:, None] + unit(images, sentences, d), dim=-1)
    mask = torch.rand(images, sentences) < 0.8
    mask[:, 0] = True
    batch = {"index": torch.arange(images), "image_embedding": x, "class_embeddings": w, "label": label}
    return batch | {"prompts": prompts, "prompt_mask": mask}


def step(task, batch, *, autocast=None, loss_scale=1.0):
    """Logits, loss and the gradients of a training step; Lightning too leaves autocast before the backward pass."""
    with torch.autocast("cpu", dtype=autocast or torch.bfloat16, enabled=autocast is not None):
        logits = task(batch["image_embedding"], batch["class_embeddings"])
        loss = task.training_step(batch, 0)
    gradients = torch.autograd.grad(loss * loss_scale, list(task.parameters()), allow_unused=True)
    return [logits.detach(), loss.detach(), *gradients]


@pytest.mark.parametrize("loss_scale", [1.0, 2.0**16])
@pytest.mark.parametrize("logit_scale", [1.0, 100.0, 1e4])
@pytest.mark.parametrize("dtype", LOW)
@pytest.mark.parametrize(("projection", "aggregator"), FORMS)
def test_a_mixed_step_is_the_full_one(projection, aggregator, dtype, logit_scale, loss_scale):
    """Bit for bit, and finite: under autocast to float16 too, which Lightning has on a GPU alone."""
    seed_everything(0)
    task, batch = moved_task(projection, aggregator, logit_scale), one_batch()
    full = step(task, batch, loss_scale=loss_scale)
    mixed = step(task, batch, autocast=dtype, loss_scale=loss_scale)
    for one, other in zip(mixed, full, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            assert one.dtype == torch.float32
            assert one.isfinite().all()
            assert torch.equal(one, other)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("dtype", LOW)
@pytest.mark.parametrize(("projection", "aggregator"), FORMS)
def test_a_step_in_low_precision_costs_what_its_parameters_round_away(projection, aggregator, dtype, seed):
    seed_everything(seed)
    task, batch = moved_task(projection, aggregator), one_batch()
    exact = copy.deepcopy(task).double()
    doubles = {key: value.double() if value.is_floating_point() else value for key, value in batch.items()}
    low, full = step(task.to(dtype), batch), step(exact, doubles)
    assert (low[0].double() - full[0]).abs().max() <= LOGITS[dtype]
    modules = [name.split(".")[0] for name, _ in task.named_parameters()]
    for module in set(modules):
        found = [pair for name, *pair in zip(modules, low[2:], full[2:], strict=True) if name == module]
        ours, theirs = (torch.cat([pair[i].double().flatten() for pair in found]) for i in (0, 1))
        assert (ours - theirs).norm() <= GRADIENTS[dtype] * theirs.norm(), module
