"""On a GPU the same command gives equal bits, and a run that was cut and resumed those of the run that was not.

make test-faults ARGS="-k on_gpu"       (38 fits in processes of their own; -n 8 where there are cores)
"""

import os
import subprocess
import sys

import pytest
import torch
from aape_lightning.backbones.clip import clip
from aape_lightning.resources import method_path
from aape_lightning.tasks.pretraining import save_openai_weights
from fault_table import record

import cut_fit

# Counting devices does not start CUDA, which could not be used in forks of this process then.
pytestmark = pytest.mark.skipif(not torch.cuda.device_count(), reason="no GPU here")

VIT = "ViT"  # stands for a vision transformer of random weights
RUNS = {
    "aape": ["shapes", "--model.aggregator_epochs", 8, "--trainer.max_epochs", 20],
    "coop": ["shapes", "--config", method_path("coop"), "--trainer.max_epochs", 6],
    "promptsrc": [
        "shapes", "--config", method_path("promptsrc"), "--data.backbone", VIT, "--data.shots", 2, "--model.depth", 3,
        "--trainer.max_epochs", 3,
    ],
    "cocoop": [
        "shapes", "--config", method_path("cocoop"), "--data.shots", 4, "--data.classes", "base",
        "--trainer.max_epochs", 1,
    ],
    "captioning": [
        "shapes_captioning", "--model.aggregator_epochs", 1, "--trainer.max_epochs", 3,
        "--trainer.limit_train_batches", 20, "--trainer.limit_val_batches", 2, "--trainer.check_val_every_n_epoch", 3,
    ],
}  # fmt: skip
QUIET = [
    "--config", "csv", "--trainer.accelerator", "gpu", "--trainer.devices", 1,
    "--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false",
]  # fmt: skip


@pytest.fixture(scope="module")
def fit(tmp_path_factory):
    """Runs `aape fit` in a process of its own, to its end or to a cut, and asserts which it was."""
    shared = tmp_path_factory.mktemp("shared")
    torch.manual_seed(0)
    save_openai_weights(clip.model.CLIP(64, 64, 3, 128, 8, 40, 49408, 64, 1, 3), shared / "vit.pt")

    def start(words, *, cut_after=-1):
        words = [shared / "vit.pt" if word == VIT else word for word in words]
        done = subprocess.run(
            [sys.executable, cut_fit.__file__, str(cut_after), "-1", "fit", *map(str, words)],
            env=os.environ | {"AAPE_CACHE": str(shared / "cache"), "CUDA_VISIBLE_DEVICES": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == (0 if cut_after < 0 else cut_fit.CUT), done.stderr

    return start


def difference(one, other):
    """Where the last checkpoints of two runs differ first."""
    return cut_fit.first_difference(*(cut_fit.load(folder / "last.ckpt") for folder in (one, other)))


@pytest.mark.parametrize("options", [[], ["--trainer.deterministic", "true"]], ids=["default", "deterministic"])
@pytest.mark.parametrize("name", RUNS)
def test_the_same_command_on_gpu_gives_the_same_bits(name, options, fit, tmp_path):
    for run in ("one", "other"):
        fit(["--config", *RUNS[name], *QUIET, *options, "--run", tmp_path / run])
    assert difference(tmp_path / "one", tmp_path / "other") is None


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("name", ["aape", "coop", "captioning"])
def test_a_resumed_run_on_gpu_equals_a_straight_one(name, precision, fit, tmp_path):
    words = ["--config", *RUNS[name], *QUIET, "--trainer.precision", precision, "--run"]
    fit([*words, tmp_path / "whole"])
    fit([*words, tmp_path / "cut"], cut_after=1)
    fit(["--config", tmp_path / "cut" / "config.yaml", "--ckpt_path", tmp_path / "cut" / "last.ckpt"])
    assert difference(tmp_path / "whole", tmp_path / "cut") is None
    record(f"training on a GPU: {name}, {precision}", "cut after an epoch, resumed")
