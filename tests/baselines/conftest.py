"""A CLIP of several layers, and its towers with prompts in plain PyTorch: one text and one image after the other."""

from types import SimpleNamespace

import pytest
import torch


@pytest.fixture(scope="session")
def deep_clip(tmp_path_factory):
    """The file of a random CLIP: a ViT of three layers and two heads, a text tower of four layers."""
    from aape_lightning.backbones.clip import clip
    from aape_lightning.tasks.pretraining import save_openai_weights

    path = tmp_path_factory.mktemp("clip") / "deep.pt"
    torch.manual_seed(0)
    save_openai_weights(clip.model.CLIP(32, 32, 3, 128, 16, 24, 49408, 64, 1, 4), path)
    return path


@pytest.fixture(scope="session")
def deep_backbone(deep_clip):
    from aape_lightning.backbones import load_backbone

    return load_backbone(str(deep_clip))


@pytest.fixture(scope="session")
def plain_prompted(deep_backbone):
    """Features of texts and of images with the prompts of each block, through CLIP's own blocks over the full context.

    The prompts are lists, first block first; the first text prompts replace the first words of the text.
    """
    model = deep_backbone.model

    def through(blocks, x, prompts, put):
        for number, block in enumerate(blocks):
            if 0 < number < len(prompts):
                x = put(x, prompts[number])
            x = block(x[:, None])[:, 0]
        return x

    def after_start(x, prompts):
        return torch.cat([x[:1], prompts, x[1 + len(prompts) :]])

    def at_the_end(x, prompts):
        return torch.cat([x[: len(x) - len(prompts)], prompts])

    def unit(feature):
        return feature / feature.norm()

    def of_text(text, prompts):
        tokens = deep_backbone.tokenize([text])[0]
        x = after_start(model.token_embedding(tokens), prompts[0]) + model.positional_embedding
        x = through(model.transformer.resblocks, x, prompts, after_start)
        return unit(model.ln_final(x)[tokens.argmax()] @ model.text_projection)

    def of_image(image, prompts):
        visual = model.visual
        patches = visual.conv1(image[None])[0].flatten(1).T
        x = torch.cat([visual.class_embedding[None], patches]) + visual.positional_embedding
        x = visual.ln_pre(torch.cat([x, prompts[0]]))
        x = through(visual.transformer.resblocks, x, prompts, at_the_end)
        return unit(visual.ln_post(x[0]) @ visual.proj)

    return SimpleNamespace(
        texts=lambda texts, prompts: torch.stack([of_text(text, prompts) for text in texts]),
        images=lambda images, prompts: torch.stack([of_image(image, prompts) for image in images]),
        scale=model.logit_scale.exp(),
    )


@pytest.fixture
def image_data(toy_data, deep_clip):
    """Makes a ClassificationDataModule over the toy dataset whose batches hold images; keywords change it."""

    def make(**changes):
        return toy_data(**{"backbone": str(deep_clip), "inputs": "image"} | changes)

    return make


@pytest.fixture(scope="session")
def vivid_clip(tmp_path_factory):
    """The file of a random CLIP to which names and colours matter, so that gradients are not what rounding leaves."""
    from aape_lightning.backbones.clip import clip
    from aape_lightning.tasks.pretraining import save_openai_weights

    path = tmp_path_factory.mktemp("clip") / "vivid.pt"
    torch.manual_seed(0)
    model = clip.model.CLIP(64, 32, 1, 64, 16, 24, 49408, 128, 2, 3)
    with torch.no_grad():
        model.token_embedding.weight *= 10
        model.visual.conv1.weight *= 5
    save_openai_weights(model, path)
    return path


@pytest.fixture(scope="session")
def vivid_backbone(vivid_clip):
    from aape_lightning.backbones import load_backbone

    return load_backbone(str(vivid_clip))


@pytest.fixture
def vivid_data(toy_data, vivid_clip):
    """Makes a ClassificationDataModule over the toy dataset with that CLIP; keywords change it."""
    return lambda **changes: toy_data(**{"backbone": str(vivid_clip)} | changes)
