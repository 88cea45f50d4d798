"""KgCoOp's regulariser against plain loops, in value and in gradient."""

import pytest
import torch
from aape_lightning.baselines import CoOpTask, KgCoOpTask
from aape_lightning.baselines.hand_crafted import hand_crafted_templates
from aape_lightning.cli import build
from aape_lightning.data.manifests import load_manifest
from aape_lightning.errors import RecipeError
from lightning.pytorch import seed_everything
from plain_prompts import WORDS, Steps, assert_close, plain_cross_entropy, plain_feature, plain_logits

TOY_TEMPLATES = ["a photo of a {}.", "a drawing of a {}."]  # the toy manifest's: it has no set `kgcoop`


@torch.no_grad()
def plain_hand_crafted(backbone):
    """Each class's mean over the templates, unit norm."""
    classes = []
    for name in WORDS:
        features = backbone.encode_text(backbone.tokenize([template.format(name) for template in TOY_TEMPLATES]))
        mean = features.sum(0) / len(features)
        classes.append(mean / mean.norm())
    return classes


def test_every_step_is_the_plain_loops(vivid_data, vivid_backbone, quiet_trainer):
    seed_everything(0)
    steps = Steps()
    task = KgCoOpTask(lr=0.1)
    quiet_trainer(max_epochs=3, limit_train_batches=2, callbacks=[steps]).fit(task, datamodule=vivid_data())
    old = plain_hand_crafted(vivid_backbone)
    distances = []
    for step in steps.steps:
        batch, before = step["batch"], step["before"]["context"].requires_grad_()
        cosines = [plain_feature(vivid_backbone, f"a a a a {n}.", before) @ w for n, w in zip(WORDS, old, strict=True)]
        distance = 1 - sum(cosines) / len(cosines)
        logits = plain_logits(vivid_backbone, batch["image_embedding"], [before] * len(batch["label"]))
        loss = plain_cross_entropy(logits, batch["label"]) + 8 * distance
        assert_close(step["loss"], loss)
        (gradient,) = torch.autograd.grad(loss, before, retain_graph=True)
        torch.testing.assert_close(
            step["gradients"]["context"], gradient, rtol=0, atol=1e-5 * scale_of(cosines, before)
        )
        distances.append(float(distance.detach()))
    assert max(distances) > 0.01


def scale_of(cosines, context):
    """The largest entry of what the regulariser's gradient is summed of."""
    return 8 * max(float(torch.autograd.grad(c, context, retain_graph=True)[0].abs().max().detach()) for c in cosines)


def test_without_weight_it_is_coop(vivid_data, quiet_trainer):
    ended = []
    for task in (CoOpTask(lr=0.1), KgCoOpTask(lr=0.1, knowledge_weight=0.0)):
        quiet_trainer(max_epochs=3).fit(task, datamodule=vivid_data())
        ended.append(task.context.detach())
    torch.testing.assert_close(*ended)


def test_the_weight_holds_the_prompts_back(vivid_data, quiet_trainer):
    distances = []
    for weight in (0.0, 1.0, 8.0):
        task = KgCoOpTask(lr=5e-3, knowledge_weight=weight)
        quiet_trainer(max_epochs=10).fit(task, datamodule=vivid_data())
        distances.append(float(1 - (task.class_features() * task.hand_crafted).sum(-1).mean().detach()))
    assert distances == sorted(distances, reverse=True)
    assert distances[2] < distances[0]


def test_both_terms_are_logged(vivid_data, quiet_trainer):
    trainer = quiet_trainer(max_epochs=1)
    trainer.fit(KgCoOpTask(), datamodule=vivid_data())
    logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
    assert logged["train/loss"] == pytest.approx(logged["train/cross_entropy"] + logged["train/knowledge"], rel=1e-5)


@pytest.mark.parametrize(
    ("name", "templates"),
    [
        ("food101", ["a photo of a {}, a type of food."]),
        ("fgvc_aircraft", ["a photo of an aircraft {}."]),
        ("caltech101", ["a photo of a {}."]),
    ],
)
def test_the_hand_crafted_prompts_are_kgcoops(name, templates):
    manifest = load_manifest(name)
    assert hand_crafted_templates(manifest) == manifest.template_sets["kgcoop"] == templates


def test_a_dataset_without_kgcoops_prompts_gives_its_own(toy_root):
    assert hand_crafted_templates(load_manifest(str(toy_root / "toy.yaml"))) == TOY_TEMPLATES


def test_a_negative_weight_is_an_error():
    with pytest.raises(RecipeError, match=r"knowledge_weight is -1.*--model\.knowledge_weight"):
        KgCoOpTask(knowledge_weight=-1.0)


def test_the_recipe_is_the_published_one():
    built = build(["--config", "shapes", "--config", "recipes/methods/kgcoop.yaml"])
    assert isinstance(built.model, KgCoOpTask)
    settings = {name: built.model.hparams[name] for name in ("context", "lr", "weight_decay", "knowledge_weight")}
    assert settings == {"context": "a photo of a", "lr": 0.002, "weight_decay": 5e-4, "knowledge_weight": 8.0}
    assert built.datamodule.hparams["batch_size"] == 128
    assert built.trainer.max_epochs == 100
