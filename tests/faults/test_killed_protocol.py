"""A protocol that is killed at any moment, and started again, ends as if nothing had happened."""

import json
import multiprocessing
import random
import signal
import time

import harness
import pandas as pd
import pytest
from aape_lightning.protocols.results import RESULT_FILE, Result
from aape_lightning.runner import pool
from fault_table import record
from trials import Activity, digests, kill_and_repeat, side_by_side

METHODS = ("zero-shot", "coop", "aape")
SPAWNED = 4  # trials with processes as a user has them; starting them costs more than the jobs


def forking():
    """The jobs' processes are forks, which begin at once; a user's are started anew, which takes seconds."""
    pool._CONTEXT = multiprocessing.get_context("fork")


def words(recipe):
    chosen = [word for method in METHODS for word in ("--method", method)]
    return [
        "protocol", "base-to-new", "--recipe", recipe, *chosen, "--seeds", 1, 2, "--out", "out", "--jobs", 2,
        "--report", "--trainer.max_epochs", 20, "--model.aggregator_epochs", 5,
    ]  # fmt: skip


def whole(folder):
    """Results without their times, and what lies beside each; stores and banks."""
    results = {
        path.relative_to(folder).as_posix(): json.dumps([result.metrics, result.curves, result.config_hash])
        for path in folder.glob(f"out/**/{RESULT_FILE}")
        for result in [Result.read(path)]
    }
    return results | digests(folder, "cache/**/*")


def settled(folder):
    """The table without what differs from run to run, and what is explained beside the results."""
    table = pd.read_csv(folder / "out" / "table.csv").drop(columns="train_seconds")
    figures = digests(folder, "out/figures/*", without="cost")
    return {"table.csv": table.to_csv()} | figures | digests(folder, "out/**/explanations.json", "out/**/outcomes.json")


def test_a_killed_protocol(toy_recipe, tmp_path):
    activity = Activity("protocol, --jobs 2", words(toy_recipe), whole, settled, prepare=forking)
    kill_and_repeat(activity, tmp_path)


def test_a_killed_protocol_whose_jobs_are_processes_of_their_own(toy_recipe, tmp_path):
    activity = Activity("protocol, spawned", words(toy_recipe), whole, settled)
    kill_and_repeat(activity, tmp_path, SPAWNED)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_protocol_that_is_asked_to_end(toy_recipe, tmp_path, number):
    """Only the first process gets the signal, as from a scheduler; it takes the others with it."""
    activity = Activity("protocol", words(toy_recipe), whole, settled, prepare=forking)
    undisturbed = activity.new_folder(tmp_path / "undisturbed" / "here")
    ended = activity.start(undisturbed).finish()
    assert ended.code == 0, ended.log

    def trial(place):
        here = activity.new_folder(tmp_path / f"{place}" / "here")
        victim = activity.start(here)
        time.sleep(random.Random(f"{number} {place}").uniform(0.1, 0.9) * ended.seconds)
        victim.signal(number)
        code = victim.wait()
        left = harness.group(victim.pid)
        victim.kill()
        assert left == [], f"processes go on: {left}"
        found = whole(here)
        assert found.items() <= whole(undisturbed).items()
        again = activity.start(here).finish()
        assert again.code == 0, again.log
        assert (whole(here), settled(here)) == (whole(undisturbed), settled(undisturbed))
        return code

    codes = side_by_side(trial, 3)
    failed = [code for code in codes if isinstance(code, str)]
    record("protocol, --jobs 2", signal.Signals(number).name, injected=3, survived=3 - len(failed))
    assert not failed, failed[0]
    assert set(codes) <= {0, 128 + number}
