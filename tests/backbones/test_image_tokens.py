"""The grid that a language model reads, against what each tower makes of it itself."""

import math
from types import SimpleNamespace

import open_clip
import pytest
import torch
from aape_lightning.backbones import ClipBackbone, load_backbone
from aape_lightning.backbones.clip import clip
from aape_lightning.errors import BackboneNotFoundError
from torch.nn import functional as F
from transformers import CLIPModel

FAMILIES = ("clip", "transformers", "sentence-transformers", "open_clip", "siglip")


def images(count=3, side=32):
    torch.manual_seed(0)
    return torch.randn(count, 3, side, side)


@pytest.fixture(params=FAMILIES)
def backbone(request, names):
    return load_backbone(names[request.param])


@pytest.fixture(scope="module")
def resnet():
    """A random RN50 in small: two rows and columns of 256 channels."""
    torch.manual_seed(0)
    return ClipBackbone(
        "tiny-resnet", clip.model.CLIP(32, 64, (1, 1, 1, 1), 8, None, 24, 49408, 64, 1, 1), clip.clip._transform(64)
    )


# ---- what all families do alike ------------------------------------------------------------------------------------


def test_the_shape_is_known_without_an_image(backbone):
    shape = backbone.image_token_shape
    assert shape == (4, 64)
    assert backbone.image_tokens(images()).shape == (3, *shape)


def test_tokens_are_frozen_float32_and_not_normalised(backbone):
    tokens = backbone.image_tokens(images().requires_grad_())
    assert tokens.dtype == torch.float32
    assert not tokens.requires_grad
    assert (tokens.norm(dim=-1) - 1).abs().min() > 1e-2


@pytest.mark.parametrize("autocast", [False, True])
def test_low_precision_costs_only_its_own_rounding(backbone, autocast):
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        tokens = backbone.image_tokens(images().bfloat16())
    assert tokens.dtype == torch.float32
    expected = backbone.image_tokens(images())
    assert (tokens - expected).norm() < 3e-2 * expected.norm()


def test_a_row_does_not_depend_on_its_batch(backbone):
    rows = [backbone.image_tokens(image[None]) for image in images()]
    torch.testing.assert_close(backbone.image_tokens(images()), torch.cat(rows), atol=1e-5, rtol=1e-5)
    assert (rows[0] - rows[1]).norm() > 1e-2


def test_reading_the_grid_leaves_the_tower_as_it_was(backbone):
    before = backbone.encode_image(images())
    backbone.image_tokens(images())
    assert torch.equal(backbone.encode_image(images()), before)
    assert not any(module._forward_hooks for module in backbone.modules())


# ---- each tower's own witness --------------------------------------------------------------------------------------


def attention_pooled(pool, tokens):
    """OpenAI's attention pool of a grid given as (b, t, c)."""
    side = math.isqrt(tokens.shape[1])
    return F.normalize(pool(tokens.mT.unflatten(2, (side, side))), dim=-1)


def unpooled_vit(visual, pixels):
    """All tokens of OpenAI's ViT after its last LayerNorm, written out."""
    patches = visual.conv1(pixels).flatten(2).mT
    tokens = torch.cat([visual.class_embedding.expand(len(pixels), 1, -1), patches], 1) + visual.positional_embedding
    return visual.ln_post(visual.transformer(visual.ln_pre(tokens).transpose(0, 1)).transpose(0, 1))


def test_the_attention_pool_makes_the_embedding_of_a_resnets_tokens(resnet):
    tokens = resnet.image_tokens(images(side=64))
    assert tokens.shape == (3, 4, 256)
    assert resnet.image_token_shape == (4, 256)
    torch.testing.assert_close(
        attention_pooled(resnet.model.visual.attnpool, tokens), resnet.encode_image(images(side=64))
    )


def test_a_resnets_tokens_are_its_grid_row_by_row(resnet):
    """The lower half of a picture changes the lower row of tokens most."""
    pixels = images(1, side=64)
    changed = pixels.clone()
    changed[:, :, 40:] = 3.0
    upper, lower = (resnet.image_tokens(changed) - resnet.image_tokens(pixels)).norm(dim=-1)[0].unflatten(0, (2, 2))
    assert lower.min() > upper.max()


@pytest.mark.parametrize("name", ["RN50x16", "RN50", "ViT-B/16"])
def test_the_shapes_of_openais_models(name):
    """From models that hold no numbers."""
    sizes = {
        "RN50x16": ((768, 384, (6, 8, 18, 8), 96, None), (144, 3072)),
        "RN50": ((1024, 224, (3, 4, 6, 3), 64, None), (49, 2048)),
        "ViT-B/16": ((512, 224, 12, 768, 16), (196, 768)),
    }
    (embed_dim, side, layers, width, patch), expected = sizes[name]
    with torch.device("meta"):
        model = clip.model.CLIP(embed_dim, side, layers, width, patch, 77, 8, 64, 1, 1)
    assert ClipBackbone.image_token_shape.func(SimpleNamespace(model=model)) == expected


def test_the_class_token_beside_a_vits_tokens_makes_the_embedding(tiny_backbone):
    visual = tiny_backbone.model.visual
    with torch.no_grad():
        tokens = unpooled_vit(visual, images())
    torch.testing.assert_close(F.normalize(tokens[:, 0] @ visual.proj, dim=-1), tiny_backbone.encode_image(images()))
    torch.testing.assert_close(tiny_backbone.image_tokens(images()), tokens[:, 1:])


def test_transformers_tokens_are_those_of_its_tower(names, transformers_folder):
    backbone, model = load_backbone(names["transformers"]), CLIPModel.from_pretrained(transformers_folder)
    with torch.no_grad():
        tower = model.vision_model
        tokens = tower.post_layernorm(tower(pixel_values=images(), output_hidden_states=True).hidden_states[-1])
        embedding = F.normalize(model.visual_projection(tokens[:, 0]), dim=-1)
    torch.testing.assert_close(embedding, backbone.encode_image(images()))
    torch.testing.assert_close(tokens[:, 1:], backbone.image_tokens(images()))


def test_open_clips_tokens_are_those_that_its_tower_gives_beside_the_embedding(names, open_clip_weights):
    backbone = load_backbone(names["open_clip"])
    model = open_clip.create_model("tiny", pretrained=str(open_clip_weights)).eval()
    model.visual.output_tokens = True
    with torch.no_grad():
        embedding, tokens = model.visual(images())
    torch.testing.assert_close(F.normalize(embedding, dim=-1), backbone.encode_image(images()))
    torch.testing.assert_close(tokens, backbone.image_tokens(images()))


def test_timms_head_makes_the_embedding_of_its_tokens(names):
    backbone = load_backbone(names["siglip"])
    visual, tokens = backbone.model.visual, backbone.image_tokens(images())
    with torch.no_grad():
        whole = visual.trunk.forward_features(images())
        torch.testing.assert_close(whole[:, visual.trunk.num_prefix_tokens :], tokens)
        embedding = visual.head(visual.trunk.forward_head(whole))
    torch.testing.assert_close(F.normalize(embedding, dim=-1), backbone.encode_image(images()))


@pytest.mark.parametrize(
    ("name", "vision", "shape"),
    [
        ("tiny-resnet", {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8}, (4, 256)),
        ("tiny-convnext", {"image_size": 64, "timm_model_name": "test_convnext", "timm_pool": ""}, (4, 64)),
    ],
)
def test_open_clips_other_towers_have_grids(name, vision, shape, open_clip_model):
    backbone = load_backbone(f"open_clip:{name}/{open_clip_model(name, vision=vision)}")
    assert backbone.image_token_shape == shape
    visual, tokens = backbone.model.visual, backbone.image_tokens(images(side=64))
    if name == "tiny-resnet":
        torch.testing.assert_close(attention_pooled(visual.attnpool, tokens), backbone.encode_image(images(side=64)))
    else:
        with torch.no_grad():
            features = visual.trunk.forward_features(images(side=64))
        torch.testing.assert_close(features.flatten(2).mT, tokens)


def test_cocas_tokens_are_those_before_its_pooling(open_clip_model):
    vision = {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16, "attentional_pool": True}
    backbone = load_backbone(f"open_clip:tiny-coca/{open_clip_model('tiny-coca', vision=vision)}")
    visual, tokens = backbone.model.visual, backbone.image_tokens(images())
    assert tokens.shape == (3, 4, 64)
    with torch.no_grad():
        whole = visual.transformer(visual._embeds(images()))
    torch.testing.assert_close(whole[:, 1:], tokens)


def test_a_tower_without_a_grid_is_named(open_clip_model, monkeypatch):
    name = f"open_clip:tiny-flat/{open_clip_model('tiny-flat')}"
    backbone = load_backbone(name)
    monkeypatch.setattr(backbone.model, "visual", torch.nn.Flatten())
    with pytest.raises(BackboneNotFoundError, match=f"{name}.*Flatten.*open_clip:ViT-B-16"):
        backbone.image_tokens(images())
