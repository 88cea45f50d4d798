"""Temporary files that are locked while they are written: what a killed process leaves is told from what is in work."""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["held_temporary"]


@contextmanager
def held_temporary(path: Path) -> Iterator[Path]:
    """A new temporary file beside `path`, which is gone when the block ends, unless it was renamed.

    What a process left that was killed in such a block of the same `path` vanishes when this one begins.

    Args:
        path: The file that is to be written, in a folder that exists.

    Yields:
        The temporary file.

    Raises:
        OSError: If none can be made there.
    """
    _remove_left_behind(path)
    handle, temporary = _made(path)
    try:
        yield temporary
    finally:
        with suppress(OSError):  # where the folder is gone or read-only by now, that is told already
            temporary.unlink(missing_ok=True)
        os.close(handle)


def _made(path: Path) -> tuple[int, Path]:
    """A new file, open and locked; the system takes the lock from a process that dies."""
    while True:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        if _lock(handle) is not False and os.path.exists(name):
            return handle, Path(name)
        os.close(handle)  # another process has removed it, before it was locked, as one that was left behind


def _lock(handle: int) -> bool | None:
    """Lock an open file without waiting: False where another process has it, None where nothing can be locked."""
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        return None
    return True


def _remove_left_behind(path: Path) -> None:
    """Remove the temporary files of `path` that nobody writes any more."""
    is_temporary = re.compile(rf"\.{re.escape(path.name)}\.[a-z0-9_]{{8}}").fullmatch  # the letters are mkstemp's
    for name in filter(is_temporary, os.listdir(path.parent)):
        with suppress(OSError), (path.parent / name).open("rb+") as file:
            if _lock(file.fileno()):
                (path.parent / name).unlink()
