"""CLIP-Adapter against its formula in plain loops, its recipe's curve, and new class lists."""

import math

import pytest
import torch
from aape_lightning.baselines import CLIPAdapterTask
from aape_lightning.callbacks import RunFiles
from aape_lightning.errors import CheckpointError, RecipeError
from lightning.pytorch import Callback, seed_everything
from torch.nn import functional as F

D = 32
SPEC = {"name": "toy", "fingerprint": "0" * 64, "embed_dim": D, "logit_scale": 20.0}


def unit(*shape):
    return F.normalize(torch.randn(shape), dim=-1)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def plain_logits(inner, outer, x, w, ratio, scale):
    """tau^-1 cos(ratio A(x) + (1 - ratio) x, w_c), image by image and number by number."""
    rows = []
    for image in x:
        hidden = [max(0.0, float(row @ image)) for row in inner]
        adapted = [max(0.0, sum(float(v) * h for v, h in zip(row, hidden, strict=True))) for row in outer]
        mixed = torch.tensor([ratio * a + (1 - ratio) * float(v) for a, v in zip(adapted, image, strict=True)])
        rows.append([scale * float(mixed @ text) / math.sqrt(float(mixed @ mixed)) for text in w])
    return torch.tensor(rows)


@pytest.mark.parametrize("ratio", [0.0, 0.2, 1.0])
def test_logits_are_the_formula(ratio):
    task, x, w = CLIPAdapterTask(ratio=ratio, backbone_spec=dict(SPEC)), unit(4, D), unit(6, D)
    inner, outer = (layer.weight.detach() for layer in task.adapter if isinstance(layer, torch.nn.Linear))
    assert (inner.shape, outer.shape) == ((D // 4, D), (D, D // 4))
    with torch.no_grad():
        found = task(x, w)
    torch.testing.assert_close(found, plain_logits(inner, outer, x, w, ratio, 20.0), rtol=0, atol=1e-4)


def test_the_length_of_x_does_not_matter():
    task, x, w = CLIPAdapterTask(backbone_spec=dict(SPEC)), unit(4, D), unit(6, D)
    torch.testing.assert_close(task(10 * x, w), task(x, w))


def test_parameters_are_the_adapters_alone():
    task = CLIPAdapterTask(backbone_spec=dict(SPEC))
    assert sum(parameter.numel() for parameter in task.parameters()) == 2 * D * D // 4
    assert len(task.state_dict()) == 2


class Rates(Callback):
    """The learning rate of each epoch's first step."""

    def __init__(self):
        self.seen = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        (optimizer,) = trainer.optimizers
        assert isinstance(optimizer, torch.optim.SGD)
        assert (optimizer.param_groups[0]["momentum"], optimizer.param_groups[0]["weight_decay"]) == (0.9, 5e-4)
        if batch_idx == 0:
            self.seen.append(optimizer.param_groups[0]["lr"])


def test_the_curve_is_coops(toy_data, quiet_trainer):
    rates = Rates()
    quiet_trainer(max_epochs=6, callbacks=[rates]).fit(CLIPAdapterTask(lr=0.01), datamodule=toy_data())
    cosine = [0.005 * (1 + math.cos(math.pi * (epoch - 1) / 6)) for epoch in range(1, 6)]
    assert rates.seen == pytest.approx([1e-5, *cosine])


def test_training_lowers_the_loss(toy_data, quiet_trainer):
    losses = []
    for epochs in (1, 40):
        seed_everything(1)
        trainer = quiet_trainer(max_epochs=epochs)
        trainer.fit(CLIPAdapterTask(lr=0.1), datamodule=toy_data())
        losses.append(float(trainer.callback_metrics["train/loss"]))
    assert losses[1] < 0.8 * losses[0]


def test_one_checkpoint_serves_any_class_list(toy_data, quiet_trainer, tmp_path):
    task = CLIPAdapterTask(ratio=0.5)
    quiet_trainer(max_epochs=2, callbacks=[RunFiles(str(tmp_path))]).fit(task, datamodule=toy_data(classes="base"))
    loaded = CLIPAdapterTask.load_from_checkpoint(tmp_path / "last.ckpt")
    assert loaded.hparams["ratio"] == 0.5
    for classes, count in (("base", 3), ("new", 2), ("all", 5)):
        (batch,) = quiet_trainer().predict(loaded, datamodule=toy_data(classes=classes))
        assert batch["probabilities"].shape[1] == count
        again = quiet_trainer().predict(
            CLIPAdapterTask(ratio=0.5), datamodule=toy_data(classes=classes), ckpt_path=tmp_path / "last.ckpt"
        )
        torch.testing.assert_close(again[0]["probabilities"], batch["probabilities"])


def test_weights_start_alike_whatever_is_drawn_before(toy_data, quiet_trainer):
    found = []
    for draws in (0, 5):
        torch.manual_seed(3)
        task = CLIPAdapterTask()
        torch.rand(draws)
        quiet_trainer(max_epochs=1).fit(task, datamodule=toy_data())
        found.append(task.state_dict()["adapter.0.weight"])
    assert torch.equal(*found)


def test_a_run_is_resumed_for_as_many_epochs_as_planned(toy_data, quiet_trainer, tmp_path):
    quiet_trainer(max_epochs=2, callbacks=[RunFiles(str(tmp_path))]).fit(CLIPAdapterTask(), datamodule=toy_data())
    with pytest.raises(CheckpointError, match=r"planned for 2 epochs.*trainer\.max_epochs 3"):
        quiet_trainer(max_epochs=3).fit(CLIPAdapterTask(), datamodule=toy_data(), ckpt_path=tmp_path / "last.ckpt")


@pytest.mark.parametrize(
    ("name", "value"), [("ratio", -0.1), ("ratio", 1.1), ("reduction", 0), ("lr", 0.0), ("weight_decay", -1.0)]
)
def test_values_out_of_range(name, value):
    with pytest.raises(RecipeError, match=f"{name} is {value}"):
        CLIPAdapterTask(**{name: value})
