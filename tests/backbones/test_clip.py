import math

import numpy as np
import pytest
import torch
from aape_lightning.backbones import Backbone, ClipBackbone, load_backbone
from aape_lightning.backbones.clip import clip, fingerprint
from PIL import Image
from torch.nn import functional as F


@pytest.fixture(scope="module")
def plain(tiny_clip):
    """The same weights in clip-anytorch's own model, and its own transform."""
    return clip.model.build_model(torch.load(tiny_clip, weights_only=True)).float(), clip.clip._transform(32)


@pytest.fixture
def images(tiny_backbone):
    torch.manual_seed(0)
    return torch.randn(5, 3, tiny_backbone.input_size, tiny_backbone.input_size)


def words(count):
    """A text of `count` tokens, start and end included."""
    return " ".join(["dog"] * (count - 2))


def test_satisfies_the_protocol(tiny_backbone):
    assert isinstance(tiny_backbone, Backbone)


def test_dimensions_are_read_from_the_model(tiny_backbone, wide_clip):
    assert (tiny_backbone.embed_dim, tiny_backbone.input_size, tiny_backbone.context_length) == (32, 32, 24)
    assert load_backbone(str(wide_clip)).embed_dim == 48


def test_the_logit_scale_is_clips_own(tiny_backbone, plain):
    assert tiny_backbone.logit_scale == pytest.approx(math.exp(plain[0].logit_scale.item()))
    assert tiny_backbone.logit_scale > 1


def test_the_spec_holds_plain_values(tiny_backbone, tiny_clip):
    assert tiny_backbone.spec == {
        "name": str(tiny_clip),
        "fingerprint": tiny_backbone.fingerprint,
        "embed_dim": 32,
        "logit_scale": tiny_backbone.logit_scale,
    }
    assert {type(value) for value in tiny_backbone.spec.values()} == {str, int, float}


def test_nothing_is_trained(tiny_backbone, images):
    assert not any(parameter.requires_grad for parameter in tiny_backbone.parameters())
    assert not any(module.training for module in tiny_backbone.model.modules())
    assert not tiny_backbone.encode_image(images.requires_grad_()).requires_grad
    assert not tiny_backbone.encode_text(tiny_backbone.tokenize(["a dog"])).requires_grad


def test_image_embeddings_are_clips_normalised(tiny_backbone, plain, images):
    with torch.no_grad():
        expected = plain[0].encode_image(images)
    expected = expected / expected.square().sum(-1, keepdim=True).sqrt()
    torch.testing.assert_close(tiny_backbone.encode_image(images), expected)


def test_text_embeddings_are_clips_normalised(tiny_backbone, plain):
    texts = ["a photo of a dog.", "two cats", words(24)]
    with torch.no_grad():
        expected = plain[0].encode_text(clip.tokenize(texts, context_length=24))
    expected = expected / expected.square().sum(-1, keepdim=True).sqrt()
    torch.testing.assert_close(tiny_backbone.encode_text(tiny_backbone.tokenize(texts)), expected)


def test_embeddings_have_unit_norm_in_float32(tiny_backbone, images):
    for embeddings in (
        tiny_backbone.encode_image(images),
        tiny_backbone.encode_text(tiny_backbone.tokenize(["a dog", "a"])),
    ):
        assert embeddings.dtype == torch.float32
        torch.testing.assert_close(embeddings.norm(dim=-1), torch.ones(len(embeddings)))


@pytest.mark.parametrize(("dtype", "bound"), [(torch.bfloat16, 2e-2), (torch.float16, 3e-3)])
def test_low_precision_images_cost_only_their_own_rounding(tiny_backbone, images, dtype, bound):
    embeddings = tiny_backbone.encode_image(images.to(dtype))
    assert embeddings.dtype == torch.float32
    torch.testing.assert_close(embeddings.norm(dim=-1), torch.ones(5))
    assert (embeddings - tiny_backbone.encode_image(images)).norm(dim=-1).max() <= bound


def test_autocast_still_gives_unit_norm_float32(tiny_backbone, images):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        embeddings = tiny_backbone.encode_image(images)
    assert embeddings.dtype == torch.float32
    torch.testing.assert_close(embeddings.norm(dim=-1), torch.ones(5))


def test_tokens_are_padded_to_the_models_own_context(tiny_backbone):
    tokens = tiny_backbone.tokenize(["a dog", words(24)])
    assert tokens.shape == (2, 24)
    assert torch.equal(tokens, clip.tokenize(["a dog", words(24)])[:, :24])


def test_a_longer_text_is_refused_unless_it_may_be_cut(tiny_backbone):
    with pytest.raises(RuntimeError, match="too long for context length 24"):
        tiny_backbone.tokenize([words(25)])
    tokens = tiny_backbone.tokenize([words(25)], truncate=True)[0]
    whole = clip.tokenize([words(25)])[0]
    assert torch.equal(tokens[:-1], whole[:23])
    assert tokens[-1] == whole.max()  # the end token is where the text tower reads the embedding


@pytest.mark.parametrize("text", ["a dog", "Antirrhinum majus, the snapdragon!", "", "don't 42", words(80)])
def test_the_token_count_is_the_length_before_any_cut(tiny_backbone, text):
    assert tiny_backbone.token_count(text) == int((clip.tokenize([text], context_length=100) > 0).sum())


def test_a_text_fits_exactly_when_its_count_does(tiny_backbone):
    assert [tiny_backbone.token_count(words(count)) for count in (24, 25)] == [24, 25]
    tiny_backbone.tokenize([words(24)])


def test_the_transform_is_clips_own(tiny_backbone, plain):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8))
    transformed = tiny_backbone.transform(image)
    assert transformed.shape == (3, 32, 32)
    torch.testing.assert_close(transformed, plain[1](image))


def test_mean_and_deviation_are_those_of_the_transform(tiny_backbone):
    grey = Image.new("RGB", (32, 32), (51, 102, 204))
    expected = torch.tensor([0.2, 0.4, 0.8])
    expected = (expected - torch.tensor(tiny_backbone.image_mean)) / torch.tensor(tiny_backbone.image_std)
    torch.testing.assert_close(tiny_backbone.transform(grey)[:, 5, 7], expected)


def test_the_fingerprint_depends_on_the_weights_and_not_on_the_file(tiny_clip, other_clip, tmp_path):
    state = torch.load(tiny_clip, weights_only=True)
    resaved = {name: state[name].clone() for name in reversed(state)}
    torch.save(resaved, tmp_path / "copy.pt", _use_new_zipfile_serialization=False)
    assert (tmp_path / "copy.pt").read_bytes() != tiny_clip.read_bytes()
    original = load_backbone(str(tiny_clip)).fingerprint
    assert load_backbone(str(tmp_path / "copy.pt")).fingerprint == original
    assert load_backbone(str(other_clip)).fingerprint != original


def test_the_fingerprint_sees_one_changed_number_a_name_a_shape_and_a_dtype():
    state = {"a": torch.arange(6.0), "b": torch.tensor(1.0)}
    changed = state["a"].clone()
    changed[5] += 1e-6
    others = [
        state | {"a": changed},
        {"c": state["a"], "b": state["b"]},
        state | {"a": state["a"].view(2, 3)},
        state | {"a": state["a"].view(torch.int32)},
        state | {"c": torch.zeros(0)},
    ]
    assert len({fingerprint(state), *map(fingerprint, others)}) == 6
    assert fingerprint({"b": state["b"], "a": state["a"].view(2, 3).T.contiguous().T.reshape(-1)}) == fingerprint(state)


def test_two_texts_differ_and_a_batch_does_not_mix_them(tiny_backbone):
    one, two = (tiny_backbone.encode_text(tiny_backbone.tokenize([text])) for text in ("a dog", "a red boat"))
    both = tiny_backbone.encode_text(tiny_backbone.tokenize(["a dog", "a red boat"]))
    torch.testing.assert_close(both, torch.cat([one, two]))
    assert F.cosine_similarity(one, two) < 0.999


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_computes_the_same(plain, images):
    backbone = ClipBackbone("tiny", *plain)
    expected = backbone.encode_image(images)
    moved = backbone.to("cuda")
    torch.testing.assert_close(moved.encode_image(images.cuda()).cpu(), expected, atol=1e-3, rtol=0)
