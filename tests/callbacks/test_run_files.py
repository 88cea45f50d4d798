import os
import time
from types import SimpleNamespace

import pytest
import torch
from aape_lightning.callbacks import RunFiles, checkpoint_io, run_files
from aape_lightning.tasks import AggregatorTask, ClassificationTask, GeneratorTask
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from safetensors.torch import load_file

ALL = {"last.ckpt", "aape.ckpt", "aggregator.safetensors"}
NO_AGGREGATOR = ALL - {"aggregator.safetensors"}
LEAVES = {
    "classification": (lambda: ClassificationTask(aggregator_epochs=1), ALL),
    "joint": (lambda: ClassificationTask(schedule="joint"), ALL),
    "mlp": (lambda: ClassificationTask(aggregator="mlp", aggregator_epochs=1), ALL),
    "generator": (lambda: GeneratorTask(aggregator_epochs=1), ALL),
    "aggregator alone": (AggregatorTask, ALL - {"aape.ckpt"}),
    "nothing to aggregate with": (
        lambda: ClassificationTask(distillation_weight=0.0),
        ALL - {"aggregator.safetensors"},
    ),
    "nothing to learn in it": (lambda: ClassificationTask(aggregator="mean"), NO_AGGREGATOR),
}


class Crash(Exception):
    """Whatever stops a process."""


def names(folder):
    return {path.name for path in folder.iterdir()}


def load(path):
    return torch.load(path, map_location="cpu", weights_only=True)


@pytest.fixture
def run(toy_data, quiet_trainer, tmp_path):
    """Trains a task for some epochs with RunFiles, and returns the folder."""

    def fit(task=None, callbacks=(), every_seconds=1e9, max_epochs=2, **settings):
        folder = tmp_path / "files"
        files = RunFiles(str(folder), every_seconds=every_seconds)
        trainer = quiet_trainer(callbacks=[files, *callbacks], max_epochs=max_epochs, **settings)
        trainer.fit(task or ClassificationTask(aggregator_epochs=1), datamodule=toy_data())
        return folder

    return fit


@pytest.mark.parametrize(("make", "left"), LEAVES.values(), ids=LEAVES)
def test_a_run_leaves_these_files_and_no_others(make, left, run):
    folder = run(make(), max_epochs=21)
    assert names(folder) == left
    assert all(path.stat().st_size < 400_000 for path in folder.iterdir())


def test_files_lie_in_the_trainers_folder_where_none_is_given(toy_data, quiet_trainer, tmp_path):
    trainer = quiet_trainer(callbacks=[RunFiles()], max_epochs=2)
    trainer.fit(ClassificationTask(aggregator_epochs=1), datamodule=toy_data())
    assert names(tmp_path / "run") == ALL


def test_no_file_holds_a_weight_of_the_backbone(run, tiny_backbone):
    folder = run()
    frozen = {tensor.numpy().tobytes() for tensor in tiny_backbone.model.state_dict().values() if tensor.numel() > 64}
    for name in ("last.ckpt", "aape.ckpt"):
        weights = load(folder / name)["state_dict"]
        assert {key.split(".")[0] for key in weights} <= {"aggregator", "generator", "projection"}
        assert not frozen & {tensor.numpy().tobytes() for tensor in weights.values()}
    assert not frozen & {tensor.numpy().tobytes() for tensor in load_file(folder / "aggregator.safetensors").values()}


def test_the_parts_are_those_of_the_whole(run):
    task = ClassificationTask(aggregator_epochs=1)
    folder = run(task)
    whole, aape = load(folder / "last.ckpt"), load(folder / "aape.ckpt")
    aggregator = {f"aggregator.{key}": tensor for key, tensor in load_file(folder / "aggregator.safetensors").items()}
    assert set(aape["state_dict"]) | set(aggregator) == set(whole["state_dict"]) == set(task.state_dict())
    for key, tensor in task.state_dict().items():
        assert torch.equal(whole["state_dict"][key], tensor)
        assert torch.equal((aape["state_dict"] | aggregator)[key], tensor)


def test_inference_needs_weights_and_plain_values_alone(run, tiny_backbone):
    folder = run()
    aape = load(folder / "aape.ckpt")
    assert {"optimizer_states", "lr_schedulers", "loops", "callbacks"} & load(folder / "last.ckpt").keys()
    assert not {"optimizer_states", "lr_schedulers", "loops", "callbacks"} & aape.keys()
    assert not [key for key in aape["state_dict"] if key.startswith("aggregator.")]
    assert aape["hyper_parameters"]["backbone_spec"] == dict(tiny_backbone.spec)
    assert aape["hyper_parameters"]["projection"] == "residual"


def test_what_was_saved_for_inference_computes_the_same(run):
    task = ClassificationTask(aggregator_epochs=1)
    loaded = ClassificationTask.load_from_checkpoint(run(task) / "aape.ckpt")
    image, classes = torch.randn(6, 32), torch.randn(3, 32)
    assert torch.equal(loaded.eval()(image, classes), task.eval()(image, classes))


class Watch(Callback):
    """Notes at the start of each epoch what the folder holds, and which epoch `last.ckpt` is of."""

    def __init__(self, folder):
        self.folder = folder
        self.seen = []

    def on_train_epoch_start(self, trainer, pl_module):
        held = names(self.folder) if self.folder.is_dir() else set()
        self.seen.append((held, load(self.folder / "last.ckpt")["epoch"] if held else None))


@pytest.mark.parametrize("validation", [True, False])
def test_the_last_checkpoint_is_written_at_the_end_of_each_epoch_when_it_is_due(validation, run, tmp_path):
    watch = Watch(tmp_path / "files")
    run(callbacks=[watch], every_seconds=0.0, max_epochs=3, limit_val_batches=int(validation))
    assert watch.seen == [(set(), None), ({"last.ckpt"}, 0), ({"last.ckpt"}, 1)]


def test_it_is_not_written_before_it_is_due(run, tmp_path):
    watch = Watch(tmp_path / "files")
    folder = run(callbacks=[watch], max_epochs=3)
    assert watch.seen == [(set(), None)] * 3
    assert load(folder / "last.ckpt")["epoch"] == 3, "three epochs are done"


def test_who_reads_the_older_checkpoint_reads_it_to_its_end(run, tmp_path):
    class Reads(Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            if trainer.current_epoch == 1:
                self.file = (tmp_path / "files" / "last.ckpt").open("rb")

    reads = Reads()
    run(callbacks=[reads], every_seconds=0.0, max_epochs=3)
    with reads.file:
        assert load(reads.file)["epoch"] == 0


def test_time_counts_from_the_last_writing(run, monkeypatch):
    now, written = iter(range(0, 10_000, 8)), []
    monkeypatch.setattr(run_files, "time", SimpleNamespace(monotonic=lambda: next(now)))
    save = RunFiles._save_last
    monkeypatch.setattr(RunFiles, "_save_last", lambda self, t: (written.append(t.current_epoch), save(self, t)))
    run(every_seconds=20.0, max_epochs=10)
    # The clock goes on by 8 seconds with each look at it: at the end of each epoch, and when the file is written.
    assert written == [2, 5, 8, 10]


def interrupt_second_save(monkeypatch, how):
    """The second time that `last.ckpt` is saved the process stops, with half a file written or just before its end."""
    saves = []

    def save(checkpoint, file):
        saves.append(file)
        if len(saves) == 2 and how == "while writing":
            file.write(b"half a checkpoint")
            raise Crash
        torch.save(checkpoint, file)

    def fsync(handle):
        if len(saves) == 2:
            raise Crash

    monkeypatch.setattr(checkpoint_io, "torch", SimpleNamespace(save=save))
    monkeypatch.setattr(os, "fsync", fsync)


@pytest.mark.parametrize("how", ["while writing", "while flushing"])
def test_a_crash_while_saving_leaves_the_older_checkpoint_whole(how, run, tmp_path, monkeypatch):
    watch = Watch(tmp_path / "files")
    interrupt_second_save(monkeypatch, how)
    with pytest.raises(Crash):
        run(callbacks=[watch], every_seconds=0.0, max_epochs=4)
    assert len(watch.seen) == 2
    assert load(tmp_path / "files" / "last.ckpt")["epoch"] == 0
    assert names(tmp_path / "files") == {"last.ckpt"}


def test_checkpoints_of_a_callback_of_lightnings_are_whole_or_not_there(run, tmp_path, monkeypatch):
    chosen = ModelCheckpoint(tmp_path / "chosen", filename="best", save_top_k=1, enable_version_counter=False)
    interrupt_second_save(monkeypatch, "while writing")
    with pytest.raises(Crash):
        run(callbacks=[chosen], max_epochs=4, enable_checkpointing=True)
    assert names(tmp_path / "chosen") == {"best.ckpt"}
    assert load(tmp_path / "chosen" / "best.ckpt")["epoch"] == 0


@pytest.mark.parametrize("how", ["while writing", "while flushing"])
def test_a_run_after_a_crash_writes_over_what_it_left(how, run, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt_second_save(patch, how)
        with pytest.raises(Crash):
            run(every_seconds=0.0)
    folder = run()
    assert names(folder) == ALL
    assert load(folder / "last.ckpt")["epoch"] == 2


def test_a_crash_between_the_files_leaves_no_half_file(run, tmp_path, monkeypatch):
    def save_file(tensors, path, metadata):
        path.write_bytes(b"half")
        raise Crash

    monkeypatch.setattr(run_files, "save_file", save_file)
    with pytest.raises(Crash):
        run()
    assert names(tmp_path / "files") == ALL - {"aggregator.safetensors"}


def test_every_epochs_checkpoint_can_be_read_by_others(run):
    folder = run()
    umask = os.umask(0)
    os.umask(umask)
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o666 & ~umask}


def test_a_trial_run_leaves_nothing(run, tmp_path):
    run(ClassificationTask(schedule="joint"), fast_dev_run=True, every_seconds=0.0)
    assert not (tmp_path / "files").exists()


def test_a_failed_training_keeps_its_last_checkpoint_and_makes_no_other_file(run, tmp_path):
    class Fails(Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            if trainer.current_epoch == 2:
                raise Crash

    with pytest.raises(Crash):
        run(callbacks=[Fails()], every_seconds=0.0, max_epochs=4)
    assert names(tmp_path / "files") == {"last.ckpt"}
    assert load(tmp_path / "files" / "last.ckpt")["epoch"] == 1


def test_the_clock_starts_with_the_run():
    assert RunFiles()._written == pytest.approx(time.monotonic(), abs=5)
