import pytest
import torch
from aape_lightning.callbacks import RunFiles
from aape_lightning.errors import BatchError, CheckpointError, RecipeError
from aape_lightning.tasks import GeneratorTask
from lightning.pytorch import Callback, seed_everything
from torch.nn import functional as F
from torch.utils.data import DataLoader

D = 32
SPEC = {"name": "toy", "fingerprint": "0" * 64, "embed_dim": D, "logit_scale": 20.0}


def unit(*shape):
    return F.normalize(torch.randn(shape), dim=-1)


def known(**settings):
    """A task that knows its backbone, away from its start."""
    task = GeneratorTask(backbone_spec=dict(SPEC), **settings)
    for parameter in task.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return task


def training_batch():
    mask = torch.tensor([[1, 1, 0], [1, 0, 0], [1, 1, 1], [0, 1, 1]], dtype=torch.bool)
    return {
        "index": torch.arange(4),
        "image_embedding": unit(4, D),
        "prompts": unit(4, 3, D) * mask[..., None],
        "prompt_mask": mask,
    }


class Record(Callback):
    """Stage and loss of each step, and the weights after each epoch."""

    def __init__(self):
        self.steps, self.states = [], []

    def on_train_batch_end(self, trainer, task, outputs, batch, batch_idx):
        self.steps.append((task.stage, outputs["loss"].item()))

    def on_train_epoch_end(self, trainer, task):
        self.states.append({name: tensor.clone() for name, tensor in task.state_dict().items()})


@pytest.fixture
def fit(toy_data, quiet_trainer, tmp_path):
    """Trains a task; returns it and what its steps were."""

    def train(epochs=4, **settings):
        seed_everything(1)
        record, task = Record(), GeneratorTask(**settings)
        trainer = quiet_trainer(max_epochs=epochs, callbacks=[record, RunFiles(str(tmp_path / "files"))])
        trainer.fit(task, datamodule=toy_data())
        return task, record

    return train


def test_forward_is_the_generator():
    task, x = known(), unit(5, D)
    hidden = (x @ task.generator.inner.weight.T + task.generator.inner.bias).clamp(min=0)
    expected = F.normalize(hidden @ task.generator.outer.weight.T + task.generator.outer.bias, dim=-1)
    torch.testing.assert_close(task(x), expected)


@pytest.mark.parametrize("stage", ["aggregator", "generator", "joint"])
def test_the_loss_is_the_distillation_alone(stage):
    task, batch = known(), training_batch()
    task.stage = stage
    x = batch["image_embedding"]
    summary = task.aggregator(batch["prompts"], batch["prompt_mask"], x).detach()
    distillation = sum(((h - p) ** 2).sum() for h, p in zip(task(x), summary, strict=True)) / 4
    reward = 2.5 * (x * summary).sum(1).clamp(min=0).mean()
    expected = {"aggregator": -reward, "generator": distillation, "joint": distillation - reward}[stage]
    torch.testing.assert_close(task.training_step(batch, 0), expected)


def test_the_summary_is_a_constant_to_the_generator():
    task, batch = known(), training_batch()
    task.stage = "generator"
    task.training_step(batch, 0).backward()
    assert all(parameter.grad is None or not parameter.grad.any() for parameter in task.aggregator.parameters())
    assert all(parameter.grad.any() for parameter in task.generator.parameters())


@pytest.mark.parametrize("aggregator", ["attention", "mlp", "mean", "random"])
def test_each_stage_trains_its_own_module(aggregator, fit):
    _, record = fit(aggregator=aggregator, aggregator_epochs=2, lr=3e-3, epochs=5)
    learns = aggregator in ("attention", "mlp")
    stages = [stage for stage, _ in record.steps]
    assert stages == ["aggregator"] * (10 if learns else 0) + ["generator"] * 15
    losses = [loss for stage, loss in record.steps if stage == "generator"]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
    first, last = record.states[1 if learns else 0], record.states[-1]
    for name in first:
        assert torch.equal(first[name], last[name]) == name.startswith("aggregator."), name


def test_a_joint_fit_trains_both(fit):
    _, record = fit(schedule="joint", epochs=3)
    assert [stage for stage, _ in record.steps] == ["joint"] * 15
    first, last = record.states[0], record.states[-1]
    assert not [name for name in first if torch.equal(first[name], last[name])]


def test_too_few_epochs_are_an_error(fit):
    with pytest.raises(RecipeError, match="aggregator_epochs is 4"):
        fit(aggregator_epochs=4, epochs=4)


def test_the_inference_checkpoint_is_the_generator_alone(fit, toy_data, quiet_trainer, tmp_path):
    task, _ = fit(aggregator_epochs=1, epochs=2)
    path, x = tmp_path / "files" / "aape.ckpt", unit(3, D)
    assert {name.split(".")[0] for name in torch.load(path, weights_only=True)["state_dict"]} == {"generator"}
    loaded = GeneratorTask.load_from_checkpoint(path)
    assert torch.equal(loaded(x), task(x))
    with pytest.raises(CheckpointError, match=r"resume from last\.ckpt"):
        quiet_trainer().fit(loaded, datamodule=toy_data())


def test_a_trainer_without_a_datamodule_is_an_error(quiet_trainer):
    with pytest.raises(BatchError, match="GeneratorTask learns the backbone from its DataModule"):
        quiet_trainer().fit(GeneratorTask(), DataLoader([{"index": 0}]))
