import pytest
import torch
from aape_lightning.callbacks import Curves
from aape_lightning.tasks import ClassificationTask
from lightning.pytorch import Callback, LightningModule
from torch.utils.data import DataLoader


class Scripted(LightningModule):
    """Logs numbers that tell where they come from: 10 * epoch, one more for validation."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def train_dataloader(self):
        return DataLoader(torch.zeros(4, 1), batch_size=2)

    def val_dataloader(self):
        return DataLoader(torch.zeros(2, 1), batch_size=2)

    def training_step(self, batch, batch_idx):
        self.log("train/in_step", 10.0 * self.current_epoch + 4 * batch_idx, on_step=False, on_epoch=True)
        return self.weight.square()

    def on_train_epoch_end(self):
        self.log("train/loss", 10.0 * self.current_epoch)
        self.log("train/first" if self.current_epoch < 2 else "train/second", 10.0 * self.current_epoch)
        self.log("other", 1.0)

    def validation_step(self, batch, batch_idx):
        self.log("val/accuracy", 10.0 * self.current_epoch + 1)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.0)


@pytest.fixture
def curves_of(quiet_trainer):
    def fit(task=None, **settings):
        curves = Curves()
        quiet_trainer(callbacks=[curves], **settings).fit(task or Scripted())
        return curves.values

    return fit


def test_each_epochs_values_are_kept_in_order(curves_of):
    assert curves_of() == {
        "train/loss": [0, 10, 20, 30],
        "train/in_step": [2, 12, 22, 32],
        "train/first": [0, 10],
        "train/second": [20, 30],
        "val/accuracy": [1, 11, 21, 31],
    }


def test_the_sanity_check_is_no_epoch(curves_of):
    assert curves_of(num_sanity_val_steps=1)["val/accuracy"] == [1, 11, 21, 31]


def test_validations_are_taken_when_they_are_made(curves_of):
    values = curves_of(check_val_every_n_epoch=2)
    assert values["val/accuracy"] == [11, 31]
    assert values["train/loss"] == [0, 10, 20, 30]


def test_a_value_that_repeats_is_kept_each_time(curves_of):
    class Constant(Scripted):
        def on_train_epoch_end(self):
            self.log("train/loss", 0.5)

    assert curves_of(Constant())["train/loss"] == [0.5] * 4


def test_an_early_end_keeps_its_last_epoch(curves_of):
    class Short(Scripted):
        def on_train_epoch_end(self):
            super().on_train_epoch_end()
            self.trainer.should_stop = self.current_epoch == 1

    assert curves_of(Short())["train/loss"] == [0, 10]


def test_a_second_fit_starts_anew(quiet_trainer):
    curves = Curves()
    for _ in range(2):
        quiet_trainer(callbacks=[curves], max_epochs=2).fit(Scripted())
    assert curves.values["train/loss"] == [0, 10]


def test_a_later_test_adds_nothing(quiet_trainer, toy_data):
    curves = Curves()
    trainer = quiet_trainer(callbacks=[curves], max_epochs=2)
    task = ClassificationTask(aggregator_epochs=1)
    trainer.fit(task, datamodule=toy_data())
    kept = {name: list(values) for name, values in curves.values.items()}
    trainer.test(task, datamodule=toy_data(), verbose=False)
    trainer.validate(task, datamodule=toy_data(), verbose=False)
    assert {name: len(values) for name, values in kept.items() if name.startswith("train/")} == {
        "train/loss": 2,
        "train/reward": 1,
        "train/cross_entropy": 1,
        "train/distillation": 1,
    }
    assert curves.values == kept


def test_values_are_the_epochs_means(quiet_trainer, toy_data):
    seen = []

    class Means(Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            seen.append((trainer.current_epoch, float(outputs["loss"]), len(batch["index"])))

    curves = Curves()
    task = ClassificationTask(aggregator_epochs=2)
    quiet_trainer(callbacks=[curves, Means()]).fit(task, datamodule=toy_data(shots=5))
    for epoch, value in enumerate(curves.values["train/loss"]):
        losses = [(loss, count) for when, loss, count in seen if when == epoch]
        assert len(losses) == 6
        assert value == pytest.approx(sum(loss * count for loss, count in losses) / 24, rel=1e-5)
    assert len(curves.values["train/loss"]) == 4
