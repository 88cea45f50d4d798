import pytest
import torch
from aape_lightning.modules.generator import Generator
from torch.nn import functional as F


def moved(d, r):
    module = Generator(d).double()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    assert module.inner.weight.shape == (r, d)
    return module


@pytest.mark.parametrize(("d", "r"), [(16, 32), (512, 32), (1024, 64)])
def test_it_is_two_layers_with_relu_between(d, r):
    module, x = moved(d, r), F.normalize(torch.randn(5, d, dtype=torch.float64), dim=-1)
    for image, aape in zip(x, module(x), strict=True):
        hidden = module.inner.weight @ image + module.inner.bias
        plain = module.outer.weight @ torch.where(hidden > 0, hidden, 0.0) + module.outer.bias
        torch.testing.assert_close(aape, plain / plain.square().sum().sqrt(), rtol=0, atol=1e-12)


def test_aape_has_unit_norm():
    norms = moved(64, 32)(torch.randn(7, 64, dtype=torch.float64)).norm(dim=-1)
    torch.testing.assert_close(norms, torch.ones(7, dtype=torch.float64))


def test_the_count_of_parameters_is_the_papers():
    assert sum(parameter.numel() for parameter in Generator(512).parameters()) == 33_312


def test_every_parameter_has_a_gradient():
    module = moved(32, 32)
    (module(torch.randn(6, 32, dtype=torch.float64)) * torch.randn(6, 32)).sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad.abs().max() > 0, name


def test_an_output_of_zero_has_no_nan():
    module = Generator(16)
    torch.nn.init.zeros_(module.outer.weight)
    torch.nn.init.zeros_(module.outer.bias)
    aape = module(torch.randn(3, 16))
    aape.sum().backward()
    assert (aape == 0).all()
    assert all(parameter.grad.isfinite().all() for parameter in module.parameters())
