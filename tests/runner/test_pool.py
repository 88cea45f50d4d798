"""Processes at work on jobs: their share of the threads, and their end."""

import os
import signal
import subprocess
import sys
import time

import torch
from aape_lightning.protocols.results import RESULT_FILE, Result
from aape_lightning.runner import Request
from aape_lightning.runner.pool import run_in_processes

# In a test of one batch Lightning takes SIGTERM and forgets it.
DEAF = """
import os, signal, time
from pathlib import Path
from aape_lightning.baselines import ZeroShotTask

class DeafTask(ZeroShotTask):
    def on_test_start(self):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        Path(os.environ["STARTED"]).touch()
        time.sleep(5)
        Path(os.environ["SURVIVED"]).touch()
        os._exit(0)
"""


def listening():
    """Take interrupts, which a shell's background job, as these tests may be, is started to ignore."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_a_process_has_no_more_threads_than_this_one(toy_recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    request = Request(
        protocol="base-to-new", recipes=[str(toy_recipe)], methods=["zero-shot"], seeds=[1], out=tmp_path / "out"
    )
    assert run_in_processes(request, request.jobs(), 1) == {}
    (path,) = (tmp_path / "out").rglob(RESULT_FILE)
    assert Result.read(path).versions["device"].endswith("(1 thread)")


def test_an_interrupt_ends_processes_that_do_not_listen(toy_recipe, tmp_path, method):
    (tmp_path / "deaf.py").write_text(DEAF)
    started, survived = tmp_path / "started", tmp_path / "survived"
    places = {"PYTHONPATH": str(tmp_path), "STARTED": str(started), "SURVIVED": str(survived)}
    command = [
        sys.executable, "-m", "aape_lightning", "protocol", "base-to-new", "--recipe", str(toy_recipe),
        "--method", method("deaf", "model: {class_path: deaf.DeafTask}\n"), "--seeds", "1", "2", "--jobs", "2",
        "--out", str(tmp_path / "out"),
    ]  # fmt: skip
    process = subprocess.Popen(
        command, env=os.environ | places, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=listening
    )
    while not started.exists() and process.poll() is None:
        time.sleep(0.05)
    assert process.poll() is None, process.stdout.read()
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert not survived.exists()
    assert not list((tmp_path / "out").rglob(RESULT_FILE))
