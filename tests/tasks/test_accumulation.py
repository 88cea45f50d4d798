"""Gradient accumulation: k batches of b images are one of k b, and the schedule counts the optimizer's steps."""

import pytest
import torch
from aape_lightning.tasks import ClassificationTask
from lightning.pytorch import Callback, seed_everything


class Rates(Callback):
    """The learning rate of every step that the optimizer took, by stage."""

    def __init__(self):
        self.seen = {}

    def on_before_optimizer_step(self, trainer, task, optimizer):
        self.seen.setdefault(task.stage, []).append(optimizer.param_groups[0]["lr"])


@pytest.fixture
def fit(toy_data, quiet_trainer):
    """Fits on 20 images: the rates, the weights, the trainer."""

    def run(batch_size, accumulate, **settings):
        seed_everything(1)
        task, rates = ClassificationTask(lr=3e-3, **({"aggregator_epochs": 2} | settings)), Rates()
        trainer = quiet_trainer(accumulate_grad_batches=accumulate, max_epochs=6, callbacks=[rates])
        trainer.fit(task, datamodule=toy_data(batch_size=batch_size))
        return rates.seen, {name: tensor.clone() for name, tensor in task.state_dict().items()}, trainer

    return run


@pytest.mark.parametrize("settings", [{}, {"schedule": "joint"}, {"optimizer": "sgd"}])
@pytest.mark.parametrize(("batch_size", "accumulate"), [(5, 2), (2, 5), (1, 10)])
def test_accumulated_batches_are_one_large_batch(batch_size, accumulate, settings, fit):
    rates, expected, _ = fit(10, 1, **settings)
    rates_too, weights, _ = fit(batch_size, accumulate, **settings)
    assert rates_too == rates
    for name, tensor in expected.items():
        torch.testing.assert_close(weights[name], tensor, rtol=0, atol=1e-4, msg=lambda said, name=name: name + said)


@pytest.mark.parametrize(("batch_size", "accumulate", "steps"), [(4, 1, 5), (4, 2, 3), (4, 3, 2), (4, 7, 1), (3, 4, 2)])
def test_the_cosine_of_each_stage_ends_with_its_last_step(batch_size, accumulate, steps, fit):
    rates, _, trainer = fit(batch_size, accumulate)
    assert {stage: len(seen) for stage, seen in rates.items()} == {"aggregator": 2 * steps, "generator": 4 * steps}
    for stage, first in (("aggregator", 1e-3), ("generator", 3e-3)):
        count = len(rates[stage])
        expected = [first / 2 * (1 + torch.cos(torch.tensor(torch.pi * k / count)).item()) for k in range(count)]
        assert rates[stage] == pytest.approx(expected, rel=1e-4)
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0, abs=1e-9)
