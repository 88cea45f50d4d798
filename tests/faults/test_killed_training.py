"""`aape fit` that is killed at any moment, and typed again."""

import csv
import json

import torch
from aape_lightning.callbacks import RunFiles
from aape_lightning.resources import method_path
from trials import Activity, digests, kill_and_repeat

# Whole or absent at every moment; `last.ckpt` and `metrics.csv` are replaced and grow while a run goes on.
WHOLE = ("run/config.yaml", "run/aape.ckpt", "run/aggregator.safetensors")


def saving_every_epoch():
    """Many moments in which a checkpoint is written."""
    RunFiles.__init__.__kwdefaults__["every_seconds"] = 0.0


def whole(folder):
    return digests(folder, *WHOLE, "cache/**/*")


def settled(folder):
    """The run's files; `run.json` without its times, and without TensorBoard's, which hold the time of every value."""
    run = json.loads((folder / "run" / "run.json").read_text())
    told = {key: str(run[key]) for key in ("state", "epochs", "metrics", "command")}
    return told | digests(folder, "run/*.ckpt", "run/metrics.csv", "run/hparams.yaml", "run/README.md")


def rows(path):
    """The rows of a table by column, whatever columns it has so far."""
    with path.open(newline="") as file:
        return [{name: value for name, value in row.items() if value} for row in csv.DictReader(file)]


def growing(killed, undisturbed):
    """A checkpoint loads, metrics are the first of the undisturbed run's, and the record is JSON."""
    run = killed / "run"
    if (run / "last.ckpt").exists():
        assert torch.load(run / "last.ckpt", weights_only=True)["epoch"] >= 0
    if (run / "run.json").exists():
        assert json.loads((run / "run.json").read_text())["state"] in ("running", "finished")
    if (run / "metrics.csv").exists():
        begun, of_all = (rows(place / "run" / "metrics.csv") for place in (killed, undisturbed))
        assert begun[:-1] == of_all[: len(begun[:-1])]


def test_a_killed_fit_begins_anew_and_ends_as_an_undisturbed_one(toy_recipe, tmp_path):
    words = ["fit", "--config", toy_recipe, "--run", "run", "--trainer.max_epochs", 16, "--model.aggregator_epochs", 6]
    activity = Activity("training, staged", words, whole, settled, growing=growing, prepare=saving_every_epoch)
    kill_and_repeat(activity, tmp_path)


def test_a_killed_fit_with_worker_processes(toy_recipe, tmp_path):
    words = [
        "fit",
        "--config",
        toy_recipe,
        "--config",
        method_path("promptsrc"),
        "--run",
        "run",
        "--trainer.max_epochs",
        4,
    ]
    more = ["--model.depth", 1, "--data.num_workers", 2]
    activity = Activity(
        "training, with workers", [*words, *more], whole, settled, growing=growing, prepare=saving_every_epoch
    )
    kill_and_repeat(activity, tmp_path, 10)
