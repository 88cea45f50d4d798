"""A list of paths that worker processes share instead of copying."""

from collections.abc import Sequence
from typing import overload

import numpy as np

from aape_lightning.errors import DataError

__all__ = ["PathList"]


class PathList(Sequence[str]):
    """Paths in one block of bytes.

    A process that reads a million strings of its parent's writes to each of them, for Python counts who refers to an
    object inside the object, and so gets a copy of them all. Two arrays are only read.

    Args:
        paths: The paths, in order.

    Raises:
        DataError: If a path holds a zero byte, which no file's name does.

    Example:
        >>> paths = PathList(["a/1.jpg", "b/été.jpg"])
        >>> len(paths), paths[-1]
        (2, 'b/été.jpg')
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._text = np.frombuffer(("\0".join(paths) + "\0").encode("utf-8", "surrogateescape"), np.uint8)
        self._ends = np.flatnonzero(self._text == 0)[: len(paths)]
        if wrong := next((path for path in paths if "\0" in path), None):
            raise DataError(f"{wrong!r:.100} is no path of an image: it holds a zero byte.")

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> list[str]: ...

    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[number] for number in range(len(self))[place]]
        number = range(len(self))[place]
        start = self._ends[number - 1] + 1 if number else 0
        return self._text[start : self._ends[number]].tobytes().decode("utf-8", "surrogateescape")
