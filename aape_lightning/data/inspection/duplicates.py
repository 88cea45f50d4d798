"""Files of one content under two names."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

__all__ = ["equal_files"]

K = TypeVar("K", bound=Hashable)


def equal_files(folder: Path, these: Sequence[str], those: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of a file of `these` and a file of `those` with the same bytes.

    Only files of one size are read.

    Args:
        folder: What the paths are relative to.
        these: Paths of files that are there.
        those: Paths of files that are there.
    """
    by_size = _grouped(these, lambda path: (folder / path).stat().st_size)
    candidates = _grouped(those, lambda path: (folder / path).stat().st_size)
    pairs = []
    for size in by_size.keys() & candidates.keys():
        by_hash = _grouped(by_size[size], lambda path: _hash(folder / path))
        for other in candidates[size]:
            pairs += [(path, other) for path in by_hash.get(_hash(folder / other), [])]
    return sorted(pairs)


def _grouped(paths: Iterable[str], key: Callable[[str], K]) -> dict[K, list[str]]:
    groups: dict[K, list[str]] = defaultdict(list)
    for path in paths:
        groups[key(path)].append(path)
    return groups


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
