"""Prompts among the tokens of a ViT, against a plain pass through the tower's own modules."""

from itertools import pairwise

import pytest
import torch
from aape_lightning.backbones import load_backbone
from aape_lightning.backbones.clip import ClipBackbone, clip
from aape_lightning.backbones.prompted_vision import PromptedVision
from aape_lightning.errors import RecipeError
from aape_lightning.tasks.pretraining import save_openai_weights

WIDTH, LAYERS = 128, 3


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    """A random ViT CLIP of three layers and two heads."""
    path = tmp_path_factory.mktemp("deep") / "deep.pt"
    torch.manual_seed(0)
    save_openai_weights(clip.model.CLIP(32, 32, LAYERS, WIDTH, 16, 24, 49408, 64, 1, 1), path)
    return load_backbone(str(path))


@pytest.fixture
def images():
    torch.manual_seed(1)
    return torch.randn(5, 3, 32, 32)


def prompts_of(depth, tokens=2):
    torch.manual_seed(2)
    return [(0.5 * torch.randn(tokens, WIDTH)).requires_grad_() for _ in range(depth)]


def plain(tower, images, deep):
    """One image after the other, tokens first, through CLIP's own blocks."""
    features = []
    for image in images:
        patches = tower.conv1(image[None]).reshape(WIDTH, -1).T
        x = torch.cat([tower.class_embedding[None], patches]) + tower.positional_embedding
        if deep:
            x = torch.cat([x, deep[0]])
        x = tower.ln_pre(x)[:, None]
        for number, block in enumerate(tower.transformer.resblocks):
            if number > 0 and number < len(deep):
                tokens = len(deep[number])
                x = torch.cat([x[: len(x) - tokens], deep[number][:, None]])
            x = block(x)
        feature = tower.ln_post(x[0, 0]) @ tower.proj
        features.append(feature / feature.norm())
    return torch.stack(features)


def test_without_prompts_it_is_the_backbones(backbone, images):
    torch.testing.assert_close(PromptedVision(backbone).encode(images), backbone.encode_image(images))


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_features_and_gradients_are_the_plain_towers(depth, backbone, images):
    ours, theirs = prompts_of(depth), prompts_of(depth)
    weight = torch.randn(5, 32)
    features = PromptedVision(backbone).encode(images, ours)
    expected = plain(backbone.model.visual, images, theirs)
    torch.testing.assert_close(features, expected, rtol=1e-5, atol=1e-6)
    torch.autograd.backward([(features * weight).sum(), (expected * weight).sum()])
    for prompt, reference in zip(ours, theirs, strict=True):
        assert prompt.grad.abs().max() > 1e-3
        torch.testing.assert_close(prompt.grad, reference.grad, rtol=1e-5, atol=1e-5 * reference.grad.abs().max())


def test_the_prompts_of_each_block_matter(backbone, images):
    vision, deep = PromptedVision(backbone), prompts_of(3)
    features = [vision.encode(images, deep[:depth]) for depth in range(4)]
    for shallow, deeper in pairwise(features):
        assert (shallow - deeper).abs().max() > 1e-3


def test_the_tower_stays_frozen(backbone, images):
    vision = PromptedVision(backbone)
    vision.encode(images, prompts_of(2)).sum().backward()
    assert all(parameter.grad is None for parameter in backbone.model.parameters())
    assert not vision.encode(images).requires_grad


def test_dimensions_come_from_the_model(backbone, tiny_backbone):
    assert (PromptedVision(backbone).width, PromptedVision(backbone).layers) == (WIDTH, LAYERS)
    assert (PromptedVision(tiny_backbone).width, PromptedVision(tiny_backbone).layers) == (64, 1)


def test_under_autocast_embeddings_are_float32_and_near(backbone, images):
    vision, deep = PromptedVision(backbone), prompts_of(3)
    exact = vision.encode(images, deep)
    with torch.autocast("cpu", torch.bfloat16):
        near = vision.encode(images, deep)
    assert near.dtype == torch.float32
    torch.testing.assert_close(near, exact, rtol=0, atol=0.02)
    near.sum().backward()
    assert all(prompt.grad.isfinite().all() for prompt in deep)


def test_a_resnet_is_refused():
    torch.manual_seed(0)
    resnet = clip.model.CLIP(32, 32, (1, 1, 1, 1), 8, None, 24, 49408, 64, 1, 1)
    with pytest.raises(RecipeError, match=r"backbone 'resnet' takes no prompts: MaPLe and PromptSRC need a ViT"):
        PromptedVision(ClipBackbone("resnet", resnet, lambda image: image))


def test_another_family_is_refused(names):
    with pytest.raises(RecipeError, match=r"takes no prompts: .* Use --data\.backbone ViT-B/16"):
        PromptedVision(load_backbone(names["transformers"]))
