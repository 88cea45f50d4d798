"""Folders that cannot be written: told with their name, and before the work."""

import shutil

import disks
import harness
import pytest

ROOM = 2**26


@pytest.fixture(scope="module")
def before(toy_recipe, tmp_path_factory):
    """A cache that is whole, a trained run, and the results of a protocol."""
    here = tmp_path_factory.mktemp("before")
    environment = {"AAPE_CACHE": str(here / "cache")}
    protocol = ["protocol", "base-to-new", "--recipe", toy_recipe, "--method", "zero-shot", "--seeds", 1]
    build, fit = ["cache", "build", "--recipe", toy_recipe], ["fit", "--config", toy_recipe, "--run", here / "run"]
    for argv in (build, fit, [*protocol, "--out", here / "out"]):
        ended = harness.run(argv, here, environment, log=here / "log")
        assert ended.code == 0, ended.log
    return here


@pytest.fixture
def closed(tmp_path, before):
    """Copies something onto a disk, and makes that read-only."""
    with disks.disk(tmp_path / "disk", ROOM) as disk:

        def close(*names):
            for name in names:
                shutil.copytree(before / name, disk.folder / name)
            disk.close_for_writing()
            return disk

        yield close
        disk.open_for_writing()


def run(argv, tmp_path, cache):
    return harness.run(argv, tmp_path, {"AAPE_CACHE": str(cache)}, log=tmp_path / "log")


def test_a_closed_cache_is_told_before_anything_is_encoded(closed, toy_recipe, tmp_path):
    disk = closed()
    cache = disk.folder / "cache"
    argv = ["cache", "build", "--recipe", toy_recipe]
    disks.assert_told_once(run(argv, tmp_path, cache), cache, "Read-only file system", "$AAPE_CACHE")
    disk.open_for_writing()
    assert run(argv, tmp_path, cache).code == 0
    disks.survived("store building", "read-only folder")


def test_a_whole_cache_is_used_where_nothing_can_be_written(closed, toy_recipe, tmp_path):
    cache = closed("cache").folder / "cache"
    for argv in (["cache", "build", "--recipe", toy_recipe], ["cache", "list"], ["fit", "--config", toy_recipe]):
        ended = run(argv, tmp_path, cache)
        assert ended.code == 0, ended.log
    ended = run(["cache", "clear", "--yes"], tmp_path, cache)
    disks.assert_told_once(ended, cache, "Read-only file system")
    disks.survived("training", "read-only cache")


def test_a_closed_run_folder_is_told_before_training(closed, toy_recipe, before, tmp_path):
    disk = closed()
    argv = ["fit", "--config", toy_recipe, "--run", disk.folder / "run"]
    ended = run(argv, tmp_path, before / "cache")
    disks.assert_told_once(ended, disk.folder / "run", "Read-only file system", "--run")
    assert "Epoch" not in ended.log
    disk.open_for_writing()
    assert run(argv, tmp_path, before / "cache").code == 0
    disks.survived("training", "read-only folder")


def test_the_folder_of_a_test_is_looked_at_before_it(closed, toy_recipe, before, tmp_path):
    folder = closed("run").folder / "run"
    for command in ("test", "predict"):
        argv = [command, "--config", toy_recipe, "--ckpt_path", folder / "aape.ckpt"]
        ended = run(argv, tmp_path, before / "cache")
        disks.assert_told_once(ended, folder / f"{command}-all", "Read-only file system")
        assert "Testing" not in ended.log
        disks.survived(command, "read-only folder")


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_folder_of_a_protocol_is_looked_at_before_its_jobs(closed, toy_recipe, before, tmp_path, jobs):
    out = closed().folder / "out"
    argv = ["protocol", "base-to-new", "--recipe", toy_recipe, "--method", "zero-shot", "--seeds", 1, 2, "--out", out]
    ended = run([*argv, "--jobs", jobs], tmp_path, before / "cache")
    disks.assert_told_once(ended, out, "Read-only file system", "--out")
    assert "jobs failed" not in ended.log
    disks.survived("protocol", "read-only folder")


def test_the_folder_of_a_report_is_looked_at_before_it_is_drawn(closed, before, tmp_path):
    out = closed("out").folder / "out"
    disks.assert_told_once(run(["report", out], tmp_path, before / "cache"), out, "Read-only file system")
    disks.survived("report", "read-only folder")


def test_the_folder_of_embeddings_is_looked_at_before_images_are(closed, toy_root, before, tmp_path):
    out = closed().folder / "new" / "embeddings.npy"
    argv = ["embed", before / "run" / "aape.ckpt", toy_root / "toy" / "images", "--out", out]
    disks.assert_told_once(run(argv, tmp_path, before / "cache"), out.parent, "Read-only file system")
    disks.survived("embedding of images", "read-only folder")


def test_a_folder_that_becomes_read_only_during_the_training(toy_recipe, before, tmp_path):
    """As a file system does that has met an error: what was written stays, and the rest is told."""
    with disks.disk(tmp_path / "disk", ROOM) as disk:

        def close_later():
            from aape_lightning.callbacks import RunFiles

            save = RunFiles._save_last

            def closing(self, trainer):
                disk.close_for_writing()
                save(self, trainer)

            RunFiles._save_last = closing

        argv = ["fit", "--config", toy_recipe, "--run", disk.folder / "run"]
        environment = {"AAPE_CACHE": str(before / "cache")}
        ended = harness.run(argv, tmp_path, environment, log=tmp_path / "log", prepare=close_later)
        disks.assert_told_once(ended, disk.folder / "run" / "last.ckpt", "Read-only file system")
        assert not (disk.folder / "run" / "last.ckpt").exists()
        disk.open_for_writing()
        assert run(argv, tmp_path, before / "cache").code == 0
    disks.survived("training", "read-only meanwhile")
