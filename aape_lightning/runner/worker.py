"""What one process of many does: job after job, until there are no more."""

import multiprocessing
import os
import sys
import threading
from multiprocessing.connection import Connection, wait
from typing import Any

from aape_lightning.protocols.jobs import Job
from aape_lightning.runner.request import Request

__all__ = ["OUTPUT_FILE", "work"]

OUTPUT_FILE = "output.txt"


def work(line: Connection, request: Request) -> None:
    """Run the jobs that come down the line, and answer each with what went wrong in it, or None.

    What a job prints goes into its folder's `output.txt`: several would print over one another.

    Args:
        line: The other end is `run_in_processes`.
        request: What the jobs are of.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from aape_lightning.files import told_os_error
    from aape_lightning.messages import quiet_lightning
    from aape_lightning.runner.run import attempt

    while True:
        try:
            job: Job = line.recv()
        except EOFError:
            return
        try:
            _print_into(request, job)
        except OSError as refused:
            line.send(told_os_error(refused))
            continue
        with quiet_lightning():
            error = attempt(request, job)
        line.send(error)


def _end_with_parent() -> None:
    parent: Any = multiprocessing.parent_process()
    wait([parent.sentinel])
    os._exit(1)  # at once: a training does not listen, and whatever it was writing is not yet in its place


def _print_into(request: Request, job: Job) -> None:
    folder = request.out / job.folder
    folder.mkdir(parents=True, exist_ok=True)
    output = os.open(folder / OUTPUT_FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    sys.stdout.flush()  # what the job before has printed is its own
    for stream in (1, 2):
        os.dup2(output, stream)
    os.close(output)
