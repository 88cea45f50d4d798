"""A run that stops and is resumed from `last.ckpt` ends as the run that never stopped, bit for bit."""

import pytest
import torch
from aape_lightning.callbacks import RunFiles
from aape_lightning.errors import CheckpointError
from aape_lightning.tasks import AggregatorTask, ClassificationTask, GeneratorTask
from lightning.pytorch import Callback, seed_everything

EPOCHS, FIRST_STAGE = 6, 3
STEPS = 5  # an epoch: 20 images in batches of 4


class PowerCut(Exception):
    """What stops a run."""


class Stop(Callback):
    """Cuts the power at the end of an epoch, or after a step inside it."""

    def __init__(self, epoch, step=None):
        self.epoch, self.step = epoch, step

    def on_train_batch_end(self, trainer, task, outputs, batch, batch_idx):
        if trainer.current_epoch == self.epoch and batch_idx == self.step:
            raise PowerCut

    def on_train_epoch_end(self, trainer, task):
        if trainer.current_epoch == self.epoch and self.step is None:
            raise PowerCut


class Steps(Callback):
    """What each step is about to train, and with which learning rate."""

    def __init__(self):
        self.seen = []

    def on_train_batch_start(self, trainer, task, batch, batch_idx):
        (optimizer,) = trainer.optimizers
        (group,) = optimizer.param_groups
        names = {id(parameter): name for name, parameter in task.named_parameters()}
        trained = tuple(names[id(parameter)] for parameter in group["params"])
        self.seen.append((trainer.current_epoch, group["lr"], trained, batch["index"].tolist()))


@pytest.fixture
def run(toy_data, quiet_trainer, tmp_path):
    """Fits a fresh task; returns it and what its steps trained."""

    def fit(make, *, seed, data, stop=None, resume=False, **settings):
        folder = tmp_path / ("cut" if stop or resume else "whole")
        steps = Steps()
        callbacks = [steps, RunFiles(str(folder), every_seconds=0.0), *([stop] if stop else [])]
        seed_everything(seed)
        task, trainer = make(**settings), quiet_trainer(max_epochs=EPOCHS, callbacks=callbacks)
        path = folder / "last.ckpt" if resume else None
        trainer.fit(task, datamodule=toy_data(**data), ckpt_path=path)
        return task, steps.seen

    return fit


def assert_resumes(run, make, stop, *, epochs=EPOCHS, data=None, **settings):
    """The cut run and its continuation train what the whole run trains; both tasks are returned."""
    arguments = {"data": data or {}} | settings
    whole, steps = run(make, seed=5, **arguments)
    with pytest.raises(PowerCut):
        run(make, seed=5, stop=stop, **arguments)
    resumed, again = run(make, seed=6, resume=True, **arguments)  # another start: every weight is from the file
    first = stop.epoch if stop.step is not None else stop.epoch + 1
    assert again == [step for step in steps if step[0] >= first]
    assert len(again) == (epochs - first) * STEPS
    assert whole.state_dict().keys() == resumed.state_dict().keys()
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name
    return whole, resumed


PLACES = {
    "in stage one": Stop(0),
    "inside an epoch of stage one": Stop(1, step=2),
    "at the boundary": Stop(FIRST_STAGE - 1),
    "in the first epoch of stage two": Stop(FIRST_STAGE, step=1),
    "after the first epoch of stage two": Stop(FIRST_STAGE),
    "inside an epoch of stage two": Stop(EPOCHS - 1, step=3),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_staged_run_resumes(place, run):
    assert_resumes(run, ClassificationTask, PLACES[place], aggregator_epochs=FIRST_STAGE)


@pytest.mark.parametrize("stop", [Stop(1), Stop(3, step=2)], ids=["after an epoch", "inside an epoch"])
def test_a_joint_run_resumes(stop, run):
    assert_resumes(run, ClassificationTask, stop, schedule="joint")


@pytest.mark.parametrize("stop", [Stop(1), Stop(FIRST_STAGE)], ids=["stage one", "stage two"])
@pytest.mark.parametrize("data", [{"views": 2}, {"store": False, "views": 1}], ids=["stored views", "fresh views"])
def test_an_augmented_run_resumes(data, stop, run):
    assert_resumes(run, ClassificationTask, stop, data=data, aggregator_epochs=FIRST_STAGE)


@pytest.mark.parametrize(("aggregator", "epochs"), [("mlp", EPOCHS), ("mean", EPOCHS - 2), ("random", EPOCHS - 2)])
def test_a_run_with_another_aggregator_resumes(aggregator, epochs, run):
    assert_resumes(run, ClassificationTask, Stop(2), epochs=epochs, aggregator=aggregator, aggregator_epochs=2)


def test_a_run_without_distillation_resumes(run):
    settings = {"distillation_weight": 0.0, "aggregator_epochs": 2}
    whole, _ = assert_resumes(run, ClassificationTask, Stop(1, step=2), epochs=EPOCHS - 2, **settings)
    assert whole.aggregator is None


def test_an_aggregators_run_resumes(run):
    assert_resumes(run, AggregatorTask, Stop(2))


def test_a_generators_run_resumes(run):
    assert_resumes(run, GeneratorTask, Stop(FIRST_STAGE), aggregator_epochs=FIRST_STAGE)


@pytest.mark.parametrize("settings", [{}, {"aggregator": "mean"}, {"distillation_weight": 0.0}])
def test_a_run_is_not_resumed_from_what_inference_needs(settings, run, tmp_path):
    run(ClassificationTask, seed=5, data={}, aggregator_epochs=2, **settings)
    (tmp_path / "whole").rename(tmp_path / "cut")
    (tmp_path / "cut" / "aape.ckpt").replace(tmp_path / "cut" / "last.ckpt")
    with pytest.raises(CheckpointError, match=r"resume from last\.ckpt"):
        run(ClassificationTask, seed=5, data={}, resume=True, aggregator_epochs=2, **settings)


@pytest.mark.parametrize("settings", [{}, {"schedule": "joint"}])
def test_weights_do_not_depend_on_what_is_cached(settings, run, tmp_path):
    data = {"cache_dir": str(tmp_path / "cache")}
    states = [run(ClassificationTask, seed=5, data=data, aggregator_epochs=2, **settings)[0].state_dict() for _ in "ab"]
    for name, tensor in states[0].items():
        assert torch.equal(tensor, states[1][name]), name


def test_another_seed_gives_other_weights(run):
    states = [run(ClassificationTask, seed=s, data={}, aggregator_epochs=2)[0].state_dict() for s in (5, 6)]
    assert not torch.equal(states[0]["generator.inner.weight"], states[1]["generator.inner.weight"])
