"""Jobs in several processes: each takes the next job of one queue, on its share of the cores or on a GPU of its own.

A process that dies takes its own job with it and no other: that job is reported, and another process takes its place.
When this process ends, however it does, the others end too.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

import torch

from aape_lightning.progress import progress
from aape_lightning.protocols.jobs import Job
from aape_lightning.runner.request import Request
from aape_lightning.runner.worker import work

__all__ = ["run_in_processes"]

# Trained in a process of its own: nothing that this one has started (threads, CUDA) is inherited.
_CONTEXT = multiprocessing.get_context("spawn")


class _Worker:
    """One process, the job that it works on, and the line to it."""

    def __init__(self, request: Request, place: int, count: int) -> None:
        self.job: Job | None = None
        self.place = place
        self.line: Connection
        self.line, theirs = _CONTEXT.Pipe()
        with _environment(_share_of(place, count)), _ignored_interrupts():
            self.process: BaseProcess = _CONTEXT.Process(target=work, args=(theirs, request))
            self.process.start()
        theirs.close()

    def take(self, job: Job) -> None:
        self.job = job
        with contextlib.suppress(OSError):  # a process that has died is seen by its silence
            self.line.send(job)

    def answer(self) -> str | None:
        """What went wrong in its job, if anything did; a process without an answer has died."""
        try:
            error: str | None = self.line.recv()
        except (EOFError, OSError):
            self.process.join()
            return f"its process ended without a result (exit code {self.process.exitcode}); is there enough memory?"
        return error

    @property
    def is_alive(self) -> bool:
        return self.process.is_alive()

    def stop(self) -> None:
        self.process.kill()  # Lightning takes SIGTERM for itself, and forgets it in a test of one batch
        self.process.join()
        self.line.close()


def run_in_processes(request: Request, chosen: Sequence[Job], count: int) -> dict[Job, str]:
    """Run jobs, some at a time.

    Args:
        request: What the jobs are of.
        chosen: The jobs.
        count: Processes; with GPUs, process i has GPU i, and beyond their number they share.

    Returns:
        What went wrong, by job, in the order of the jobs.
    """
    failures: dict[Job, str] = {}
    waiting = list(reversed(chosen))
    count = min(count, len(chosen))
    workers: list[_Worker] = []
    try:
        with progress() as bar:
            overall = bar.add_task("jobs", total=len(chosen))
            for place in range(count):
                workers.append(_Worker(request, place, count))
                workers[-1].take(waiting.pop())
            while busy := [worker for worker in workers if worker.job is not None]:
                bar.update(overall, description="; ".join(str(worker.job) for worker in busy))
                ready: Any = wait([worker.line for worker in busy])
                for worker in busy:
                    if worker.line not in ready:
                        continue
                    assert worker.job is not None
                    if error := worker.answer():
                        failures[worker.job] = error
                    worker.job = None
                    bar.advance(overall)
                    if waiting:
                        if not worker.is_alive:
                            workers[workers.index(worker)] = worker = _Worker(request, worker.place, count)
                        worker.take(waiting.pop())
    finally:
        for worker in workers:
            worker.stop()
    return {job: failures[job] for job in chosen if job in failures}


def _share_of(place: int, count: int) -> dict[str, str]:
    """The environment of a process: its share of this one's threads, and its GPU where there are any."""
    threads = max(1, torch.get_num_threads() // count)
    gpus = torch.cuda.device_count()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = visible.split(",") if visible else [str(gpu) for gpu in range(gpus)]
    share = {"OMP_NUM_THREADS": str(threads)}
    return share | ({"CUDA_VISIBLE_DEVICES": names[place % gpus]} if gpus else {})


@contextlib.contextmanager
def _ignored_interrupts() -> Iterator[None]:
    """Processes started inside ignore Ctrl-C: it reaches all of a terminal's, and the first one stops the others."""
    if threading.current_thread() is not threading.main_thread():  # whose business signals are not
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set for the processes that are started inside."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
