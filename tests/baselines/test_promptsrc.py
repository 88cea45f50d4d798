"""PromptSRC's losses against plain PyTorch, its average over the epochs, and what its checkpoint holds."""

import pytest
import torch
from aape_lightning.baselines import PromptSRCTask
from aape_lightning.baselines.gaussian_averaging import gaussian_weights
from aape_lightning.baselines.promptsrc import divergence
from aape_lightning.errors import CheckpointError, RecipeError
from aape_lightning.resources import template_set_path
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

NAMES = {
    "all": ["red car", "Blue Boat", "green tree", "yellow sun", "grey stone"],
    "new": ["yellow sun", "grey stone"],
}


class Recorder(Callback):
    """The prompts after each epoch, before they are averaged, and those that the epoch's validation sees."""

    def __init__(self):
        self.trained, self.validated = [], []

    def on_train_start(self, trainer, task):
        def record(*_):
            if trainer.is_last_batch:
                self.trained.append({name: value.clone() for name, value in task.state_dict().items()})

        trainer.optimizers[0].register_step_post_hook(record)

    def on_validation_end(self, trainer, task):
        self.validated.append({name: value.clone() for name, value in task.state_dict().items()})


@pytest.fixture
def fitted(image_data, quiet_trainer):
    """Makes a task that has seen one batch; keywords are its hyper-parameters."""

    def make(**choices):
        torch.manual_seed(0)
        task = PromptSRCTask(**choices)
        quiet_trainer(max_epochs=1, limit_train_batches=1).fit(task, datamodule=image_data())
        return task

    return make


def redraw(task):
    """Prompts of a size that matters."""
    torch.manual_seed(1)
    for parameter in task.parameters():
        parameter.data.normal_(std=0.3)


def plain_features(plain, state, image, names):
    """Prompted features of images and of classes, from a state of tokens of both towers."""
    depth = sum(name.startswith("text_tokens") for name in state)
    words = [state[f"text_tokens.{i}"] for i in range(depth)]
    patches = [state[f"visual_tokens.{i}"] for i in range(depth)]
    return plain.images(image, patches), plain.texts([f"a photo of a {name}." for name in names], words)


def frozen_features(backbone, image, names):
    """Of clip-anytorch's own forward pass; the mean over templates of unit-norm embeddings, of unit norm again."""
    model, templates = backbone.model, template_set_path("imagenet-80").read_text().splitlines()
    with torch.no_grad():
        images = model.encode_image(image)
        texts = []
        for name in names:
            embedded = model.encode_text(backbone.tokenize([template.format(name) for template in templates]))
            mean = sum(row / row.norm() for row in embedded) / len(templates)
            texts.append(mean / mean.norm())
    return torch.stack([row / row.norm() for row in images]), torch.stack(texts)


def plain_terms(scale, prompted, frozen, label):
    """Cross-entropy, and the three regularisers by sums over their elements."""
    (image, text), (frozen_image, frozen_text) = prompted, frozen
    p, q = ((scale * x @ w.T).softmax(1) for x, w in ((image, text), (frozen_image, frozen_text)))
    b, c = p.shape
    return {
        "cross_entropy": -sum(p[i, label[i]].log() for i in range(b)) / b,
        "text_consistency": 25 * (text - frozen_text).abs().sum() / text.numel(),
        "image_consistency": 10 * (image - frozen_image).abs().sum() / image.numel(),
        "logit_consistency": sum(q[i, k] * (q[i, k] / p[i, k]).log() for i in range(b) for k in range(c)) / (b * c),
    }


@pytest.mark.parametrize("choices", [{}, {"depth": 1}, {"depth": 2, "tokens": 2}], ids=["deep", "shallow", "two"])
def test_losses_and_gradients_are_the_plain_ones(choices, fitted, plain_prompted, deep_backbone):
    task = fitted(**choices)
    redraw(task)
    torch.manual_seed(2)
    image, label = torch.randn(3, 3, 32, 32), torch.tensor([0, 1, 4])
    terms = task.terms({"image": image, "label": label})
    for term in terms:
        state = {name: value.clone().requires_grad_() for name, value in task.state_dict().items()}
        prompted = plain_features(plain_prompted, state, image, NAMES["all"])
        frozen = frozen_features(deep_backbone, image, NAMES["all"])
        expected = plain_terms(plain_prompted.scale, prompted, frozen, label)
        assert expected.keys() == terms.keys()
        torch.testing.assert_close(terms[term], expected[term], rtol=1e-5, atol=0)
        task.zero_grad()
        terms[term].backward(retain_graph=True)
        expected[term].backward()
        for name, parameter in task.named_parameters():
            ours, reference = (torch.zeros(()) if it.grad is None else it.grad for it in (parameter, state[name]))
            torch.testing.assert_close(ours, reference, rtol=1e-5, atol=1e-5 * reference.abs().max().item())
    torch.testing.assert_close(task.training_step({"image": image, "label": label}, 0), sum(terms.values()))


def test_divergence_is_none_of_a_distribution_from_itself():
    torch.manual_seed(0)
    logits, reference = torch.randn(2, 4, 5)
    assert divergence(logits, logits + 3.0) == pytest.approx(0, abs=1e-7)
    assert divergence(logits, reference) > 0


def test_the_prompts_become_their_gaussian_average(image_data, quiet_trainer):
    recorder, task = Recorder(), PromptSRCTask(aggregation_mean=2.0, aggregation_std=1.5, lr=0.1)
    quiet_trainer(max_epochs=4, callbacks=[recorder]).fit(task, datamodule=image_data())
    weights = gaussian_weights(4, mean=2.0, std=1.5)
    assert len(recorder.trained) == len(recorder.validated) == 4
    for name, averaged in task.state_dict().items():
        history = [state[name] for state in recorder.trained]
        assert (history[0] - history[-1]).abs().max() > 1e-3
        expected = sum(weight * tensor.double() for weight, tensor in zip(weights, history, strict=True))
        torch.testing.assert_close(averaged, expected.float())
        assert torch.equal(recorder.validated[2][name], history[2])  # until then epochs are validated as they are
        assert torch.equal(recorder.validated[3][name], averaged)


def test_a_resumed_run_ends_as_an_undisturbed_one(image_data, quiet_trainer, tmp_path):
    def run(ckpt_path=None, **choices):
        torch.manual_seed(0)
        task = PromptSRCTask(aggregation_mean=2.0, aggregation_std=1.5, lr=0.1)
        quiet_trainer(**{"max_epochs": 4} | choices).fit(task, datamodule=image_data(), ckpt_path=ckpt_path)
        return task.state_dict()

    keep = ModelCheckpoint(tmp_path, "{epoch}", save_top_k=-1)
    whole = run(enable_checkpointing=True, callbacks=[keep])
    last = torch.load(tmp_path / "epoch=3.ckpt", weights_only=True)["state_dict"]
    resumed = run(tmp_path / "epoch=1.ckpt")
    for name, tensor in whole.items():
        assert torch.equal(last[name], tensor)  # the average is in time for the last checkpoint
        torch.testing.assert_close(resumed[name], tensor)
    with pytest.raises(CheckpointError, match="planned for 4 epochs"):
        run(tmp_path / "epoch=1.ckpt", max_epochs=6)


def test_a_checkpoint_serves_new_classes(image_data, quiet_trainer, fitted, plain_prompted, tmp_path):
    task, path = fitted(), tmp_path / "promptsrc.ckpt"
    redraw(task)
    task.trainer.save_checkpoint(path)
    saved = torch.load(path, weights_only=True)["state_dict"]
    assert {name: tuple(value.shape) for name, value in saved.items()} == {
        **{f"text_tokens.{i}": (4, 64) for i in range(3)},
        **{f"visual_tokens.{i}": (4, 128) for i in range(3)},
    }
    data = image_data(classes="new")
    batches = quiet_trainer().predict(PromptSRCTask.load_from_checkpoint(path), datamodule=data)
    images = data.backbone.normalize(torch.cat([batch["image"] for batch in data.predict_dataloader()]))
    with torch.no_grad():
        image, text = plain_features(plain_prompted, task.state_dict(), images, NAMES["new"])
    expected = (plain_prompted.scale * image @ text.T).softmax(1)
    torch.testing.assert_close(torch.cat([batch["probabilities"] for batch in batches]), expected, rtol=0, atol=1e-5)


def test_it_trains_in_mixed_precision(image_data, quiet_trainer):
    task = PromptSRCTask()
    trainer = quiet_trainer(max_epochs=2, precision="bf16-mixed")
    trainer.fit(task, datamodule=image_data())
    for term in ("loss", "cross_entropy", "text_consistency", "image_consistency", "logit_consistency"):
        assert trainer.callback_metrics[f"train/{term}"].isfinite()
    assert all(parameter.dtype == torch.float32 for parameter in task.parameters())


@pytest.mark.parametrize("name", ["text_weight", "image_weight"])
@pytest.mark.parametrize("value", [-1.0, float("inf")])
def test_a_weight_out_of_range_is_refused(name, value):
    with pytest.raises(RecipeError, match=rf"{name} is {value}; it must be 0 or more \(--model\.{name}\)"):
        PromptSRCTask(**{name: value})


def test_a_deviation_that_is_none_is_refused(image_data, quiet_trainer):
    with pytest.raises(RecipeError, match=r"aggregation_std is 0\.0"):
        quiet_trainer().fit(PromptSRCTask(aggregation_std=0.0), datamodule=image_data())


def test_a_run_without_a_number_of_epochs_is_refused(image_data, quiet_trainer):
    with pytest.raises(RecipeError, match=r"trainer\.max_epochs is -1: the schedule is counted in epochs"):
        quiet_trainer(max_epochs=-1, max_steps=2).fit(PromptSRCTask(), datamodule=image_data())
