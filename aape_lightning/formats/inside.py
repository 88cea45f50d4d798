"""Paths that a file names: they stay inside the folder that they are relative to, whoever wrote the file.

A symbolic link inside the folder may lead wherever its owner wants, as on clusters; a file cannot make one.
"""

import re
from collections.abc import Iterable

from aape_lightning.errors import DataError, listed

__all__ = ["check_inside", "leads_out"]

_STEPS = re.compile(r"[/\\]")
_DRIVE = re.compile(r"[A-Za-z]:[/\\]")


def leads_out(path: str, below: int = 0) -> bool:
    r"""Whether a path leads out of the folder that it is relative to: absolute, with `..`, or with a zero byte.

    Args:
        path: The path, with slashes of either kind, whatever system wrote it.
        below: How many folders above that one are still inside; with 0, no `..` is allowed at all, for behind a
            symbolic link it would lead elsewhere than it seems to.

    Example:
        >>> [leads_out(path) for path in ("cat/1.jpg", "a..b.jpg", "../1.jpg", "cat/../1.jpg", "/1.jpg", "C:\\1.jpg")]
        [False, False, True, True, True, True]
        >>> leads_out("../coco/images", below=1), leads_out("../../coco", below=1)
        (False, True)
    """
    if path[:1] in ("/", "\\") or "\0" in path or _DRIVE.match(path):
        return True
    if ".." not in path:
        return False
    depth, climbs = below, False
    for step in _STEPS.split(path):
        depth += {"..": -1, "": 0, ".": 0}.get(step, 1)
        climbs |= step == ".."
        if depth < 0:
            return True
    return climbs and not below


def check_inside(paths: Iterable[str], file: object) -> None:
    """Check that no path of a file leads out of the folder that they are relative to.

    Args:
        paths: The paths.
        file: The file, for the error.

    Raises:
        DataError: If some do.
    """
    if outside := [path for path in paths if leads_out(path)]:
        raise DataError(
            f"{str(file)!r} names {len(outside)} files outside the dataset's image folder: {listed(outside, limit=3)}. "
            "Paths in a file are relative to that folder, without '..'; for images that lie elsewhere, make a symbolic "
            "link in the folder."
        )
