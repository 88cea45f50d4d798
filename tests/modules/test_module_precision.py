"""The trained modules under the Trainer's precisions, without a Trainer.

`bf16-mixed` and `16-mixed` are an autocast around the forward pass, `bf16-true` and `16-true` parameters of that dtype.
"""

import copy

import pytest
import torch
from aape_lightning.modules import Generator, build_aggregator, build_projection, prompt_mean
from aape_lightning.modules.answer_head import AnswerHead, answer_loss
from aape_lightning.modules.precision import at_least_float32, without_autocast
from aape_lightning.modules.prefix import EmbeddingPrefix, ImagePrefix
from torch import nn
from torch.nn import functional as F

LOW = (torch.bfloat16, torch.float16)
FORMS = (("attention", "image"), ("attention", "mean"), ("mlp", "image"), ("mean", "image"), ("random", "image"))
PROJECTIONS = ("bottleneck", "residual", "full", "none")
LOGIT_SCALE = 100.0
D = 512
# What parameters of 8 (bfloat16) or 11 bits (float16) may cost; the worst of the seeds below is about half of it.
AAPE = {torch.bfloat16: 1e-2, torch.float16: 1.5e-3}  # in norm, as the summary's
LOGITS = {torch.bfloat16: 0.1, torch.float16: 0.015}  # at CLIP's scale of 100
ONE_LAYER = {torch.bfloat16: 1e-2, torch.float16: 1.5e-3}  # relative, in norm


def unit(*shape):
    return F.normalize(torch.randn(shape), dim=-1)


def moved(module):
    """A module away from its start: weights as large as torch's start makes them, none of them zero."""
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5 if parameter.dim() > 1 else 0.3)
    return module


def sentences(b=6, n=9, d=D):
    mask = torch.rand(b, n) < 0.7
    mask[:, 0] = True
    centre = unit(b, 1, d)
    return F.normalize(centre + unit(b, n, d), dim=-1), mask, unit(b, d)


def values_and_gradients(module, inputs, target, autocast=None):
    """The output, and the gradients of a projection of it on `target` with respect to inputs and parameters."""
    leaves = [tensor.detach().requires_grad_() if tensor.is_floating_point() else tensor for tensor in inputs]
    with torch.autocast("cpu", dtype=autocast or torch.bfloat16, enabled=autocast is not None):
        output = module(*leaves)
    sources = [leaf for leaf in leaves if leaf.requires_grad] + list(module.parameters())
    return [output.detach(), *torch.autograd.grad((output * target).sum(), sources, allow_unused=True)]


def assert_equal(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        assert (one is None) == (other is None)
        assert one is None or (one.dtype == other.dtype and torch.equal(one, other))


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def test_the_dtype_to_compute_in():
    half, brain, single, double = (torch.ones(1, dtype=dtype) for dtype in (*LOW, torch.float32, torch.float64))
    assert at_least_float32(half) == at_least_float32(half, brain) == at_least_float32(brain, single) == torch.float32
    assert at_least_float32(half, double) == torch.float64


def test_nothing_is_cast_without_autocast():
    x = torch.randn(3, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (x @ x).dtype == torch.bfloat16
        with without_autocast(x):
            assert (x @ x).dtype == torch.float32


@pytest.mark.parametrize("dtype", LOW)
def test_autocast_does_not_reach_the_generator(dtype):
    module, x, target = moved(Generator(D)), [unit(8, D)], unit(8, D)
    mixed = values_and_gradients(module, x, target, autocast=dtype)
    assert_equal(mixed, values_and_gradients(module, x, target))


@pytest.mark.parametrize("dtype", LOW)
@pytest.mark.parametrize(("variant", "query"), FORMS)
def test_autocast_does_not_reach_the_aggregator(variant, query, dtype):
    module, inputs, target = moved(build_aggregator(variant, D, query=query)), sentences(), unit(6, D)
    exact = values_and_gradients(module, inputs, target)
    assert_equal(values_and_gradients(module, inputs, target, autocast=dtype), exact)


@pytest.mark.parametrize("dtype", LOW)
def test_autocast_reaches_neither_attention_nor_mean(dtype):
    module, inputs = moved(build_aggregator("attention", D)), sentences()
    attention, mean = module.attention(*inputs), prompt_mean(*inputs[:2])
    with torch.autocast("cpu", dtype=dtype):
        assert torch.equal(module.attention(*inputs), attention)
        assert torch.equal(prompt_mean(*inputs[:2]), mean)


@pytest.mark.parametrize("dtype", LOW)
@pytest.mark.parametrize("name", PROJECTIONS)
def test_autocast_does_not_reach_the_head_in_either_direction(name, dtype):
    module, inputs = moved(build_projection(name, D)), (unit(8, D), unit(20, D), unit(8, D))
    target = torch.randn(8, 20)
    mixed = values_and_gradients(module, inputs, target, autocast=dtype)
    assert_equal(mixed, values_and_gradients(module, inputs, target))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("dtype", LOW)
def test_low_parameters_cost_the_generator_only_their_rounding(dtype, seed):
    torch.manual_seed(seed)
    module, x = moved(Generator(D)), unit(16, D)
    low = copy.deepcopy(module).to(dtype)(x)
    assert low.dtype == dtype
    assert (low.double() - copy.deepcopy(module).double()(x)).norm(dim=-1).max() <= AAPE[dtype]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("dtype", LOW)
@pytest.mark.parametrize(("variant", "query"), FORMS[:3])
def test_low_parameters_cost_the_summary_only_their_rounding(variant, query, dtype, seed):
    torch.manual_seed(seed)
    module, (prompts, mask, image) = moved(build_aggregator(variant, D, query=query)), sentences()
    low = copy.deepcopy(module).to(dtype)(prompts, mask, image)
    assert low.dtype == dtype
    exact = copy.deepcopy(module).double()(prompts.double(), mask, image.double())
    assert (low.double() - exact).norm(dim=-1).max() <= AAPE[dtype]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("dtype", LOW)
@pytest.mark.parametrize("name", PROJECTIONS)
def test_low_parameters_cost_the_logits_only_their_rounding(name, dtype, seed):
    """Of generator and head together; a head that computed in bfloat16 would be off by more than the bound."""
    torch.manual_seed(seed)
    generator, head, x, w = moved(Generator(D)), moved(build_projection(name, D)), unit(16, D), unit(50, D)
    low_generator, low_head = copy.deepcopy(generator).to(dtype), copy.deepcopy(head).to(dtype)
    low = LOGIT_SCALE * low_head(x, w, low_generator(x))
    assert low.dtype == torch.float32
    exact = LOGIT_SCALE * head.double()(x.double(), w.double(), generator.double()(x.double()))
    assert (low.double() - exact).abs().max() <= LOGITS[dtype]


@pytest.mark.parametrize("gain", [1.0, 1000.0])
@pytest.mark.parametrize("d", [512, 1024])
@pytest.mark.parametrize("dtype", [*LOW, torch.float32])
def test_scores_beyond_float16_do_not_overflow(dtype, d, gain):
    """At the larger gain the scores exceed 65,504, float16's largest number."""
    module = moved(build_aggregator("attention", d)).to(dtype)
    prompts, mask, image = sentences(d=d)
    with torch.no_grad():
        module.query_projection.weight.mul_(gain)
        module.key_projection.weight.copy_(module.query_projection.weight)  # a score is then a square, and large
    prompts, image = prompts.requires_grad_(), image.requires_grad_()
    with torch.no_grad():
        asked = (prompt_mean(prompts, mask) + image) * d**0.5
        queries = module.query_projection(module.query_norm(asked.to(dtype))).double().unflatten(-1, (module.heads, -1))
        keys = (prompts.double() * d**0.5 @ module.key_projection.weight.double().T).unflatten(-1, (module.heads, -1))
        scores = torch.einsum("bkh,bnkh->bkn", queries, keys) / queries.shape[-1] ** 0.5
        assert (scores.abs().max() > torch.finfo(torch.float16).max) == (gain > 1)
    summary, attention = module(prompts, mask, image), module.attention(prompts, mask, image)
    (summary.float() * unit(6, d)).sum().backward()
    torch.testing.assert_close(attention.sum(1).float(), torch.ones(6))
    assert (attention[~mask] == 0).all()
    for tensor in (summary, prompts.grad, image.grad, *(parameter.grad for parameter in module.parameters())):
        assert tensor.isfinite().all()


@pytest.mark.parametrize("dtype", [*LOW, torch.float32])
@pytest.mark.parametrize(("variant", "query"), FORMS)
@pytest.mark.parametrize("width", [1, 7])
def test_one_sentence_is_all_the_attention(width, variant, query, dtype):
    """A row of one sentence, and a row whose other places are padding."""
    module = moved(build_aggregator(variant, D, query=query)).to(dtype)
    prompts, mask = torch.randn(3, width, D), torch.zeros(3, width, dtype=torch.bool)
    mask[:, -1] = True
    prompts[:, -1] = unit(3, D)
    alone = module(prompts[:, -1:], mask[:, -1:], unit(3, D))
    assert torch.equal(module(prompts, mask, unit(3, D)), alone)
    if variant == "attention":
        assert torch.equal(module.attention(prompts, mask, unit(3, D)), mask.float())


@pytest.mark.parametrize("dtype", [*LOW, torch.float32])
@pytest.mark.parametrize(("variant", "query"), FORMS)
def test_sentences_that_cancel_give_no_nan(variant, query, dtype):
    """Their mean is zero, whose norm float16 could not guard: its least number is far above 1e-12."""
    module = moved(build_aggregator(variant, D, query=query)).to(dtype)
    sentence = unit(2, 1, D).to(dtype)
    prompts, mask = torch.cat([sentence, -sentence], dim=1), torch.ones(2, 2, dtype=torch.bool)
    summary = module(prompts, mask, unit(2, D).to(dtype))
    assert summary.isfinite().all()
    if parameters := list(module.parameters()):
        summary.sum().backward()
        assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in parameters)


@pytest.mark.parametrize("dtype", [*LOW, torch.float32])
def test_a_dead_generator_gives_zero(dtype):
    module = Generator(D)
    with torch.no_grad():
        module.inner.weight.zero_()
        module.inner.bias.fill_(-1)
        module.outer.bias.zero_()
    assert (module.to(dtype)(unit(3, D)) == 0).all()


@pytest.mark.parametrize("dtype", LOW)
@pytest.mark.parametrize("mode", ["mixed", "true"])
def test_answers_in_low_precision(mode, dtype):
    """The largest layer of all stays under autocast; its loss is computed in float32."""
    head, inputs = AnswerHead(D, 300, with_aape=True, dropout=0.0), [unit(8, D) for _ in range(3)]
    share, exact = torch.rand(8, 300).softmax(-1), head(*inputs)
    low_head = head if mode == "mixed" else copy.deepcopy(head).to(dtype)
    with torch.autocast("cpu", dtype=dtype, enabled=mode == "mixed"):
        low = low_head(*inputs)
        loss = answer_loss(low, share)
    assert low.dtype == dtype
    assert loss.dtype == torch.float32
    assert (low.float() - exact).norm() <= ONE_LAYER[dtype] * exact.norm()
    assert loss.item() == pytest.approx(answer_loss(low.float(), share).item(), rel=1e-6)


@pytest.mark.parametrize("dtype", LOW)
@pytest.mark.parametrize("mode", ["mixed", "true"])
@pytest.mark.parametrize("build", [lambda: ImagePrefix(D, 96, dropout=0.0), lambda: EmbeddingPrefix(D, 96)])
def test_soft_tokens_in_low_precision(build, mode, dtype):
    module, tokens = build(), torch.randn(4, 5, D)
    inputs = tokens if isinstance(module, ImagePrefix) else tokens[:, 0]
    exact, low_module = module(inputs), module if mode == "mixed" else copy.deepcopy(module).to(dtype)
    with torch.autocast("cpu", dtype=dtype, enabled=mode == "mixed"):
        low = low_module(inputs)
    assert low.dtype == dtype
    assert (low.float() - exact).norm() <= ONE_LAYER[dtype] * exact.norm()
