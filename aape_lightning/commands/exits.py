"""How the program ends: its exit codes, and a line instead of a traceback for Ctrl-C, SIGTERM and a closed pipe."""

import contextlib
import enum
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from aape_lightning.errors import AAPEError
from aape_lightning.files import OF_DISKS, told_os_error

__all__ = ["Exit", "exit_code_of", "leaving_on_sigterm", "one_voice"]


class Exit(enum.IntEnum):
    """The exit codes; those above 128 are a shell's own for a command that a signal has ended."""

    DONE = 0
    ERROR = 1
    WRONG_USAGE = 2
    INTERRUPTED = 130
    NO_READER = 141
    TERMINATED = 143


def exit_code_of(run: Callable[[], None]) -> int:
    """Run a command, and tell its end in a line.

    Args:
        run: The command.

    Returns:
        The exit code.

    Raises:
        SystemExit: If the command leaves with a code of its own, as help and wrong usage do.
    """
    try:
        run()
        sys.stdout.flush()  # here, where a reader that has gone can be told from an error
    except AAPEError as error:
        return _told(f"error: {error}", Exit.ERROR)
    except BrokenPipeError:
        return _without_reader()
    except OSError as error:
        if error.filename is None and error.errno not in OF_DISKS:
            raise  # not a file that a user could name
        _drop_full_output()
        return _told(f"error: {told_os_error(error)}", Exit.ERROR)
    except KeyboardInterrupt:
        return _told("interrupted.", Exit.INTERRUPTED)
    except SystemExit as leaving:
        if (code := _code_of(leaving)) is None:
            raise
        return code
    return Exit.DONE


def _code_of(leaving: SystemExit) -> int | None:
    """What libraries mean that leave the program by themselves; None where the code is what it says."""
    if leaving.code == Exit.ERROR and isinstance(
        leaving.__context__, KeyboardInterrupt
    ):  # Lightning, after its tidying
        return _told("interrupted.", Exit.INTERRUPTED)
    if isinstance(leaving.__context__, BrokenPipeError):  # rich
        return _without_reader()
    if leaving.code == Exit.TERMINATED or type(leaving).__name__ == "SIGTERMException":  # ours, or Lightning's
        return _told("terminated.", Exit.TERMINATED)
    try:
        sys.stdout.flush()  # help leaves so, too
    except BrokenPipeError:
        return _without_reader()
    return None


def _told(line: str, code: Exit) -> int:
    with contextlib.suppress(OSError):  # a log on a full disk
        print(f"aape: {line}", file=sys.stderr)
    return code


def _without_reader() -> int:
    _drop_output()
    return Exit.NO_READER


def _drop_full_output() -> None:
    """What could not be written was perhaps the output itself, into a file on a full disk."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        _drop_output()


def _drop_output() -> None:
    """Python would complain once more when it closes the output."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(Exit.TERMINATED)


@contextlib.contextmanager
def leaving_on_sigterm() -> Iterator[None]:
    """SIGTERM ends the program as Ctrl-C does: what is half-written is removed, other processes are stopped.

    Under SLURM Lightning decides: it saves and requeues a training there.
    """
    is_ours = threading.current_thread() is threading.main_thread() and "SLURM_JOB_ID" not in os.environ
    if not is_ours or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextlib.contextmanager
def one_voice() -> Iterator[None]:
    """A thread that writes logs says nothing of a full disk: the main thread is told, and tells it."""
    before = threading.excepthook

    def hear(error: threading.ExceptHookArgs) -> None:
        if not (isinstance(error.exc_value, OSError) and error.exc_value.errno in OF_DISKS):
            before(error)

    threading.excepthook = hear
    try:
        yield
    finally:
        threading.excepthook = before


def _forget_in_child() -> None:
    """A forked process that decodes images is ended at once, as it always was."""
    if signal.getsignal(signal.SIGTERM) is _leave:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
