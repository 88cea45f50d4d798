"""Taking something out of the cache, and never what another process is building."""

import shutil
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from aape_lightning.commands.cache.entries import Entry
from aape_lightning.errors import StorageError

__all__ = ["is_in_use", "remove"]

_HALF_BUILT = ("partial", "left behind")
_PAUSE = 600  # seconds in which a build may take no lock: it loads weights, or waits for a slow disk


def is_in_use(entry: Entry) -> bool:
    """Whether a process builds it, or has done so within the last minutes."""
    try:
        with ExitStack() as held:
            return not _taken(entry, held)
    except (OSError, StorageError):  # a folder in which nothing may be locked
        return False


def remove(entry: Entry) -> bool:
    """Delete it, unless a process builds it.

    Its lock is held meanwhile, so that no build begins; the lock's empty file stays, since another may wait for it.

    Returns:
        Whether it was deleted.

    Raises:
        OSError: If the folder does not allow it; or a StorageError.
    """
    with ExitStack() as held:
        if not _taken(entry, held) or entry.path.is_symlink():
            return False
        if entry.path.is_dir():
            shutil.rmtree(entry.path)
        else:
            entry.path.unlink(missing_ok=True)
    return True


def _taken(entry: Entry, held: ExitStack) -> bool:
    """Take its locks, the shards' too; False where another process has one of them."""
    from aape_lightning.locks import has_locks, try_lock

    # Either way: clocks differ a little from one machine to another, and a time far ahead says that a clock was wrong.
    if entry.state in _HALF_BUILT and abs(time.time() - _last_written(entry.path)) < _PAUSE:
        return False
    if not has_locks(entry.lock.parent):
        return True
    for path in (entry.lock, *sorted(entry.path.glob("shards/*.lock"))):
        if (release := try_lock(path)) is None:
            return False
        held.callback(release)
    return True


def _last_written(path: Path) -> float:
    times = [0.0]
    for file in (path, *path.glob("*"), *path.glob("shards/*")):
        with suppress(FileNotFoundError):
            times.append(file.lstat().st_mtime)
    return max(times)
