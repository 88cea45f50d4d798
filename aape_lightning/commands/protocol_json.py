"""What `aape protocol --json` prints."""

import json
from typing import Any

from aape_lightning.messages import quiet_lightning
from aape_lightning.protocols.results import RESULT_FILE, Result
from aape_lightning.runner import Request
from aape_lightning.runner.overview import job_state

__all__ = ["print_outcome", "print_states"]

_TOLD = ("recipe", "dataset", "method", "seed", "setting", "metrics", "seconds")


def print_states(request: Request) -> None:
    """Print each job's folder and state: `done`, `to run`, or why it is to run again or cannot run."""
    with quiet_lightning():
        jobs = [{"job": str(job.folder), "state": job_state(request, job)} for job in request.jobs()]
    _print(request, jobs=jobs)


def print_outcome(request: Request, *, report: bool) -> None:
    """Print the results of all jobs.

    Args:
        request: What was run.
        report: Whether the report was written too.

    Raises:
        ResultError: If a result is malformed.
    """
    found = [(job, Result.read(request.out / job.folder / RESULT_FILE)) for job in request.jobs()]
    results = [{"job": str(job.folder)} | {name: getattr(result, name) for name in _TOLD} for job, result in found]
    _print(request, report=str(request.out / "report.html") if report else None, results=results)


def _print(request: Request, **more: Any) -> None:  # noqa: ANN401 - values of JSON
    told = {"protocol": request.protocol, "out": str(request.out), **more}
    print(json.dumps(told, indent=2, ensure_ascii=False))
