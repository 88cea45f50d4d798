import inspect

import pytest
import torch
from aape_lightning.modules import build_aggregator, prompt_mean
from aape_lightning.modules.losses import clip_reward
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

VARIANTS = ("attention", "mlp", "mean", "random")
FORMS = (("attention", "image"), ("attention", "mean"), ("mlp", "image"), ("mean", "image"), ("random", "image"))
LEARNED = FORMS[:3]
FINEST = torch.float64


def unit(*shape, dtype=FINEST):
    return F.normalize(torch.randn(shape, dtype=dtype), dim=-1)


def masked(counts, width):
    """A mask with a given number of sentences in each row, first in the row."""
    return torch.arange(width) < torch.tensor(counts)[:, None]


def inputs(counts=(4, 1, 7, 3), d=128):
    """Sentences, their mask, and images; padded to the longest row and one more."""
    mask = masked(counts, max(counts) + 1)
    return unit(*mask.shape, d) * mask[..., None], mask, unit(len(counts), d)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def moved(variant, d=128, query="image", dtype=FINEST):
    """An aggregator away from its start: no layer is zero, no norm is plain."""
    module = build_aggregator(variant, d, query=query).to(dtype)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.2)
    return module


def plain_attention(module, prompts, mask, image, *, heads, query):
    """Eq. 1 as a transformer's layer is written: every sentence has its key and its value, head by head.

    Returns the summaries and the mean of the heads' attention.
    """
    d = prompts.shape[-1]
    size, summaries, shares = d // heads, [], torch.zeros(mask.shape, dtype=prompts.dtype)
    for i in range(len(prompts)):
        sentences = prompts[i][mask[i]] * d**0.5
        mean = sentences.mean(0)
        mean = mean / mean.norm() * d**0.5
        asked = mean + image[i] * d**0.5 if query == "image" else mean
        asked = F.layer_norm(asked, (d,), module.query_norm.weight, module.query_norm.bias)
        q = module.query_projection.weight @ asked
        keys, values = (sentences @ layer.weight.T for layer in (module.key_projection, module.value_projection))
        found = []
        for k in range(heads):
            of_head = slice(k * size, (k + 1) * size)
            share = torch.softmax(keys[:, of_head] @ q[of_head] / size**0.5, dim=0)
            found.append(share @ values[:, of_head])
            shares[i, mask[i]] += share / heads
        attended = mean + module.output_projection.weight @ torch.cat(found) + module.output_projection.bias
        norm, inner, _, outer = module.feed_forward
        hidden = inner.weight @ F.layer_norm(attended, (d,), norm.weight, norm.bias) + inner.bias
        summary = attended + outer.weight @ hidden.clamp(min=0) + outer.bias
        summaries.append(summary / summary.norm())
    return torch.stack(summaries), shares


@pytest.mark.parametrize("query", ["image", "mean"])
@pytest.mark.parametrize(("d", "heads"), [(32, 1), (128, 2), (200, 1), (320, 5)])
def test_attention_equals_the_unfolded_layer(d, heads, query):
    module, (prompts, mask, image) = moved("attention", d, query), inputs(d=d)
    assert module.heads == heads
    expected, shares = plain_attention(module, prompts, mask, image, heads=heads, query=query)
    torch.testing.assert_close(module(prompts, mask, image), expected, rtol=0, atol=1e-9)
    torch.testing.assert_close(module.attention(prompts, mask, image), shares, rtol=0, atol=1e-9)


@pytest.mark.parametrize("query", ["image", "mean"])
def test_attention_has_the_unfolded_layers_gradients(query):
    module, (prompts, mask, image) = moved("attention", 128, query), inputs()
    prompts.requires_grad_()
    image.requires_grad_()
    target, sources = unit(4, 128), [prompts, image, *module.parameters()]
    plain, _ = plain_attention(module, prompts, mask, image, heads=2, query=query)
    ours = torch.autograd.grad((module(prompts, mask, image) * target).sum(), sources, allow_unused=True)
    theirs = torch.autograd.grad((plain * target).sum(), sources, allow_unused=True)
    for mine, expected in zip(ours, theirs, strict=True):
        assert (mine is None) == (expected is None)
        if mine is not None:
            torch.testing.assert_close(mine, expected, rtol=0, atol=1e-9)


def test_mlp_is_a_blend_of_the_mean_and_its_transform():
    module, (prompts, mask, image) = moved("mlp"), inputs()
    first, _, second = module.mlp
    for i, summary in enumerate(module(prompts, mask, image)):
        mean = F.normalize(prompts[i, : mask[i].sum()].mean(0), dim=0)
        transformed = second.weight @ (first.weight @ mean + first.bias).clamp(min=0) + second.bias
        blend = module.alpha * transformed + (1 - module.alpha) * mean
        torch.testing.assert_close(summary, blend / blend.norm(), rtol=0, atol=1e-9)


def test_mean_is_the_normalised_mean_of_the_sentences():
    prompts, mask, image = inputs()
    expected = torch.stack([F.normalize(prompts[i, :count].mean(0), dim=0) for i, count in enumerate(mask.sum(1))])
    torch.testing.assert_close(build_aggregator("mean", 128)(prompts, mask, image), expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(prompt_mean(prompts, mask), expected, rtol=0, atol=1e-12)


def test_random_is_one_of_the_images_own_sentences():
    prompts, mask, image = inputs(counts=[1 + i % 6 for i in range(60)])
    summary = build_aggregator("random", 128)(prompts, mask, image)
    chosen = (prompts == summary[:, None]).all(-1)
    assert (chosen.sum(1) == 1).all()
    assert mask[chosen].all()
    for count in range(2, 7):
        assert chosen[mask.sum(1) == count].any(0).sum() > 1, "the choice differs from image to image"


def test_random_chooses_by_its_seed_and_moves_no_other_randomness():
    prompts, mask, image = inputs(counts=[5] * 20)

    def summary(seed):
        torch.manual_seed(seed)
        aggregator = build_aggregator("random", 128)
        before = torch.get_rng_state()
        chosen = aggregator(prompts, mask, image)
        assert torch.equal(torch.get_rng_state(), before)
        return chosen

    assert torch.equal(summary(1), summary(1))
    assert not torch.equal(summary(1), summary(2))


def test_random_chooses_alike_wherever_an_image_stands_in_its_batch():
    prompts, mask, image = inputs(counts=[5, 3, 6, 2])
    aggregator, order = build_aggregator("random", 128), [2, 0, 3, 1]
    assert torch.equal(aggregator(prompts[order], mask[order], image[order]), aggregator(prompts, mask, image)[order])


@pytest.mark.parametrize(("variant", "query"), FORMS)
def test_summaries_have_unit_norm(variant, query):
    summary = moved(variant, query=query)(*inputs())
    torch.testing.assert_close(summary.norm(dim=-1), torch.ones(4, dtype=FINEST))


@pytest.mark.parametrize(("variant", "query"), [form for form in FORMS if form[0] != "random"])
def test_the_order_of_sentences_has_no_influence(variant, query):
    module, (prompts, mask, image) = moved(variant, query=query), inputs()
    order = torch.randperm(mask.shape[1])
    assert not torch.equal(mask[:, order], mask)
    permuted = module(prompts[:, order], mask[:, order], image)
    torch.testing.assert_close(permuted, module(prompts, mask, image), rtol=0, atol=1e-12)


def test_attention_follows_the_order_of_sentences():
    module, (prompts, mask, image) = moved("attention"), inputs()
    order = torch.randperm(mask.shape[1])
    permuted = module.attention(prompts[:, order], mask[:, order], image)
    torch.testing.assert_close(permuted, module.attention(prompts, mask, image)[:, order], rtol=0, atol=1e-12)


@pytest.mark.parametrize("garbage", [1.0, 1e30])
@pytest.mark.parametrize(("variant", "query"), FORMS)
def test_padding_has_no_influence(variant, query, garbage):
    module, (prompts, mask, image) = moved(variant, query=query, dtype=torch.float32), inputs()
    target, results = unit(4, 128, dtype=torch.float32), []
    for filling in (0.0, garbage):
        filled = torch.where(mask[..., None], prompts.float(), torch.randn(prompts.shape) * filling)
        filled.requires_grad_()
        summary = module(filled, mask, image.float())
        sources = [filled, *module.parameters()]
        gradients = torch.autograd.grad((summary * target).sum(), sources, allow_unused=True)
        results.append([summary.detach(), *gradients])
    clean, dirty = results
    for one, other in zip(clean, dirty, strict=True):
        assert torch.equal(one, other)
    assert (dirty[1][~mask] == 0).all()
    assert (dirty[1][mask] != 0).any()


@pytest.mark.parametrize(("variant", "query"), LEARNED)
def test_more_padding_has_no_influence(variant, query):
    module, (prompts, mask, image) = moved(variant, query=query), inputs()
    wider = module(F.pad(prompts, (0, 0, 0, 9), value=3.0), F.pad(mask, (0, 9)), image)
    torch.testing.assert_close(wider, module(prompts, mask, image), rtol=0, atol=1e-12)


def test_the_image_changes_what_an_image_query_attends_to():
    module, (prompts, mask, image) = moved("attention"), inputs()
    others = unit(4, 128)
    assert not torch.allclose(module.attention(prompts, mask, image), module.attention(prompts, mask, others))
    assert not torch.allclose(module(prompts, mask, image), module(prompts, mask, others))


def test_the_image_enters_the_scores_alone():
    module, (_, mask, image) = moved("attention"), inputs()
    one_sentence = unit(128).expand(*mask.shape, 128)
    image.requires_grad_()
    summary = module(one_sentence, mask, image)
    torch.testing.assert_close(summary, module(one_sentence, mask, unit(4, 128)), rtol=0, atol=1e-12)
    torch.testing.assert_close(summary, summary[:1].expand(4, -1), rtol=0, atol=1e-12)
    (gradient,) = torch.autograd.grad((summary * unit(4, 128)).sum(), image)
    assert gradient.abs().max() < 1e-12


def test_an_image_with_one_sentence_has_a_summary_of_that_sentence_alone():
    module, (prompts, mask, image) = moved("attention"), inputs(counts=[1, 1, 1])
    summary = module(prompts, mask, image)
    assert torch.equal(summary, module(prompts, mask, unit(3, 128)))
    assert torch.equal(module.attention(prompts, mask, image), mask.double())
    mean = build_aggregator("mean", 128)(prompts, mask, image)
    torch.testing.assert_close(mean, prompts[:, 0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("variant", VARIANTS)
def test_without_an_image_query_the_image_is_ignored(variant):
    module, (prompts, mask, image) = moved(variant, query="mean"), inputs()
    assert torch.equal(module(prompts, mask, image), module(prompts, mask, unit(4, 128)))


@pytest.mark.parametrize("query", ["image", "mean"])
def test_attention_starts_at_the_mean(query):
    prompts, mask, image = inputs(d=512)
    module = build_aggregator("attention", 512, query=query).double()
    torch.testing.assert_close(module(prompts, mask, image), prompt_mean(prompts, mask), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("variant", "query"), LEARNED)
def test_every_parameter_has_a_gradient(variant, query):
    module, (prompts, mask, image) = moved(variant, query=query), inputs()
    clip_reward(image, module(prompts, mask, image)).backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize(("variant", "query"), LEARNED)
def test_training_from_the_start_raises_the_reward(variant, query):
    torch.manual_seed(0)
    module, (prompts, mask, image) = build_aggregator(variant, 64, query=query).double(), inputs((6, 6, 6, 6), 64)
    optimizer, rewards = torch.optim.AdamW(module.parameters(), lr=3e-3), []
    for _ in range(40):
        loss = -clip_reward(F.normalize(prompts[:, 0] + image, dim=-1), module(prompts, mask, image))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rewards.append(-loss.item())
    assert rewards[-1] > rewards[0] + 0.3


def test_attention_sums_to_one_and_is_never_negative():
    module, (prompts, mask, image) = moved("attention"), inputs()
    shares = module.attention(prompts, mask, image)
    torch.testing.assert_close(shares.sum(1), torch.ones(4, dtype=FINEST))
    assert (shares >= 0).all()
    assert (shares[~mask] == 0).all()


@pytest.mark.parametrize(("variant", "query"), FORMS)
def test_opposite_sentences_give_no_nan(variant, query):
    sentence = unit(1, 1, 128)
    prompts, mask = torch.cat([sentence, -sentence], dim=1), torch.ones(1, 2, dtype=torch.bool)
    summary = moved(variant, query=query)(prompts.requires_grad_(), mask, unit(1, 128))
    (gradient,) = torch.autograd.grad(summary.sum(), prompts)
    assert summary.isfinite().all()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("variant", "query"), FORMS)
def test_low_precision_costs_only_its_own_rounding(variant, query, dtype):
    torch.manual_seed(0)
    module, (prompts, mask, image) = moved(variant, query=query), inputs()
    exact = module(prompts, mask, image)
    low = module.to(dtype)(prompts.to(dtype), mask, image.to(dtype))
    assert low.dtype == dtype
    bound = {torch.float32: 1e-5, torch.bfloat16: 0.1}[dtype]
    assert (low.double() - exact).norm(dim=-1).max() <= bound


@pytest.mark.parametrize(("variant", "query"), FORMS)
def test_autocast_costs_only_its_own_rounding(variant, query):
    torch.manual_seed(0)
    module, (prompts, mask, image) = moved(variant, query=query, dtype=torch.float32), inputs()
    prompts, image = prompts.float().requires_grad_(), image.float()
    exact = module(prompts, mask, image)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = module(prompts, mask, image)
    (mixed.float() * unit(4, 128, dtype=torch.float32)).sum().backward()
    torch.testing.assert_close(mixed.float().norm(dim=-1), torch.ones(4), rtol=0, atol=1e-2)
    assert (mixed - exact).norm(dim=-1).max() <= 0.1
    assert prompts.grad.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in module.parameters() if parameter.grad is not None)


def test_counts_of_parameters():
    def count(variant):
        return sum(parameter.numel() for parameter in build_aggregator(variant, 512).parameters())

    projections, feed_forward, norms = 4 * 512 * 512 + 512, 512 * 32 * 2 + 32 + 512, 2 * 2 * 512
    assert count("attention") == projections + feed_forward + norms
    assert count("mlp") == feed_forward + 1
    assert count("mean") == count("random") == 0


def test_unknown_names_are_errors_that_list_the_known():
    unchecked = inspect.unwrap(build_aggregator)  # past the check of the annotations
    with pytest.raises(ValueError, match="'attention', 'mlp', 'mean' or 'random'"):
        unchecked("median", 64)
    with pytest.raises(ValueError, match="query is 'class'; it must be 'image' or 'mean'"):
        unchecked("attention", 64, query="class")


def test_no_sentence_is_projected():
    b, n, d = 4, 200, 128
    module, (prompts, mask, image) = moved("attention", d), inputs(counts=[n - 1] * b, d=d)
    with FlopCounterMode(display=False) as counter:
        module(prompts, mask, image)
    one_projection = 2 * b * n * d * d
    assert 0 < counter.get_total_flops() < one_projection / 4
