import random

import numpy as np
import pytest
import torch
from aape_lightning.callbacks import StepSeeds
from aape_lightning.tasks import ClassificationTask
from lightning.pytorch import Callback, Trainer, seed_everything


class Draws(Callback):
    """What a step would draw from each global generator."""

    def __init__(self):
        self.drawn = []

    def on_train_batch_start(self, trainer, task, batch, batch_idx):
        self.drawn.append((torch.rand(3).tolist(), random.random(), float(np.random.rand())))


class Wasteful(Callback):
    """Draws at the wrong moments, as a loader or a validation may."""

    def on_train_start(self, trainer, task):
        torch.rand(5), random.random(), np.random.rand()

    on_train_epoch_start = on_validation_start = on_train_start


@pytest.fixture
def drawn(toy_data, quiet_trainer):
    def run(*, seed=7, callbacks=(), seeds=None):
        seed_everything(seed)
        task, seeds, draws = ClassificationTask(schedule="joint"), seeds or StepSeeds(), Draws()
        quiet_trainer(max_epochs=2, callbacks=[*callbacks, seeds, draws]).fit(task, datamodule=toy_data())
        return draws.drawn

    return run


def test_a_step_draws_the_same_whatever_was_drawn_before(drawn):
    assert drawn() == drawn(callbacks=[Wasteful()])


def test_every_step_draws_anew(drawn):
    found = drawn()
    assert len({tuple(numbers) for numbers, _, _ in found}) == len(found) == 10
    assert len({number for _, number, _ in found}) == len({number for _, _, number in found}) == 10


def test_another_seed_draws_other_numbers(drawn):
    assert not {tuple(numbers) for numbers, _, _ in drawn(seed=0)} & {tuple(numbers) for numbers, _, _ in drawn(seed=1)}


def test_each_process_draws_numbers_of_its_own(quiet_trainer, monkeypatch):
    seeds, trainer, found = StepSeeds(), quiet_trainer(), []
    for rank in (0, 1):
        monkeypatch.setattr(Trainer, "global_rank", rank)
        seeds.on_train_batch_start(trainer, ClassificationTask(), None, 0)
        found.append((torch.rand(3).tolist(), random.random(), np.random.rand()))
    assert all(one != other for one, other in zip(*found, strict=True))


def test_a_resumed_run_goes_on_with_the_seed_of_its_checkpoint(drawn):
    seed_everything(7)
    first, resumed = StepSeeds(), StepSeeds()
    assert first.seed != resumed.seed
    resumed.load_state_dict(first.state_dict())
    assert drawn(seed=3, seeds=resumed) == drawn(seed=4, seeds=first)
