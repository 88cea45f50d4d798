"""What a check of a dataset finds, and the check of its images, which all kinds of datasets have."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from PIL.Image import Image
from rich.table import Table

from aape_lightning.data.decoding import is_turned
from aape_lightning.errors import DataError
from aape_lightning.files import default_workers
from aape_lightning.progress import track

__all__ = ["Checked", "Decode", "check_images"]

Decode = Literal["all", "sample", "none"]

_SAMPLE = 200


@dataclass
class Checked:
    """What a check found.

    Attributes:
        title: The dataset.
        rows: Name, what is there, what the manifest expects.
        faults: What is wrong, one line each.
        notes: What was not checked, and why, and what is no fault and good to know.
    """

    title: str
    rows: list[tuple[str, str, str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def count(self, name: str, found: int, expected: int | None) -> None:
        """Add a count, and a fault where it differs from the manifest's."""
        self.rows.append((name, f"{found:,}", "-" if expected is None else f"{expected:,}"))
        if expected is not None and found != expected:
            self.faults.append(f"{name}: {found} in the files, {expected} in the manifest")

    def table(self) -> Table:
        """The summary as a table for the terminal."""
        table = Table("", "found", "expected", title=self.title)
        for row in self.rows:
            table.add_row(*row)
        return table

    def as_dict(self) -> dict[str, Any]:
        """The summary for scripts."""
        return asdict(self) | {"rows": {name: {"found": found, "expected": want} for name, found, want in self.rows}}


def check_images(
    checked: Checked,
    paths: Sequence[str],
    size: Callable[[str], int],
    opener: Callable[[str], Image],
    decode: Decode,
) -> list[str]:
    """Look for images and decode them; what is missing or broken becomes a fault.

    Args:
        checked: What has been found so far, and is added to.
        paths: The listed images.
        size: Size of an image by its path.
        opener: Opens an image by its path.
        decode: Which images are decoded.

    Returns:
        The paths that are there.
    """
    missing = _faults(size, paths, "looking for images")
    there = [path for path in paths if path not in missing]
    chosen = {"all": there, "sample": there[:: max(1, len(there) // _SAMPLE)], "none": []}[decode]
    turned: list[str] = []

    def read(path: str) -> None:
        if is_turned(opener(path)):
            turned.append(path)

    broken = _faults(read, chosen, "decoding images")
    checked.rows.append(("images that are there", f"{len(there):,}", f"{len(paths):,}"))
    checked.rows.append(("images that decode", f"{len(chosen) - len(broken):,}", f"{len(chosen):,}"))
    checked.faults += [*missing.values(), *broken.values()]
    if turned:
        checked.notes.append(
            f"{len(turned):,} of {len(chosen):,} images are to be turned or mirrored, says their EXIF, such as "
            f"{min(turned)!r}; they are taken as they are stored, as CLIP and CoOp take them"
        )
    return there


def _faults(read: Callable[[str], object], paths: Sequence[str], doing: str) -> dict[str, str]:
    """What is wrong with each image that cannot be read."""

    def fault(path: str) -> str | None:
        try:
            read(path)
        except DataError as error:
            return str(error).rsplit(". ", maxsplit=1)[0]  # without the advice, which is to run this check
        return None

    with ThreadPoolExecutor(default_workers()) as pool:
        found = pool.map(fault, track(paths, doing, quiet_below=2000))
        return {path: text for path, text in zip(paths, found, strict=True) if text}
