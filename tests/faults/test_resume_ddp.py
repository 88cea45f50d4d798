"""Resumed runs equal straight ones, bit for bit, in two processes and for the methods that `make test` leaves out.

Two processes are those of `--config ddp` on a CPU (gloo). The power is cut in both after an epoch, or within one.
"""

import os
import re
import subprocess
import sys

import pytest
from aape_lightning.resources import method_path

import cut_fit

QUIET = [
    "--config", "csv", "--trainer.accelerator", "cpu", "--trainer.check_val_every_n_epoch", 1,
    "--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false",
]  # fmt: skip
TWO = ["--config", "ddp", "--trainer.accelerator", "cpu", "--trainer.devices", 2]
ALONE = {  # a method laid over the toy's recipe, and the epoch after which the power is cut
    "full": (["aape-full", "--model.aggregator_epochs", 1], 1),
    "random sentences": (["aape-random", "--model.aggregator_epochs", 1], 1),
    "mlp": (["aape-mlp", "--model.aggregator_epochs", 2], 0),
    "kgcoop": (["kgcoop"], 0),
    "prograd": (["prograd"], 0),
    "maple": (["maple"], 1),
    "promptsrc, workers": (["promptsrc", "--data.num_workers", 2], 2),
    "clip-adapter": (["clip-adapter"], 0),
    "tip-adapter": (["tip-adapter"], 1),
    "linear-probe": (["linear-probe"], 1),
}
STAGED = ["aape", "--model.aggregator_epochs", 2, "--data.views", 2]
TOGETHER = {  # the cases that differ in kind: what is wrapped, restored and dealt out at the cut
    "aape, in stage one": (STAGED, 0),
    "aape, at the boundary": (STAGED, 1),
    "aape, in stage two": (STAGED, 2),
    "joint": (["aape-paper", "--model.schedule", "joint"], 0),
    "a tower in the loop": (["promptsrc"], 1),
}


def told(words):
    """What a fit in a process of its own prints: this one must stay without the threads of a process group."""
    command = [sys.executable, cut_fit.__file__, "-1", "-1", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL).stderr


def run(words, cut_after=-1, cut_step=-1):
    """A fit in processes of its own; whether it came to its end."""
    kept = {name: value for name, value in os.environ.items() if name not in ("LOCAL_RANK", "WORLD_SIZE", "RANK")}
    command = [sys.executable, cut_fit.__file__, str(cut_after), str(cut_step), *map(str, words)]
    done = subprocess.run(
        command,
        env=kept | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode in (0, cut_fit.CUT), done.stderr
    return done.returncode == 0


@pytest.fixture(scope="module")
def wholes():
    """The folders of the runs that never stopped, by their command."""
    return {}


@pytest.fixture
def resumes(tmp_path, wholes):
    """Asserts that a run that is cut and resumed equals the whole run."""

    def check(fit, words, cut_after=-1, cut_step=-1):
        cut, steps = tmp_path / "cut", tmp_path / "steps"
        kept, saves = "--trainer.callbacks", []
        if cut_step >= 0:
            saves = [f"{kept}+=lightning.pytorch.callbacks.ModelCheckpoint", f"{kept}.dirpath", steps]
            saves += [f"{kept}.every_n_train_steps", cut_step, f"{kept}.filename", "step"]
        if tuple(words) not in wholes:
            wholes[tuple(words)] = tmp_path / "whole"
            assert fit(["fit", *words, *QUIET, "--run", wholes[tuple(words)]])
        whole = wholes[tuple(words)]
        assert not fit(["fit", *words, *QUIET, *saves, "--run", cut], cut_after, cut_step)
        checkpoint = steps / "step.ckpt" if cut_step >= 0 else cut / "last.ckpt"
        assert fit(["fit", *words, *QUIET, "--run", cut, "--ckpt_path", checkpoint])
        ends = [cut_fit.load(folder / "last.ckpt") for folder in (whole, cut)]
        assert cut_fit.first_difference(*ends) is None
        left, all_of_them = (cut_fit.logged(folder / "metrics.csv") for folder in (cut, whole))
        assert left == all_of_them[-len(left) :]
        return ends[0]

    return check


@pytest.mark.parametrize("name", ALONE)
def test_a_method_resumes(name, toy_recipe, resumes):
    (method, *more), cut_after = ALONE[name]
    words = ["--config", toy_recipe, "--config", method_path(method), *more, "--trainer.max_epochs", 4]
    resumes(cut_fit.fit, words, cut_after)


@pytest.mark.parametrize("name", TOGETHER)
def test_two_processes_resume(name, toy_recipe, resumes):
    (method, *more), cut_after = TOGETHER[name]
    words = ["--config", toy_recipe, "--config", method_path(method), *TWO, *more, "--trainer.max_epochs", 4]
    assert resumes(run, words, cut_after)["steps"]["processes"] == 2


def test_two_processes_resume_captioning_within_an_epoch(toy_captions, toy_root, tiny_clip, resumes):
    """Each process drops numbers of its own, and the same ones again; each goes on with its own sums."""
    data = ["--data.manifest", toy_captions, "--data.root", toy_root, "--data.backbone", tiny_clip]
    words = ["--config", "shapes_captioning", *TWO, *data, "--data.batch_size", 2, "--data.num_workers", 0]
    resumes(run, [*words, "--model.aggregator_epochs", 1, "--trainer.max_epochs", 3], cut_step=10)


def test_two_processes_resume_pretraining(resumes):
    small = ["--model.vision_layers", "[1,1,1,1]", "--model.vision_width", 8, "--model.text_layers", 1]
    few = ["--data.batch_size", 8, "--data.steps_per_epoch", 2, "--trainer.limit_val_batches", 0]
    resumes(run, ["--config", "shapes_tiny", *TWO, *small, *few, "--trainer.max_epochs", 4], 1)


def test_a_run_in_two_processes_resumes_in_one_of_their_batches(toy_recipe, tmp_path):
    """To rounding, and with a warning; not with other batches."""
    cut, words = tmp_path / "cut", ["--config", toy_recipe, *TWO, *QUIET, "--data.batch_size", 2]
    assert not run(["fit", *words, "--run", cut], 0)
    resume = ["fit", "--config", cut / "config.yaml", "--ckpt_path", cut / "last.ckpt", "--trainer.devices", 1]
    assert re.search(r"images a step 4 and 2 .* it ran on 2 processes", told(resume))
    assert "begun on 2 processes and is resumed on 1" in told([*resume, "--data.batch_size", 4])
