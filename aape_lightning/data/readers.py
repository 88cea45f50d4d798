"""Reading splits and images: a dataset's files, whatever their form, as a `Split` and a way to open an image."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from aape_lightning.data.fgvc import read_fgvc_split
from aape_lightning.data.manifests import Manifest, dataset_folder
from aape_lightning.data.shapes import open_shapes_image, shapes_split
from aape_lightning.data.splits import Item, Split
from aape_lightning.errors import DataError, ImageError, ManifestError

__all__ = ["file_size", "image_opener", "open_image", "read_coop_split", "read_split"]


def read_split(manifest: Manifest, root: Path, split_file: Path | None = None) -> Split:
    """The split of a dataset.

    Args:
        manifest: The dataset.
        root: The data root, under which the dataset's folder lies.
        split_file: A split file to read instead of the manifest's (of FGVC-Aircraft: one of the lists in its folder).

    Raises:
        ManifestError: If the folder or the split file is missing.
        DataError: If the split file is malformed or a part of it is empty.
    """
    if manifest.split.format == "shapes":
        return shapes_split()
    if manifest.split.format == "fgvc":
        return read_fgvc_split(dataset_folder(manifest, root) if split_file is None else split_file.parent)
    if split_file is None:
        split_file = dataset_folder(manifest, root) / str(manifest.split.file)
    if not split_file.is_file():
        raise ManifestError(
            f"No split file {str(split_file)!r} for {manifest.title}. CoOp's is linked from {manifest.source}; "
            "name another with --split-file."
        )
    return read_coop_split(split_file)


def read_coop_split(path: Path) -> Split:
    """Read CoOp's split JSON, `{"train": [[path, label, class name], ...], "val": ..., "test": ...}`.

    Raises:
        DataError: If it is not of this form, a label has two names, two labels share one, labels have gaps, or the
            training or the test part is empty.
    """
    try:
        parts = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{str(path)!r} is not JSON: {error}.") from error
    if not isinstance(parts, dict) or not {"train", "val", "test"} <= parts.keys():
        raise DataError(f"{str(path)!r} must hold the keys train, val and test, as CoOp's split files do.")
    for part in ("train", "val", "test"):
        if not isinstance(parts[part], list):
            raise DataError(f"{str(path)!r}: {part} is {parts[part]!r:.80}, not a list of [path, label, class name].")
    names: dict[int, str] = {}
    read = {part: [_read_row(path, part, row, entry, names) for row, entry in enumerate(parts[part])]
            for part in ("train", "val", "test")}  # fmt: skip
    if not read["train"] or not read["test"]:
        empty = "train" if not read["train"] else "test"
        raise DataError(f"{str(path)!r}: the part {empty!r} is empty.")
    if sorted(names) != list(range(len(names))):
        gaps = sorted(set(range(max(names) + 1)) - names.keys())
        raise DataError(f"{str(path)!r}: no image has label {gaps[0]}; labels must run from 0 without gaps.")
    class_names = [names[label] for label in range(len(names))]
    for label, name in enumerate(class_names):
        if class_names.index(name) != label:
            raise DataError(
                f"{str(path)!r}: labels {class_names.index(name)} and {label} are both named {name!r}; sentences and "
                "class embeddings are kept by name, so rename one."
            )
    return Split(class_names, **read)


def _read_row(path: Path, part: str, row: int, entry: Any, names: dict[int, str]) -> Item:  # noqa: ANN401
    match entry:
        case [str(image), int(label), str(name)] if label >= 0 and not isinstance(label, bool):
            if names.setdefault(label, name) != name:
                raise DataError(f"{str(path)!r}: label {label} is both {names[label]!r} and {name!r} ({part}[{row}]).")
            return Item(image, label)
    raise DataError(f"{str(path)!r}: {part}[{row}] is {entry!r:.80}, not [path, label, class name].")


def image_opener(manifest: Manifest, root: Path) -> Callable[[str], Image.Image]:
    """How to open an image of a dataset by its path in the split, as RGB."""
    if manifest.split.format == "shapes":
        return open_shapes_image
    folder = dataset_folder(manifest, root) / manifest.images
    return _FolderOpener(folder)


class _FolderOpener:
    """Opens images under a folder; a class, since worker processes must be able to pickle it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, path: str) -> Image.Image:
        return open_image(self.folder / path)


def open_image(path: Path) -> Image.Image:
    """Decode an image file as RGB; 16-bit grey is scaled to 8 bits, where Pillow alone would clip it to white.

    Raises:
        ImageError: If the file is missing, truncated, or no image.
    """
    try:
        with Image.open(path) as image:
            if image.mode.startswith("I;16"):
                return image.convert("I").point(lambda grey: grey * (1 / 256)).convert("RGB")
            return image.convert("RGB")
    except FileNotFoundError as error:
        raise _missing(path) from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ImageError(
            f"{str(path)!r} cannot be decoded ({error}). Replace the file; find all such files with: "
            "aape data check --manifest MANIFEST --root ROOT"
        ) from error


def file_size(manifest: Manifest, root: Path) -> Callable[[str], int]:
    """Size in bytes of a dataset's image by its path in the split; 0 for an image that is rendered.

    The returned function raises `ImageError` for a missing file.
    """
    if manifest.split.format == "shapes":
        return lambda path: 0
    folder = dataset_folder(manifest, root) / manifest.images

    def size(path: str) -> int:
        try:
            return (folder / path).stat().st_size
        except OSError as error:
            raise _missing(folder / path) from error

    return size


def _missing(path: Path) -> ImageError:
    return ImageError(
        f"No image {str(path)!r}, though the split lists it. Find all that are missing with: "
        "aape data check --manifest MANIFEST --root ROOT"
    )
