"""A protocol that is killed at any moment, and started again, ends as if nothing had happened: `make test-faults`."""

import os
import random
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from aape_lightning.protocols.results import RESULT_FILE, Result

METHODS = ("zero-shot", "coop", "aape")
SEEDS = (1, 2, 3, 4)
TRIALS = 10


def listening():
    """Take interrupts, which a shell's background job, as these tests may be, is started to ignore."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture(scope="module")
def protocol(toy_recipe):
    """Starts the 12 jobs, in two processes, with a cache that begins empty."""
    chosen = [word for method in METHODS for word in ("--method", method)]

    def start(out, cache):
        command = [
            sys.executable, "-m", "aape_lightning", "protocol", "base-to-new", "--recipe", toy_recipe, *chosen,
            "--seeds", *SEEDS, "--out", out, "--jobs", 2, "--report", "--trainer.max_epochs", 150,
            "--model.aggregator_epochs", 5,
        ]  # fmt: skip
        environment = os.environ | {"AAPE_CACHE": str(cache)}
        return subprocess.Popen(
            list(map(str, command)),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=listening,
        )

    return start


def table(out):
    """The table without what differs from run to run."""
    return pd.read_csv(out / "table.csv").drop(columns="train_seconds")


def metrics(out):
    return {path.parent.relative_to(out).as_posix(): Result.read(path).metrics for path in out.rglob(RESULT_FILE)}


@pytest.fixture(scope="module")
def undisturbed(protocol, tmp_path_factory):
    """Table and metrics of a run that nothing disturbs, and how long it takes."""
    out, start = tmp_path_factory.mktemp("undisturbed"), time.monotonic()
    process = protocol(out / "out", out / "cache")
    printed, _ = process.communicate()
    assert process.returncode == 0, printed
    return table(out / "out"), metrics(out / "out"), time.monotonic() - start


@pytest.mark.parametrize("trial", range(TRIALS))
def test_a_killed_protocol_ends_as_an_undisturbed_one(protocol, undisturbed, tmp_path, trial):
    expected_table, expected_metrics, duration = undisturbed
    chance = random.Random(trial)
    process = protocol(tmp_path / "out", tmp_path / "cache")
    time.sleep(chance.uniform(0.05, 0.95) * duration)
    process.send_signal(chance.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
    process.communicate()
    left = metrics(tmp_path / "out") if (tmp_path / "out").exists() else {}
    print(f"trial {trial}: {len(left)} of {len(expected_metrics)} results stood")
    assert left == {name: expected_metrics[name] for name in left}
    again = protocol(tmp_path / "out", tmp_path / "cache")
    printed, _ = again.communicate()
    assert again.returncode == 0, printed
    assert metrics(tmp_path / "out") == expected_metrics
    pd.testing.assert_frame_equal(table(tmp_path / "out"), expected_table)
