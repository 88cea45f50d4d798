"""The CoOp family's learning rates: against figures measured on Dassl's own scheduler."""

import pytest
from aape_lightning.tasks.schedules import coop_learning_rate


def test_ten_epochs_are_dassls():
    # Measured with Dassl 0.6.3: SGD, lr 2e-3, MAX_EPOCH 10, one epoch of constant warm-up, WARMUP_RECOUNT.
    measured = [1.00e-5, 2.00e-3, 1.95e-3, 1.81e-3, 1.59e-3, 1.31e-3, 1.00e-3, 6.91e-4, 4.12e-4, 1.91e-4]
    assert [coop_learning_rate(epoch, lr=2e-3, epochs=10) for epoch in range(10)] == pytest.approx(measured, rel=3e-3)


@pytest.mark.parametrize("epochs", [1, 2, 10, 200])
def test_it_falls_from_the_full_rate_and_never_to_zero(epochs):
    rates = [coop_learning_rate(epoch, lr=3.5e-3, epochs=epochs) for epoch in range(epochs)]
    assert rates[0] == 1e-5
    assert rates[1:] == sorted(rates[1:], reverse=True)
    assert all(rate > 0 for rate in rates)
    assert epochs == 1 or rates[1] == 3.5e-3
