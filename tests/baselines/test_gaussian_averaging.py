"""Gaussian weights over the epochs against the closed form, and the sum that they weigh."""

import math

import pytest
import torch
from aape_lightning.baselines.gaussian_averaging import GaussianAverage, gaussian_weights
from aape_lightning.errors import RecipeError


@pytest.mark.parametrize(
    ("epochs", "mean", "std"), [(20, 15.0, 1.0), (20, 6.0, 10.0), (50, 30.0, 30.0), (50, 45.0, 5.0), (1, 3.0, 2.0)]
)
def test_weights_are_the_closed_form(epochs, mean, std):
    densities = [
        math.exp(-((epoch - mean) ** 2) / (2 * std**2)) / (std * math.sqrt(2 * math.pi))
        for epoch in range(1, epochs + 1)
    ]
    expected = [density / sum(densities) for density in densities]
    assert gaussian_weights(epochs, mean=mean, std=std).tolist() == pytest.approx(expected, rel=1e-12)


def test_weights_exist_however_far_the_mean_lies():
    weights = gaussian_weights(5, mean=100.0, std=1.0)  # where the density underflows
    assert weights.sum() == pytest.approx(1)
    assert weights[4] > 0.99


@pytest.mark.parametrize("std", [0.0, -1.0, float("nan")])
def test_a_deviation_that_is_none_is_refused(std):
    with pytest.raises(RecipeError, match=r"aggregation_std is .*; it must be above 0"):
        gaussian_weights(5, mean=3.0, std=std)


def test_the_total_is_the_weighted_sum():
    torch.manual_seed(0)
    epochs = [{"context": torch.randn(2, 3), "deep": torch.randn(4)} for _ in range(5)]
    average = GaussianAverage(5, mean=3.0, std=2.0)
    for number, tensors in enumerate(epochs):
        average.add(number, tensors)
    weights = gaussian_weights(5, mean=3.0, std=2.0)
    for name in ("context", "deep"):
        expected = sum(weight * tensors[name].double() for weight, tensors in zip(weights, epochs, strict=True))
        torch.testing.assert_close(average.total[name], expected.float())


def test_later_changes_of_the_tensors_do_not_reach_the_total():
    prompts = torch.ones(3)
    average = GaussianAverage(1, mean=1.0, std=1.0)
    average.add(0, {"prompts": prompts})
    prompts.zero_()
    assert average.total["prompts"].tolist() == [1, 1, 1]
