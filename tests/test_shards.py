"""One array by many processes: each shard once, killed ones taken over, whole or not there."""

import collections
import errno
import io
import multiprocessing
import os
import random
import re
import signal
import threading
import time

import numpy as np
import pytest
from aape_lightning import locks, shards
from aape_lightning.errors import DataError
from aape_lightning.shards import ShardedArray
from rich.console import Console
from rich.progress import Progress

FORK = multiprocessing.get_context("fork")
ROWS, WIDTH, SHARD = 203, 4, 8  # eight rows are a page of the 128 bytes below


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    monkeypatch.setattr(shards, "_PAGE", 128)
    monkeypatch.setattr(shards, "_POLL", 0.01)


@pytest.fixture
def make(tmp_path):
    """Makes the array that all processes of a test fill; the shards are of eight rows."""

    def array(shape=(ROWS, WIDTH), dtype="int32", rows=SHARD, taken=lambda: False):
        return ShardedArray(tmp_path / "partial" / "array.npy", shape, dtype, rows, taken)

    return array


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


def values(rows):
    return np.arange(rows.start * WIDTH, rows.stop * WIDTH).reshape(-1, WIDTH)


def logged(log, piece=3, pause=0.0, until=None):
    """Computes rows in pieces and notes each row in a file; from row `until` on it waits for a kill."""

    def compute(rows):
        for start in range(rows.start, rows.stop, piece):
            part = range(start, min(start + piece, rows.stop))
            if until is not None and until in part:
                time.sleep(600)
            with log.open("a") as file:
                file.writelines(f"{row}\n" for row in part)
            time.sleep(pause * random.random())
            yield values(part)

    return compute


def computed(log):
    """How often each row was computed."""
    return collections.Counter(int(row) for row in log.read_text().split()) if log.is_file() else {}


def started(target, count=1):
    processes = [FORK.Process(target=target, args=(number,)) for number in range(count)]
    for process in processes:
        process.start()
    return processes


def ended(processes):
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * len(processes)


@pytest.mark.parametrize("piece", [1, 3, 8, 11, 1000])
@pytest.mark.parametrize("rows", [1, 7, 8, 9, 203])
def test_one_process_computes_every_row_once_and_numpy_reads_them(rows, piece, make, log):
    array = make((rows, WIDTH))
    array.prepare()
    array.fill(logged(log, piece), "counting")
    assert computed(log) == dict.fromkeys(range(rows), 1)
    found = np.load(array.path, mmap_mode="r")
    assert (found.shape, found.dtype) == ((rows, WIDTH), np.int32)
    assert (found == values(range(rows))).all()


@pytest.mark.parametrize(
    ("shape", "dtype"), [((9,), "float32"), ((9, 2, 3), "float16"), ((4, 1, 2, 3), "float64"), ((0, 3), "float32")]
)
def test_every_shape_and_dtype_comes_back(shape, dtype, make):
    array, expected = make(shape, dtype, rows=1), np.random.default_rng(0).normal(size=shape).astype(dtype)
    array.prepare()
    array.fill(lambda rows: (expected[row : row + 1] for row in rows), "copying")
    found = np.load(array.path, mmap_mode="c")
    assert found.dtype == expected.dtype
    assert np.array_equal(found, expected)


def test_a_shard_is_of_whole_pages_and_the_first_begins_on_one(tmp_path, monkeypatch):
    monkeypatch.undo()
    for width in (1, 5, 512, 640, 768, 1024):
        array = ShardedArray(tmp_path / f"{width}" / "array.npy", (3000, width), "float32", 100, taken=lambda: False)
        assert 100 <= array.rows < 100 + 4096
        assert array.rows * width * 4 % 4096 == 0
        array.prepare()
        assert np.load(array.path, mmap_mode="r").offset == 4096


@pytest.mark.parametrize("count", [2, 4])
def test_processes_that_start_together_compute_each_shard_once(count, make, log):
    array, barrier = make(), FORK.Barrier(count)
    array.prepare()

    def work(number):
        random.seed(number)
        barrier.wait()
        array.fill(logged(log, piece=4, pause=0.01), "counting")
        assert (np.load(array.path, mmap_mode="r") == values(range(ROWS))).all()  # it returns when all is there

    ended(started(work, count))
    assert computed(log) == dict.fromkeys(range(ROWS), 1)


def test_all_processes_work_and_each_opens_few_streams(make, log, tmp_path):
    """A stream may start worker processes, which costs: their number must not grow with that of the shards."""
    array, barrier = make((1600, WIDTH)), FORK.Barrier(4)
    array.prepare()

    def work(number):
        compute, streams, own = logged(log, piece=8, pause=0.004), 0, 0

        def counting(rows):
            nonlocal streams, own
            streams += 1
            for piece in compute(rows):
                own += len(piece)
                yield piece

        barrier.wait()
        array.fill(counting, "counting")
        (tmp_path / f"streams-{number}").write_text(f"{streams} {own}")

    ended(started(work, 4))
    told = [tuple(map(int, path.read_text().split())) for path in tmp_path.glob("streams-*")]
    assert sum(own for _, own in told) == 1600
    assert min(own for _, own in told) > 100
    assert max(streams for streams, _ in told) < 40  # of 200 shards


def test_a_killed_process_loses_its_shard_alone_and_another_takes_over(make, log):
    array = make()
    array.prepare()
    [killed] = started(lambda _: array.fill(logged(log, until=52), "counting"))
    [other] = started(lambda _: (time.sleep(0.1), array.fill(logged(log), "counting")))
    while len(computed(log)) < ROWS - 8:  # all but the shard that is held
        time.sleep(0.01)
    time.sleep(0.2)
    assert other.is_alive()  # it waits
    os.kill(killed.pid, signal.SIGKILL)
    ended([other])
    assert (np.load(array.path) == values(range(ROWS))).all()
    twice = {row for row, times in computed(log).items() if times > 1}
    assert twice <= set(range(48, 56))


def test_what_is_done_is_not_done_again(make, log):
    array = make()
    array.prepare()
    [killed] = started(lambda _: array.fill(logged(log, piece=8, until=100), "counting"))
    while array._rows_done() < 96:
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    killed.join()
    before = computed(log)
    again = make()
    again.prepare()
    again.fill(logged(log, piece=8), "counting")
    assert before == dict.fromkeys(range(96), 1)
    assert computed(log) == dict.fromkeys(range(ROWS), 1)
    assert (np.load(again.path) == values(range(ROWS))).all()


def test_after_a_kill_work_goes_on_in_order(make):
    """A build that goes on alone reads its images as the first would have: in one stream."""
    array = make()
    array.prepare()

    def interrupted(rows):
        for row in rows:
            if row == 50:
                raise KeyboardInterrupt
            yield values(range(row, row + 1))

    with pytest.raises(KeyboardInterrupt):
        array.fill(interrupted, "counting")
    asked = []
    array.fill(lambda rows: asked.append(rows) or (values(range(row, row + 1)) for row in rows), "counting")
    assert asked == [range(48, ROWS)]


def test_an_error_frees_the_shard(make, log):
    array = make()
    array.prepare()

    def failing(rows):
        yield values(range(rows.start, rows.start + 3))
        raise ValueError("no such image")

    with pytest.raises(ValueError, match="no such image"):
        array.fill(failing, "counting")
    array.fill(logged(log), "counting")
    assert computed(log) == dict.fromkeys(range(ROWS), 1)


def test_a_stream_is_closed_where_another_process_has_been(make):
    array, closed = make(), []
    array.prepare()
    other = threading.Thread(target=array.fill, args=(lambda rows: slowly(rows), "counting"))

    def slowly(rows):
        for row in rows:
            time.sleep(0.002)
            yield values(range(row, row + 1))

    def compute(rows):
        try:
            yield from slowly(rows)
        finally:
            closed.append(rows)

    other.start()
    array.fill(compute, "counting")
    other.join()
    assert (np.load(array.path) == values(range(ROWS))).all()
    assert closed


def test_notes_of_other_shards_say_nothing(make, log):
    """A build under another size of shard is begun anew rather than misread."""
    array = make(rows=16)
    array.prepare()
    array.fill(logged(log), "counting")
    other = make()
    other.prepare()
    other.fill(logged(log), "counting")
    assert set(computed(log).values()) <= {1, 2}
    assert (np.load(other.path) == values(range(ROWS))).all()


def test_a_file_of_another_size_is_laid_out_anew(make, log):
    make((ROWS // 2, WIDTH)).prepare()
    array = make()
    array.notes.mkdir()
    (array.notes / "0000000000-0000000008.done").write_text("done")
    array.prepare()
    array.fill(logged(log), "counting")
    assert computed(log) == dict.fromkeys(range(ROWS), 1)


def test_what_has_been_taken_is_not_computed_again(make, log, tmp_path):
    """A process that comes just when another has moved the array finds nothing to do."""
    array = make(taken=(tmp_path / "whole").is_dir)
    array.prepare()
    array.fill(logged(log), "counting")
    array.path.parent.rename(tmp_path / "whole")
    array.fill(logged(log), "counting")
    assert array._claimed(3) is None  # it saw the folder before, and claims a shard after
    assert computed(log) == dict.fromkeys(range(ROWS), 1)


def test_what_is_taken_between_two_looks_is_claimed_once_at_most(make, log):
    """The empty folder that is seen then says nothing: each shard would be claimed, and its lock left behind."""
    calls = []
    array = make(taken=lambda: bool(calls) or calls.append(1))
    array.prepare()
    array.fill(logged(log), "counting")
    assert len(list(array.notes.glob("*.lock"))) <= 1
    assert computed(log) == {}


def test_shards_that_others_have_begun_are_not_claimed_once_all_is_taken(make):
    array = make(taken=lambda: True)
    array.prepare()
    array.notes.mkdir()
    for shard in range(array.count):
        array._note(shard).touch()
    assert array._claim() is None
    assert list(array.notes.glob("*.lock")) == []


def test_an_array_that_is_gone_is_left_alone_by_who_is_late_to_know(make, log, tmp_path):
    """A network file system may answer from memory that what another machine has moved is not there yet."""
    array = make()
    array.prepare()
    assert not array.is_whole
    array.fill(logged(log), "counting")
    assert array.is_whole
    array.path.parent.rename(tmp_path / "whole")
    assert not array.is_whole
    array.fill(logged(log), "counting")
    assert computed(log) == dict.fromkeys(range(ROWS), 1)
    assert array._claimed(3) is None
    assert array._claim() is None
    assert len(list(array.notes.glob("*.lock"))) == 1  # of the shard that was asked for by name


def test_an_array_that_is_taken_from_under_a_claim_is_left_alone(make, tmp_path, monkeypatch):
    """It is moved after the lock is acquired and before the note is looked at."""
    array, acquire = make(), locks.FileLock.acquire
    array.prepare()

    def moving(lock, **options):
        found = acquire(lock, **options)
        array.path.parent.rename(tmp_path / "whole")
        return found

    monkeypatch.setattr(locks.FileLock, "acquire", moving)
    assert array._claimed(0) is None


# ---- room on disk ----------------------------------------------------------------------------------------------------


def failing(code, seen=None):
    def fail(*arguments):
        if seen is not None:
            seen.append(arguments)
        raise OSError(code, os.strerror(code))

    return fail


def told(array, code):
    return (
        rf"^{re.escape(repr(str(array.path.parent)))} has no room for an array of 0\.0 GB "
        rf"\({os.strerror(code)}\).*--data\.cache_dir or \$AAPE_CACHE"
    )


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system cannot reserve room")
def test_the_room_is_reserved_before_the_first_row(make, monkeypatch):
    array, reserve, asked = make(), os.posix_fallocate, []
    monkeypatch.setattr(os, "posix_fallocate", lambda *arguments: asked.append(arguments[1:]) or reserve(*arguments))
    array.prepare()
    assert asked == [(0, 128 + ROWS * WIDTH * 4)]
    assert array.path.stat().st_size == 128 + ROWS * WIDTH * 4


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_known_before_the_first_row(code, make, monkeypatch):
    array = make()
    monkeypatch.setattr(os, "posix_fallocate", failing(code), raising=False)
    with pytest.raises(DataError, match=told(array, code)):
        array.prepare()
    assert list(array.path.parent.iterdir()) == []


@pytest.mark.parametrize("code", [errno.EOPNOTSUPP, errno.EINVAL])
def test_where_no_room_can_be_reserved_the_array_is_laid_out_all_the_same(code, make, log, monkeypatch):
    array, seen = make(), []
    monkeypatch.setattr(os, "posix_fallocate", failing(code, seen), raising=False)
    array.prepare()
    assert seen
    array.fill(logged(log), "counting")
    assert (np.load(array.path) == values(range(ROWS))).all()


def test_another_error_of_the_disk_is_no_lack_of_room(make, monkeypatch):
    monkeypatch.setattr(os, "posix_fallocate", failing(errno.EIO), raising=False)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        make().prepare()


def test_a_disk_that_fills_up_later_is_told_as_such_and_the_shard_is_not_there(make, log, monkeypatch):
    array = make()
    array.prepare()
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", failing(errno.ENOSPC))
        with pytest.raises(DataError, match=told(array, errno.ENOSPC)):
            array.fill(logged(log), "counting")
    assert array._rows_done() == 0
    array.fill(logged(log), "counting")
    assert (np.load(array.path) == values(range(ROWS))).all()


# ---- the bar ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["RANK", "LOCAL_RANK", "SLURM_PROCID"])
def test_the_first_of_a_launch_alone_draws_a_bar(name, make, monkeypatch):
    drawn = []
    bar = shards.progress
    monkeypatch.setattr(shards, "progress", lambda *, quiet: drawn.append(not quiet) or bar(quiet=True))
    array = make()
    array.prepare()
    for rank in (None, "0", "1"):
        if rank is not None:
            monkeypatch.setenv(name, rank)
        array.fill(lambda rows: (values(range(row, row + 1)) for row in rows), "counting")
    assert drawn == [True, True, False]


def test_the_bar_counts_the_rows_of_all_processes(make, log, monkeypatch):
    array, seen = make(), []
    array.prepare()
    [other] = started(lambda _: array.fill(logged(log, until=52), "counting"))
    while len(computed(log)) < 50:
        time.sleep(0.01)
    os.kill(other.pid, signal.SIGKILL)
    other.join()
    bar = Progress(console=Console(file=io.StringIO()), auto_refresh=False)
    monkeypatch.setattr(shards, "progress", lambda *, quiet: bar)

    def compute(rows):
        for row in rows:
            seen.append(bar.tasks[0].completed)
            yield values(range(row, row + 1))

    array.fill(compute, "counting")
    [task] = bar.tasks
    assert (task.description, task.total, task.completed) == ("counting", ROWS, ROWS)
    assert seen == list(range(48, ROWS))
