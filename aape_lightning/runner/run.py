"""Runs a protocol's jobs, skips those whose result exists, and prints the tables."""

import shlex
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from aape_lightning.errors import AAPEError, ResultError, StorageError
from aape_lightning.files import OF_DISKS, check_writable, told_os_error, write_text
from aape_lightning.messages import quiet_lightning
from aape_lightning.progress import progress
from aape_lightning.protocols.jobs import Job
from aape_lightning.protocols.results import RESULT_FILE, Result
from aape_lightning.report import print_results, write_report
from aape_lightning.runner.epochs import EpochProgress
from aape_lightning.runner.job import PreparedJob
from aape_lightning.runner.overview import print_overview
from aape_lightning.runner.pool import run_in_processes
from aape_lightning.runner.request import Request

__all__ = ["FAILED_FILE", "attempt", "run_protocol"]

FAILED_FILE = "failed.txt"


def run_protocol(request: Request, *, processes: int = 1, dry_run: bool = False, report: bool = False) -> None:
    """Run the jobs of a protocol and print the tables.

    Args:
        request: What to run.
        processes: Jobs at a time, each in a process of its own with its share of the cores, or a GPU of its own.
        dry_run: Print the jobs and what is done of them, and run none.
        report: Write the report as well.

    Raises:
        RecipeError: If the recipe or a method is unknown; nothing is run then.
        ResultError: If the folder holds results of another protocol (nothing is run then), or a job failed; the others
            are done, and a second call runs what is missing.
        StorageError: If nothing can be written into the folder; nothing is run then.
    """
    chosen = request.jobs()
    _refuse_another_protocol(request, chosen)
    if dry_run:
        with quiet_lightning():
            print_overview(request, chosen)
        return
    check_writable(request.out)
    failures = _run_here(request, chosen) if processes == 1 else run_in_processes(request, chosen, processes)
    failed = f"{len(failures)} of {len(chosen)} jobs failed; the same command runs them again.\n{_listed(failures)}"
    if len(failures) < len(chosen):
        try:
            _tell(request.out, report=report)
        except AAPEError as error:  # a malformed result must not hide what failed
            raise error if not failures else ResultError(f"{error}\n{failed}") from error
    if failures:
        raise ResultError(failed)


def attempt(request: Request, job: Job, *callbacks: EpochProgress) -> str | None:
    """Run a job unless it is done; what went wrong in it, if anything did.

    What a user can mend is told; of anything else the traceback is kept in the job's folder.
    """
    log = request.out / job.folder / FAILED_FILE
    try:
        prepared = PreparedJob(request, job, callbacks)
        if not prepared.is_done():
            check_writable(log.parent)
            prepared.run()
    except AAPEError as error:
        return str(error)
    except OSError as error:
        if error.filename is None and error.errno not in OF_DISKS:
            return str(error)  # no file's: a server's, perhaps
        return told_os_error(error, None if error.filename else log.parent)
    except Exception as error:  # one job's fault must not end the others
        told = f"{type(error).__name__}: {error}"
        try:
            write_text(log, traceback.format_exc())
        except (StorageError, OSError) as refused:
            return f"{told} (no traceback is kept: {refused})"
        return f"{told} (traceback in {str(log)!r})"
    with suppress(OSError):  # the folder of a job that was done before may be read-only
        log.unlink(missing_ok=True)
    return None


def _run_here(request: Request, chosen: Sequence[Job]) -> dict[Job, str]:
    failures: dict[Job, str] = {}
    with quiet_lightning(), progress() as bar:
        overall = bar.add_task("jobs", total=len(chosen))
        for job in chosen:
            bar.update(overall, description=str(job))
            if error := attempt(request, job, EpochProgress(bar)):
                failures[job] = error
            bar.advance(overall)
    return failures


def _listed(failures: Mapping[Job, str]) -> str:
    """Each error once: what is wrong with a method is wrong under every seed."""
    by_error: dict[str, list[str]] = {}
    for job, error in failures.items():
        by_error.setdefault(error, []).append(str(job))
    return "\n".join(f"  {'; '.join(jobs)}: {error}" for error, jobs in by_error.items())


def _refuse_another_protocol(request: Request, chosen: Sequence[Job]) -> None:
    """Two protocols call their results by the same names, and one would overwrite the other's."""
    for job in chosen:
        found = _protocol_of(request.out / job.folder / RESULT_FILE)
        if found not in (None, request.protocol):
            raise ResultError(
                f"{str(request.out)!r} holds results of {found}, such as {str(job.folder)!r}. Give {request.protocol} "
                "a folder of its own with --out."
            )


def _protocol_of(result: Path) -> str | None:
    try:
        return Result.read(result).protocol
    except (FileNotFoundError, ResultError):  # a malformed result is told with its job
        return None


def _tell(out: Path, *, report: bool) -> None:
    if report:
        print(f"Report: {write_report(out)}")
    else:
        print_results(out)
        print(f"Results: {out}. Report: aape report {shlex.quote(str(out))}")
