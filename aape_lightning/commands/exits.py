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

__all__ = ["Exit", "exit_code_of", "leaving_on_sigterm"]


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
        if error.filename is None:
            raise  # not a file that a user could name
        folders = "Folders are chosen by --run, --out, --data.cache_dir and $AAPE_CACHE."
        return _told(f"error: {str(error.filename)!r}: {error.strerror}. {folders}", Exit.ERROR)
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
    print(f"aape: {line}", file=sys.stderr)
    return code


def _without_reader() -> int:
    """Python would complain once more when it closes the output."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Exit.NO_READER


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


def _forget_in_child() -> None:
    """A forked process that decodes images is ended at once, as it always was."""
    if signal.getsignal(signal.SIGTERM) is _leave:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
