"""MaPLe against a plain pass through both towers, and what its checkpoint holds."""

import pytest
import torch
from aape_lightning.backbones.clip import clip
from aape_lightning.backbones.prompted_text import PromptedText
from aape_lightning.baselines import MaPLeTask
from aape_lightning.errors import BackboneMismatchError, BatchError, RecipeError
from aape_lightning.tasks.pretraining import save_openai_weights
from torch.nn import functional as F
from torch.utils.data import DataLoader

NAMES = {
    "all": ["red car", "Blue Boat", "green tree", "yellow sun", "grey stone"],
    "new": ["yellow sun", "grey stone"],
}


@pytest.fixture
def fitted(image_data, quiet_trainer):
    """Makes a task that has seen one batch; keywords are its hyper-parameters."""

    def make(**choices):
        torch.manual_seed(0)
        task = MaPLeTask(**choices)
        quiet_trainer(max_epochs=1, limit_train_batches=1).fit(task, datamodule=image_data())
        return task

    return make


def redraw(task):
    """Prompts of a size that matters."""
    torch.manual_seed(1)
    for parameter in task.parameters():
        parameter.data.normal_(std=0.3)


def batch_of(count=3):
    torch.manual_seed(2)
    return {"image": torch.randn(count, 3, 32, 32), "label": torch.arange(count)}


def plain_logits(plain, state, image, names):
    """From a state of text tokens and maps, over classes of these names."""
    depth = sum(name.startswith("text_tokens") for name in state)
    words = [state[f"text_tokens.{i}"] for i in range(depth)]
    patches = [words[i] @ state[f"maps.{i}.weight"].T + state[f"maps.{i}.bias"] for i in range(depth)]
    texts = plain.texts([f"a photo of a {name}." for name in names], words)
    return plain.scale * plain.images(image, patches) @ texts.T


@pytest.mark.parametrize("choices", [{}, {"depth": 1}, {"depth": 2, "tokens": 3}], ids=["deep", "shallow", "three"])
def test_loss_and_gradients_are_the_plain_ones(choices, fitted, plain_prompted):
    task, batch = fitted(**choices), batch_of()
    redraw(task)
    state = {name: value.clone().requires_grad_() for name, value in task.state_dict().items()}
    expected = F.cross_entropy(plain_logits(plain_prompted, state, batch["image"], NAMES["all"]), batch["label"])
    expected.backward()
    task.zero_grad()
    loss = task.training_step(batch, 0)
    loss.backward()
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=0)
    for name, parameter in task.named_parameters():
        reference = state[name].grad
        assert reference.abs().max() > 0
        torch.testing.assert_close(parameter.grad, reference, rtol=1e-5, atol=1e-5 * reference.abs().max().item())


def test_it_starts_from_the_contexts_first_words(image_data, quiet_trainer, deep_backbone):
    task = MaPLeTask()
    quiet_trainer(limit_train_batches=0).fit(task, datamodule=image_data())
    words = deep_backbone.model.token_embedding(clip.tokenize("a photo")[0, 1:3])
    torch.testing.assert_close(task.text_tokens[0].data, words)
    first, second, third = (image_map.weight for image_map in task.maps)
    assert torch.equal(second, third)
    assert not torch.equal(first, second)


def test_what_is_trained_depends_on_no_backbone_and_no_classes(fitted):
    task = fitted(depth=9)  # more than the image tower has
    shapes = {name: tuple(value.shape) for name, value in task.state_dict().items()}
    assert shapes == {name: tuple(parameter.shape) for name, parameter in task.named_parameters()}
    assert shapes == {
        **{f"text_tokens.{i}": (2, 64) for i in range(3)},
        **{f"maps.{i}.weight": (128, 64) for i in range(3)},
        **{f"maps.{i}.bias": (128,) for i in range(3)},
    }


def test_all_of_it_learns(image_data, quiet_trainer):
    task = MaPLeTask(lr=0.1)
    trainer = quiet_trainer(max_epochs=3)
    trainer.fit(task, datamodule=image_data())
    start = MaPLeTask(backbone_spec=task.hparams["backbone_spec"], sizes=task.hparams["sizes"])
    start._build_seed = task._build_seed
    start.build_if_known()
    for (name, now), before in zip(task.named_parameters(), start.parameters(), strict=True):
        assert not torch.equal(now, before), name


def test_a_checkpoint_serves_new_classes(image_data, quiet_trainer, fitted, plain_prompted, tmp_path, monkeypatch):
    task, path = fitted(), tmp_path / "maple.ckpt"
    redraw(task)
    task.trainer.save_checkpoint(path)
    assert set(torch.load(path, weights_only=True)["state_dict"]) == set(dict(task.named_parameters()))
    loaded, data, encodings = MaPLeTask.load_from_checkpoint(path), image_data(classes="new"), []
    encode = PromptedText.encode
    monkeypatch.setattr(PromptedText, "encode", lambda *args: encodings.append(1) or encode(*args))
    monkeypatch.setattr(data, "eval_batch_size", lambda: 3)
    batches = quiet_trainer().predict(loaded, datamodule=data)
    assert len(batches) == 3
    assert len(encodings) == 1  # the texts of a class list go through the tower once
    images = data.backbone.normalize(torch.cat([batch["image"] for batch in data.predict_dataloader()]))
    with torch.no_grad():
        expected = plain_logits(plain_prompted, task.state_dict(), images, NAMES["new"]).softmax(1)
    torch.testing.assert_close(torch.cat([batch["probabilities"] for batch in batches]), expected, rtol=0, atol=1e-5)
    logged = quiet_trainer().test(loaded, datamodule=data, verbose=False)[0]
    labels = torch.tensor([item.label for item in data.test_items()])
    assert logged["test/accuracy"] == pytest.approx((expected.argmax(1) == labels).float().mean().item())


def test_it_trains_in_mixed_precision(image_data, quiet_trainer):
    task = MaPLeTask()
    trainer = quiet_trainer(max_epochs=2, precision="bf16-mixed")
    trainer.fit(task, datamodule=image_data())
    assert trainer.callback_metrics["train/loss"].isfinite()
    assert all(parameter.dtype == torch.float32 for parameter in task.parameters())


def test_embeddings_instead_of_images_are_refused(image_data, quiet_trainer):
    with pytest.raises(RecipeError, match=r"MaPLeTask .* inputs are 'embedding'\. Add --data\.inputs image\."):
        quiet_trainer().fit(MaPLeTask(), datamodule=image_data(inputs="embedding"))


def test_a_trainer_without_a_datamodule_is_an_error(quiet_trainer):
    with pytest.raises(BatchError, match="MaPLeTask takes the text tower from its DataModule"):
        quiet_trainer().test(MaPLeTask(), DataLoader([{"index": 0}]))


def test_a_resnet_is_refused(image_data, quiet_trainer, tmp_path):
    torch.manual_seed(0)
    save_openai_weights(clip.model.CLIP(32, 32, (1, 1, 1, 1), 8, None, 24, 49408, 64, 1, 1), tmp_path / "resnet.pt")
    with pytest.raises(RecipeError, match="MaPLe and PromptSRC need a ViT"):
        quiet_trainer().fit(MaPLeTask(), datamodule=image_data(backbone=str(tmp_path / "resnet.pt")))


def test_another_backbone_is_refused(fitted, image_data, quiet_trainer, tiny_clip):
    with pytest.raises(BackboneMismatchError, match="The checkpoint was trained on backbone"):
        quiet_trainer().test(fitted(), datamodule=image_data(backbone=str(tiny_clip)))


@pytest.mark.parametrize(("name", "value"), [("tokens", 0), ("depth", 0), ("lr", 0.0), ("weight_decay", -1.0)])
def test_a_value_out_of_range_is_refused(name, value):
    with pytest.raises(RecipeError, match=rf"{name} is {value}; it must be .* \(--model\.{name}\)"):
        MaPLeTask(**{name: value})


def test_more_tokens_than_the_context_has_are_refused(image_data, quiet_trainer):
    with pytest.raises(RecipeError, match=r"context 'a photo' has 2 tokens and tokens is 3: .* --model\.context"):
        quiet_trainer().fit(MaPLeTask(context="a photo", tokens=3), datamodule=image_data())
