import pytest
import torch
from aape_lightning.callbacks import RunFiles
from aape_lightning.errors import BackboneMismatchError, BatchError
from aape_lightning.modules import build_aggregator, prompt_mean
from aape_lightning.tasks import AggregatorTask
from lightning.pytorch import Callback, seed_everything
from safetensors.torch import load_file
from torch.nn import functional as F
from torch.utils.data import DataLoader


class Record(Callback):
    """Each step's loss, learning rate and batch."""

    def __init__(self):
        self.losses, self.rates, self.batches, self.states = [], [], [], []

    def on_train_batch_start(self, trainer, task, batch, batch_idx):
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])
        self.batches.append(batch)
        self.states.append({name: tensor.clone() for name, tensor in task.state_dict().items()})

    def on_train_batch_end(self, trainer, task, outputs, batch, batch_idx):
        self.losses.append(outputs["loss"].item())


@pytest.fixture
def fit(toy_data, quiet_trainer, tmp_path):
    """Trains a task; returns it, what its steps were, and the Trainer."""

    def train(epochs=4, data=None, **settings):
        seed_everything(1)
        record, task = Record(), AggregatorTask(**settings)
        trainer = quiet_trainer(max_epochs=epochs, callbacks=[record, RunFiles(str(tmp_path / "files"))])
        trainer.fit(task, datamodule=toy_data(**(data or {})))
        return task, record, trainer

    return train


@pytest.mark.parametrize("aggregator", ["attention", "mlp"])
def test_the_loss_is_the_clip_reward_negated(aggregator, fit):
    _, record, _ = fit(aggregator=aggregator)
    for step in (0, 7, 19):
        module, batch = build_aggregator(aggregator, 32), record.batches[step]
        module.load_state_dict({name.split(".", 1)[1]: value for name, value in record.states[step].items()})
        summary = module(batch["prompts"], batch["prompt_mask"], batch["image_embedding"])
        cosines = [float(x @ p) for x, p in zip(batch["image_embedding"], summary, strict=True)]
        expected = -2.5 * sum(max(cosine, 0.0) for cosine in cosines) / len(cosines)
        assert record.losses[step] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("query", ["image", "mean"])
def test_training_raises_the_reward_on_the_training_images(query, fit):
    _, record, _ = fit(epochs=12, query=query, aggregator_lr=3e-3)
    assert sum(record.losses[-5:]) < sum(record.losses[:5]) - 0.02 * 5


def test_the_reward_starts_at_that_of_the_mean_sentence(fit):
    _, record, _ = fit(epochs=1)
    batch = record.batches[0]
    mean = prompt_mean(batch["prompts"], batch["prompt_mask"])
    expected = -2.5 * F.cosine_similarity(mean, batch["image_embedding"]).clamp_min(0).mean()
    assert record.losses[0] == pytest.approx(expected.item(), abs=1e-5)


def test_every_epoch_is_the_aggregators(fit):
    task, record, trainer = fit(epochs=3, aggregator_lr=0.004)
    assert task.stage == "aggregator"
    assert len(record.losses) == 3 * 5
    angles = torch.arange(15, dtype=torch.float64) / 15 * torch.pi
    assert record.rates == pytest.approx((0.004 * (1 + torch.cos(angles)) / 2).tolist(), abs=1e-9)
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0, abs=1e-9)
    assert not any("summary" in batch for batch in record.batches)


def test_the_mean_reward_of_an_epoch_is_logged(fit):
    _, record, trainer = fit(epochs=2)
    assert trainer.callback_metrics["train/reward"].item() == pytest.approx(-sum(record.losses[5:]) / 5, abs=1e-5)
    assert trainer.callback_metrics["train/loss"].item() == pytest.approx(sum(record.losses[5:]) / 5, abs=1e-5)


def test_every_parameter_moves(fit):
    task, record, _ = fit()
    first, last = record.states[0], task.state_dict()
    assert [name for name in first if torch.equal(first[name], last[name])] == []
    assert {name.split(".")[0] for name in last} == {"aggregator"}


def test_its_files_are_the_aggregator_and_no_inference_checkpoint(fit, tmp_path):
    task, _, _ = fit(epochs=1)
    assert {path.name for path in (tmp_path / "files").iterdir()} == {"last.ckpt", "aggregator.safetensors"}
    stored = load_file(tmp_path / "files" / "aggregator.safetensors")
    assert stored.keys() == task.aggregator.state_dict().keys()
    for name, tensor in task.aggregator.state_dict().items():
        assert torch.equal(stored[name], tensor), name


def test_a_checkpoint_loads_without_data(fit, tmp_path):
    task, _, _ = fit(epochs=1, aggregator="mlp")
    loaded = AggregatorTask.load_from_checkpoint(tmp_path / "files" / "last.ckpt")
    for name, tensor in task.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name


def test_another_backbone_is_refused(fit, toy_data, other_clip, quiet_trainer):
    task, _, _ = fit(epochs=1)
    with pytest.raises(BackboneMismatchError, match=r"other\.pt"):
        quiet_trainer().fit(task, datamodule=toy_data(backbone=str(other_clip)))


def test_a_trainer_without_a_datamodule_is_an_error(quiet_trainer):
    with pytest.raises(BatchError, match="AggregatorTask learns the backbone from its DataModule"):
        quiet_trainer().fit(AggregatorTask(), DataLoader([{"index": 0}]))
