"""An array on disk that many processes fill together: split into shards of work, one file in form.

The file is laid out at its full size before the first row is known, and every process writes the rows of the shards
that it has claimed where they belong, so that nothing is merged or copied in the end. A shard is claimed by a lock that
the system takes from a process that dies, and is whole or not there: a note says so once its rows are on disk. The
processes need nothing in common but the folder, on one machine or on several that share a file system.
"""

import os
import shutil
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import cached_property
from itertools import pairwise
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress, TaskID

from aape_lightning.errors import DataError, StorageError
from aape_lightning.files import NO_ROOM, atomic_path, reserve, writing
from aape_lightning.locks import try_lock
from aape_lightning.progress import progress

__all__ = ["Compute", "ShardedArray", "Values"]

Values = NDArray[Any]
Compute = Callable[[range], Generator[Values, None, None]]
Release = Callable[[], object]

# Machines that share a file over a network write it page by page: no page may belong to two shards.
_PAGE = 4096
_POLL = 0.2  # seconds between two looks at what other processes do
_RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID")  # set by torchrun, by Lightning's own launcher, and by SLURM


class ShardedArray:
    """A `.npy` file in the making.

    Beside it lies a folder `shards` with a lock and a note for each shard. It is of no use once the array is whole.

    Args:
        path: The file, in a folder of its own.
        shape: Its full shape; its first axis is cut into shards.
        dtype: Its dtype by name.
        rows: Rows a shard, rounded up to whole pages.
        taken: Whether the array was whole and has been taken to where it is used, so that nothing is left to do.
        alone: Whether no other process knows the folder, so that nothing is locked.

    Example:
        >>> import tempfile
        >>> array = ShardedArray(Path(tempfile.mkdtemp()) / "squares.npy", (5,), "float32", 2, taken=lambda: False)
        >>> array.prepare()
        >>> array.fill(lambda rows: (np.array([row**2]) for row in rows), "squaring")
        >>> np.load(array.path).tolist()
        [0.0, 1.0, 4.0, 9.0, 16.0]
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, ...],
        dtype: str,
        rows: int,
        taken: Callable[[], bool],
        *,
        alone: bool = False,
    ) -> None:
        self.path = path
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self.row_bytes = self.dtype.itemsize * int(np.prod(shape[1:]))
        whole_pages = _PAGE // gcd(_PAGE, self.row_bytes)
        self.rows = -(-rows // whole_pages) * whole_pages
        self.count = -(-shape[0] // self.rows)
        self.taken = taken
        self.alone = alone
        self.notes = path.parent / "shards"

    # ---- the file ------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Lay out the file, unless an earlier build has; to be called by one process at a time, before `fill`.

        Raises:
            DataError: If the disk has no room for it.
        """
        size = _PAGE + self.shape[0] * self.row_bytes
        if self.path.is_file() and self.path.stat().st_size == size:
            return
        shutil.rmtree(self.path.parent, ignore_errors=True)
        with self._room(), atomic_path(self.path) as temporary, temporary.open("wb") as file:
            file.write(self._header())
            reserve(file, size)

    @property
    def is_whole(self) -> bool:
        """Whether the file is where it is made, and all its rows are in it."""
        return self.path.is_file() and self._rows_done() == self.shape[0]

    @contextmanager
    def _room(self) -> Iterator[None]:
        """Have a full disk, or a full quota, told as what it is."""
        try:
            yield
        except (OSError, StorageError) as error:
            refused = error if isinstance(error, OSError) else error.__cause__
            if not isinstance(refused, OSError) or refused.errno not in NO_ROOM:
                raise
            size = self.shape[0] * self.row_bytes / 1e9
            raise DataError(
                f"{str(self.path.parent)!r} has no room for an array of {size:.1f} GB ({refused.strerror}). Make room "
                "there, or choose another folder with --data.cache_dir or $AAPE_CACHE."
            ) from error

    def _header(self) -> bytes:
        """NumPy's header, filled up to a page."""
        fields = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False, "shape": self.shape}
        text = repr(fields).ljust(_PAGE - 11) + "\n"
        return np.lib.format.magic(1, 0) + len(text).to_bytes(2, "little") + text.encode("ascii")

    def _write(self, row: int, values: Values, *, sync: bool) -> None:
        assert values.shape[1:] == self.shape[1:], f"rows of {values.shape[1:]}, not of {self.shape[1:]}"
        with self.path.open("r+b") as file:
            file.seek(_PAGE + row * self.row_bytes)
            file.write(np.ascontiguousarray(values, self.dtype).data)
            if sync:
                file.flush()
                os.fsync(file.fileno())

    # ---- filling -------------------------------------------------------------------------------------------------

    def fill(self, compute: Compute, description: str, *, quiet: bool = False) -> None:
        """Compute what is missing and nobody else computes, and wait for the rest.

        It returns when all is there, or where the file is no longer there because another process has taken it away.

        A process takes one shard after the other from where it begins, and begins where most is left to do: `compute`
        is called a few times a process, whatever the number of shards.

        Args:
            compute: Yields the values of rows, in order and in pieces of any number; it is closed early where another
                process has come first.
            description: What is being done, for the progress bar; it counts the rows of all processes, and is drawn by
                the first of those that were launched together.
            quiet: Draw no bar.

        Raises:
            DataError: If the disk is full.
            StorageError: If the folder is removed meanwhile.
        """
        with progress(quiet=quiet or _launched_as_follower()) as bar:
            drawn = _Bar(bar, bar.add_task(description, total=self.shape[0]), self._rows_done)
            while not (self._gone() or self._rows_done() == self.shape[0]):
                drawn.recount()
                if claim := self._claim():
                    self._fill_run(*claim, compute, drawn)
                else:
                    time.sleep(_POLL)

    def _fill_run(self, shards: range, release: Release, compute: Compute, bar: "_Bar") -> None:
        """Fill consecutive shards, of which the first is claimed, until one is another's."""
        first, stop = shards.start * self.rows, self._stop(shards[-1])
        with ExitStack() as claimed, closing(compute(range(first, stop))) as pieces:
            claimed.callback(release)
            for row, values in self._cut(pieces, first):
                shard, end = row // self.rows, row + len(values)
                whole = end == self._stop(shard)
                with writing(self.path), self._room():
                    self._write(row, values, sync=whole)
                    if whole:
                        self._note(shard).write_text("done")
                bar.advance(len(values))
                if whole:
                    claimed.close()
                    # Before the next rows are computed: those of a shard of another's are none of ours.
                    if end == stop or (following := self._claimed(shard + 1)) is None:
                        return
                    claimed.callback(following)
                    bar.recount()

    def _cut(self, pieces: Iterable[Values], row: int) -> Iterator[tuple[int, Values]]:
        """Pieces that lie within one shard each, and their first rows."""
        for piece in pieces:
            while len(piece):
                room = self._stop(row // self.rows) - row
                yield row, piece[:room]
                row, piece = row + min(room, len(piece)), piece[room:]

    # ---- claims --------------------------------------------------------------------------------------------------

    def _gone(self) -> bool:
        """Whether nothing is left to do here; `taken` alone may be late to know, on a network file system."""
        return self.taken() or not self.path.is_file()

    def _claim(self) -> tuple[range, Release] | None:
        """Shards to fill, the first of which is claimed; None where others are at work on all that are left."""
        begun, done = self._seen()
        while longest := max(_gaps(begun | done, self.count), key=len, default=None):
            if self._gone():  # perhaps before the look at what is begun, which then saw nothing
                return None
            before = longest.start - 1
            # Who works on the shard before comes this way: meet in the middle. Where that process has died, go on.
            middle = longest[len(longest) // 2]
            for shard in (before, middle) if before in begun - done else (longest.start,):
                if release := self._claimed(shard):
                    return range(shard, longest.stop), release
                begun.add(shard)
        for shard in sorted(begun - done):
            if self._gone():
                return None
            if release := self._claimed(shard):
                return range(shard, shard + 1), release
        return None

    def _claimed(self, shard: int) -> Release | None:
        """What gives up the claim of a shard, unless another process holds it or has filled the shard."""
        try:
            release = self._locked(shard)
        except FileNotFoundError:  # all is done and the folder has been taken away
            return None
        if release is None:
            return None
        try:
            # Opened as for writing: a network file system may answer from memory whether a file is there.
            with self._note(shard).open("ab") as note:
                done = note.tell() > 0
        except FileNotFoundError:
            done = True
        # After the note: a file that is still there has not been taken away from under it.
        if not done and not self._gone():
            return release
        release()
        return None

    def _locked(self, shard: int) -> Release | None:
        if not self.alone:
            return try_lock(self.notes / f"{self._names[shard]}.lock")
        self.notes.mkdir(exist_ok=True)
        return lambda: None

    def _seen(self) -> tuple[set[int], set[int]]:
        """The shards that someone has begun, and those that are done."""
        begun, done = set(), set()
        try:
            with os.scandir(self.notes) as entries:
                for entry in entries:
                    name, _, suffix = entry.name.partition(".")
                    if (shard := self._places.get(name)) is not None:
                        begun.add(shard)
                        if suffix == "done" and entry.stat().st_size:
                            done.add(shard)
        except FileNotFoundError:  # nothing is begun, or all is done and taken away
            return set(), set()
        return begun, done

    def _rows_done(self) -> int:
        return sum(self._stop(shard) - shard * self.rows for shard in self._seen()[1])

    def _note(self, shard: int) -> Path:
        return self.notes / f"{self._names[shard]}.done"

    @cached_property
    def _names(self) -> list[str]:
        """Each shard's rows: notes of a build with other shards say nothing about these."""
        return [f"{shard * self.rows:010d}-{self._stop(shard):010d}" for shard in range(self.count)]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: shard for shard, name in enumerate(self._names)}

    def _stop(self, shard: int) -> int:
        return min((shard + 1) * self.rows, self.shape[0])


def _gaps(taken: Iterable[int], count: int) -> list[range]:
    """Runs of numbers below `count` that are not taken."""
    edges = [-1, *sorted(taken), count]
    return [range(low + 1, high) for low, high in pairwise(edges) if high > low + 1]


def _launched_as_follower() -> bool:
    """Whether this process is one of several that were launched together, and not the first."""
    return any(os.environ.get(name, "0") != "0" for name in _RANKS)


class _Bar:
    """A progress bar that counts what other processes do as well."""

    def __init__(self, bar: Progress, task: TaskID, count: Callable[[], int]) -> None:
        self.bar = bar
        self.task = task
        self.count = count

    def advance(self, rows: int) -> None:
        """Count rows of this process's."""
        self.bar.advance(self.task, rows)

    def recount(self) -> None:
        """Count the rows of all."""
        if not self.bar.disable:
            self.bar.update(self.task, completed=self.count())
