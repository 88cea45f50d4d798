"""Victims: `aape` commands in forked processes, which can be killed at any moment.

This process has imported everything once, so that a victim begins in milliseconds. What it inherits and a new process
would not have (pytest's output and warnings, exit handlers, random states) is put back first. Threads are not inherited
by a fork, and a lock that one of them held would stay locked: `start` makes sure that there are none.
"""

import atexit
import contextlib
import faulthandler
import logging
import multiprocessing.util
import os
import random
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import aape_lightning.__main__
import aape_lightning.cli
import aape_lightning.commands.cache.list
import aape_lightning.commands.prompts.embed
import aape_lightning.report
import aape_lightning.runner
import aape_lightning.search
import numpy as np
import rich
import torch
from fault_table import record

__all__ = ["Ended", "Victim", "children", "group", "record", "run", "start", "start_anew"]

torch.set_num_threads(1)
_SETTINGS = {"OMP_NUM_THREADS": "1", "JSONARGPARSE_DEPRECATION_WARNINGS": "off", "COLUMNS": "120"}
_HANG = 300  # seconds after which a victim is taken to hang


@dataclass(frozen=True)
class Ended:
    """How a victim ended.

    Attributes:
        code: Its exit code; minus the signal that killed it.
        log: What it printed.
        seconds: How long it ran.
    """

    code: int
    log: str
    seconds: float


@dataclass(frozen=True)
class Victim:
    """A running command: a process group of its own.

    Attributes:
        pid: The process, which leads the group.
        log: The file that it prints into.
        begun: When, by `time.monotonic`.
    """

    pid: int
    log: Path
    begun: float

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to the whole group; after SIGKILL none of it is left."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)
        while number == signal.SIGKILL and group(self.pid):
            time.sleep(0.001)

    def signal(self, number: int) -> None:
        """Send a signal to the first process alone, as schedulers do."""
        os.kill(self.pid, number)

    def wait(self) -> int:
        """Wait for its end, and leave alone what it leaves of its group; its exit code."""
        while (code := self._code()) is None:
            if time.monotonic() - self.begun > _HANG:
                os.killpg(self.pid, signal.SIGKILL)
                raise AssertionError(f"hangs:\n{self._printed()}")
            time.sleep(0.002)
        return code

    def finish(self) -> Ended:
        """Wait for its end; what it leaves of its group is killed."""
        code = self.wait()
        seconds = time.monotonic() - self.begun
        self.kill()
        return Ended(code, self._printed(), seconds)

    def _code(self) -> int | None:
        found, status = os.waitpid(self.pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if found else None

    def _printed(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")


def start(
    argv: Sequence[object],
    folder: Path,
    environment: Mapping[str, str] | None = None,
    log: Path | None = None,
    prepare: Callable[[], None] | None = None,
) -> Victim:
    """Start `aape` in a fork of this process.

    Args:
        argv: Its arguments.
        folder: Where it runs.
        environment: Laid over this process's.
        log: The file that it prints into; beside `folder`, with `.log` after its name, where not given.
        prepare: Called in the victim before the command: the place to break something.
    """
    log = log or folder.with_name(f"{folder.name}.log")
    settings = os.environ | _SETTINGS | dict(environment or {})
    alive = os.listdir("/proc/self/task")
    assert len(alive) == 1, f"{len(alive)} threads are alive at the fork; start pytest with OMP_NUM_THREADS=1"
    sys.stdout.flush()
    sys.stderr.flush()
    begun = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _be_victim([str(word) for word in argv], folder, settings, log, prepare)
    with contextlib.suppress(OSError):  # as in the child, whichever comes first, so that it can be killed at once
        os.setpgid(pid, pid)
    return Victim(pid, log, begun)


def run(argv: Sequence[object], folder: Path, environment: Mapping[str, str] | None = None, **more: object) -> Ended:
    """Start a victim, and let it end."""
    return start(argv, folder, environment, **more).finish()  # type: ignore[arg-type]


def start_anew(argv: Sequence[object], folder: Path, environment: Mapping[str, str] | None = None) -> Ended:
    """Run `aape` in a process that inherits nothing, as a user does."""
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "aape_lightning", *map(str, argv)],
        cwd=folder,
        env=os.environ | _SETTINGS | {"PYTHONPATH": str(Path(__file__).parents[2])} | dict(environment or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Ended(done.returncode, done.stdout, time.monotonic() - begun)


def _be_victim(
    argv: list[str], folder: Path, settings: dict[str, str], log: Path, prepare: Callable[[], None] | None
) -> None:
    """Become what a new process would be, run the command, and end."""
    code = 1
    try:
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)
        _print_into(log)
        _forget_pytest()
        os.environ.clear()
        os.environ.update(settings)
        os.chdir(folder)
        if prepare is not None:
            prepare()
        code = aape_lightning.__main__.main(argv)
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        _end(code)


def _print_into(log: Path) -> None:
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, stream in ((nothing, 0), (file, 1), (file, 2)):
        os.dup2(source, stream)
    sys.stdin = sys.__stdin__ = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.__stdout__ = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.__stderr__ = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115


def _forget_pytest() -> None:
    faulthandler.disable()
    atexit._clear()
    atexit.register(multiprocessing.util._exit_function)
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
        signal.signal(number, handler)
    sys.modules["__main__"] = sys.modules["aape_lightning.__main__"]  # what a spawned process imports again
    sys.argv = ["aape"]
    rich._console = None
    _forget_logging()
    warnings.showwarning = _print_warning
    warnings.resetwarnings()
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    warnings.filterwarnings("ignore", category=ResourceWarning)
    random.seed()
    np.random.seed()
    torch.manual_seed(int.from_bytes(os.urandom(4), "little"))


def _print_warning(message: object, category: type, filename: str, lineno: int, *_: object) -> None:
    print(f"{filename}:{lineno}: {category.__name__}: {message}", file=sys.stderr)


def _forget_logging() -> None:
    """Loggers print where this process prints, and into none of pytest's handlers."""
    logging.getLogger().handlers.clear()
    loggers = [found for found in logging.root.manager.loggerDict.values() if isinstance(found, logging.Logger)]
    for handler in (handler for logger in loggers for handler in logger.handlers):
        if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
            handler.stream = sys.stderr


def _end(code: int) -> None:
    """End as Python does: threads are waited for, exit handlers are called, output is flushed."""
    try:
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def group(leader: int) -> list[int]:
    """Processes of a group that still run."""
    return [pid for pid, state, _, group in _processes() if group == leader and state not in "ZX"]


def children(parent: int) -> list[int]:
    """Processes that a process has started and that still run."""
    return [pid for pid, state, started_by, _ in _processes() if started_by == parent and state not in "ZX"]


def _processes() -> Iterator[tuple[int, str, int, int]]:
    """Every process's number, state, parent and group."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                state, parent, group = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[:3]
                yield int(entry), state, int(parent), int(group)
