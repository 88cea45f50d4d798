"""A folder that is deleted while a command works in it: told with its name, and made anew by the same command."""

import shutil

import disks
import harness
import pytest
import torch


def run(argv, here, prepare=None):
    environment = {"AAPE_CACHE": str(here / "cache")}
    return harness.run(argv, here, environment, log=here / "log", prepare=prepare)


def deleting(folder, when):
    """Deletes a folder in the victim, at an epoch or when the last checkpoint is saved."""

    def prepare():
        from aape_lightning.callbacks import RunFiles

        def wrapped(name):
            call = getattr(RunFiles, name)

            def calling(self, trainer, *more):
                shutil.rmtree(folder, ignore_errors=True)
                return call(self, trainer, *more)

            setattr(RunFiles, name, calling)

        wrapped(when)

    return prepare


@pytest.mark.parametrize("when", ["on_train_epoch_end", "on_train_end", "_save_for_inference", "_save_aggregator"])
def test_a_run_folder_that_is_deleted(when, toy_recipe, tmp_path):
    argv = ["fit", "--config", toy_recipe, "--run", tmp_path / "run"]
    ended = run(argv, tmp_path, deleting(tmp_path / "run", when))
    assert "Traceback" not in ended.log, ended.log
    if ended.code:
        disks.assert_told_once(ended, tmp_path / "run")
    again = run(argv, tmp_path)
    assert again.code == 0, again.log
    assert torch.load(tmp_path / "run" / "aape.ckpt", weights_only=True)["state_dict"]
    disks.survived("training", "folder deleted")


def test_a_job_whose_folder_is_deleted_fails_alone_or_is_done(toy_recipe, tmp_path):
    argv = ["protocol", "base-to-new", "--recipe", toy_recipe, "--method", "zero-shot", "--method", "aape"]
    argv += ["--seeds", 1, "--out", tmp_path / "out"]
    ended = run(argv, tmp_path, deleting(tmp_path / "out" / "toy" / "aape", "_save_aggregator"))
    assert "Traceback" not in ended.log, ended.log
    again = run(argv, tmp_path)
    assert again.code == 0, again.log
    assert len(list(tmp_path.rglob("result.json"))) == 2
    disks.survived("protocol", "folder deleted")
