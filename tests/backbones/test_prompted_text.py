"""Learned word embeddings through the text tower, against a plain pass over the full context, one text at a time."""

import pytest
import torch
from aape_lightning.backbones import load_backbone
from aape_lightning.backbones.clip import clip
from aape_lightning.backbones.prompted_text import EmbeddedTexts, PromptedText, with_context
from aape_lightning.errors import PromptError, RecipeError
from aape_lightning.tasks.pretraining import save_openai_weights

WIDTH, LAYERS, CONTEXT_LENGTH = 128, 3, 24
TEXTS = ["a photo of a cat.", "a photo of a very long haired dog with spots.", "a photo of a x."]


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    """A random CLIP whose text tower has three layers and two heads."""
    path = tmp_path_factory.mktemp("deep_text") / "deep.pt"
    torch.manual_seed(0)
    save_openai_weights(clip.model.CLIP(32, 32, 1, 64, 16, CONTEXT_LENGTH, 49408, WIDTH, 2, LAYERS), path)
    return load_backbone(str(path))


@pytest.fixture
def text(backbone):
    return PromptedText(backbone)


def random_prompts(*shape, seed=1):
    return (0.5 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))).requires_grad_()


def plain(backbone, texts, contexts=None, deep=()):
    """One text after the other, tokens first, over the full context, through CLIP's own blocks."""
    model, features = backbone.model, []
    for number, tokens in enumerate(backbone.tokenize(texts)):
        x = model.token_embedding(tokens)
        if contexts is not None:
            x = torch.cat([x[:1], contexts[number], x[1 + len(contexts[number]) :]])
        x = (x + model.positional_embedding)[:, None]
        for depth, block in enumerate(model.transformer.resblocks):
            if 1 <= depth <= len(deep):
                prompts = deep[depth - 1]
                x = torch.cat([x[:1], prompts[:, None], x[1 + len(prompts) :]])
            x = block(x)
        feature = model.ln_final(x[tokens.argmax(), 0]) @ model.text_projection
        features.append(feature / feature.norm())
    return torch.stack(features)


def same_gradients(ours, theirs, *inputs):
    """The same value, and the same gradient of a random projection of it."""
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    direction = torch.randn(ours.shape, generator=torch.Generator().manual_seed(7))
    pairs = [torch.autograd.grad((value * direction).sum(), inputs) for value in (ours, theirs)]
    for mine, reference in zip(*pairs, strict=True):
        assert reference.abs().max() > 1e-4
        torch.testing.assert_close(mine, reference, rtol=1e-5, atol=1e-5 * float(reference.abs().max()))


def test_the_size_is_the_towers(text):
    assert (text.width, text.layers) == (WIDTH, LAYERS)


def test_without_learned_words_it_is_the_backbones(backbone, text):
    encoded = text.encode(text.embed(TEXTS))
    torch.testing.assert_close(encoded, backbone.encode_text(backbone.tokenize(TEXTS)))
    assert encoded.dtype == torch.float32


def test_texts_are_cut_behind_the_longest(backbone, text):
    texts = text.embed(TEXTS)
    assert texts.end.tolist() == [backbone.token_count(t) - 1 for t in TEXTS]
    assert texts.tokens.shape == (3, max(texts.end) + 1, WIDTH)
    assert texts.tokens.shape[1] < CONTEXT_LENGTH


def test_words_are_embedded_without_start_and_end(backbone, text):
    tokens = backbone.tokenize(["a photo of a"])
    assert torch.equal(text.embed_words("a photo of a"), backbone.model.token_embedding(tokens)[0, 1:5])


@pytest.mark.parametrize("m", [1, 2, 4])
def test_one_context_for_all_texts(m, backbone, text):
    context = random_prompts(m, WIDTH)
    ours = text.encode(with_context(text.embed(TEXTS), context))
    same_gradients(ours, plain(backbone, TEXTS, [context] * 3), context)


def test_a_context_for_each_text(backbone, text):
    contexts = random_prompts(3, 4, WIDTH)
    same_gradients(text.encode(with_context(text.embed(TEXTS), contexts)), plain(backbone, TEXTS, contexts), contexts)


@pytest.mark.parametrize("chunked", [False, True])
def test_every_text_with_every_context(chunked, backbone, text):
    contexts = random_prompts(2, 4, WIDTH)
    reference = torch.stack([plain(backbone, TEXTS, [context] * 3) for context in contexts])
    same_gradients(text.encode_each(text.embed(TEXTS), contexts, checkpoint=chunked), reference, contexts)


@pytest.mark.parametrize("depth", [1, 2])
def test_deep_prompts_behind_a_shared_context(depth, backbone, text):
    context, deep = random_prompts(2, WIDTH), [random_prompts(2, WIDTH, seed=2 + i) for i in range(depth)]
    ours = text.encode(with_context(text.embed(TEXTS), context), deep)
    same_gradients(ours, plain(backbone, TEXTS, [context] * 3, deep), context, *deep)


def test_deep_prompts_where_nothing_but_the_start_is_shared(backbone, text):
    contexts, deep = random_prompts(3, 2, WIDTH), [random_prompts(2, WIDTH, seed=2)]
    ours = text.encode(with_context(text.embed(TEXTS), contexts), deep)
    same_gradients(ours, plain(backbone, TEXTS, contexts, deep), contexts, *deep)


def test_a_checkpointed_pass_is_the_same(text):
    context, deep = random_prompts(2, WIDTH), [random_prompts(2, WIDTH, seed=2)]
    results = []
    for checkpoint in (False, True):
        features = text.encode(with_context(text.embed(TEXTS), context), deep, checkpoint=checkpoint)
        results.append([features, *torch.autograd.grad(features.square()[:, 0].sum(), [context, *deep])])
    for kept, recomputed in zip(*results, strict=True):
        assert torch.equal(kept, recomputed)


def test_a_checkpointed_pass_keeps_less(text):
    texts, context = text.embed(TEXTS), random_prompts(2, WIDTH)
    kept = []
    for checkpoint in (False, True):
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda x, sizes=sizes: sizes.append(x.numel()) or x, lambda x: x):
            text.encode(with_context(texts, context), checkpoint=checkpoint)
        kept.append(sum(sizes))
    assert kept[1] < kept[0] / 4


def test_the_shared_positions_are_computed_once(text, backbone):
    rows = []
    handle = backbone.model.transformer.resblocks[0].mlp.register_forward_hook(lambda m, x, y: rows.append(y.shape))
    texts = with_context(text.embed(TEXTS), random_prompts(4, WIDTH))
    text.encode(texts)
    handle.remove()
    assert rows == [(1, 5 + 3 * (texts.tokens.shape[1] - 5), WIDTH)]


def test_the_tower_stays_frozen_and_unregistered(text, backbone):
    text.encode(with_context(text.embed(TEXTS), random_prompts(4, WIDTH))).sum().backward()
    assert all(parameter.grad is None for parameter in backbone.model.parameters())
    assert not isinstance(text, torch.nn.Module)


def test_no_gradient_is_asked_for_of_plain_texts(text):
    assert not text.encode(text.embed(TEXTS)).requires_grad


def test_half_precision_keeps_the_direction(text):
    context = random_prompts(4, WIDTH)
    exact = text.encode(with_context(text.embed(TEXTS), context))
    with torch.autocast("cpu", torch.bfloat16):
        half = text.encode(with_context(text.embed(TEXTS), context))
    assert half.dtype == torch.float32
    assert not torch.equal(half, exact)
    assert (half * exact).sum(-1).min() > 0.999


def test_a_text_beyond_the_context_is_an_error(text):
    with pytest.raises(PromptError, match=rf"word word.* {CONTEXT_LENGTH}.*Shorten the context"):
        text.embed(["a cat.", "word " * CONTEXT_LENGTH])


def test_another_family_is_an_error(save_transformers_clip, tmp_path):
    save_transformers_clip(tmp_path / "other")
    with pytest.raises(RecipeError, match=r"other' takes no learned prompts.*--data\.backbone ViT-B/16"):
        PromptedText(load_backbone(str(tmp_path / "other")))


def test_what_is_shared_is_told(text):
    texts = text.embed(TEXTS)
    assert texts.shared == 1
    assert with_context(texts, torch.zeros(4, WIDTH)).shared == 5
    assert with_context(texts, torch.zeros(3, 4, WIDTH)).shared == 1
    assert isinstance(texts, EmbeddedTexts)
