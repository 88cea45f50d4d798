"""The cost protocol: counts against arithmetic, times against a clock of the test's own."""

import time

import pytest
import torch
from aape_lightning.baselines import (
    CLIPAdapterTask,
    CoOpTask,
    LinearProbeTask,
    MaPLeTask,
    ProGradTask,
    TipAdapterTask,
    ZeroShotTask,
)
from aape_lightning.callbacks import RunFiles
from aape_lightning.errors import RecipeError
from aape_lightning.protocols import cost, cost_counting, cost_training
from aape_lightning.protocols.cost_counting import PeakMemory, counted_flops, trained_parameters
from aape_lightning.protocols.cost_training import StepClock, measure_training
from aape_lightning.tasks import ClassificationTask
from lightning.pytorch import Callback, LightningModule
from torch import nn
from torch.utils.data import DataLoader

INFERENCE = {"cost/parameters", "cost/gflops", "cost/images_per_second", "cost/peak_memory_mib"}
TRAINING = {"cost/train_gflops", "cost/train_images_per_second", "cost/train_seconds"}
# The tiny CLIP: images of 32 pixels in patches of 16, a transformer of one layer and width 64, embeddings of 32.
TOKENS, WIDTH, D = 5, 64, 32
TOWER = 2 * (
    4 * 3 * 16 * 16 * WIDTH  # four patches
    + TOKENS * 3 * WIDTH * WIDTH  # query, key, value
    + 2 * TOKENS * TOKENS * WIDTH  # scores and weighted sums
    + (1 + 8) * WIDTH * WIDTH  # output, and a perceptron of four times the width: of the last block, the class token's
    + WIDTH * D
)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def measured(task, data, quiet_trainer, **trainer):
    return cost.measure(task, data, quiet_trainer(**trainer)).metrics


# ---- counts --------------------------------------------------------------------------------------------------------


def test_operations_of_a_transformer_are_those_of_arithmetic(tiny_backbone):
    with counted_flops() as counter:
        tiny_backbone.encode_image(torch.rand(3, 3, 32, 32))
    assert counter.get_total_flops() == 3 * TOWER


@pytest.mark.parametrize("inference", [torch.no_grad, torch.inference_mode])
def test_attention_is_counted_in_its_plain_form(inference):
    q = torch.rand(1, 2, 7, 4)
    with inference(), counted_flops() as counter:
        nn.functional.scaled_dot_product_attention(q, q, q)
    assert counter.get_total_flops() == 2 * 2 * (7 * 7 * 4 * 2)


def test_inference_is_the_tower_and_the_methods_part(toy_data, quiet_trainer):
    found = measured(ZeroShotTask(), toy_data(), quiet_trainer)
    assert found["cost/gflops"] * 1e9 == pytest.approx(TOWER + 2 * D * 5)
    adapted = measured(CLIPAdapterTask(), toy_data(), quiet_trainer, max_epochs=3)
    assert adapted["cost/gflops"] * 1e9 == pytest.approx(TOWER + 2 * D * 5 + 2 * 2 * D * D // 4)
    assert adapted["cost/train_gflops"] * 1e9 == pytest.approx(2 * D * 5 + 2 * 2 * D * D // 4)


def test_class_features_are_known_at_inference_and_computed_in_training(toy_data, quiet_trainer):
    found = measured(CoOpTask(), toy_data(), quiet_trainer, max_epochs=2)
    assert found["cost/gflops"] * 1e9 == pytest.approx(TOWER + 2 * D * 5)
    a_word = 12 * 64 * 64 * 2  # the linear layers of the text tower's one block
    assert found["cost/train_gflops"] * 1e9 > 5 * 2 * a_word / 4  # five classes, for a batch of four images


def test_gradients_that_a_step_takes_itself_are_no_part_of_its_forward_pass(toy_data, quiet_trainer):
    coop = measured(CoOpTask(), toy_data(), quiet_trainer, max_epochs=2)["cost/train_gflops"]
    prograd = measured(ProGradTask(length=4), toy_data(), quiet_trainer, max_epochs=2)["cost/train_gflops"]
    assert prograd * 1e9 == pytest.approx(coop * 1e9 + 2 * D * 5)  # the logits of zero-shot CLIP


def test_a_method_that_trains_through_the_image_tower_counts_it(toy_data, quiet_trainer):
    found = measured(MaPLeTask(), toy_data(inputs="image", views=1), quiet_trainer, max_epochs=2)
    patches = 2 * 4 * 3 * 16 * 16 * WIDTH
    assert found["cost/gflops"] * 1e9 > patches
    assert found["cost/train_gflops"] > found["cost/gflops"]


def test_a_training_that_runs_the_tower_counts_it(toy_data, quiet_trainer):
    stored = measured(CLIPAdapterTask(), toy_data(), quiet_trainer, max_epochs=2)["cost/train_gflops"]
    through = measured(CLIPAdapterTask(), toy_data(store=False), quiet_trainer, max_epochs=2)["cost/train_gflops"]
    assert through * 1e9 == pytest.approx(stored * 1e9 + TOWER)


def test_parameters_are_those_that_inference_needs(toy_data, quiet_trainer):
    hidden = 32
    h = D * hidden + hidden + hidden * D + D
    task = ClassificationTask(aggregator_epochs=2, projection="none")
    assert measured(task, toy_data(), quiet_trainer, max_epochs=4)["cost/parameters"] == h
    assert task.aggregator is not None
    joint = ClassificationTask(schedule="joint", projection="none")
    assert measured(joint, toy_data(), quiet_trainer, max_epochs=4)["cost/parameters"] == h
    probe = measured(LinearProbeTask(), toy_data(), quiet_trainer, max_epochs=1)
    assert probe["cost/parameters"] == 5 * (D + 1)
    for finetune, count in ((False, 0), (True, 20 * D)):
        found = measured(TipAdapterTask(finetune=finetune), toy_data(), quiet_trainer, max_epochs=1)
        assert found["cost/parameters"] == count
    assert trained_parameters(ZeroShotTask()) == 0


# ---- times ---------------------------------------------------------------------------------------------------------


class Slow(LightningModule):
    """A task whose parts take known times: its start, its steps, what is between its epochs, and its end."""

    def __init__(self, *, start=0.0, step=0.0, between=0.0, end=0.0):
        super().__init__()
        self.save_hyperparameters()
        self.layer = nn.Linear(2, 1)
        self.epochs, self.steps = 0, 0

    def on_train_start(self):
        time.sleep(self.hparams["start"])

    def training_step(self, batch, batch_idx):
        self.steps += 1
        time.sleep(self.hparams["step"])
        return self.layer(batch["x"]).sum()

    def on_train_epoch_end(self):
        self.epochs += 1
        time.sleep(
            self.hparams["end"] if self.current_epoch + 1 == self.trainer.max_epochs else self.hparams["between"]
        )

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def loader(batches, size):
    return DataLoader([{"x": torch.ones(size, 2), "index": torch.arange(size)}] * batches, batch_size=None)


def clocked(task, trainer, batches, size):
    """As `measure_training`, with a loader in the place of a DataModule."""
    clock = StepClock(PeakMemory(torch.device("cpu")))
    with cost_training._shortened(task, trainer), cost_training._added(trainer, clock):
        trainer.fit(task, loader(batches, size))
    return clock.cost({"training": trainer.max_epochs})


def test_a_training_is_reckoned_from_its_steps_and_what_is_around_them(quiet_trainer):
    task, trainer = Slow(start=0.3, step=0.02, between=0.1, end=0.4), quiet_trainer(max_epochs=50)
    found = clocked(task, trainer, batches=30, size=6)
    assert (task.epochs, task.steps) == (3, 24)
    assert trainer.max_epochs == 50
    least = 50 * (30 * 0.02 + 0.1) + 0.3 + 0.4
    assert least <= found.seconds < 1.5 * least + 1  # never less than what was slept; the rest is this machine's
    assert 0 < found.images_per_second <= 6 / 0.02
    assert found.gflops * 1e9 == pytest.approx(2 * 2)


def test_what_happens_once_counts_once(quiet_trainer):
    start = clocked(Slow(start=0.5), quiet_trainer(max_epochs=1000), batches=2, size=4).seconds
    without = clocked(Slow(), quiet_trainer(max_epochs=1000), batches=2, size=4).seconds
    between = clocked(Slow(between=0.5), quiet_trainer(max_epochs=1000), batches=2, size=4).seconds
    assert start >= 0.5
    assert between >= 500 > start
    assert between > without


def test_one_epoch_of_one_step_is_measured_as_well(quiet_trainer):
    found = clocked(Slow(step=0.05), quiet_trainer(max_epochs=1), batches=1, size=4)
    assert 0.05 <= found.seconds < 5
    assert found.images_per_second <= 4 / 0.05


class Stages(Callback):
    """The stage and the number of steps of every epoch."""

    def __init__(self):
        self.seen = []

    def on_train_epoch_end(self, trainer, pl_module):
        self.seen.append((pl_module.stage, pl_module.trainer.num_training_batches))


def test_both_stages_of_aape_are_measured_and_reckoned_by_their_own_epochs(toy_data, quiet_trainer, monkeypatch):
    stages, asked = Stages(), []
    cost_of = StepClock.cost
    monkeypatch.setattr(
        StepClock, "cost", lambda clock, epochs: asked.append((clock, epochs)) or cost_of(clock, epochs)
    )
    task, data = ClassificationTask(aggregator_epochs=12), toy_data()
    trainer = quiet_trainer(max_epochs=40, callbacks=[stages])
    found = measure_training(task, data, trainer, PeakMemory(torch.device("cpu")))
    assert stages.seen == [("aggregator", 5)] * 3 + [("generator", 5)] * 3
    ((clock, epochs),) = asked
    assert epochs == {"aggregator": 12, "generator": 28, "joint": 0}
    assert (trainer.max_epochs, task.hparams["aggregator_epochs"]) == (40, 12)
    per_step = {name: stage.flops / 4 for name, stage in clock.stages.items()}
    expected = (12 * per_step["aggregator"] + 28 * per_step["generator"]) / 40
    assert found.gflops * 1e9 == pytest.approx(expected)
    assert per_step["aggregator"] != per_step["generator"]


@pytest.mark.parametrize(
    ("settings", "stages"),
    [
        ({"distillation_weight": 0.0}, {"generator"}),
        ({"aggregator": "mean"}, {"generator"}),
        ({"schedule": "joint"}, {"joint"}),
        ({"aggregator_epochs": 0}, {"generator"}),
        ({"aggregator_epochs": 1}, {"aggregator", "generator"}),
        ({"optimizer": "sgd"}, {"aggregator", "generator"}),
    ],
)
def test_every_form_of_aape_can_be_measured(settings, stages, toy_data, quiet_trainer, monkeypatch):
    clocks, start = [], StepClock.on_train_start
    monkeypatch.setattr(
        StepClock, "on_train_start", lambda clock, trainer, task: clocks.append(clock) or start(clock, trainer, task)
    )
    task = ClassificationTask(**{"aggregator_epochs": 6} | settings)
    found = measured(task, toy_data(), quiet_trainer, max_epochs=10)
    assert set(found) == INFERENCE | TRAINING
    assert set(clocks[0].stages) == stages


def test_the_search_and_the_memory_of_tip_adapter_are_part_of_its_training(toy_data, quiet_trainer, monkeypatch):
    from aape_lightning.baselines import tip_adapter

    search = tip_adapter.best_on_validation
    monkeypatch.setattr(tip_adapter, "best_on_validation", lambda *given: time.sleep(0.7) or search(*given))
    found = measured(TipAdapterTask(), toy_data(), quiet_trainer, max_epochs=1)
    assert 0.7 <= found["cost/train_seconds"] < 10


def test_a_first_stage_that_leaves_none_for_the_second_is_the_tasks_own_error(toy_data, quiet_trainer):
    with pytest.raises(RecipeError, match=r"aggregator_epochs is 20 and trainer\.max_epochs 15"):
        measured(ClassificationTask(aggregator_epochs=20), toy_data(), quiet_trainer, max_epochs=15)


# ---- the whole -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "expected"),
    [(ZeroShotTask, INFERENCE), (LinearProbeTask, INFERENCE | TRAINING), (CLIPAdapterTask, INFERENCE | TRAINING)],
)
def test_what_is_told(task, expected, toy_data, quiet_trainer):
    measured = cost.measure(task(), toy_data(), quiet_trainer(max_epochs=2))
    assert set(measured.metrics) == expected
    assert all(type(value) is float for value in measured.metrics.values())
    assert measured.metrics["cost/images_per_second"] > 0
    assert set(measured.seconds) == ({"prepare", "test"} if task is ZeroShotTask else {"prepare", "fit", "test"})


def test_a_measured_run_leaves_no_checkpoint_and_the_trainer_as_it_was(toy_data, quiet_trainer, tmp_path):
    trainer = quiet_trainer(max_epochs=7, callbacks=[RunFiles(str(tmp_path / "files"))], limit_test_batches=0.5)
    cost.measure(CLIPAdapterTask(), toy_data(), trainer)
    assert not (tmp_path / "files").exists()
    limits = trainer.limit_train_batches, trainer.limit_val_batches, trainer.limit_test_batches
    assert (trainer.max_epochs, limits) == (7, (1.0, 1.0, 0.5))


def test_memory_grows_by_what_is_held():
    memory = PeakMemory(torch.device("cpu"))
    held = torch.ones(64 * 2**18)  # 64 MiB
    found = memory.mib()
    del held
    if found is None:
        pytest.skip("this system does not tell a process's peak memory")
    assert 63 <= found < 200
    assert memory.mib() >= 63  # the peak stays when the memory is gone


def test_what_is_held_while_operations_are_counted_is_left_out():
    memory = PeakMemory(torch.device("cpu"))
    first = torch.ones(64 * 2**18)
    memory.hold()
    torch.ones(128 * 2**18)
    memory.resume()
    found = memory.mib()
    if found is None:
        pytest.skip("this system does not tell a process's peak memory")
    assert len(first)
    assert 63 <= found < 120


def test_a_system_that_does_not_tell_its_memory_leaves_it_out(toy_data, quiet_trainer, monkeypatch, tmp_path):
    monkeypatch.setattr(cost_counting, "_CLEAR", tmp_path / "no" / "such")
    assert set(measured(ZeroShotTask(), toy_data(), quiet_trainer)) == INFERENCE - {"cost/peak_memory_mib"}
