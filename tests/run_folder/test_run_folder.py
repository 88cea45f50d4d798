"""What a run folder tells of itself, however the run ended."""

import contextlib
import json
import shlex
import subprocess
from unittest.mock import Mock

import pytest
import torch
from aape_lightning.run_folder import RunRecord, git_state, last_metrics, typed_command, write_guide
from aape_lightning.tasks import ClassificationTask
from lightning.pytorch import Callback, Trainer


class End(Callback):
    """Ends a fit after its first epoch."""

    def __init__(self, error):
        self.error = error

    def on_train_epoch_end(self, trainer, pl_module):
        raise self.error


@pytest.fixture
def recorded(toy_data, quiet_trainer, tmp_path):
    """Fits with a record, ended by an exception if one is given; returns `run.json` and `README.md`."""

    def fit(error=None):
        record = RunRecord({"command": "aape fit", "task": "ClassificationTask"})
        trainer = quiet_trainer(callbacks=[*([End(error)] if error else []), record], max_epochs=2)
        record.begin(trainer)
        begun = json.loads((tmp_path / "run" / "run.json").read_text())
        assert (begun["state"], begun["ended"]) == ("running", None)
        # Lightning leaves the program after Ctrl-C.
        with contextlib.suppress(ValueError, SystemExit):
            trainer.fit(ClassificationTask(aggregator_epochs=1), datamodule=toy_data())
        return json.loads((tmp_path / "run" / "run.json").read_text()), (tmp_path / "run" / "README.md").read_text()

    return fit


def test_a_finished_run_tells_what_it_came_to(recorded):
    record, guide = recorded()
    assert record["state"] == "finished"
    assert record["epochs"] == {"done": 2, "planned": 2}
    assert 0 <= record["metrics"]["val/accuracy"] <= 1
    assert record["started"] <= record["ended"]
    assert "It is finished." in guide


def test_a_failed_run_tells_why(recorded):
    record, guide = recorded(ValueError("no more of this\nand more"))
    assert (record["state"], record["error"]) == ("failed", "ValueError: no more of this")
    assert "It failed" in guide


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(143)], ids=["Ctrl-C", "SIGTERM"])
def test_an_interrupted_run_says_so(error, recorded, capsys):
    record, guide = recorded(error)
    assert record["state"] == "interrupted"
    assert record["epochs"]["done"] < 2
    assert "It was interrupted." in guide
    assert "README.md says how to go on" in capsys.readouterr().err


def test_a_trial_run_leaves_no_record(toy_data, quiet_trainer, tmp_path):
    record = RunRecord({})
    trainer = quiet_trainer(callbacks=[record], fast_dev_run=True)
    record.begin(trainer)
    trainer.fit(ClassificationTask(aggregator_epochs=1), datamodule=toy_data())
    assert not (tmp_path / "run" / "run.json").exists()


def test_the_guide_names_what_is_there_and_what_comes_next(tmp_path):
    run = tmp_path / "a run"
    for name in ("config.yaml", "aape.ckpt", "last.ckpt"):
        run.mkdir(exist_ok=True)
        (run / name).touch()
    text = write_guide(run, "finished", task="ClassificationTask", testable=True).read_text()
    assert "`aape.ckpt`" in text
    assert "`tensorboard`" not in text
    commands = [shlex.split(line) for line in text.splitlines() if line.startswith("    aape ")]
    assert commands[0] == ["aape", "test", "--config", f"{run}/config.yaml", "--ckpt_path", f"{run}/aape.ckpt"]
    assert commands[1] == ["aape", "classify", f"{run}/aape.ckpt", "IMAGES"]
    text = write_guide(run, "interrupted", task="ClassificationTask").read_text()
    commands = [shlex.split(line) for line in text.splitlines() if line.startswith("    aape ")]
    assert commands == [["aape", "fit", "--config", f"{run}/config.yaml", "--ckpt_path", f"{run}/last.ckpt"]]


@pytest.mark.parametrize(
    ("args", "shown"),
    [
        (["fit", "--config", "shapes", "--run", "a b"], "aape fit --config shapes --run 'a b'"),
        (["fit", "--trainer.logger.api_key", "abc", "--x", "1"], "aape fit --trainer.logger.api_key '***' --x 1"),
        (["fit", "--token=abc"], "aape fit '--token=***'"),
        (
            ["fit", "--trainer.logger.tracking_uri=https://me:abc@host/x"],
            "aape fit '--trainer.logger.tracking_uri=https://***@host/x'",
        ),
        (["fit", "--data.prompts_per_class", "3"], "aape fit --data.prompts_per_class 3"),
    ],
)
def test_the_command_is_shown_without_secrets(args, shown):
    assert typed_command(args) == shown


def test_the_state_of_a_repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_state() is None
    author = ["-c", "user.name=a", "-c", "user.email=a@b.c"]

    def git(*args):
        return subprocess.run(["git", *author, *args], check=True, capture_output=True, text=True).stdout.strip()

    git("init")
    assert git_state() is None  # no commit yet
    git("commit", "--allow-empty", "-m", "first")
    assert git_state() == {"commit": git("rev-parse", "HEAD"), "dirty": False}
    (tmp_path / "new").touch()
    assert git_state()["dirty"] is True


def test_a_repository_runs_no_program_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    author = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    for args in (["init"], ["commit", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", *author, *args], check=True, capture_output=True)
    program = tmp_path / "monitor"
    program.write_text(f"#!/bin/sh\ntouch {shlex.quote(str(tmp_path / 'ran'))}\n")
    program.chmod(0o755)
    subprocess.run(["git", "config", "core.fsmonitor", str(program)], check=True)
    assert git_state()["dirty"] is True
    assert not (tmp_path / "ran").exists()


def test_what_is_no_number_is_no_nan_in_json():
    logged = {"train/loss": torch.tensor(torch.nan), "val/accuracy": torch.tensor(0.5)}
    trainer = Mock(spec=Trainer, callback_metrics=logged)
    assert last_metrics(trainer) == {"train/loss": None, "val/accuracy": 0.5}


def test_no_git_is_no_error(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert git_state() is None
