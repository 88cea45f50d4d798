"""Zero-shot CLIP against clip-anytorch's own model and plain arithmetic."""

import json

import pytest
import torch
from aape_lightning.backbones.clip import clip
from aape_lightning.baselines import ZeroShotTask
from aape_lightning.errors import BatchError, PromptError
from PIL import Image
from torch.utils.data import DataLoader

WORDS = ["red car", "Blue Boat", "green tree", "yellow sun", "grey stone"]
SUBSETS = {"all": range(5), "base": range(3), "new": range(3, 5)}
TEXTS = {
    "a photo of a {}.": [[f"a photo of a {name}."] for name in WORDS],
    "manifest": [[f"a photo of a {name}.", f"a drawing of a {name}."] for name in WORDS],
    "prompts": [
        [f"It looks like a {name} number {k}." for k in range(3 + label)]
        for label, name in enumerate(["red_car", "blue boat", "green tree", "yellow sun", "grey stone"])
    ],
}


@pytest.fixture(scope="module")
def plain(tiny_clip):
    """The same weights in clip-anytorch's own model."""
    return clip.model.build_model(torch.load(tiny_clip, weights_only=True)).float()


def unit(embeddings):
    return embeddings / embeddings.norm(dim=-1, keepdim=True)


@torch.no_grad()
def plain_logits(model, root, class_text, labels):
    """exp(scale) cos(x, w) of the test images of these labels, and their places among them."""
    split = json.loads((root / "toy" / "split_toy.json").read_text())["test"]
    items = [(path, label) for path, label, _ in split if label in labels]
    transform = clip.clip._transform(32)
    pixels = [transform(Image.open(root / "toy" / "images" / path)) for path, _ in items]
    images = unit(model.encode_image(torch.stack(pixels)))
    classes = []
    for label in labels:
        sentences = unit(model.encode_text(clip.tokenize(TEXTS[class_text][label], context_length=24)))
        classes.append(unit(sentences.sum(0) / len(sentences)))
    logits = model.logit_scale.exp() * images @ torch.stack(classes).T
    return logits, torch.tensor([labels.index(label) for _, label in items])


@pytest.mark.parametrize("store", [True, False], ids=["store", "tower"])
@pytest.mark.parametrize("classes", SUBSETS)
@pytest.mark.parametrize("class_text", TEXTS)
def test_probabilities_are_plain_clips(class_text, classes, store, plain, toy_root, toy_data, quiet_trainer):
    logits, _ = plain_logits(plain, toy_root, class_text, SUBSETS[classes])
    data = toy_data(class_text=class_text, classes=classes, store=store)
    batches = quiet_trainer().predict(ZeroShotTask(), datamodule=data)
    assert torch.cat([batch["index"] for batch in batches]).tolist() == list(range(len(logits)))
    torch.testing.assert_close(torch.cat([b["probabilities"] for b in batches]), logits.softmax(1), rtol=0, atol=1e-5)


@pytest.mark.parametrize("classes", SUBSETS)
@pytest.mark.parametrize("class_text", TEXTS)
def test_accuracy_is_plain_clips(class_text, classes, plain, toy_root, toy_data, quiet_trainer):
    logits, label = plain_logits(plain, toy_root, class_text, SUBSETS[classes])
    margin = logits.topk(2, dim=1).values.diff().abs().min()
    assert margin > 1e-4  # no two classes tie, so that rounding decides nothing
    expected = sum(int(row.argmax()) == int(y) for row, y in zip(logits, label, strict=True)) / len(label)
    logged = quiet_trainer().test(ZeroShotTask(), datamodule=toy_data(class_text=class_text, classes=classes))[0]
    assert logged["test/accuracy"] == pytest.approx(expected)


def test_the_class_texts_differ(plain, toy_root):
    ours = [plain_logits(plain, toy_root, class_text, range(5))[0] for class_text in TEXTS]
    assert not torch.allclose(ours[0], ours[1], atol=1e-3)
    assert not torch.allclose(ours[1], ours[2], atol=1e-3)


def test_sentences_are_read_for_prompts_alone(own_toy_root, tiny_clip, toy_data, quiet_trainer):
    (own_toy_root / "toy_prompts.json").unlink()
    paths = {"root": str(own_toy_root)}
    assert quiet_trainer().test(ZeroShotTask(), datamodule=toy_data(**paths), verbose=False)
    with pytest.raises(PromptError, match=r"toy_prompts\.json"):
        quiet_trainer().test(ZeroShotTask(), datamodule=toy_data(class_text="prompts", **paths))


def test_nothing_is_trained():
    assert ZeroShotTask.training_free
    assert not list(ZeroShotTask().parameters())


def test_a_batch_without_embeddings_is_an_error(toy_data, quiet_trainer, monkeypatch):
    data = toy_data()
    monkeypatch.setattr(data, "on_after_batch_transfer", lambda batch, dataloader_idx: batch)
    with pytest.raises(BatchError, match="lacks image_embedding, class_embeddings"):
        quiet_trainer().test(ZeroShotTask(), datamodule=data)


def test_a_trainer_without_a_datamodule_is_an_error(quiet_trainer):
    with pytest.raises(BatchError, match=r"ZeroShotTask takes the temperature from its DataModule"):
        quiet_trainer().test(ZeroShotTask(), DataLoader([{"index": 0}]))
