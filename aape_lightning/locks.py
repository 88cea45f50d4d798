"""Locks between processes: a file that one of them holds, and that the system takes back from one that dies.

Some file systems of clusters know no locks. What is built there is built by each process for itself, in a folder that
no other knows, and the first that is done moves its own to where it is looked for.
"""

import errno
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from aape_lightning.errors import StorageError
from aape_lightning.files import told_os_error

__all__ = ["has_locks", "locked", "partial_folder", "try_lock"]

_UNKNOWN = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP})
_PATIENCE = 5.0  # seconds after which a process says what it waits for


def has_locks(folder: Path) -> bool:
    """Whether files in a folder, which is there, can be locked.

    Raises:
        StorageError: If nothing can be written there.
    """
    try:
        import fcntl
    except ImportError:  # Windows, which locks everywhere
        return True
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _UNKNOWN:
            return False
        raise StorageError(told_os_error(error, folder)) from error
    return True


@contextmanager
def partial_folder(folder: Path, *, shared: bool) -> Iterator[Path]:
    """Where something is built that will lie in `folder`.

    Args:
        folder: Its place; the folder that this lies in must be there.
        shared: Whether processes build together, in one folder that stays if a build is cut short, so that the next
            goes on; else each builds in a folder of its own, which vanishes.

    Yields:
        The folder, which need not be there yet.
    """
    if shared:
        yield folder.with_suffix(".partial")
        return
    names = {"prefix": f"{folder.stem}.", "suffix": ".partial"}
    with tempfile.TemporaryDirectory(**names, dir=folder.parent, ignore_cleanup_errors=True) as own:
        yield Path(own) / "own"


def try_lock(path: Path) -> Callable[[], object] | None:
    """Take a lock, unless another process holds it.

    Args:
        path: The file that is locked; it is made where it is missing.

    Returns:
        What gives it back; None where another process has it.

    Raises:
        StorageError: If the file system knows no locks.
        FileNotFoundError: If the folder is taken away at that moment.
    """
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return None
    except NotImplementedError as error:  # filelock before 3.30
        raise _without_locks(path) from error
    except OSError as error:
        if error.errno not in _UNKNOWN:
            raise
        raise _without_locks(path) from error
    return lock.release


@contextmanager
def locked(path: Path, doing: str) -> Iterator[None]:
    """Hold a lock, and wait for it as long as another process holds it; where there are no locks, just go on.

    It is for what may be done twice at the same time, and had better be done once.

    Args:
        path: The file that is locked; its folder must be there.
        doing: What the other process is then doing, for who waits long: `builds the index X`.
    """
    if not has_locks(path.parent):
        yield
        return
    lock = FileLock(path)
    try:
        lock.acquire(timeout=_PATIENCE)
    except Timeout:
        print(f"Waiting for another process that {doing} (it holds {str(path)!r}) ...", file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _without_locks(path: Path) -> StorageError:
    return StorageError(
        f"Files in {str(path.parent)!r} cannot be locked: that file system knows no locks. Choose a folder on another "
        "with --out, --data.cache_dir or $AAPE_CACHE."
    )
