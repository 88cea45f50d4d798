"""ProGrad's projected gradient against plain loops and plain projection."""

import pytest
import torch
from aape_lightning.baselines import ProGradTask
from aape_lightning.baselines.prograd import aligned
from aape_lightning.cli import build
from aape_lightning.errors import RecipeError
from lightning.pytorch import seed_everything
from plain_prompts import WORDS, Steps, assert_close, plain_cross_entropy, plain_logits

TOY_TEMPLATES = ["a photo of a {}.", "a drawing of a {}."]


def plain_projected(domain, general, strength):
    """By unit vectors, as the paper draws it."""
    unit = general / general.norm()
    along = float((domain * unit).sum())
    return domain if along >= 0 else domain - strength * along * unit


@torch.no_grad()
def plain_zero_shot(backbone, images):
    logits = []
    for name in WORDS:
        features = backbone.encode_text(backbone.tokenize([template.format(name) for template in TOY_TEMPLATES]))
        mean = features.mean(0)
        logits.append(backbone.logit_scale * images @ (mean / mean.norm()))
    return torch.stack(logits, dim=1)


@pytest.mark.parametrize("strength", [1.0, 0.8])
def test_every_step_is_the_plain_loops(strength, vivid_data, vivid_backbone, quiet_trainer):
    seed_everything(0)
    steps = Steps()
    task = ProGradTask(length=6, projection_strength=strength, lr=0.5)
    quiet_trainer(max_epochs=4, limit_train_batches=2, callbacks=[steps]).fit(task, datamodule=vivid_data())
    disagreed = []
    for step in steps.steps:
        batch, before = step["batch"], step["before"]["context"].requires_grad_()
        logits = plain_logits(vivid_backbone, batch["image_embedding"], [before] * len(batch["label"]))
        teacher = plain_zero_shot(vivid_backbone, batch["image_embedding"]).softmax(1)
        divergence = (teacher * (teacher.log() - logits.softmax(1).log())).sum(1).mean()
        loss = plain_cross_entropy(logits, batch["label"])
        domain, general = (torch.autograd.grad(term, before, retain_graph=True)[0] for term in (loss, divergence))
        disagreed.append(bool((domain * general).sum() < 0))
        assert_close(step["loss"], loss)
        expected = plain_projected(domain, general, strength)
        torch.testing.assert_close(
            step["gradients"]["context"], expected, rtol=0, atol=3e-5 * float(domain.abs().max())
        )
    assert {True, False} == set(disagreed)


def test_agreeing_gradients_are_left_alone():
    domain, general = torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 0.0]])
    assert torch.equal(aligned(domain, general), domain)


def test_disagreeing_gradients_lose_what_is_against():
    domain, general = torch.tensor([[-3.0, 2.0]]), torch.tensor([[0.5, 0.0]])
    assert torch.equal(aligned(domain, general), torch.tensor([[0.0, 2.0]]))
    assert torch.equal(aligned(domain, general, 0.5), torch.tensor([[-1.5, 2.0]]))


def test_a_vanishing_gradient_projects_nothing():
    domain = torch.tensor([[-3.0, 2.0]])
    assert torch.equal(aligned(domain, torch.zeros(1, 2)), domain)


def test_the_context_starts_from_zeros_and_words(vivid_data, vivid_backbone, quiet_trainer):
    task = ProGradTask(length=16)
    quiet_trainer(limit_train_batches=0).fit(task, datamodule=vivid_data())
    words = vivid_backbone.model.token_embedding(vivid_backbone.tokenize(["a photo of a"]))[0, 1:5]
    assert torch.equal(task.context, torch.cat([torch.zeros(12, 128), words]))


def test_the_names_stand_behind_the_whole_context(vivid_data, vivid_backbone, quiet_trainer):
    task = ProGradTask(length=16)
    quiet_trainer(max_epochs=2).fit(task, datamodule=vivid_data(classes="base"))
    images = torch.nn.functional.normalize(torch.randn(3, 64), dim=-1)
    ours = task(images, torch.zeros(3, 64))
    torch.testing.assert_close(ours, plain_logits(vivid_backbone, images, [task.context] * 3, WORDS[:3]))


def test_accumulated_steps_are_projected_one_by_one(vivid_data, quiet_trainer):
    runs = []
    for batches in (1, 2):
        steps = Steps()
        trainer = quiet_trainer(max_epochs=1, limit_train_batches=2, callbacks=[steps], accumulate_grad_batches=batches)
        trainer.fit(ProGradTask(length=6), datamodule=vivid_data())
        runs.append(steps.steps)
    single = torch.stack(
        [step["gradients"]["context"] for step in runs[0]]
    )  # the first rate, 1e-5, moves next to nothing
    torch.testing.assert_close(
        runs[1][1]["gradients"]["context"], single.mean(0), rtol=0, atol=1e-3 * float(single.abs().max())
    )


def test_the_loss_that_is_logged_is_the_cross_entropy(vivid_data, quiet_trainer):
    trainer = quiet_trainer(max_epochs=1)
    trainer.fit(ProGradTask(length=6), datamodule=vivid_data())
    logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
    assert logged["train/loss"] == pytest.approx(logged["train/cross_entropy"], rel=1e-5)
    assert logged["train/divergence"] > 0


def test_a_context_shorter_than_its_words_is_an_error(vivid_data, quiet_trainer):
    with pytest.raises(RecipeError, match=r"length is 3; it must be at least the 4 tokens.*--model\.length"):
        quiet_trainer().fit(ProGradTask(length=3), datamodule=vivid_data())


@pytest.mark.parametrize(("shots", "epochs"), [(1, 50), (4, 100), (16, 200)])
def test_the_recipe_is_the_published_one(shots, epochs):
    built = build(["--config", "shapes", "--config", "recipes/methods/prograd.yaml", "--data.shots", str(shots)])
    assert isinstance(built.model, ProGradTask)
    names = ("context", "length", "projection_strength", "lr", "weight_decay")
    settings = {name: built.model.hparams[name] for name in names}
    assert settings == dict(zip(names, ("a photo of a", 16, 1.0, 0.002, 5e-4), strict=True))
    assert built.datamodule.hparams["batch_size"] == 32
    assert built.trainer.max_epochs == epochs
