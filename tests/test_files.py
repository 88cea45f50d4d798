import errno
import json
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from aape_lightning.errors import StorageError
from aape_lightning.files import (
    atomic_path,
    cache_dir,
    check_writable,
    default_workers,
    is_listed,
    reserve,
    write_json,
    write_text,
)


def fail_halfway(path, error):
    with atomic_path(path) as temporary:
        temporary.write_text("ne")
        raise error("halfway")


def test_a_file_appears_whole_when_the_block_ends(tmp_path):
    path = tmp_path / "a" / "b" / "result.txt"
    with atomic_path(path) as temporary:
        assert temporary.parent == path.parent
        temporary.write_text("all of it")
        assert not path.exists()
    assert path.read_text() == "all of it"
    assert [entry.name for entry in path.parent.iterdir()] == ["result.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(error, tmp_path):
    path = tmp_path / "result.txt"
    path.write_text("old")
    with pytest.raises(error):
        fail_halfway(path, error)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_fails_leaves_no_file_where_there_was_none(tmp_path):
    with pytest.raises(ValueError, match="halfway"):
        fail_halfway(tmp_path / "result.txt", ValueError)
    assert not list(tmp_path.iterdir())


def test_the_temporary_file_may_itself_be_replaced(tmp_path):
    with atomic_path(tmp_path / "result.txt") as temporary:
        (tmp_path / "other").write_text("new")
        (tmp_path / "other").replace(temporary)
    assert (tmp_path / "result.txt").read_text() == "new"


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_files_are_as_readable_as_the_user_wants_new_files_to_be(umask, mode, tmp_path):
    before = os.umask(umask)
    try:
        write_text(tmp_path / "result.txt", "text")
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "result.txt").stat().st_mode) == mode


def test_writers_of_one_file_never_mix(tmp_path):
    texts = [letter * 20_000 for letter in "abcdefgh"]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda text: write_text(tmp_path / "result.txt", text), texts))
    assert (tmp_path / "result.txt").read_text() in texts
    assert len(list(tmp_path.iterdir())) == 1


def test_text_is_utf8(tmp_path):
    write_text(tmp_path / "text.txt", "p̄ → 树\n")
    assert (tmp_path / "text.txt").read_bytes() == "p̄ → 树\n".encode()


def test_json_is_sorted_readable_and_exact(tmp_path):
    value = {"b": 0.1 + 0.2, "a": ["é", None, True], "c": {"z": 1, "y": 2}}
    write_json(tmp_path / "a.json", value)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == value
    assert text.endswith("}\n")
    assert "é" in text
    assert [line.strip()[1] for line in text.splitlines() if line.startswith('  "')] == ["a", "b", "c"]


def test_json_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"a": object()})
    assert not list(tmp_path.iterdir())


def test_the_cache_lies_where_the_variable_says(monkeypatch, tmp_path):
    monkeypatch.setenv("AAPE_CACHE", str(tmp_path / "mine"))
    assert cache_dir() == tmp_path / "mine"


@pytest.mark.parametrize("value", [None, ""])
def test_the_cache_lies_in_the_home_otherwise(value, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("AAPE_CACHE") if value is None else monkeypatch.setenv("AAPE_CACHE", value)
    assert cache_dir() == Path(tmp_path) / ".cache" / "aape"


@pytest.mark.parametrize(("cores", "workers"), [(None, 1), (1, 1), (3, 3), (8, 8), (64, 8)])
def test_one_worker_a_core_and_at_most_eight(cores, workers, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert default_workers() == workers


# ---- room, and what a folder's listing says ------------------------------------------------------------------------


def test_reserved_room_is_there_and_keeps_what_was_written(tmp_path):
    with (tmp_path / "large").open("w+b") as file:
        file.write(b"head")
        reserve(file, 10_000)
    assert (tmp_path / "large").read_bytes() == b"head" + bytes(9_996)


@pytest.mark.parametrize("code", [errno.EOPNOTSUPP, errno.EINVAL])
def test_a_file_system_that_cannot_reserve_room_has_the_size_at_least(tmp_path, monkeypatch, code):
    def refuse(*arguments):
        raise OSError(code, "not here")

    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)
    with (tmp_path / "large").open("wb") as file:
        reserve(file, 10_000)
    assert (tmp_path / "large").stat().st_size == 10_000


def test_a_full_disk_is_told_and_not_worked_around(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)
    with (tmp_path / "large").open("wb") as file, pytest.raises(OSError, match="no room"):
        reserve(file, 10_000)


def fail(path, error):
    with atomic_path(path):
        raise error


def refused(code, name=None):
    return OSError(code, os.strerror(code), name)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (refused(errno.ENOSPC), "no space left"),
        (refused(errno.EFBIG), r"no space left \(File too large\)"),
        (refused(errno.EROFS), "Read-only file system"),
        (refused(errno.ENOENT, "FOLDER/.result.txt.abcdefgh"), "removed or moved meanwhile"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "no space left"),
        (OSError("100000 requested and 25568 written"), "no space left"),
    ],
)
def test_what_cannot_be_written_is_told_with_its_name(error, told, tmp_path):
    if isinstance(error, OSError) and error.filename:
        error.filename = error.filename.replace("FOLDER", str(tmp_path))
    with pytest.raises(StorageError, match=rf"result\.txt' cannot be written: .*{told}.*--run"):
        fail(tmp_path / "result.txt", error)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [refused(errno.ENOENT, "/elsewhere/picture.png"), refused(errno.EIO), KeyError("x")])
def test_what_has_nothing_to_do_with_the_writing_stays_what_it_is(error, tmp_path):
    with pytest.raises(type(error)) as raised:
        fail(tmp_path / "result.txt", error)
    assert raised.value is error


def test_a_folder_below_the_current_one_is_told_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StorageError, match=r"'runs/result\.txt' cannot be written: .*removed or moved meanwhile"):
        fail(Path("runs/result.txt"), refused(errno.ENOENT, str(tmp_path / "runs" / ".result.txt.abcdefgh")))


def test_what_was_refused_before_is_not_taken_for_the_cause(tmp_path):
    path = tmp_path / "result.txt"
    try:
        path.read_text()
    except FileNotFoundError:
        with pytest.raises(KeyError, match="x"):
            fail(path, KeyError("x"))


def test_a_full_disk_is_found_under_the_error_of_a_library(tmp_path):
    hiding = RuntimeError("unexpected pos 704 vs 598")  # torch's own words
    hiding.__context__ = refused(errno.ENOSPC)
    with pytest.raises(StorageError, match="no space left"):
        fail(tmp_path / "result.txt", hiding)


def test_a_folder_is_made_and_left_empty_by_the_look_at_it(tmp_path):
    check_writable(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"file/a' cannot be written|file/a': Not a directory"):
        check_writable(tmp_path / "file" / "a")


def test_what_is_listed_is_there(tmp_path):
    (tmp_path / "here").touch()
    assert is_listed(tmp_path / "here")
    assert not is_listed(tmp_path / "not here")
    assert not is_listed(tmp_path / "no folder" / "here")


KILLED = """
import os, signal, sys
from pathlib import Path
from aape_lightning.files import atomic_path
with atomic_path(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_next_write_removes_what_a_killed_one_left_and_nothing_else(tmp_path):
    path = tmp_path / "table.csv"
    subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    (left,) = tmp_path.iterdir()
    others = [tmp_path / name for name in (".table.csv.partial", ".table.csv.abcdefgh.x", ".table.abcdefgh")]
    for other in others:
        other.touch()
    write_text(path, "whole")
    assert {entry.name for entry in tmp_path.iterdir()} == {"table.csv", *(other.name for other in others)}
    assert path.read_text() == "whole"
    assert left.name.startswith(".table.csv.")


def test_two_writers_of_one_file_do_not_take_each_others_for_left_behind(tmp_path):
    path = tmp_path / "table.csv"
    with atomic_path(path) as slow:
        slow.write_text("slow")
        write_text(path, "quick")
        assert slow.read_text() == "slow"
    assert path.read_text() == "slow"
    assert [*tmp_path.iterdir()] == [path]


def test_without_locks_nothing_is_taken_for_left_behind(tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)

    def without_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", without_locks)
    write_text(path, "whole")
    assert path.read_text() == "whole"
    assert len(list(tmp_path.iterdir())) == 2
