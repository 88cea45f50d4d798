"""The ViT's own pass without what it does not need, against clip-anytorch's."""

import pytest
import torch
from aape_lightning.backbones import ClipBackbone
from aape_lightning.backbones.clip import clip
from aape_lightning.backbones.vit import vit_tokens
from torch.nn import functional as F


@pytest.fixture(scope="module")
def backbone():
    """Three layers of two heads, away from their start, on nine patches."""
    torch.manual_seed(0)
    model = clip.model.CLIP(32, 24, 3, 128, 8, 24, 49408, 64, 1, 1)
    for parameter in model.visual.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return ClipBackbone("three-layers", model, clip.clip._transform(24))


@pytest.fixture
def images():
    torch.manual_seed(1)
    return torch.randn(5, 3, 24, 24)


def test_embeddings_are_clips_own(backbone, images):
    expected = F.normalize(backbone.model.encode_image(images), dim=-1)
    torch.testing.assert_close(backbone.encode_image(images), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_in_half_precision_they_are_as_near_as_clips_own(backbone, images, dtype):
    exact = backbone.encode_image(images)
    with torch.autocast("cpu", dtype=dtype):
        ours, own = backbone.encode_image(images), F.normalize(backbone.model.encode_image(images).float(), dim=-1)
    assert (ours - exact).norm(dim=-1).max() < 2 * (own - exact).norm(dim=-1).max() + 1e-3


def test_a_tower_of_half_precision_weights_computes_in_them(images):
    torch.manual_seed(0)
    model = clip.model.CLIP(32, 24, 3, 128, 8, 24, 49408, 64, 1, 1)
    exact = ClipBackbone("exact", model, clip.clip._transform(24)).encode_image(images)
    clip.model.convert_weights(model)
    half = ClipBackbone("half", model, clip.clip._transform(24))
    assert half.encode_image(images).dtype == torch.float32
    assert 0 < (half.encode_image(images) - exact).norm(dim=-1).max() < 5e-2


def test_a_token_does_not_depend_on_which_others_are_kept(backbone, images):
    with torch.no_grad():
        whole = vit_tokens(backbone.model.visual, images, slice(None))
        assert whole.shape == (5, 10, 128)
        for kept in (slice(0, 1), slice(1, None), slice(3, 5)):
            part = vit_tokens(backbone.model.visual, images, kept)
            torch.testing.assert_close(part, whole[:, kept], atol=1e-5, rtol=1e-5)


def test_images_are_left_as_they_were(backbone, images):
    before = images.clone()
    backbone.encode_image(images)
    backbone.image_tokens(images)
    assert torch.equal(images, before)
