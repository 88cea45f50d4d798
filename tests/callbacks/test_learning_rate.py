import pytest
from aape_lightning.callbacks import Curves, LearningRate
from aape_lightning.tasks import ClassificationTask
from aape_lightning.tasks.schedules import coop_learning_rate
from lightning.pytorch import LightningModule


class Nothing(LightningModule):
    """Learns nothing."""

    def training_step(self, batch, batch_idx):
        return None

    def configure_optimizers(self):
        return None


def test_each_epochs_rate_is_logged(toy_data, quiet_trainer):
    curves = Curves()
    task = ClassificationTask(optimizer="sgd", lr=0.5, schedule="joint")
    quiet_trainer(callbacks=[curves, LearningRate()], max_epochs=3).fit(task, datamodule=toy_data())
    expected = [coop_learning_rate(epoch, lr=0.5, epochs=3) for epoch in range(3)]
    assert curves.values["train/lr"] == pytest.approx(expected)


def test_what_trains_without_an_optimizer_logs_none(toy_data, quiet_trainer):
    curves = Curves()
    quiet_trainer(callbacks=[curves, LearningRate()], max_epochs=1).fit(Nothing(), datamodule=toy_data())
    assert curves.values == {}
