"""`--dry-run`: what a protocol would run, and what of it is done."""

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from aape_lightning.errors import AAPEError
from aape_lightning.protocols.jobs import Job
from aape_lightning.protocols.results import RESULT_FILE
from aape_lightning.runner.job import PreparedJob
from aape_lightning.runner.request import Request

__all__ = ["job_state", "print_overview"]

_STYLES = {"done": "green", "to run": "", "to run again: its configuration, data or backbone changed": "yellow"}


def print_overview(request: Request, chosen: Sequence[Job]) -> None:
    """Print each job's folder and state, then how many there are of each; nothing is trained or written.

    Args:
        request: What was asked for.
        chosen: Its jobs.
    """
    console = Console()
    states: Counter[str] = Counter()
    faults: set[str] = set()
    for job in chosen:
        state = job_state(request, job)
        style = _STYLES.get(state, "red")
        states[state.partition(":")[0]] += 1
        if state not in _STYLES and state in faults:  # what is wrong with a method is wrong under every seed
            state = "cannot run: as above"
        faults.add(state)
        console.print(Text.assemble(f"{job.folder}  ", (state, style)), soft_wrap=True)
    console.print(f"{len(chosen)} jobs: " + ", ".join(f"{count} {state}" for state, count in states.items()))


def job_state(request: Request, job: Job) -> str:
    """Whether a job is done, is to run, or cannot run, and why; nothing is trained or written."""
    try:
        prepared = PreparedJob(request, job)
        if prepared.is_done():
            return "done"
    except (AAPEError, OSError) as error:
        return f"cannot run: {error}"
    changed = (prepared.folder / RESULT_FILE).is_file()
    return "to run again: its configuration, data or backbone changed" if changed else "to run"
