"""A dataset against its manifest: every listed file, decodability, counts, overlaps, sentences."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rich.table import Table

from aape_lightning.data.manifests import Manifest
from aape_lightning.data.readers import image_opener, read_split
from aape_lightning.data.sentences import sentences_of
from aape_lightning.data.splits import Part, Split
from aape_lightning.errors import DataError, PromptError
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
        decode: Which images are opened; with `none`, files are only looked for by name.

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
    opener = image_opener(manifest, root)

    def fault(path: str) -> str | None:
        try:
            opener(path)
        except DataError as error:
            return str(error).split(". ", maxsplit=1)[0]
        return None

    with ThreadPoolExecutor(default_workers()) as pool:
        found = [fault for fault in pool.map(fault, track(chosen, "decoding images", quiet_below=2000)) if fault]
    checked.rows.append(("images that decode", f"{len(chosen) - len(found):,}", f"{len(chosen):,}"))
    checked.faults += found


def _sentences(checked: Checked, manifest: Manifest, root: Path, split: Split) -> None:
    if not manifest.prompts:
        checked.rows.append(("sentences", "the manifest names none", "-"))
    for name in manifest.prompts:
        try:
            found = sentences_of(manifest, root, split.class_names, name)
        except PromptError as error:
            checked.faults.append(f"sentences {name!r}: {error}")
            continue
        covered = sum(bool(texts) for texts in found.values())
        checked.rows.append((f"classes with sentences ({name})", str(covered), str(len(split.class_names))))
