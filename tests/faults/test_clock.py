"""A clock that is set back an hour, or ahead ten years, while a command works."""

import datetime
import json
import math
import os
import time

import disks
import harness
import pytest
import torch
from aape_lightning.protocols.results import RESULT_FILE, Result

JUMPS = {"an hour back": -3600.0, "ten years ahead": 315_576_000.0}


def jumping(seconds):
    """Sets a victim's clock back and forth, at every tenth look at it."""

    def prepare():
        import aape_lightning.cli
        import aape_lightning.protocols.provenance

        tell, looks = time.time, [0]

        def now():
            looks[0] += 1
            return tell() + seconds * (looks[0] // 10 % 2)

        class Clock(datetime.datetime):
            @classmethod
            def now(cls, tz=None):
                return cls.fromtimestamp(now(), tz)

        time.time = now
        for module in (aape_lightning.cli, aape_lightning.protocols.provenance):
            module.datetime = type("datetime", (), {"datetime": Clock, "UTC": datetime.UTC})

    return prepare


def run(argv, here, cache, prepare=None):
    ended = harness.run(argv, here, {"AAPE_CACHE": str(cache)}, log=here / "log", prepare=prepare)
    assert ended.code == 0, ended.log
    return ended


def trained(folder):
    weights = torch.load(folder / "aape.ckpt", weights_only=True)["state_dict"]
    return {name: tensor.tolist() for name, tensor in weights.items()}, (folder / "metrics.csv").read_text()


@pytest.fixture(scope="module")
def undisturbed(toy_recipe, tmp_path_factory):
    here = tmp_path_factory.mktemp("undisturbed")
    run(["fit", "--config", toy_recipe, "--run", here / "run"], here, here / "cache")
    return here


@pytest.mark.parametrize("jump", JUMPS)
def test_a_training_is_what_it_would_have_been(jump, toy_recipe, undisturbed, tmp_path):
    begun = time.monotonic()
    argv = ["fit", "--config", toy_recipe, "--run", tmp_path / "run"]
    ended = run(argv, tmp_path, tmp_path / "cache", jumping(JUMPS[jump]))
    assert trained(tmp_path / "run") == trained(undisturbed / "run")
    assert disks.files(tmp_path / "cache") == disks.files(undisturbed / "cache")
    told = json.loads((tmp_path / "run" / "run.json").read_text())
    assert 0 <= told["seconds"] <= time.monotonic() - begun
    assert "-1:" not in ended.log  # of a bar: no negative time
    disks.survived("training", f"clock {jump}")


@pytest.mark.parametrize("jump", JUMPS)
def test_a_protocol_tells_no_strange_durations(jump, toy_recipe, undisturbed, tmp_path):
    begun = time.monotonic()
    argv = ["protocol", "base-to-new", "--recipe", toy_recipe, "--method", "zero-shot", "--method", "aape"]
    argv += ["--seeds", 1, "--out", tmp_path / "out", "--report"]
    run(argv, tmp_path, undisturbed / "cache", jumping(JUMPS[jump]))
    passed = time.monotonic() - begun
    found = [Result.read(path) for path in tmp_path.rglob(RESULT_FILE)]
    assert len(found) == 2
    for result in found:
        assert all(0 <= seconds <= passed and math.isfinite(seconds) for seconds in result.seconds.values())
    disks.survived("protocol", f"clock {jump}")


def test_runs_that_begin_at_the_same_time_of_the_clock_have_folders_of_their_own(toy_recipe, undisturbed, tmp_path):
    def stopped():
        jumping(0.0)()
        time.time = lambda: 1.8e9
        import aape_lightning.cli

        class Clock(datetime.datetime):
            @classmethod
            def now(cls, tz=None):
                return cls.fromtimestamp(1.8e9, tz)

        aape_lightning.cli.datetime = type("datetime", (), {"datetime": Clock})

    for _ in range(3):
        run(["fit", "--config", toy_recipe], tmp_path, undisturbed / "cache", stopped)
    folders = sorted((tmp_path / "runs").glob("*/*"))
    assert [folder.name.count("-") for folder in folders] == [1, 2, 2]
    assert [folder.name[-2:] for folder in folders[1:]] == ["-2", "-3"]
    for folder in folders:
        assert trained(folder) == trained(undisturbed / "run")
    disks.survived("training", "clock stands still")


@pytest.mark.parametrize("jump", JUMPS)
def test_the_cache_is_listed_and_cleared_whatever_its_files_say(jump, toy_recipe, tmp_path):
    cache = tmp_path / "cache"
    run(["cache", "build", "--recipe", toy_recipe], tmp_path, cache)
    left = cache / "features" / f"{'0' * 24}.partial"
    left.mkdir()
    (left / "embeddings.npy").touch()
    for path in (*cache.rglob("*"), left):
        os.utime(path, (time.time() + JUMPS[jump],) * 2)
    listed = run(["cache", "list"], tmp_path, cache).log
    assert ("1 h ago" if JUMPS[jump] < 0 else "just now") in listed
    assert "-" not in "".join(line for line in listed.splitlines() if " ago" in line).split("ago")[0][-12:]
    run(["cache", "clear", "--older-than", "2h", "--yes"], tmp_path, cache)
    assert left.exists()
    run(["cache", "clear", "--yes"], tmp_path, cache)
    assert disks.files(cache) == {}
    assert not left.exists()
    disks.survived("cache list and clear", f"files {jump}")


@pytest.mark.parametrize("jump", JUMPS)
def test_a_run_goes_on_from_its_last_checkpoint(jump, toy_recipe, undisturbed, tmp_path):
    """Which checkpoint is the last is a matter of its name, and of no time."""
    folder = tmp_path / "run"

    def stop_after_one_epoch():
        jumping(JUMPS[jump])()
        from aape_lightning.callbacks import RunFiles

        save, init = RunFiles._save_last, RunFiles.__init__

        def often(self, *args, **kwargs):
            init(self, *args, **kwargs)
            self.every_seconds = 0.0

        def stopping(self, trainer):
            save(self, trainer)
            os._exit(9)

        RunFiles.__init__, RunFiles._save_last = often, stopping

    argv = ["fit", "--config", toy_recipe, "--run", folder]
    environment = {"AAPE_CACHE": str(undisturbed / "cache")}
    ended = harness.run(argv, tmp_path, environment, log=tmp_path / "log", prepare=stop_after_one_epoch)
    assert ended.code == 9, ended.log
    os.utime(folder / "last.ckpt", (time.time() + JUMPS[jump],) * 2)
    run([*argv, "--ckpt_path", folder / "last.ckpt"], tmp_path, undisturbed / "cache", jumping(JUMPS[jump]))
    assert trained(folder)[0] == trained(undisturbed / "run")[0]
    disks.survived("resuming", f"clock {jump}")
