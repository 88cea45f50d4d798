"""A dataset against its manifest: every listed file, decodability, counts, overlaps, sentences."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rich.table import Table

from aape_lightning.data.manifests import Manifest
from aape_lightning.data.readers import file_size, image_opener, read_split
from aape_lightning.data.sentences import sentences_of
from aape_lightning.data.splits import Part, Split
from aape_lightning.errors import DataError, PromptError, listed
from aape_lightning.files import default_workers
from aape_lightning.progress import track

__all__ = ["Checked", "check_dataset"]

_PARTS: tuple[Part, ...] = ("train", "val", "test")
_SAMPLE = 200


@dataclass
class Checked:
    """What a check found.

    Attributes:
        title: The dataset.
        rows: Name, what is there, what the manifest expects.
        faults: What is wrong, one line each.
    """

    title: str
    rows: list[tuple[str, str, str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def table(self) -> Table:
        """The summary as a table for the terminal."""
        table = Table("", "found", "expected", title=self.title)
        for row in self.rows:
            table.add_row(*row)
        return table


def check_dataset(manifest: Manifest, root: Path, *, decode: Literal["all", "sample", "none"] = "all") -> Checked:
    """Check a dataset.

    Args:
        manifest: The dataset.
        root: The data root.
        decode: Which images are decoded; every listed file is looked for by name all the same.

    Raises:
        ManifestError: If the folder or the split file is missing.
    """
    checked, split = Checked(manifest.title), read_split(manifest, root)
    _count(checked, manifest, split)
    _overlaps(checked, split)
    _decode(checked, manifest, root, split, decode)
    _sentences(checked, manifest, root, split)
    return checked


def _count(checked: Checked, manifest: Manifest, split: Split) -> None:
    found = {"classes": len(split.class_names)} | {part: len(split.part(part)) for part in _PARTS}
    for name, expected in manifest.counts:
        checked.rows.append((name, f"{found[name]:,}", f"{expected:,}"))
        if found[name] != expected:
            checked.faults.append(f"{name}: {found[name]} in the split, {expected} in the manifest")
    for part in ("train", "test"):
        present = {item.label for item in split.part(part)}
        checked.faults += [
            f"class {name!r} has no {part} image"
            for label, name in enumerate(split.class_names)
            if label not in present
        ]


def _overlaps(checked: Checked, split: Split) -> None:
    shared = {item.path for item in split.train} & {item.path for item in split.test}
    checked.rows.append(("in train and test", str(len(shared)), "0"))
    checked.faults += [f"{path!r} is in train and in test" for path in sorted(shared)]


def _decode(checked: Checked, manifest: Manifest, root: Path, split: Split, decode: str) -> None:
    paths = sorted({item.path for part in _PARTS for item in split.part(part)})
    chosen = {"all": paths, "sample": paths[:: max(1, len(paths) // _SAMPLE)], "none": []}[decode]
    size, opener = file_size(manifest, root), image_opener(manifest, root)
    missing = _faults(size, paths)
    checked.rows.append(("images that are there", f"{len(paths) - len(missing):,}", f"{len(paths):,}"))
    there = [path for path in chosen if path not in missing]
    broken = _faults(opener, there)
    checked.rows.append(("images that decode", f"{len(there) - len(broken):,}", f"{len(there):,}"))
    checked.faults += [*missing.values(), *broken.values()]


def _faults(read: Callable[[str], object], paths: list[str]) -> dict[str, str]:
    """What is wrong with each image that cannot be read."""

    def fault(path: str) -> str | None:
        try:
            read(path)
        except DataError as error:
            return str(error).split(". ", maxsplit=1)[0]
        return None

    with ThreadPoolExecutor(default_workers()) as pool:
        found = pool.map(fault, track(paths, "reading images", quiet_below=2000))
        return {path: text for path, text in zip(paths, found, strict=True) if text}


def _sentences(checked: Checked, manifest: Manifest, root: Path, split: Split) -> None:
    if not manifest.prompts:
        checked.rows.append(("sentences", "the manifest names none", "-"))
    for name in manifest.prompts:
        try:
            found = sentences_of(manifest, root, split.class_names, name)
        except PromptError as error:
            checked.faults.append(f"sentences {name!r}: {error}")
            continue
        empty = [class_name for class_name, texts in found.items() if not texts]
        expected = len(split.class_names)
        checked.rows.append((f"classes with sentences ({name})", str(expected - len(empty)), str(expected)))
        if empty:
            checked.faults.append(f"sentences {name!r}: none for {listed(empty, limit=20)}")
