import numpy as np
import pytest
import torch
from aape_lightning.backbones import load_backbone
from aape_lightning.data.pretraining import ShapesPretrainingDataModule
from aape_lightning.errors import RecipeError
from aape_lightning.tasks.pretraining import ContrastiveTask
from lightning.pytorch import Trainer, seed_everything

TINY = {"embed_dim": 32, "vision_layers": (1, 1, 1, 1), "vision_width": 8, "text_layers": 1, "warmup_steps": 2}


def data(**changes):
    return ShapesPretrainingDataModule(**({"batch_size": 8, "steps_per_epoch": 2} | changes))


def trainer(folder, **changes):
    settings = {"max_epochs": 1, "accelerator": "cpu", "logger": False, "enable_checkpointing": False}
    quiet = {"enable_progress_bar": False, "enable_model_summary": False}
    return Trainer(default_root_dir=folder, **(settings | quiet | changes))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A task after two steps, and the folder that it wrote into."""
    seed_everything(1)
    folder = tmp_path_factory.mktemp("pretraining")
    task = ContrastiveTask(**TINY)
    run = trainer(folder)
    run.fit(task, datamodule=data())
    return task.eval(), folder, run


def test_the_loss_is_the_mean_of_both_directions():
    torch.manual_seed(1)
    task, batch = ContrastiveTask(**TINY), next(iter(data().train_dataloader()))
    batch = data().on_after_batch_transfer(batch, 0)
    task.log = lambda *args, **kwargs: None
    with torch.no_grad():
        loss = task.eval().training_step(batch, 0)
        images, texts = task.encode_image(batch["image"]).double(), task.encode_text(batch["tokens"]).double()
    expected, scale, size = 0.0, task.model.logit_scale.exp().double(), len(images)
    for i in range(size):
        expected -= torch.log_softmax(scale * texts @ images[i], dim=0)[i] / (2 * size)
        expected -= torch.log_softmax(scale * images @ texts[i], dim=0)[i] / (2 * size)
    torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=0)


def test_weights_are_written_in_the_format_that_clip_loads(trained):
    task, folder, _ = trained
    backbone = load_backbone(str(folder / "shapes_tiny.pt"))
    assert (backbone.embed_dim, backbone.input_size, backbone.context_length) == (32, 64, 32)
    batch = next(iter(data().train_dataloader()))
    images = data().on_after_batch_transfer(batch, 0)["image"]
    with torch.no_grad():
        torch.testing.assert_close(backbone.encode_image(images), task.encode_image(images), atol=5e-3, rtol=0)
        torch.testing.assert_close(
            backbone.encode_text(batch["tokens"]), task.encode_text(batch["tokens"]), atol=5e-3, rtol=0
        )


def test_weights_are_stored_in_half_precision(trained):
    state = torch.load(trained[1] / "shapes_tiny.pt", weights_only=True)
    assert {tensor.dtype for tensor in state.values() if tensor.is_floating_point()} == {torch.float16}
    assert all(tensor.is_contiguous() for tensor in state.values())


def test_validation_logs_every_group(trained):
    logged = trained[2].callback_metrics
    for group in ("", "_base", "_new", "_rare", "_common"):
        assert 0 <= logged[f"val/accuracy{group}"] <= 1


def test_a_vit_is_built_from_a_number_of_layers(tmp_path):
    task = ContrastiveTask(embed_dim=32, vision_layers=1, vision_width=64, patch_size=16, text_layers=1)
    chosen = tmp_path / "chosen" / "vit.pt"
    task.hparams["weights"] = str(chosen)
    trainer(tmp_path).fit(task, datamodule=data(batch_size=4, steps_per_epoch=1))
    assert load_backbone(str(chosen)).input_size == 64


def test_a_dry_run_writes_nothing(tmp_path):
    trainer(tmp_path, fast_dev_run=True).fit(ContrastiveTask(**TINY), datamodule=data())
    assert not list(tmp_path.rglob("*.pt"))


def test_training_lowers_the_loss():
    seed_everything(1)
    task = ContrastiveTask(**TINY)
    batch = next(iter(data().train_dataloader()))
    batch = data().on_after_batch_transfer(batch, 0)
    task.log = lambda *args, **kwargs: None
    task.model.token_embedding.requires_grad_(False)  # most of the parameters, and most of a step's time
    optimizer = torch.optim.AdamW([parameter for parameter in task.parameters() if parameter.requires_grad], lr=3e-3)
    losses = []
    for _ in range(10):
        loss = task.training_step(batch, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_the_logit_scale_stays_within_clips_bound():
    task = ContrastiveTask(**TINY)
    task.model.logit_scale.data.fill_(9.0)
    task.optimizer_step(0, 0, torch.optim.SGD(task.parameters()), lambda: None)
    assert task.model.logit_scale.exp().item() == pytest.approx(100)


def test_norms_biases_and_the_logit_scale_do_not_decay(trained):
    task, _, run = trained
    decayed, free = run.optimizers[0].param_groups
    assert decayed["weight_decay"] == 0.05
    assert free["weight_decay"] == 0.0
    assert all(parameter.ndim >= 2 for parameter in decayed["params"])
    assert any(parameter is task.model.logit_scale for parameter in free["params"])
    assert len(decayed["params"]) + len(free["params"]) == len(list(task.parameters()))


def test_a_checkpoint_holds_its_hyper_parameters(trained, tmp_path):
    task, _, run = trained
    run.save_checkpoint(tmp_path / "run.ckpt")
    loaded = ContrastiveTask.load_from_checkpoint(tmp_path / "run.ckpt", map_location="cpu")
    assert loaded.hparams["vision_layers"] == (1, 1, 1, 1)
    for name, tensor in task.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], tensor)


@pytest.mark.parametrize("wrong", [{"text_width": 96}, {"vision_layers": 2, "vision_width": 100}])
def test_a_width_without_whole_heads_is_refused(wrong):
    with pytest.raises(RecipeError, match="multiples of 64"):
        ContrastiveTask(**wrong)


def test_two_runs_with_one_seed_are_equal(tmp_path):
    states = []
    for folder in ("a", "b"):
        seed_everything(4)
        trainer(tmp_path / folder).fit(ContrastiveTask(**TINY), datamodule=data())
        states.append(torch.load(tmp_path / folder / "shapes_tiny.pt", weights_only=True))
    for name, tensor in states[0].items():
        assert np.array_equal(tensor.numpy(), states[1][name].numpy()), name
