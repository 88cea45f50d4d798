import pytest
import torch
from aape_lightning.modules import EmbeddingPrefix, ImagePrefix


def test_each_image_token_is_mapped_alone_by_one_linear_layer():
    module, tokens = ImagePrefix(12, 5).eval(), torch.randn(3, 7, 12)
    soft = module(tokens)
    assert soft.shape == (3, 7, 5)
    for image, mapped in zip(tokens, soft, strict=True):
        for token, result in zip(image, mapped, strict=True):
            plain = sum(module.linear.weight[:, k] * token[k] for k in range(12)) + module.linear.bias
            torch.testing.assert_close(result, plain)


def test_a_tenth_of_the_numbers_is_dropped_in_training_alone():
    module, tokens = ImagePrefix(4, 50), torch.randn(20, 10, 4)
    torch.manual_seed(0)
    dropped = module(tokens)
    kept = dropped != 0
    assert 0.08 < 1 - kept.float().mean() < 0.12
    torch.testing.assert_close(dropped[kept], module.eval()(tokens)[kept] / 0.9)
    assert torch.equal(ImagePrefix(4, 50, dropout=0.0)(tokens) == 0, torch.zeros(20, 10, 50, dtype=torch.bool))


def test_an_embedding_becomes_one_token():
    module, aape = EmbeddingPrefix(6, 9), torch.randn(4, 6)
    soft = module(aape)
    assert soft.shape == (4, 1, 9)
    torch.testing.assert_close(soft[:, 0], aape @ module.linear.weight.T + module.linear.bias)


def test_the_counts_of_parameters_are_those_of_the_maps():
    assert sum(parameter.numel() for parameter in ImagePrefix(3072, 4096).parameters()) == 3072 * 4096 + 4096
    assert sum(parameter.numel() for parameter in EmbeddingPrefix(768, 4096).parameters()) == 768 * 4096 + 4096


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_stored_features_of_any_dtype_are_taken(dtype):
    tokens, embedding = torch.randn(2, 3, 4).to(dtype), torch.randn(2, 4).to(dtype)
    assert ImagePrefix(4, 5)(tokens).dtype == EmbeddingPrefix(4, 5)(embedding).dtype == torch.float32


def test_every_parameter_has_a_gradient():
    image, embedding = ImagePrefix(4, 5), EmbeddingPrefix(4, 5)
    (image(torch.randn(2, 3, 4)).square().sum() + embedding(torch.randn(2, 4)).square().sum()).backward()
    for name, parameter in [*image.named_parameters(), *embedding.named_parameters()]:
        assert parameter.grad.abs().max() > 0, name
