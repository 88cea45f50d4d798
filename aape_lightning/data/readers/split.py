"""Reading splits: a dataset's files, whatever their form, as a `Split`."""

import os
from itertools import count
from pathlib import Path
from typing import Any

from aape_lightning.data.places import dataset_folder, image_folder
from aape_lightning.data.readers.fgvc import read_fgvc_split
from aape_lightning.data.readers.folders import read_folders_split
from aape_lightning.data.readers.tables import read_csv_split
from aape_lightning.data.schema import ClassManifest
from aape_lightning.data.shapes import shapes_split
from aape_lightning.data.splits import PARTS, Item, Split
from aape_lightning.errors import DataError, ManifestError, shown
from aape_lightning.formats.inside import check_inside
from aape_lightning.formats.json_content import parse_json

__all__ = ["read_coop_split", "read_split"]


def read_split(manifest: ClassManifest, root: Path, split_file: Path | None = None) -> Split:
    """The split of a dataset.

    Args:
        manifest: The dataset.
        root: The data root, under which the dataset's folder lies.
        split_file: A split file to read instead of the manifest's: CoOp's JSON, a CSV with the manifest's columns, or
            one of FGVC-Aircraft's lists in its folder.

    Raises:
        ManifestError: If the folder or the split file is missing.
        DataError: If the split file is malformed, a part of it is empty, or a path in it leads out of the image folder.
    """
    source = manifest.split
    if source.format == "shapes":
        return shapes_split((source.style,), source.parts)
    if source.format == "fgvc":
        folder = dataset_folder(manifest, root) if split_file is None else split_file.parent
        return _checked(read_fgvc_split(folder), folder)
    if source.format == "folders":
        if split_file is not None:
            raise ManifestError(
                f"{manifest.title} is split by its folders; --split-file {str(split_file)!r} is no use."
            )
        return read_folders_split(image_folder(manifest, root), source, manifest.class_names, manifest.title)
    if split_file is None:
        split_file = dataset_folder(manifest, root) / source.file
    if not os.path.isfile(split_file):
        raise ManifestError(
            f"No split file {str(split_file)!r} for {manifest.title}.{_where_to_get(manifest)} Name another with "
            "--split-file."
        )
    if source.format == "csv":
        return _checked(read_csv_split(split_file, source, manifest.listed_names), split_file)
    return _checked(read_coop_split(split_file), split_file)


def _checked(split: Split, file: Path) -> Split:
    for part in PARTS:
        check_inside((item.path for item in split.part(part)), file)
    return split


def _where_to_get(manifest: ClassManifest) -> str:
    return f" CoOp's is linked from {manifest.source}." if manifest.source else ""


def read_coop_split(path: Path) -> Split:
    """Read CoOp's split JSON, `{"train": [[path, label, class name], ...], "val": ..., "test": ...}`.

    Raises:
        DataError: If it is not of this form, a label has two names, two labels share one, labels have gaps, or the
            training or the test part is empty.
    """
    parts = parse_json(path)
    if not isinstance(parts, dict) or not {"train", "val", "test"} <= parts.keys():
        raise DataError(f"{str(path)!r} must hold the keys train, val and test, as CoOp's split files do.")
    for part in ("train", "val", "test"):
        if not isinstance(parts[part], list):
            raise DataError(f"{str(path)!r}: {part} is {shown(parts[part])}, not a list of [path, label, class name].")
    names: dict[int, str] = {}
    read = {part: [_read_row(path, part, row, entry, names) for row, entry in enumerate(parts[part])]
            for part in ("train", "val", "test")}  # fmt: skip
    if not read["train"] or not read["test"]:
        empty = "train" if not read["train"] else "test"
        raise DataError(f"{str(path)!r}: the part {empty!r} is empty.")
    if (unused := next(label for label in count() if label not in names)) != len(names):
        raise DataError(f"{str(path)!r}: no image has label {unused}; labels must run from 0 without gaps.")
    class_names = [names[label] for label in range(len(names))]
    first: dict[str, int] = {}
    for label, name in enumerate(class_names):
        if (earlier := first.setdefault(name, label)) != label:
            raise DataError(
                f"{str(path)!r}: labels {earlier} and {label} are both named {name!r}; sentences and "
                "class embeddings are kept by name, so rename one."
            )
    try:
        return Split(class_names, **read)
    except DataError as error:
        raise DataError(f"{str(path)!r}: {error}") from error


def _read_row(path: Path, part: str, row: int, entry: Any, names: dict[int, str]) -> Item:  # noqa: ANN401
    match entry:
        case [str(image), int(label), str(name)] if label >= 0 and not isinstance(label, bool):
            if names.setdefault(label, name) != name:
                raise DataError(f"{str(path)!r}: label {label} is both {names[label]!r} and {name!r} ({part}[{row}]).")
            return Item(image, label)
    raise DataError(f"{str(path)!r}: {part}[{row}] is {shown(entry)}, not [path, label, class name].")
