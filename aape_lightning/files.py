"""Files that are never half-written: a temporary name, a flush to disk, a rename."""

import errno
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

__all__ = ["atomic_path", "cache_dir", "default_workers", "is_listed", "reserve", "write_json", "write_text"]


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that becomes `path` when the block ends, and vanishes if it fails.

    Args:
        path: The file to be written; its folder is made when it is missing.

    Yields:
        The temporary path, on the same file system as `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        # mkstemp makes private files; a result is as readable as any other new file of this user.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a whole UTF-8 text file, or nothing."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:  # noqa: ANN401 - JSON has no type of its own
    """Write a whole JSON file with sorted keys, or nothing."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def reserve(file: IO[bytes], size: int) -> None:
    """Give a file its size, and the room on disk for it where the file system can promise that.

    Args:
        file: A file open for writing; what it holds stays.
        size: Its size in bytes, no less than now.

    Raises:
        OSError: If there is no room.
    """
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):  # a file system that promises nothing says so
                raise
    file.truncate(size)


def is_listed(path: Path) -> bool:
    """Whether a folder's listing names a file or folder.

    A network file system may answer for some time from memory that a path is not there; for a listing it asks anew.
    """
    try:
        return path.name in os.listdir(path.parent)
    except FileNotFoundError:
        return False


def cache_dir() -> Path:
    """The folder of prompt banks and feature stores: `$AAPE_CACHE`, or `~/.cache/aape`."""
    return Path(os.environ.get("AAPE_CACHE") or Path.home() / ".cache" / "aape")


def default_workers() -> int:
    """Processes or threads that decode images: one a core, at most 8."""
    return min(8, os.cpu_count() or 1)
