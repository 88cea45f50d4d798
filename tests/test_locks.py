import errno
import fcntl
import os
import subprocess
import sys

import pytest
from aape_lightning import locks
from aape_lightning.errors import StorageError
from aape_lightning.locks import has_locks, locked, partial_folder, try_lock

HOLD = "import sys, time\nfrom filelock import FileLock\nwith FileLock(sys.argv[1]):\n    print('held', flush=True)\n"


@pytest.fixture(params=[errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP], ids=errno.errorcode.get)
def no_locks(request, monkeypatch):
    def refuse(*_):
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", refuse)


@pytest.fixture
def held(tmp_path):
    """A lock that another process holds until it is told to end, and that process."""
    path = tmp_path / "a.lock"
    code = f"{HOLD}    time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield path, process
    process.kill()
    process.communicate()


def test_a_lock_is_taken_and_given_back(tmp_path):
    assert has_locks(tmp_path)
    release = try_lock(tmp_path / "a.lock")
    assert try_lock(tmp_path / "a.lock") is None
    release()
    try_lock(tmp_path / "a.lock")()


def test_another_process_s_lock_is_not_taken_until_it_dies(held):
    path, process = held
    assert try_lock(path) is None
    process.kill()
    process.wait()
    try_lock(path)()


def test_who_waits_says_for_what(held, monkeypatch, capsys):
    path, process = held
    monkeypatch.setattr(locks, "_PATIENCE", 0.05)
    wait = locks.FileLock.acquire

    def waiting(lock, timeout=None, **options):
        if timeout is None:  # it has said so, and waits on
            process.kill()
            process.wait()
        return wait(lock, timeout, **options)

    monkeypatch.setattr(locks.FileLock, "acquire", waiting)
    with locked(path, "builds the index 'x'"):
        pass
    assert capsys.readouterr().err == f"Waiting for another process that builds the index 'x' (it holds '{path}') ...\n"


def test_without_locks_what_may_be_done_twice_goes_on(no_locks, tmp_path):
    assert not has_locks(tmp_path)
    with locked(tmp_path / "a.lock", "works"), locked(tmp_path / "a.lock", "works"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_locks_is_told():
    with pytest.raises(StorageError, match="no-such-folder"):
        has_locks(locks.Path("no-such-folder"))


def test_where_processes_build_together_the_folder_stays_if_they_are_cut_short(tmp_path):
    with partial_folder(tmp_path / "abc", shared=True) as partial:
        partial.mkdir()
    assert [path.name for path in tmp_path.iterdir()] == ["abc.partial"]


def test_where_each_builds_alone_it_has_a_folder_of_its_own_which_vanishes(tmp_path):
    with (
        partial_folder(tmp_path / "abc", shared=False) as first,
        partial_folder(tmp_path / "abc", shared=False) as second,
    ):
        assert first != second
        first.mkdir()
        assert first.parent.suffix == ".partial"
    assert list(tmp_path.iterdir()) == []
