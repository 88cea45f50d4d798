"""A user's table of images: a CSV with a row an image, read into a split."""

from pathlib import Path

from aape_lightning.data.readers.cut import cut_classes
from aape_lightning.data.schema.classes import CsvSplit
from aape_lightning.data.splits import Item, Part, Split, part_called
from aape_lightning.errors import DataError, ManifestError, did_you_mean
from aape_lightning.formats.csv_rows import read_rows

__all__ = ["read_csv_split"]


def read_csv_split(path: Path, source: CsvSplit, class_names: list[str] | None) -> Split:
    """Read a table of paths, labels and parts.

    Args:
        path: The CSV file.
        source: Its columns, and how to cut where it has no parts.
        class_names: Names in label order; the table's labels, sorted, where absent.

    Raises:
        ManifestError: If the file or a column is missing, or a label is not among the names.
        DataError: If a cell is empty, a part is called otherwise, or an image stands in two rows.
    """
    rows = read_rows(path, [source.path, source.label, *([source.split] if source.split else [])])
    names = sorted({row[source.label].strip() for _, row in rows}) if class_names is None else class_names
    labels = {name: label for label, name in enumerate(names)}
    items, parts, seen = [], [], set[str]()
    for where, row in rows:
        image, label = row[source.path].strip().replace("\\", "/"), row[source.label].strip()
        if not image or not label:
            raise DataError(f"{where}: the cell of {source.path if not image else source.label!r} is empty.")
        if image in seen:
            raise DataError(f"{where}: {image!r} stands in an earlier row already.")
        if label not in labels:
            raise ManifestError(f"{where}: {label!r} is none of the manifest's classes.{did_you_mean(label, labels)}")
        seen.add(image)
        items.append(Item(image, labels[label]))
        parts.append(part_called(row[source.split], where) if source.split else None)
    if source.cut is not None:
        train, val, test = cut_classes(sorted(items, key=lambda item: item.path), source.cut)
        return Split(names, train, val, test)
    chosen: dict[Part, list[Item]] = {"train": [], "val": [], "test": []}
    for item, part in zip(items, parts, strict=True):
        assert part is not None  # the schema asks for a column where there is no cut
        chosen[part].append(item)
    return Split(names, **chosen)
