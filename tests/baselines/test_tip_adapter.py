"""Tip-Adapter against plain loops: the memory, the votes, the search, and what training the keys does."""

import math

import pytest
import torch
from aape_lightning.baselines import TipAdapterTask
from aape_lightning.baselines.tip_search import best_on_validation
from aape_lightning.callbacks import RunFiles
from aape_lightning.errors import RecipeError
from lightning.pytorch import Callback, seed_everything
from torch.nn import functional as F

SPEC = {"name": "toy", "fingerprint": "0" * 64, "embed_dim": 8, "logit_scale": 20.0}


def unit(*shape):
    return F.normalize(torch.randn(shape), dim=-1)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def plain_logits(x, w, keys, labels, alpha, beta, scale):
    """Zero-shot logits and the votes of the keys, one image, class and key after the other."""
    rows = []
    for image in x:
        row = [scale * float(image @ text) for text in w]
        for key, label in zip(keys, labels, strict=True):
            row[int(label)] += alpha * math.exp(-beta * (1 - float(image @ key)))
        rows.append(row)
    return torch.tensor(rows)


def remembering(keys, labels, classes, **settings):
    task = TipAdapterTask(backbone_spec=dict(SPEC), class_names=[str(c) for c in range(classes)], **settings)
    task._remember(keys, labels)
    return task


def test_logits_are_the_formula():
    x, w, keys, labels = unit(5, 8), unit(3, 8), unit(7, 8), torch.tensor([2, 0, 1, 1, 0, 2, 2])
    task = remembering(keys, labels, 3, alpha=1.7, beta=4.2)
    expected = plain_logits(x, w, keys, labels, 1.7, 4.2, 20.0)
    torch.testing.assert_close(task(x, w), expected, rtol=0, atol=1e-4)
    task.match(["2", "0"])
    torch.testing.assert_close(task(x, w[[2, 0]]), expected[:, [2, 0]], rtol=0, atol=1e-4)


def brute_force(x, w, keys, labels, val_labels, scale, alpha_scale, beta_scale):
    """Every pair of the published grid, beta outside and alpha inside; a later one wins only by more hits."""
    best, chosen = 0, None
    zero_shot = scale * x @ w.T
    for i in range(200):
        beta = i * (beta_scale - 0.1) / 200 + 0.1
        votes = torch.zeros(len(x), len(w))
        for key, label in zip(keys, labels, strict=True):
            votes[:, label] += torch.exp(-beta * (1 - x @ key))
        for j in range(20):
            alpha = j * (alpha_scale - 0.1) / 20 + 0.1
            hits = int(((zero_shot + alpha * votes).argmax(1) == val_labels).sum())
            if hits > best:
                best, chosen = hits, (alpha, beta)
    return chosen


@pytest.mark.parametrize("scales", [(3.0, 7.0), (13.0, 13.0)])
def test_the_search_is_the_published_grids_first_best(scales):
    w = unit(3, 8)
    labels, val_labels = torch.arange(12) % 3, torch.arange(30) % 3
    keys, x = F.normalize(w[labels] + unit(12, 8), dim=-1), F.normalize(w[val_labels] + 2 * unit(30, 8), dim=-1)
    found = best_on_validation(3.0 * x @ w.T, x @ keys.T, F.one_hot(labels, 3).float(), val_labels, *scales)
    assert found == pytest.approx(brute_force(x, w, keys, labels, val_labels, 3.0, *scales))


def fitted(toy_data, quiet_trainer, *, epochs, data=None, callbacks=(), **settings):
    seed_everything(1)
    task, module = TipAdapterTask(**settings), toy_data(**{"views": 3, **(data or {})})
    quiet_trainer(max_epochs=epochs, callbacks=list(callbacks)).fit(task, datamodule=module)
    return task, module


def test_keys_are_the_unit_means_over_views_and_alpha_and_beta_the_best_on_validation(toy_data, quiet_trainer):
    task, data = fitted(toy_data, quiet_trainer, epochs=1)
    stored, labels = data._parts["train"].features, data._parts["train"].keys
    keys = torch.stack([row.sum(0) / row.sum(0).norm() for row in stored])
    torch.testing.assert_close(task.keys.detach(), keys)
    assert torch.equal(task.labels, labels)
    val = data._parts["val"]
    scale = data.backbone.logit_scale
    chosen = brute_force(val.features[:, 0], data.class_embeddings, keys, labels, val.keys, scale, 3.0, 7.0)
    assert (float(task.alpha), float(task.beta)) == pytest.approx(chosen)


def test_tip_adapter_trains_nothing(toy_data, quiet_trainer):
    once, _ = fitted(toy_data, quiet_trainer, epochs=1)
    twice, _ = fitted(toy_data, quiet_trainer, epochs=3)
    assert torch.equal(once.keys, twice.keys)
    assert not any(parameter.requires_grad for parameter in once.parameters())


def test_without_validation_images_the_initial_values_stay(toy_data, quiet_trainer, monkeypatch):
    data = toy_data()
    monkeypatch.setattr(data, "validation_features", lambda: None)
    task = TipAdapterTask(alpha=2.5, beta=0.5)
    quiet_trainer(max_epochs=1).fit(task, datamodule=data)
    assert (float(task.alpha), float(task.beta)) == (2.5, 0.5)


@pytest.mark.parametrize("finetune", [False, True])
def test_nothing_is_chosen_on_test_images(finetune, toy_data, quiet_trainer, monkeypatch):
    data = toy_data()
    monkeypatch.setattr(data, "test_dataloader", lambda: pytest.fail("the test part was read"))
    quiet_trainer(max_epochs=2).fit(TipAdapterTask(finetune=finetune), datamodule=data)
    assert "test" not in data._parts


class Steps(Callback):
    """The optimizer's settings and learning rate at each step."""

    def __init__(self):
        self.rates = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        (optimizer,) = trainer.optimizers
        (group,) = optimizer.param_groups
        assert isinstance(optimizer, torch.optim.AdamW)
        assert (group["eps"], group["weight_decay"]) == (1e-4, 0.01)
        assert [tuple(parameter.shape) for parameter in group["params"]] == [tuple(pl_module.keys.shape)]
        self.rates.append(group["lr"])


def test_tip_adapter_f_is_plain_adamw_on_the_keys(toy_data, quiet_trainer):
    """All steps again, in plain torch, on the batches that the run saw."""
    batches, steps = [], Steps()

    class Batches(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            batches.append({name: batch[name].clone() for name in ("image_embedding", "label", "class_embeddings")})

    task, data = fitted(toy_data, quiet_trainer, epochs=3, finetune=True, lr=0.01, callbacks=[steps, Batches()])
    stored, labels = data._parts["train"].features, data._parts["train"].keys
    keys = F.normalize(stored.mean(1), dim=-1).clone().requires_grad_()
    optimizer = torch.optim.AdamW([keys], lr=0.01, eps=1e-4, weight_decay=0.01)
    for number, batch in enumerate(batches):
        optimizer.param_groups[0]["lr"] = 0.005 * (1 + math.cos(math.pi * number / len(batches)))
        x = batch["image_embedding"]
        votes = torch.exp(-1.0 * (1 - x @ keys.T))
        by_class = torch.stack([votes[:, labels == c].sum(1) for c in range(5)], dim=1)
        logits = data.backbone.logit_scale * x @ batch["class_embeddings"].T + 1.17 * by_class
        optimizer.zero_grad()
        F.cross_entropy(logits, batch["label"]).backward()
        optimizer.step()
    assert len(batches) == 15
    assert steps.rates == pytest.approx([0.005 * (1 + math.cos(math.pi * k / 15)) for k in range(15)])
    torch.testing.assert_close(task.keys.detach(), keys.detach(), rtol=0, atol=1e-5)
    val = data._parts["val"]
    scale = data.backbone.logit_scale
    chosen = brute_force(
        val.features[:, 0], data.class_embeddings, task.keys.detach(), labels, val.keys, scale, 3.0, 7.0
    )
    assert (float(task.alpha), float(task.beta)) == pytest.approx(chosen)


@pytest.mark.parametrize("finetune", [False, True])
def test_a_checkpoint_holds_the_memory(finetune, toy_data, quiet_trainer, tmp_path):
    files, base = RunFiles(str(tmp_path)), {"classes": "base"}
    task, _ = fitted(toy_data, quiet_trainer, epochs=2, finetune=finetune, data=base, callbacks=[files])
    path = tmp_path / "last.ckpt"
    held = torch.load(path, weights_only=True)["state_dict"]
    assert set(held) == {"keys", "labels", "alpha", "beta"}
    expected = quiet_trainer().test(task, datamodule=toy_data(classes="base"), verbose=False)
    loaded = TipAdapterTask.load_from_checkpoint(path)
    assert quiet_trainer().test(loaded, datamodule=toy_data(classes="base"), verbose=False) == expected
    fresh = TipAdapterTask(finetune=finetune)
    found = quiet_trainer().test(fresh, datamodule=toy_data(classes="base"), ckpt_path=path, verbose=False)
    assert found == expected


class PowerCut(Exception):
    """What stops a run."""


class Stop(Callback):
    """Stops at the end of the second epoch, after `last.ckpt` is written."""

    def on_train_epoch_end(self, trainer, pl_module):
        if trainer.current_epoch == 1:
            raise PowerCut


def test_a_resumed_training_of_keys_ends_as_one_that_never_stopped(toy_data, quiet_trainer, tmp_path):
    whole, _ = fitted(toy_data, quiet_trainer, epochs=4, finetune=True)
    files = RunFiles(str(tmp_path), every_seconds=0.0)
    with pytest.raises(PowerCut):
        fitted(toy_data, quiet_trainer, epochs=4, finetune=True, callbacks=[files, Stop()])
    resumed = TipAdapterTask(finetune=True)
    quiet_trainer(max_epochs=4).fit(resumed, datamodule=toy_data(views=3), ckpt_path=tmp_path / "last.ckpt")
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


@pytest.mark.parametrize("name", ["alpha", "beta", "alpha_scale", "beta_scale", "lr"])
def test_numbers_are_above_zero(name):
    with pytest.raises(RecipeError, match=f"{name} is 0.0; it must be above 0"):
        TipAdapterTask(**{name: 0.0})
