import math

import pytest
import torch
from aape_lightning.modules.losses import REWARD_SCALE, clip_reward, distillation_loss
from torch.nn import functional as F


def unit(*shape):
    return F.normalize(torch.randn(shape, dtype=torch.float64), dim=-1)


def test_the_distillation_loss_sums_over_the_width_and_means_over_the_batch():
    aape, summary, total = unit(4, 6), unit(4, 6), 0.0
    for i in range(4):
        total += sum((aape[i, k] - summary[i, k]).item() ** 2 for k in range(6))
    assert distillation_loss(aape, summary).item() == pytest.approx(total / 4, rel=1e-12)


def test_the_distillation_loss_of_unit_vectors_lies_between_0_and_4():
    aape = unit(5, 8)
    assert distillation_loss(aape, aape.clone()).item() == 0
    assert distillation_loss(aape, -aape).item() == pytest.approx(4)


def test_the_summary_is_a_constant_to_the_generator():
    aape, summary = unit(3, 5).requires_grad_(), unit(3, 5).requires_grad_()
    distillation_loss(aape, summary).backward()
    assert summary.grad is None
    torch.testing.assert_close(aape.grad, 2 * (aape - summary).detach() / 3)


def test_the_reward_is_the_scaled_mean_cosine():
    image, summary, total = unit(6, 8), unit(6, 8), 0.0
    for x, p in zip(image.tolist(), summary.tolist(), strict=True):
        total += max(math.fsum(a * b for a, b in zip(x, p, strict=True)), 0.0)
    assert REWARD_SCALE == 2.5
    assert clip_reward(image, summary).item() == pytest.approx(2.5 * total / 6, rel=1e-12)
    assert clip_reward(image, summary, scale=1.0).item() == pytest.approx(total / 6, rel=1e-12)
    assert clip_reward(image, image).item() == pytest.approx(2.5)


def test_a_negative_cosine_is_worth_nothing_and_pulls_nowhere():
    image = unit(2, 8)
    summary = torch.stack([-image[0], image[1]]).requires_grad_()
    reward = clip_reward(image, summary)
    assert reward.item() == pytest.approx(2.5 / 2)
    reward.backward()
    assert (summary.grad[0] == 0).all()
