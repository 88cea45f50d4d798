"""A manifest guessed from a folder of images, a CSV, or a split JSON of CoOp's form."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path

from aape_lightning.data.image_files import class_folders, list_images
from aape_lightning.data.schema import ClassManifest
from aape_lightning.data.schema.classes import CoopSplit, CsvSplit, Cut, FoldersSplit
from aape_lightning.data.splits import PARTS, Part, part_called
from aape_lightning.errors import DataError, ManifestError, listed
from aape_lightning.formats.csv_rows import read_rows
from aape_lightning.formats.json_content import parse_json

__all__ = ["guess_manifest"]

_PATH_COLUMNS = ("path", "image", "image_path", "impath", "filename", "file_name", "file")
_LABEL_COLUMNS = ("label", "class", "class_name", "classname", "category", "target")
_SPLIT_COLUMNS = ("split", "part", "set", "subset")
_CAPTION_COLUMNS = ("caption", "sentence", "text", "description")
_Split = CoopSplit | CsvSplit | FoldersSplit

_CUT, _CUT_VAL = Cut(), Cut(train=0.8, val=0.2)


def guess_manifest(place: Path) -> ClassManifest:
    """The manifest of a dataset that nobody has described.

    In a folder these are looked for, in this order: a split JSON of CoOp's form, a CSV with a column of paths and one
    of labels, folders of parts (`train`, `val`, `test` or the like) with class folders inside, and class folders.
    Images without a part are cut by CoOp's rule: 50 % for training, 20 % for validation, 30 % for testing, class by
    class, seed 1; where there are test images and no validation images, a fifth of the training images validates.

    Args:
        place: The folder, or the CSV or JSON file itself.

    Raises:
        ManifestError: If it is none of these, or several; the message says what was looked for and what is there.
        DataError: If it is a CSV that breaks off or has a row of another length.
    """
    if place.is_file():
        split: _Split | None = _table(place) if place.suffix.lower() == ".csv" else _coop(place)
        if split is None:
            raise ManifestError(f"{str(place)!r} is neither a CSV of images and labels nor a split JSON like CoOp's.")
        return _manifest(place.stem, place.parent, split)
    if not place.is_dir():
        raise ManifestError(f"No folder {str(place)!r}.")
    files = sorted(place.iterdir())
    found: list[_Split | None] = [_coop(file) for file in files if file.suffix.lower() == ".json"]
    found += [_table(file) for file in files if file.suffix.lower() == ".csv"]
    tables = [table for table in found if isinstance(table, CoopSplit | CsvSplit)]
    if len(tables) > 1:
        raise ManifestError(
            f"{str(place)!r} holds several lists of images: {listed(table.file for table in tables)}. Name the one "
            f"that is meant, such as {str(place / tables[0].file)!r}; parts belong in one, with a column `split`."
        )
    return _manifest(place.resolve().name, place, tables[0] if tables else _folders(place))


def _manifest(name: str, root: Path, split: _Split) -> ClassManifest:
    images = "." if isinstance(split, FoldersSplit) else _images_of(root, split)
    return ClassManifest(name=name, root=str(root.absolute()), images=[images], split=split)


def _folders(place: Path) -> FoldersSplit:
    inside = class_folders(place)
    parts = {part: name for name in inside if (part := _part_or_none(name)) and class_folders(place / name)}
    if parts and len(parts) == len(inside):
        return FoldersSplit(format="folders", parts=parts, cut=_cut_for(parts))
    if parts:
        others = [name for name in inside if name not in parts.values()]
        raise ManifestError(
            f"{str(place)!r} holds parts with class folders ({listed(parts.values())}) beside folders that are none "
            f"({listed(others)}). Name the folder of class folders itself, such as "
            f"{str(place / next(iter(parts.values())))!r}, or move the others away."
        )
    if not inside or not any(list_images(place / name) for name in inside):
        raise ManifestError(
            f"{str(place)!r} holds no dataset: it needs a folder of images for each class (inside train, val and test, "
            "or without them), a CSV with columns such as path, label and split, or a split JSON like CoOp's. It holds "
            f"{listed(sorted(path.name for path in place.iterdir())) or 'nothing'}."
        )
    return FoldersSplit(format="folders", cut=_CUT)


def _cut_for(parts: dict[Part, str]) -> Cut | None:
    """How to make the parts that there are no folders for."""
    if "train" not in parts or {"val", "test"} <= parts.keys():
        return None
    if "test" in parts:
        return _CUT_VAL
    return Cut(train=0.7, val=0) if "val" in parts else _CUT


def _part_or_none(name: str) -> Part | None:
    try:
        return part_called(name, "")
    except DataError:
        return None


def _table(path: Path) -> CsvSplit | None:
    """How to read a CSV, if it has a column of paths and one of labels."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return None
    image, label, split = (_column(header, names) for names in (_PATH_COLUMNS, _LABEL_COLUMNS, _SPLIT_COLUMNS))
    if image is None or label is None:
        return None
    captions = [column for column in header if column.lower().rstrip("s0123456789_") in _CAPTION_COLUMNS]
    cut = None if split else _CUT
    return CsvSplit(format="csv", file=path.name, path=image, label=label, split=split, captions=captions, cut=cut)


def _column(header: Sequence[str], names: Sequence[str]) -> str | None:
    lower = {column.strip().lower(): column for column in header}
    return next((lower[name] for name in names if name in lower), None)


def _coop(path: Path) -> CoopSplit | None:
    """How to read a JSON file, if it is a split like CoOp's."""
    try:
        parts = parse_json(path)
    except DataError:
        return None
    if not isinstance(parts, dict) or not set(PARTS) <= parts.keys():
        return None
    rows = parts["train"]
    is_coop = isinstance(rows, list) and bool(rows) and isinstance(rows[0], list) and len(rows[0]) == 3
    return CoopSplit(format="coop", file=path.name) if is_coop else None


def _images_of(root: Path, split: CoopSplit | CsvSplit) -> str:
    """The folder under the root in which the split's first image lies."""
    file = root / split.file
    if isinstance(split, CsvSplit):
        first = read_rows(file, [split.path])[0][1][split.path].strip().replace("\\", "/")
    else:
        first = str(parse_json(file)["train"][0][0])
    inside = [".", *class_folders(root)]
    return next((name for name in inside if first and os.path.isfile(root / name / first)), ".")
