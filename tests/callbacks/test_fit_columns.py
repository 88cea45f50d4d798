from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from aape_lightning.callbacks import fit_columns
from aape_lightning.callbacks.fit_columns import FitTime
from aape_lightning.progress import Speed
from lightning.pytorch import Trainer
from rich.progress import Task


@pytest.fixture
def clock(monkeypatch):
    """Seconds that have passed, to be set."""
    passed = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(fit_columns, "monotonic", lambda: passed.seconds)
    return passed


def trainer(**state):
    found = {"training": True, "validating": False, "sanity_checking": False, "max_epochs": 10, "current_epoch": 0}
    return Mock(spec=Trainer, **found | state)


def task(completed, total=4, **more):
    return Mock(spec=Task, completed=completed, total=total, **more)


def test_the_time_left_is_that_of_all_epochs(clock):
    fit = trainer()
    column = FitTime(fit)
    assert str(column.render(task(0))) == "0:00, -:-- left"
    fit.current_epoch, clock.seconds = 2, 25.0  # and half of the third: 10 s an epoch
    assert str(column.render(task(2))) == "0:25, 1:15 left"


def test_a_resumed_fit_counts_the_epochs_that_it_runs(clock):
    fit = trainer(current_epoch=6)
    column = FitTime(fit)
    fit.current_epoch, clock.seconds = 8, 3600.0
    assert str(column.render(task(0))) == "1:00:00, 1:00:00 left"


def test_without_a_number_of_epochs_nothing_is_promised(clock):
    column = FitTime(trainer(max_epochs=-1))
    clock.seconds = 5.0
    assert str(column.render(task(2))) == "0:05, -:-- left"


def test_outside_of_a_fit_the_bar_has_its_own_times(clock):
    column = FitTime(trainer(training=False))
    assert str(column.render(task(2, elapsed=7.0, time_remaining=9.0))) == "0:07, 0:09 left"


@pytest.mark.parametrize(("speed", "shown"), [(1234.0, "1,234/s"), (0.1, "10 s each"), (None, "")])
def test_speed(speed, shown):
    assert str(Speed().render(task(1, speed=speed, finished_speed=None))) == shown
