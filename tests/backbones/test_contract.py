"""What every family of backbones must do alike."""

import copy
import json
import pickle

import numpy as np
import pytest
import torch
from aape_lightning.backbones import Backbone, load_backbone
from aape_lightning.backbones.load import _load
from aape_lightning.baselines import ZeroShotTask
from aape_lightning.data.transforms import augmentation, seeded
from aape_lightning.prompts.embedding import embed_texts
from PIL import Image

FAMILIES = ("clip", "transformers", "sentence-transformers", "open_clip", "siglip")
CLASSES = ["red car", "Blue Boat", "green tree", "yellow sun", "grey stone"]
TEXTS = ["a dog", "two cats", "a photo of a red boat"]


@pytest.fixture(scope="module", params=FAMILIES)
def name(request, names):
    return names[request.param]


@pytest.fixture(scope="module")
def backbone(name):
    return load_backbone(name)


@pytest.fixture
def images():
    torch.manual_seed(0)
    return torch.randn(4, 3, 32, 32)


def words(backbone, count):
    """A text of `count` tokens, start and end included."""
    return " ".join(["dog"] * (count - backbone.token_count("dog") + 1))


def noise(width, height):
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_it_satisfies_the_protocol(backbone, name):
    assert isinstance(backbone, Backbone)
    assert backbone.name == name
    assert load_backbone(name) is load_backbone(name)


def test_dimensions_are_the_models(backbone):
    assert (backbone.embed_dim, backbone.input_size, backbone.context_length) == (32, 32, 24)
    assert backbone.logit_scale > 1
    for channels in (backbone.image_mean, backbone.image_std):
        assert isinstance(channels, tuple)
        assert len(channels) == 3


def test_the_spec_holds_plain_values(backbone):
    assert {type(value) for value in backbone.spec.values()} == {str, int, float}
    assert backbone.spec["fingerprint"] == backbone.fingerprint


def test_it_is_frozen_in_float32(backbone, images):
    assert {parameter.dtype for parameter in backbone.parameters()} == {torch.float32}
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    assert not any(module.training for module in backbone.model.modules())
    assert not backbone.encode_image(images.requires_grad_()).requires_grad
    assert not backbone.encode_text(backbone.tokenize(TEXTS)).requires_grad


@pytest.mark.parametrize("autocast", [False, True])
def test_embeddings_are_unit_norm_float32(backbone, images, autocast):
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        encoded = [backbone.encode_image(images), backbone.encode_text(backbone.tokenize(TEXTS))]
    assert [embeddings.shape for embeddings in encoded] == [(4, 32), (3, 32)]
    for embeddings in encoded:
        assert embeddings.dtype == torch.float32
        torch.testing.assert_close(embeddings.norm(dim=-1), torch.ones(len(embeddings)))


def test_cast_images_cost_only_their_own_rounding(backbone, images):
    embeddings = backbone.encode_image(images.to(torch.bfloat16))
    assert embeddings.dtype == torch.float32
    assert (embeddings - backbone.encode_image(images)).norm(dim=-1).max() < 2e-2


def test_a_row_does_not_depend_on_its_batch(backbone, images):
    rows = [backbone.encode_image(image[None]) for image in images]
    torch.testing.assert_close(backbone.encode_image(images), torch.cat(rows), atol=1e-5, rtol=0)
    rows = [backbone.encode_text(backbone.tokenize([text])) for text in TEXTS]
    torch.testing.assert_close(backbone.encode_text(backbone.tokenize(TEXTS)), torch.cat(rows), atol=1e-5, rtol=0)
    assert (rows[0] - rows[1]).norm() > 1e-3


def test_tokens_are_padded_to_the_context(backbone):
    tokens = backbone.tokenize(TEXTS)
    assert tokens.shape == (3, 24)
    assert not tokens.is_floating_point()
    length = backbone.token_count(TEXTS[0])
    assert len(tokens[0, length:].unique()) == 1
    assert not torch.equal(tokens[0, :length], tokens[1, :length])


def test_a_text_fits_exactly_when_its_count_does(backbone):
    assert [backbone.token_count(words(backbone, count)) for count in (24, 25)] == [24, 25]
    whole = backbone.tokenize([words(backbone, 24)])
    with pytest.raises(RuntimeError, match="too long for context length 24"):
        backbone.tokenize(["a dog", words(backbone, 25)])
    # A cut text keeps its end token, and so is the longest text of the same words that fits.
    assert torch.equal(backbone.tokenize([words(backbone, 80)], truncate=True), whole)


@pytest.mark.parametrize("text", ["", "a dog", "A photo, of TWO dogs!", "don't 42 \u00e9"])
def test_the_count_is_the_place_behind_the_end_token(backbone, text):
    tokens, count = backbone.tokenize([text])[0], backbone.token_count(text)
    end = backbone.tokenize([""])[0, backbone.token_count("") - 1]
    assert tokens[count - 1] == end
    assert not (tokens[: count - 1] == end).any()
    assert (tokens[count:] == tokens[-1]).all()


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (1, 300), (300, 1), (640, 7), (33, 31), (50, 70)])
def test_images_of_any_size_become_the_towers(backbone, size):
    pixels = backbone.transform(noise(*size))
    assert pixels.shape == (3, 32, 32)
    assert pixels.dtype == torch.float32
    assert pixels.isfinite().all()


def test_mean_and_deviation_are_those_of_the_transform(backbone):
    grey = backbone.transform(Image.new("L", (40, 60), 51).convert("RGB"))
    expected = (0.2 - torch.tensor(backbone.image_mean)) / torch.tensor(backbone.image_std)
    torch.testing.assert_close(grey[:, 5, 7], expected)


def test_workers_can_pickle_the_transform(backbone):
    image = noise(50, 40)
    copied = pickle.loads(pickle.dumps(backbone.transform))
    assert torch.equal(copied(image), backbone.transform(image))
    assert len(pickle.dumps(backbone.transform)) < 10_000  # it does not carry the towers along


def test_pixels_are_the_transform_before_its_normalisation(backbone):
    for size in [(50, 70), (32, 32), (300, 40)]:
        image = noise(*size)
        pixels = backbone.pixel_transform(image)[None]
        assert pixels.shape == (1, 3, 32, 32)
        assert torch.equal(backbone.normalize(pixels)[0], backbone.transform(image))


def test_pixels_are_bytes_where_the_transform_is_torchvisions(backbone, name):
    dtype = backbone.pixel_transform(noise(50, 40)).dtype
    assert dtype == (torch.uint8 if "open_clip" in name or name.endswith(".pt") else torch.float32)


def test_workers_can_pickle_the_pixel_transform(backbone):
    copied = pickle.loads(pickle.dumps(backbone.pixel_transform))
    assert torch.equal(copied(noise(50, 40)), backbone.pixel_transform(noise(50, 40)))


def test_towers_take_pixels(backbone):
    pixels = torch.stack([backbone.pixel_transform(noise(50, 40)), backbone.pixel_transform(noise(33, 70))])
    transformed, before = backbone.normalize(pixels), pixels.clone()
    assert torch.equal(backbone.encode_image(pixels), backbone.encode_image(transformed))
    assert torch.equal(backbone.image_tokens(pixels), backbone.image_tokens(transformed))
    assert torch.equal(pixels, before)


def test_augmented_pixels_are_the_augmentation_before_its_normalisation(backbone):
    pixels = seeded(augmentation(backbone, normalized=False), noise(50, 40), "key")
    assert pixels.dtype == torch.uint8
    assert torch.equal(backbone.normalize(pixels[None])[0], seeded(augmentation(backbone), noise(50, 40), "key"))


def test_normalising_floats_changes_nothing(backbone, images):
    assert backbone.normalize(images) is images


@pytest.mark.parametrize("texts", [TEXTS, ["", "dog"], ["dog " * 21 + "dog"], ["dog " * 21 + "dog", "a"]])
def test_padding_that_is_cut_off_changes_no_embedding(backbone, texts):
    tokens = backbone.tokenize(texts)
    with torch.no_grad():
        expected = torch.nn.functional.normalize(backbone._text_features(tokens), dim=-1)
    torch.testing.assert_close(backbone.encode_text(tokens), expected, atol=1e-6, rtol=0)


def test_a_causal_tower_does_not_see_the_padding(backbone, name, monkeypatch):
    seen, features = [], type(backbone)._text_features

    def watched(self, tokens):
        seen.append(tokens.shape[1])
        return features(self, tokens)

    monkeypatch.setattr(type(backbone), "_text_features", watched)
    longest = max(backbone.token_count(text) for text in TEXTS)
    backbone.encode_text(backbone.tokenize(TEXTS))
    backbone.encode_text(backbone.tokenize([words(backbone, 24)]))
    if "SigLIP" in name:
        assert seen == [24, 24]
    else:
        assert longest <= seen[0] <= longest + 1
        assert seen[1] == 24


def test_augmentation_is_made_for_it(backbone):
    view = seeded(augmentation(backbone), noise(50, 40), "key")
    assert view.shape == (3, 32, 32)
    assert torch.equal(view, seeded(augmentation(backbone), noise(50, 40), "key"))
    flat = augmentation(backbone)(Image.new("RGB", (50, 40), (51, 102, 204)))
    torch.testing.assert_close(flat, backbone.transform(Image.new("RGB", (50, 40), (51, 102, 204))), atol=1e-5, rtol=0)


def test_the_fingerprint_is_that_of_the_weights_and_is_the_same_tomorrow(backbone, name):
    _load.cache_clear()
    again = load_backbone(name)
    assert again is not backbone
    assert again.fingerprint == backbone.fingerprint


def test_families_have_fingerprints_of_their_own(names):
    assert len({load_backbone(name).fingerprint for name in names.values()}) == len(FAMILIES)


def test_it_moves_and_stays_itself(backbone, images):
    expected = backbone.encode_image(images)
    assert backbone.to("cpu") is backbone
    assert torch.equal(backbone.encode_image(images), expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_computes_the_same(backbone, images):
    tokens = backbone.tokenize(TEXTS)
    expected = backbone.encode_image(images), backbone.encode_text(tokens), backbone.image_tokens(images)
    moved = copy.deepcopy(backbone).to("cuda")
    torch.testing.assert_close(moved.encode_image(images.cuda()).cpu(), expected[0], atol=1e-3, rtol=0)
    torch.testing.assert_close(moved.encode_text(tokens.cuda()).cpu(), expected[1], atol=1e-3, rtol=0)
    torch.testing.assert_close(moved.image_tokens(images.cuda()).cpu(), expected[2], atol=1e-2, rtol=1e-2)


def test_texts_are_embedded_through_it(backbone):
    embedded = embed_texts(backbone, [*TEXTS, words(backbone, 60)], torch.device("cpu"), batch_size=3)
    torch.testing.assert_close(embedded[:3], backbone.encode_text(backbone.tokenize(TEXTS)), atol=1e-5, rtol=0)
    assert embedded.shape == (4, 32)


@pytest.mark.parametrize("store", [True, False], ids=["store", "workers"])
def test_a_dataset_is_classified_through_it(backbone, name, store, toy_root, toy_data, quiet_trainer):
    data = toy_data(backbone=name, store=store, num_workers=0 if store else 1)
    batches = quiet_trainer().predict(ZeroShotTask(), datamodule=data)
    test = json.loads((toy_root / "toy" / "split_toy.json").read_text())["test"]
    pixels = [backbone.transform(Image.open(toy_root / "toy" / "images" / path)) for path, _, _ in test]
    classes = backbone.encode_text(backbone.tokenize([f"a photo of a {name}." for name in CLASSES]))
    logits = backbone.logit_scale * backbone.encode_image(torch.stack(pixels)) @ classes.T
    torch.testing.assert_close(torch.cat([b["probabilities"] for b in batches]), logits.softmax(1), rtol=0, atol=1e-5)
