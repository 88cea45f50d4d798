"""Stores on file systems without locks, locks that the dead have left, and locks that are held for long."""

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time

import disks
import harness
import pytest
from aape_lightning import locks

# As NFS without its lock daemon, a kernel module without them, and some FUSE file systems have it.
REFUSALS = [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP]


def refusing(code):
    """Makes a victim's file systems refuse every lock."""

    def refuse(*_):
        raise OSError(code, os.strerror(code))

    def prepare():
        fcntl.flock = refuse

    return prepare


@pytest.fixture(scope="module")
def build(toy_recipe):
    def start(here, prepare=None, cache=None):
        environment = {"AAPE_CACHE": str(cache or here / "cache")}
        argv = ["cache", "build", "--recipe", toy_recipe]
        return harness.start(argv, here, environment, log=here / f"log-{time.monotonic_ns()}", prepare=prepare)

    return start


@pytest.fixture(scope="module")
def undisturbed(build, tmp_path_factory):
    here = tmp_path_factory.mktemp("undisturbed")
    ended = build(here).finish()
    assert ended.code == 0, ended.log
    return disks.files(here / "cache")


@pytest.mark.parametrize("code", REFUSALS, ids=errno.errorcode.get)
def test_a_store_is_built_without_locks(code, build, undisturbed, tmp_path):
    ended = build(tmp_path, refusing(code)).finish()
    assert ended.code == 0, ended.log
    assert "Warning" not in ended.log
    assert disks.files(tmp_path / "cache") == undisturbed
    disks.survived("store building", "no locks")


def test_two_processes_without_locks_each_build_it_and_one_store_is_left(build, undisturbed, tmp_path):
    victims = [build(tmp_path, refusing(errno.ENOLCK)) for _ in range(2)]
    for ended in [victim.finish() for victim in victims]:
        assert ended.code == 0, ended.log
    assert disks.files(tmp_path / "cache") == undisturbed
    disks.survived("store building", "no locks, two builders")


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 0.9])
def test_one_of_two_that_is_killed_without_locks_leaves_the_other_alone(share, build, undisturbed, tmp_path):
    begun = time.monotonic()
    build(tmp_path, refusing(errno.ENOLCK), tmp_path / "timed").finish()
    duration = time.monotonic() - begun
    shutil.rmtree(tmp_path / "timed")
    victims = [build(tmp_path, refusing(errno.ENOLCK)) for _ in range(2)]
    time.sleep(duration * share)
    victims[0].kill()
    victims[0].finish()
    ended = victims[1].finish()
    assert ended.code == 0, ended.log
    found = disks.files(tmp_path / "cache")
    own = {name for name in found if ".partial/" in name or name.rpartition("/")[2].startswith(".")}
    assert {name: found[name] for name in found.keys() - own} == undisturbed
    disks.survived("store building", "no locks, one of two killed")


def test_what_a_killed_process_left_without_locks_is_cleared(build, tmp_path, monkeypatch):
    left = tmp_path / "cache" / "features" / f"{'0' * 24}.abcdefgh.partial" / "own"
    left.mkdir(parents=True)
    (left / "embeddings.npy").write_bytes(bytes(100))
    for path in (left, left.parent):
        os.utime(path, (0, 0))
    ended = harness.run(
        ["cache", "clear", "--yes"], tmp_path, {"AAPE_CACHE": str(tmp_path / "cache")}, log=tmp_path / "log",
        prepare=refusing(errno.ENOLCK),
    )  # fmt: skip
    assert ended.code == 0, ended.log
    assert not left.parent.exists()


def test_two_writers_of_one_journal_would_need_locks(tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fcntl, "flock", refusing_call)
        with pytest.raises(locks.StorageError, match=r"cannot be locked.*--out"):
            locks.try_lock(tmp_path / "a.lock")


def refusing_call(*_):
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


HOLD = """
import sys, time
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Starts a process that holds a lock; ends it."""
    started = []

    def hold(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        started.append(subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True))
        assert started[-1].stdout.readline() == "held\n"
        return started[-1]

    yield hold
    for process in started:
        process.kill()
        process.communicate()


def test_a_lock_of_a_killed_process_blocks_nobody(holder, build, undisturbed, tmp_path):
    for name in {name.split("/")[1].split(".")[0] for name in undisturbed}:
        for folder in ("banks", "features"):
            process = holder(tmp_path / "cache" / folder / f"{name}.lock")
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert build(tmp_path).finish().code == 0
    assert disks.files(tmp_path / "cache") == undisturbed
    disks.survived("store building", "locks of the dead")


def test_who_waits_for_a_living_process_says_so(holder, build, undisturbed, tmp_path):
    name = next(iter(name for name in undisturbed if name.startswith("banks/"))).split("/")[1].split(".")[0]
    lock = tmp_path / "cache" / "banks" / f"{name}.lock"
    process = holder(lock)

    def patient():
        locks._PATIENCE = 0.2

    victim = build(tmp_path, patient)
    while not victim.log.exists() or "Waiting" not in (printed := victim.log.read_text()):
        time.sleep(0.02)
    assert f"Waiting for another process that works on the prompt bank '{lock.with_suffix('.safetensors')}'" in printed
    assert str(lock) in printed
    process.kill()
    process.wait()
    ended = victim.finish()
    assert ended.code == 0, ended.log
    assert disks.files(tmp_path / "cache") == undisturbed
    disks.survived("store building", "a lock held for long")
