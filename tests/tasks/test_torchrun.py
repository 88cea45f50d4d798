"""`aape` under torchrun, whose processes start on their own, the second one seconds after the first."""

import subprocess
import sys

import pytest
import started_late
import yaml
from aape_lightning.logs import MetricsFile
from launching import clean_environment
from lightning.pytorch.utilities import rank_zero_only


@pytest.fixture(scope="module")
def fitted(toy_recipe, session_cache, tmp_path_factory):
    """A folder in which two processes of torchrun have fitted, and what they said."""
    folder = tmp_path_factory.mktemp("torchrun")
    starter = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "--"]
    command = ["fit", "--config", str(toy_recipe), "--config", "ddp"]
    done = subprocess.run(
        [*starter, started_late.__file__, *command, "--trainer.accelerator", "cpu", "--trainer.devices", "2"],
        env=clean_environment(session_cache),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_all_processes_share_one_run_folder(fitted):
    folder, said = fitted
    (run,) = (folder / "runs" / "toy").iterdir()
    assert said.count(f"Run folder: {run.relative_to(folder)}") == 1
    files = {path.name for path in run.iterdir()}
    assert {"last.ckpt", "aape.ckpt", "aggregator.safetensors", "config.yaml", "metrics.csv"} <= files
    assert {path.relative_to(folder).parts[0] for path in folder.rglob("*") if path.is_file()} == {"runs"}


def test_the_saved_configuration_says_how_it_was_run(fitted):
    (path,) = fitted[0].rglob("config.yaml")
    trainer = yaml.safe_load(path.read_text())["trainer"]
    assert (trainer["strategy"], int(trainer["devices"]), trainer["num_nodes"]) == ("ddp", 2, 1)


@pytest.mark.parametrize(("rank", "kept"), [(0, ["metrics-1.csv"]), (1, ["metrics.csv"])])
def test_the_first_process_alone_renames_an_earlier_runs_metrics(rank, kept, tmp_path, monkeypatch):
    (tmp_path / "metrics.csv").write_text("epoch\n0\n")
    monkeypatch.setattr(rank_zero_only, "rank", rank)
    MetricsFile.of(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == kept
