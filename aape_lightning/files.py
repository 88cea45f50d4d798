"""Files that are never half-written: a temporary name, a flush to disk, a rename."""

import errno
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from aape_lightning.errors import AAPEError, StorageError, reason
from aape_lightning.temporaries import held_temporary

__all__ = [
    "NO_ROOM",
    "OF_DISKS",
    "atomic_path",
    "cache_dir",
    "check_writable",
    "default_workers",
    "is_listed",
    "reserve",
    "told_os_error",
    "write_json",
    "write_text",
    "writing",
]

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})  # a full disk, a full quota, a limit of the process's
OF_DISKS = NO_ROOM | {errno.EIO, errno.ESTALE}  # whatever file it was
_CLOSED = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ESTALE})
_FOLDERS = "Folders are chosen by --run, --out, --data.cache_dir and $AAPE_CACHE."
_RUST = re.compile(r"\(os error (\d+)\)")
_NUMPY = re.compile(r"\d+ requested and \d+ written")
_PROBE = 65_536  # bytes: more than the rest of a file's last block


def told_os_error(error: OSError, path: Path | str | None = None) -> str:
    """What the system refuses, in a sentence, and what a user can do about it.

    Args:
        error: What it raised.
        path: The file or folder that it is about, where `error` does not say.
    """
    name = path or error.filename
    place = repr(str(name)) if name else "A file"
    if error.errno in NO_ROOM:
        return (
            f"{place} cannot be written: no space left ({error.strerror}). Make room there, or choose another folder, "
            f"and type the same command again. {_FOLDERS}"
        )
    if error.errno in _CLOSED:
        return f"{place} cannot be written: {error.strerror}. Choose a folder where you may write. {_FOLDERS}"
    if path is not None and error.errno in _GONE:
        return (
            f"{place} cannot be written: its folder was removed or moved meanwhile. Type the same command again. "
            f"{_FOLDERS}"
        )
    return f"{f'{place}: ' if name else ''}{error.strerror or reason(error)}. {_FOLDERS}"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Have what keeps a file from being written told with its name, whatever library writes it.

    Args:
        path: The file as a user knows it, or a folder.

    Raises:
        StorageError: If there is no room, the folder is read-only, or it was removed.
    """
    before = sys.exception()
    try:
        yield
    except AAPEError:
        raise
    except Exception as error:
        found = _os_error(error, before)
        folder = os.path.abspath(path.parent)  # as tempfile names what it makes
        if found is None or (found.filename and not Path(os.path.abspath(str(found.filename))).is_relative_to(folder)):
            raise
        if found.errno not in NO_ROOM | _CLOSED | _GONE:
            raise
        raise StorageError(told_os_error(found, path)) from error


def _os_error(error: BaseException | None, before: BaseException | None) -> OSError | None:
    """What the system has refused, under the errors of torch, safetensors and numpy, which hide it.

    Args:
        error: The last error.
        before: What was being handled already when the first began; None where nothing was.
    """
    while error is not None and error is not before:
        if isinstance(error, OSError) and error.errno is not None:
            return error
        if hidden := _RUST.search(str(error)):
            return OSError(int(hidden[1]), os.strerror(int(hidden[1])))
        if isinstance(error, OSError) and _NUMPY.search(str(error)):
            return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        error = error.__context__
    return None


def check_writable(folder: Path) -> None:
    """Make a folder, and be sure that files can be written there, before hours of work for them.

    Raises:
        StorageError: If they cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_PROBE))
    except OSError as error:
        raise StorageError(told_os_error(error, folder)) from error


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that becomes `path` when the block ends, and vanishes if it fails.

    What a process left that was killed in such a block vanishes when the next one begins.

    Args:
        path: The file to be written; its folder is made when it is missing.

    Yields:
        The temporary path, on the same file system as `path`.

    Raises:
        StorageError: If there is no room, the folder is read-only, or it was removed meanwhile.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with writing(path), held_temporary(path) as temporary:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        # mkstemp makes private files; a result is as readable as any other new file of this user.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)


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
