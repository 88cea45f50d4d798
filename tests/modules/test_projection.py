import copy
import inspect

import pytest
import torch
from aape_lightning.modules import factorised
from aape_lightning.modules.factorised import pair_cosine
from aape_lightning.modules.generator import Generator
from aape_lightning.modules.projection import FullProjection, build_projection
from aape_lightning.modules.width import bottleneck_width
from plain_projection import PlainProjection
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

NAMES = ("bottleneck", "residual", "full", "none")
FACTORISED = ("bottleneck", "residual")
SIZES = [(1, 1, 16), (1, 7, 33), (5, 1, 48), (3, 50, 64), (17, 101, 512), (32, 10, 1040)]
# The bounds that the method's issue sets, relative to the largest logit.
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here"))]
LOGIT_SCALE = 100.0


def unit(*shape, dtype=torch.float32):
    return F.normalize(torch.randn(shape, dtype=dtype), dim=-1)


def inputs(b, c, d, dtype=torch.float32, device="cpu"):
    """x, w and h(x), as leaves."""
    return [unit(n, d, dtype=dtype).to(device).requires_grad_() for n in (b, c, b)]


def trained(name, d, dtype=torch.float32):
    """A projection away from its start: no last layer is zero."""
    projection = build_projection(name, d).to(dtype)
    for parameter in projection.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return projection


def logits_and_gradients(head, tensors, grad):
    logits = LOGIT_SCALE * head(*tensors)
    sources = [*tensors, *head.parameters()]
    return logits.detach(), torch.autograd.grad(logits, sources, grad.to(logits), allow_unused=True)


def assert_same(ours, plain, tolerance):
    """Equal relative to the largest number of the plain tensor."""
    scale = plain.abs().max().clamp_min(torch.finfo(plain.dtype).tiny)
    assert ((ours - plain).abs().max() / scale).item() <= tolerance


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture
def small_blocks(monkeypatch):
    """Three images of up to 32 classes a block, or one image of 96 (at r = 32), so that every edge is crossed."""
    monkeypatch.setattr(factorised, "CPU_BLOCK", 3 * 32 * 32)
    monkeypatch.setattr(FullProjection, "BLOCK", 1)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_equals_the_plain_form(name, size, dtype, device):
    b, c, d = size
    tensors, projection, grad = inputs(b, c, d, dtype, device), trained(name, d, dtype).to(device), torch.randn(b, c)
    ours = logits_and_gradients(projection, tensors, grad)
    plain = logits_and_gradients(PlainProjection(name, projection), tensors, grad)
    assert_same(ours[0], plain[0], TOLERANCE[dtype])
    for mine, theirs in zip(ours[1], plain[1], strict=True):
        assert (mine is None) == (theirs is None)
        if mine is not None:
            assert_same(mine, theirs, TOLERANCE[dtype])


@pytest.mark.parametrize("size", [(5, 23, 32), (7, 32, 64), (2, 200, 48)])
@pytest.mark.parametrize("name", ["bottleneck", "residual", "full"])
def test_blocks_do_not_show(name, size, small_blocks):
    b, c, d = size
    tensors, projection, grad = inputs(b, c, d, torch.float64), trained(name, d, torch.float64), torch.randn(b, c)
    ours = logits_and_gradients(projection, tensors, grad)
    plain = logits_and_gradients(PlainProjection(name, projection), tensors, grad)
    for mine, theirs in zip((ours[0], *ours[1]), (plain[0], *plain[1]), strict=True):
        assert_same(mine, theirs, 1e-9)


@pytest.mark.parametrize("name", FACTORISED)
def test_a_large_batch_keeps_the_float32_bound(name):
    tensors, projection, grad = inputs(64, 300, 512), trained(name, 512), torch.randn(64, 300) / 64
    ours = logits_and_gradients(projection, tensors, grad)
    exact = copy.deepcopy(projection).double()
    doubles = [tensor.detach().double().requires_grad_() for tensor in tensors]
    plain = logits_and_gradients(PlainProjection(name, exact), doubles, grad)
    for mine, theirs in zip((ours[0], *ours[1]), (plain[0], *plain[1]), strict=True):
        assert_same(mine.double(), theirs, 1e-4)


def test_every_argument_of_the_pair_cosine_has_its_exact_gradient(monkeypatch):
    monkeypatch.setattr(factorised, "CPU_BLOCK", 5 * 8)  # one image and eight of the nine classes a block
    b, c, d, r = 4, 9, 12, 5
    V, offset, x = torch.randn(d, r).double(), torch.randn(c, d).double(), unit(b, d, dtype=torch.float64)
    class_part, image_part = torch.randn(c, r).double(), torch.randn(b, r).double()
    arguments = (class_part, image_part, x @ V, x @ offset.T, V.T @ V, offset @ V, offset.square().sum(-1))
    assert torch.autograd.gradcheck(pair_cosine, [a.requires_grad_() for a in arguments])


@pytest.mark.parametrize("name", NAMES)
def test_empty_batches_and_class_lists(name):
    projection = trained(name, 32)
    assert projection(unit(0, 32), unit(5, 32), unit(0, 32)).shape == (0, 5)
    assert projection(unit(4, 32), unit(0, 32), unit(4, 32)).shape == (4, 0)


def test_a_norm_of_zero_has_cosine_and_gradients_zero():
    projection = build_projection("bottleneck", 32)
    with torch.no_grad():
        projection.inner.weight.zero_()
        projection.inner.bias.fill_(-1)  # z = 0 for every pair
        projection.outer.bias.zero_()
    cosine, gradients = logits_and_gradients(projection, inputs(3, 4, 32), torch.ones(3, 4))
    assert (cosine == 0).all()
    assert all((gradient == 0).all() for gradient in gradients)


def test_a_norm_lost_in_rounding_stays_finite():
    projection = build_projection("residual", 32)
    tensors = inputs(3, 4, 32)
    with torch.no_grad():
        projection.outer.bias.copy_(-tensors[1][0])  # class 0 is projected to zero, the others are not
    cosine, gradients = logits_and_gradients(projection, tensors, torch.ones(3, 4))
    assert (cosine[:, 0] == 0).all()
    assert (cosine[:, 1:] != 0).all()
    assert all(gradient.isfinite().all() for gradient in gradients if gradient is not None)


@pytest.mark.parametrize("name", FACTORISED)
def test_cosines_lie_within_one(name):
    projection = trained(name, 32)
    x = unit(64, 32)
    w = F.normalize(-projection.outer.bias.detach() + 1e-3 * torch.randn(50, 32), dim=-1)
    assert projection(x, w, unit(64, 32)).abs().max() <= 1 + 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_classes_permute(name):
    projection, (x, w, h) = trained(name, 64), inputs(6, 20, 64)
    order = torch.randperm(20)
    torch.testing.assert_close(projection(x, w[order], h), projection(x, w, h)[:, order])


def test_the_residual_form_starts_at_zero_shot_and_moves():
    projection, (x, w, h) = build_projection("residual", 512), inputs(8, 30, 512)
    cosine = projection(x, w, h)
    torch.testing.assert_close(cosine, x @ w.T, rtol=0, atol=1e-6)
    assert torch.equal(cosine.argmax(1), (x @ w.T).argmax(1))
    F.cross_entropy(LOGIT_SCALE * cosine, torch.arange(8)).backward()
    assert projection.outer.weight.grad.abs().max() > 0


def test_none_matches_the_aape_alone():
    x, w, h = inputs(4, 5, 32)
    projection = build_projection("none", 32)
    assert torch.equal(projection(x, w, h), h @ w.T)
    assert not list(projection.parameters())


def test_parameter_counts_are_the_papers():
    def count(module):
        return sum(parameter.numel() for parameter in module.parameters())

    assert bottleneck_width(512) == 32
    assert count(build_projection("bottleneck", 512)) == count(build_projection("residual", 512)) == 49_696
    assert round((count(build_projection("bottleneck", 512)) + count(Generator(512))) / 1000) in (82, 83)
    assert count(build_projection("full", 512)) == 1024 * 512 + 512


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", NAMES)
def test_autocast_does_not_reach_the_head(name, dtype):
    tensors, projection, grad = inputs(6, 20, 64), trained(name, 64), torch.randn(6, 20)
    exact = logits_and_gradients(projection, tensors, grad)
    with torch.autocast("cpu", dtype=dtype):
        mixed = logits_and_gradients(projection, tensors, grad)
    assert mixed[0].dtype == torch.float32
    assert torch.equal(mixed[0], exact[0])
    for mine, theirs in zip(mixed[1], exact[1], strict=True):
        if theirs is not None:  # backward itself ran under autocast here: its matrix products are of low precision
            assert_same(mine, theirs, 3e-2)


@pytest.mark.parametrize(("dtype", "bound"), [(torch.bfloat16, 2e-2), (torch.float16, 2e-3)])
@pytest.mark.parametrize("name", NAMES)
def test_low_precision_inputs_cost_only_their_own_rounding(name, dtype, bound):
    """Inputs rounded to 8 (bf16) or 11 (fp16) bits give float32 cosines within the bound of the exact ones."""
    tensors, projection = [tensor.detach() for tensor in inputs(6, 20, 64)], trained(name, 64)
    low = projection(*(tensor.to(dtype) for tensor in tensors))
    assert low.dtype == torch.float32
    assert (low - projection(*tensors)).abs().max() <= bound
    assert projection.to(dtype)(*(tensor.to(dtype) for tensor in tensors)).dtype == torch.float32


@pytest.mark.parametrize("name", NAMES)
def test_no_gradient_modes(name):
    projection, tensors = trained(name, 64), inputs(6, 20, 64)
    expected = projection(*tensors).detach()
    with torch.no_grad():
        assert torch.equal(projection(*tensors), expected)
    with torch.inference_mode():
        assert torch.equal(projection(*tensors), expected)


@pytest.mark.parametrize("name", NAMES)
def test_another_width_is_an_error_that_says_so(name):
    with pytest.raises(ValueError, match="image_embedding is 48 wide; this projection was built for 64"):
        build_projection(name, 64)(unit(2, 48), unit(3, 48), unit(2, 48))


def test_an_unknown_name_is_an_error_that_lists_the_known():
    with pytest.raises(ValueError, match="'bottleneck', 'residual', 'full' or 'none'"):
        inspect.unwrap(build_projection)("linear", 64)  # past the check of the annotations


class LargestTensor(TorchDispatchMode):
    """Records the number of elements of the largest storage that any operation returns."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(tensor, torch.Tensor):
                self.numbers = max(self.numbers, tensor.untyped_storage().nbytes() // tensor.element_size())
        return result


@pytest.mark.parametrize("name", FACTORISED)
def test_no_tensor_has_a_number_a_pair_and_width(name, monkeypatch):
    b, c, d = 64, 300, 512
    monkeypatch.setattr(factorised, "CPU_BLOCK", 2**15)
    tensors, projection = inputs(b, c, d), trained(name, d)
    with LargestTensor() as largest:
        projection(*tensors).square().sum().backward()
    # The class embeddings (c, d) are the largest; z as a whole would have b c r numbers.
    assert largest.numbers == c * d < b * c * bottleneck_width(d) / 3
    with LargestTensor() as largest:
        PlainProjection(name, projection)(*tensors)
    assert largest.numbers == b * c * 2 * d


# ---- numerics: against the plain form in float64 -----------------------------------------------------------------


def plain_in_float64(name, projection, tensors, grad):
    """Cosines and gradients of the plain form, and what rounding is multiplied by in them.

    The norm of w_c(x) = V z + offset is lost to cancellation as (||V z||^2 + ||offset||^2) / ||w_c(x)||^2 grows.
    """
    exact = copy.deepcopy(projection).double()
    doubles = [tensor.detach().double().requires_grad_() for tensor in tensors]
    cosine = PlainProjection(name, exact)(*doubles)
    gradients = torch.autograd.grad(cosine, [*doubles, *exact.parameters()], grad.double(), allow_unused=True)
    with torch.no_grad():
        _, w, h = doubles
        pairs = torch.cat([w.expand(len(h), *w.shape), h[:, None].expand(len(h), *w.shape)], dim=-1)
        moved = exact.inner(pairs).relu() @ exact.outer.weight.T
        offset = exact._base(w) + exact.outer.bias
        parts = moved.square().sum(-1) + offset.square().sum(-1)
    return cosine.detach(), gradients, parts / (moved + offset).square().sum(-1)


def cosine_and_gradients(projection, tensors, grad):
    cosine = projection(*tensors)
    return cosine.detach(), torch.autograd.grad(cosine, [*tensors, *projection.parameters()], grad, allow_unused=True)


def assert_rounding(ours, plain, amplified):
    """Cosines within 4 roundings, gradients within 50, times what cancellation multiplies them by."""
    rounding = torch.finfo(torch.float32).eps * amplified
    assert ((ours[0].double() - plain[0]).abs() <= 4 * rounding).all()
    for mine, theirs in zip(ours[1], plain[1], strict=True):
        if theirs is not None:
            assert (mine.double() - theirs).norm() <= 50 * rounding.max() * theirs.norm() + 1e-12


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("name", FACTORISED)
def test_float32_costs_a_few_roundings(name, seed):
    torch.manual_seed(seed)
    d, (b, c) = (32, 100, 512, 1024)[seed % 4], ((1, 1), (1, 9), (7, 1), (6, 15))[seed // 4 % 4]
    projection, tensors, grad = build_projection(name, d), inputs(b, c, d), torch.randn(b, c)
    scale = 10 ** (torch.rand(()).item() * 3.5 - 3)
    for parameter in projection.parameters():
        torch.nn.init.normal_(parameter, std=scale)
    plain = plain_in_float64(name, projection, tensors, grad)
    assert_rounding(cosine_and_gradients(projection, tensors, grad), plain[:2], plain[2])


@pytest.mark.parametrize("left", [0.3, 0.03, 0.003])
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name", FACTORISED)
def test_a_class_opposite_to_its_correction_costs_what_cancels(name, seed, left):
    """v is such that of w_c(x) of the first pair nothing but a vector of norm `left` remains."""
    torch.manual_seed(seed)
    d = (32, 100, 512, 1024)[seed % 4]
    projection, tensors, grad = trained(name, d), inputs(3, 5, d), torch.randn(3, 5)
    with torch.no_grad():
        for parameter in projection.parameters():
            parameter.mul_(0.3)
        _, w, h = tensors
        hidden = projection.inner(torch.cat([w[0], h[0]])).relu()
        v = left * unit(d) - projection._base(w)[0] - projection.outer.weight @ hidden
        projection.outer.bias.copy_(v)
    plain = plain_in_float64(name, projection, tensors, grad)
    assert plain[2][0, 0] > 0.1 / left**2
    assert_rounding(cosine_and_gradients(projection, tensors, grad), plain[:2], plain[2])


def dead(projection):
    """z = 0 for every pair."""
    with torch.no_grad():
        projection.inner.weight.zero_()
        projection.inner.bias.fill_(-1)
    return projection


@pytest.mark.parametrize("name", FACTORISED)
def test_dead_hidden_units_leave_the_offset(name):
    projection, tensors, grad = dead(trained(name, 64)), inputs(3, 4, 64), torch.randn(3, 4)
    plain = plain_in_float64(name, projection, tensors, grad)
    ours = cosine_and_gradients(projection, tensors, grad)
    assert_rounding(ours, plain[:2], torch.ones_like(plain[2]))
    assert ours[1][2].abs().max() == 0  # nothing reaches h(x)


@pytest.mark.parametrize("name", FACTORISED)
def test_without_a_last_layer_the_class_alone_is_left(name):
    """V = 0 and v = 0: zero-shot CLIP for the residual form; no direction, and so no gradient, for the literal one."""
    projection, tensors, grad = trained(name, 64), inputs(3, 4, 64), torch.randn(3, 4)
    torch.nn.init.zeros_(projection.outer.weight)
    torch.nn.init.zeros_(projection.outer.bias)
    cosine, gradients = cosine_and_gradients(projection, tensors, grad)
    if name == "bottleneck":
        assert (cosine == 0).all()
        assert all((gradient == 0).all() for gradient in gradients)
    else:
        plain = plain_in_float64(name, projection, tensors, grad)
        assert_rounding((cosine, gradients), plain[:2], torch.ones_like(plain[2]))


def test_the_full_layer_has_cosine_zero_where_all_units_are_dead():
    projection, tensors = build_projection("full", 32), inputs(3, 4, 32)
    with torch.no_grad():
        projection.layer.weight.zero_()
        projection.layer.bias.fill_(-1)
    cosine, gradients = cosine_and_gradients(projection, tensors, torch.ones(3, 4))
    assert (cosine == 0).all()
    assert all((gradient == 0).all() for gradient in gradients)


@pytest.mark.parametrize("name", NAMES)
def test_duplicates_share_their_cosine_and_their_gradient(name):
    projection, (x, w, h) = trained(name, 48), inputs(3, 5, 48)
    twice = [torch.cat([tensor, tensor]).detach().requires_grad_() for tensor in (x, w, h)]
    cosine, gradients = cosine_and_gradients(projection, twice, torch.ones(6, 10))
    torch.testing.assert_close(cosine, projection(x, w, h).detach().repeat(2, 2), rtol=0, atol=1e-6)
    for gradient in gradients[:3]:
        if gradient is not None:
            torch.testing.assert_close(*gradient.chunk(2), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_an_image_of_zeros_has_cosine_zero(name):
    """A black image's embedding that was never normalised: no NaN, and h(x) of it decides nothing."""
    projection, (_, w, h) = trained(name, 48), inputs(2, 5, 48)
    tensors = [torch.zeros(2, 48, requires_grad=True), w, h]
    cosine, gradients = cosine_and_gradients(projection, tensors, torch.ones(2, 5))
    if name != "none":  # where h(x) stands for the image
        assert (cosine == 0).all()
    assert all(gradient is None or gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("loss_scale", [1.0, 2.0**16])
@pytest.mark.parametrize("logit_scale", [1.0, 100.0, 1e4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", NAMES)
def test_extreme_scales_give_no_nan(name, dtype, logit_scale, loss_scale):
    """The scale that a GradScaler starts with among them."""
    tensors, projection = inputs(6, 20, 64), trained(name, 64)
    with torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32):
        logits = logit_scale * projection(*tensors)
        loss = F.cross_entropy(logits, torch.arange(6)) * loss_scale
    loss.backward()
    assert logits.isfinite().all()
    for leaf in (*projection.parameters(), *tensors):
        assert leaf.grad is None or leaf.grad.isfinite().all()
