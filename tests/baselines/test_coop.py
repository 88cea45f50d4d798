"""CoOp against a plain loop: loss and prompt gradient of every step of a real run, and its predictions."""

import pytest
import torch
from aape_lightning.baselines import CoOpTask, ZeroShotTask
from aape_lightning.cli import build
from aape_lightning.errors import PromptError, RecipeError
from lightning.pytorch import seed_everything
from plain_prompts import WORDS, Steps, assert_close, plain_cross_entropy, plain_gradients, plain_logits


def probabilities(trainer, task, data):
    return torch.cat([batch["probabilities"] for batch in trainer.predict(task, datamodule=data)])


@pytest.mark.parametrize("context", ["a photo of a", 3, 16])
def test_every_step_is_the_plain_loops(context, vivid_data, vivid_backbone, quiet_trainer):
    seed_everything(0)
    steps = Steps()
    task = CoOpTask(context=context, lr=0.1)
    quiet_trainer(max_epochs=2, limit_train_batches=2, callbacks=[steps]).fit(task, datamodule=vivid_data(views=2))
    assert len(steps.steps) == 4
    momentum = torch.zeros_like(task.context)
    for number, step in enumerate(steps.steps):
        batch, before = step["batch"], step["before"]["context"].requires_grad_()
        logits = plain_logits(vivid_backbone, batch["image_embedding"], [before] * len(batch["label"]))
        ((gradient, scale),) = plain_gradients(logits, batch["label"], [before])
        assert_close(step["loss"], plain_cross_entropy(logits, batch["label"]))
        assert_close(step["gradients"]["context"], gradient, scale)
        momentum = 0.9 * momentum + gradient + 5e-4 * before.detach()
        after = steps.steps[number + 1]["before"]["context"] if number < 3 else task.context.detach()
        assert_close(after, before.detach() - step["lr"] * momentum)
    assert (task.context - steps.steps[0]["before"]["context"]).abs().max() > 1e-3


def test_words_start_at_zero_shot_clip(vivid_data, vivid_backbone, quiet_trainer):
    task, trainer, data = CoOpTask(), quiet_trainer(limit_train_batches=0), vivid_data()
    trainer.fit(task, datamodule=data)
    tokens = vivid_backbone.tokenize(["a photo of a"])
    assert torch.equal(task.context, vivid_backbone.model.token_embedding(tokens)[0, 1:5])
    expected = probabilities(trainer, ZeroShotTask(), data)
    torch.testing.assert_close(probabilities(trainer, task, data), expected, rtol=0, atol=1e-5)


def test_a_number_draws_that_many_vectors(vivid_data, quiet_trainer):
    drawn = []
    for seed in (0, 0, 1):
        seed_everything(seed)
        task = CoOpTask(context=16)
        quiet_trainer(limit_train_batches=0).fit(task, datamodule=vivid_data())
        drawn.append(task.context.detach())
    assert drawn[0].shape == (16, 128)
    assert drawn[0].std() == pytest.approx(0.02, rel=0.1)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


@pytest.mark.parametrize(("classes", "names"), [("all", WORDS), ("base", WORDS[:3]), ("new", WORDS[3:])])
def test_a_checkpoint_serves_any_class_list(classes, names, vivid_data, vivid_backbone, quiet_trainer, tmp_path):
    trainer = quiet_trainer(max_epochs=2)
    trainer.fit(CoOpTask(lr=0.5), datamodule=vivid_data(classes="base"))
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    task, data = CoOpTask.load_from_checkpoint(tmp_path / "last.ckpt"), vivid_data(classes=classes, store=False)
    images = []
    trainer = quiet_trainer()
    trainer.fit_loop.max_epochs = 1
    task.register_forward_pre_hook(lambda module, inputs: images.append(inputs[0]))
    ours = probabilities(trainer, task, data)
    logits = plain_logits(vivid_backbone, torch.cat(images), [task.context] * 4 * len(names), names)
    torch.testing.assert_close(ours, logits.softmax(1).detach(), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("context", "said"), [(0, "context is 0; it must be words"), (" ", "context is ' '; it must be words")]
)
def test_a_context_of_nothing_is_an_error(context, said):
    with pytest.raises(RecipeError, match=said):
        CoOpTask(context=context)


def test_a_context_that_leaves_no_room_for_names_is_an_error(vivid_data, quiet_trainer):
    with pytest.raises(PromptError, match=r"too long for context length 24.*--model\.context"):
        quiet_trainer().fit(CoOpTask(context=22), datamodule=vivid_data())


@pytest.mark.parametrize(("method", "context"), [("coop", "a photo of a"), ("coop-16", 16)])
def test_the_recipes_are_the_published_ones(method, context):
    built = build(["--config", "shapes", "--config", f"recipes/methods/{method}.yaml"])
    assert isinstance(built.model, CoOpTask)
    settings = {name: built.model.hparams[name] for name in ("context", "lr", "weight_decay")}
    assert settings == {"context": context, "lr": 0.002, "weight_decay": 5e-4}
    assert built.datamodule.hparams["batch_size"] == 32
    assert built.trainer.max_epochs == 200


@pytest.mark.parametrize(("shots", "epochs"), [(1, 50), (2, 100), (4, 100), (8, 200), (16, 200)])
def test_few_shots_train_for_fewer_epochs(shots, epochs):
    built = build(["--config", "shapes", "--config", "recipes/methods/coop-16.yaml", "--data.shots", str(shots)])
    assert built.trainer.max_epochs == epochs
