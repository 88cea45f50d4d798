"""What a cached file says of itself, read without its numbers, and without counting as a use of it.

Never more is read than the file holds, whatever its header says.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

__all__ = ["read_json", "read_keys", "read_metadata", "read_shape"]

_LONGEST_HEADER = 2**24  # bytes; ours have some hundred


@contextmanager
def _unnoticed(path: Path) -> Iterator[IO[bytes]]:
    """A file whose time of last use stays what it is, where the system lets its owner ask for that.

    Raises:
        OSError: If it cannot be read.
        ValueError: If what the block reads of it is of another form.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)
    try:
        handle = os.open(path, flags | getattr(os, "O_NOATIME", 0))
    except PermissionError:  # another user's
        handle = os.open(path, flags)
    with os.fdopen(handle, "rb") as file:
        try:
            yield file
        except (OSError, ValueError):
            raise
        except Exception as error:  # a key or a type; and NumPy, which reads its header as Python, raises all kinds
            raise ValueError("a file of another form") from error


def _header(file: IO[bytes]) -> dict[str, Any]:
    size = int.from_bytes(file.read(8), "little")
    if not 2 <= size <= _LONGEST_HEADER:
        raise ValueError("no safetensors file")
    found = json.loads(file.read(size))
    if not isinstance(found, dict):
        raise ValueError("no safetensors file")
    return found


def read_json(path: Path) -> Any:  # noqa: ANN401 - whatever it holds
    """What a JSON file holds.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is no such file.
    """
    with _unnoticed(path) as file:
        return json.loads(file.read())


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is no such file.
    """
    with _unnoticed(path) as file:
        found = _header(file).get("__metadata__")
    return {name: value for name, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}


def read_keys(path: Path) -> tuple[int, list[str]]:
    """How many sentences a prompt bank holds, and the keys that they are of.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is no such file.
    """
    with _unnoticed(path) as file:
        header = _header(file)
        (start, stop), (count, _) = header["keys"]["data_offsets"], header["embeddings"]["shape"]
        first, size = file.tell(), os.fstat(file.fileno()).st_size
        if not (isinstance(count, int) and 0 <= start <= stop <= size - first):
            raise ValueError("no prompt bank")
        file.seek(first + start)
        return count, [str(key) for key in json.loads(file.read(stop - start))]


def read_shape(path: Path) -> tuple[int, ...]:
    """The shape of an array in NumPy's format.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is no such file.
    """
    from numpy.lib import format as npy

    with _unnoticed(path) as file:
        npy.read_magic(file)
        return npy.read_array_header_1_0(file)[0]
