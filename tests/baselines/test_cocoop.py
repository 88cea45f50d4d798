"""CoCoOp against a plain loop over images and classes: every step of a real run, predictions, and cut passes."""

import pytest
import torch
from aape_lightning.backbones.prompted_text import PromptedText
from aape_lightning.baselines import CoCoOpTask
from aape_lightning.cli import build
from aape_lightning.errors import RecipeError
from lightning.pytorch import seed_everything
from plain_prompts import WORDS, Steps, assert_close, plain_cross_entropy, plain_gradients, plain_logits

PARAMETERS = ["context", "meta_net.0.weight", "meta_net.0.bias", "meta_net.2.weight", "meta_net.2.bias"]


@pytest.fixture
def passes(monkeypatch):
    """The number of prompts in each pass through the text tower."""
    counts, encode_each = [], PromptedText.encode_each

    def counting(self, texts, contexts, **options):
        counts.append(len(texts.end) * len(contexts))
        return encode_each(self, texts, contexts, **options)

    monkeypatch.setattr(PromptedText, "encode_each", counting)
    return counts


def trained(trainer, data, lr=0.05, **settings):
    seed_everything(0)
    task = CoCoOpTask(lr=lr, **settings)
    trainer.fit(task, datamodule=data)
    return task


def plain_contexts(images, parameters):
    """v + pi(x), one image after the other."""
    context, w1, b1, w2, b2 = (parameters[name] for name in PARAMETERS)
    return [context + (w2 @ (w1 @ image + b1).relu() + b2) for image in images]


@pytest.mark.parametrize(("context", "batch_size"), [("a photo of a", 1), ("a photo of a", 3), (2, 3)])
def test_every_step_is_the_plain_loops(context, batch_size, vivid_data, vivid_backbone, quiet_trainer):
    steps = Steps()
    trainer = quiet_trainer(max_epochs=2, limit_train_batches=2, callbacks=[steps])
    trained(trainer, vivid_data(batch_size=batch_size), lr=2e-3, context=context)
    assert len(steps.steps) == 4
    for step in steps.steps:
        image, label = step["batch"]["image_embedding"], step["batch"]["label"]
        before = {name: value.requires_grad_() for name, value in step["before"].items()}
        assert sorted(before) == sorted(PARAMETERS)
        logits = plain_logits(vivid_backbone, image, plain_contexts(image, before))
        assert_close(step["loss"], plain_cross_entropy(logits, label))
        gradients = plain_gradients(logits, label, list(before.values()))
        for name, (gradient, scale) in zip(before, gradients, strict=True):
            assert_close(step["gradients"][name], gradient, scale)
    assert steps.steps[-1]["gradients"]["meta_net.0.weight"].abs().max() > 0


def test_predictions_are_the_plain_loops(vivid_data, vivid_backbone, quiet_trainer):
    task = trained(quiet_trainer(max_epochs=2), vivid_data(classes="base"))
    data, images, trainer = vivid_data(classes="new"), [], quiet_trainer()
    task.register_forward_pre_hook(lambda module, inputs: images.append(inputs[0]))
    ours = torch.cat([batch["probabilities"] for batch in trainer.predict(task, datamodule=data)])
    image, parameters = torch.cat(images), dict(task.named_parameters())
    logits = plain_logits(vivid_backbone, image, plain_contexts(image, parameters), WORDS[3:])
    torch.testing.assert_close(ours, logits.softmax(1).detach(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 7, 1000])
def test_cut_passes_give_the_same_run(chunk, vivid_data, quiet_trainer, passes):
    runs = []
    for size in (None, chunk):
        passes.clear()
        steps = Steps()
        task = trained(
            quiet_trainer(max_epochs=1, callbacks=[steps], limit_val_batches=0), vivid_data(batch_size=3), chunk=size
        )
        runs.append((task, steps.steps, max(passes)))
    (whole, steps, most), (cut, cut_steps, most_cut) = runs
    assert most == 15
    assert most_cut == (chunk if chunk < 5 else min(15, chunk // 5 * 5))  # whole images, where one's 5 prompts fit
    for step, other in zip(steps, cut_steps, strict=True):
        torch.testing.assert_close(other["loss"], step["loss"], rtol=1e-5, atol=1e-6)
    for name, value in whole.named_parameters():
        torch.testing.assert_close(dict(cut.named_parameters())[name], value, rtol=1e-4, atol=1e-6)


def test_cut_passes_keep_less(vivid_data, quiet_trainer):
    kept = []
    for chunk in (None, 5):
        task = trained(quiet_trainer(max_epochs=1), vivid_data(batch_size=3), chunk=chunk)
        images, sizes = torch.nn.functional.normalize(torch.randn(12, 64), dim=-1), []
        with torch.autograd.graph.saved_tensors_hooks(lambda x, sizes=sizes: sizes.append(x.numel()) or x, lambda x: x):
            task(images, torch.zeros(5, 64))
        kept.append(sum(sizes))
    assert kept[1] < kept[0] / 4


def test_evaluation_is_cut_of_itself(vivid_data, quiet_trainer, passes, monkeypatch):
    task = trained(quiet_trainer(max_epochs=1), vivid_data())
    expected = quiet_trainer().test(task, datamodule=vivid_data(), verbose=False)
    monkeypatch.setattr("aape_lightning.baselines.cocoop._EVALUATION_CHUNK", 10)
    passes.clear()
    assert quiet_trainer().test(task, datamodule=vivid_data(), verbose=False) == expected
    assert set(passes) == {10}


def test_the_shift_is_narrow(vivid_data, quiet_trainer):
    task = trained(quiet_trainer(max_epochs=1), vivid_data())
    shapes = [tuple(parameter.shape) for parameter in task.meta_net.parameters()]
    assert shapes == [(4, 64), (4,), (128, 4), (128,)]  # a sixteenth of 64


def test_a_chunk_of_nothing_is_an_error():
    with pytest.raises(RecipeError, match="chunk is 0; it must be at least 1"):
        CoCoOpTask(chunk=0)


def test_the_recipe_is_the_published_one():
    built = build(["--config", "shapes", "--config", "recipes/methods/cocoop.yaml"])
    assert isinstance(built.model, CoCoOpTask)
    settings = {name: built.model.hparams[name] for name in ("context", "lr", "weight_decay", "chunk")}
    assert settings == {"context": "a photo of a", "lr": 0.002, "weight_decay": 5e-4, "chunk": None}
    assert built.datamodule.hparams["batch_size"] == 1
    assert built.trainer.max_epochs == 10
