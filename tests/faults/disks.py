"""Disks that are full, read-only or gone: small file systems in memory, and limits on the size of a file."""

import contextlib
import dataclasses
import fcntl
import os
import resource
import signal
import subprocess

import harness
import pytest
from fault_table import ROWS, Row


def _mount(*words):
    return subprocess.run(["mount", *map(str, words)], capture_output=True, text=True, check=False)


class Disk:
    """A file system in memory, mounted on a folder."""

    def __init__(self, folder):
        self.folder = folder

    def resize(self, size):
        """Give it another size, in bytes."""
        assert _mount("-o", f"remount,size={size}", self.folder).returncode == 0

    def close_for_writing(self):
        assert _mount("-o", "remount,ro", self.folder).returncode == 0

    def open_for_writing(self):
        assert _mount("-o", "remount,rw", self.folder).returncode == 0


@contextlib.contextmanager
def disk(folder, size):
    """A disk of so many bytes; the test is skipped where mounting is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    done = _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here ({done.stderr.strip()})")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def run_with_small_files(argv, folder, environment, most):
    """Run a victim that can write no file beyond so many bytes, which the system refuses as it does on a full disk.

    Its output goes through a pipe: the limit is on files.
    """
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 2**20)

    def limit():
        for stream in (1, 2):
            os.dup2(writing, stream)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    ended = harness.run(argv, folder, environment, prepare=limit)
    os.close(writing)
    with open(reading, encoding="utf-8", errors="replace") as pipe:
        return harness.Ended(ended.code, pipe.read(), ended.seconds)


def assert_told_once(ended, *words):
    """The victim ended with one typed message, in which these words are, and with no traceback."""
    assert ended.code == 1, ended.log
    assert "Traceback" not in ended.log, ended.log
    assert ended.log.count("aape: error: ") == 1, ended.log
    message = ended.log.split("aape: error: ")[1]
    for word in words:
        assert str(word) in message, ended.log
    return message


def survived(activity, fault):
    """Count one fault more in the table."""
    for place, row in enumerate(ROWS):
        if (row.activity, row.fault) == (activity, fault):
            ROWS[place] = dataclasses.replace(row, injected=row.injected + 1, survived=row.survived + 1)
            return
    ROWS.append(Row(activity, fault, injected=1, in_work=None, survived=1))


def files(folder):
    """Bytes by name of what is in a folder, less the locks, which are empty."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}
