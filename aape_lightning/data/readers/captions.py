"""Images with captions: a dataset of captions as its three parts, whatever form its files have."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from posixpath import join

from aape_lightning.data.places import annotation_file
from aape_lightning.data.readers.flickr import flickr_images
from aape_lightning.data.readers.tables import read_csv_split
from aape_lightning.data.schema import CaptionManifest, ClassManifest
from aape_lightning.data.schema.captions import (
    CocoCaptions,
    CsvCaptions,
    FlickrCaptions,
    KarpathyCaptions,
    ShapesCaptions,
)
from aape_lightning.data.schema.classes import CsvSplit
from aape_lightning.data.shapes import shapes_captions
from aape_lightning.data.splits import PARTS, Part, Parts, part_called
from aape_lightning.errors import DataError, ManifestError, listed
from aape_lightning.formats.csv_rows import read_rows
from aape_lightning.formats.inside import check_inside
from aape_lightning.prompts.caption_files import coco_images, karpathy_images, read_caption_json, strip_captions

__all__ = ["CaptionedImage", "read_caption_split"]


@dataclass(frozen=True, slots=True)
class CaptionedImage:
    """One image with its captions.

    Attributes:
        path: Where the image lies, relative to the dataset's image folder, with forward slashes.
        image_id: What identifies it in its file (COCO's and Karpathy's numbers), or its path where there is nothing.
        captions: Its captions, at least one, stripped, in file order.
    """

    path: str
    image_id: int | str
    captions: tuple[str, ...]


Found = Iterable[tuple[Part, CaptionedImage]]


def read_caption_split(manifest: CaptionManifest | ClassManifest, root: Path) -> Parts[CaptionedImage]:
    """The images of a dataset with their captions, each part in the order of its file.

    Empty captions are dropped, with a warning that counts them.

    Args:
        manifest: A dataset of captions, or one of classes whose CSV has columns of captions.
        root: The data root, under which the dataset's folder lies.

    Raises:
        ManifestError: If the dataset's folder or a file of it is missing, or it has no captions.
        PromptError: If the captions of Flickr's form are in no form that is known.
        DataError: If a file is malformed, a part is called otherwise, an image stands twice or in two parts, has no
            caption, or its path leads out of the image folder.
    """
    source = manifest.split

    def file(name: str) -> Path:
        return annotation_file(manifest, root, name)

    match source:
        case KarpathyCaptions():
            return _into_parts(_karpathy(file(source.file)), source.file)
        case CocoCaptions():
            return _into_parts(_coco({part: file(name) for part, name in source.files.items()}, source), source.files)
        case FlickrCaptions():
            lists = source.split
            paths = file(lists) if isinstance(lists, str) else {part: file(name) for part, name in lists.items()}
            return _into_parts(_flickr(file(source.file), paths), lists)
        case CsvCaptions():
            return _into_parts(_table(file(source.file), source), source.file)
        case ShapesCaptions():
            return _into_parts(_shapes(), source.format)
        case CsvSplit() if source.captions and isinstance(manifest, ClassManifest):
            return _into_parts(_class_table(file(source.file), source, manifest), source.file)
    raise ManifestError(
        f"{manifest.title} has no captions: its manifest must be of the kind 'captions', or have a split of the format "
        "'csv' that names its columns of `captions`."
    )


def _shapes() -> Found:
    for part in PARTS:
        for path, captions in shapes_captions(part).items():
            yield part, CaptionedImage(path, path, captions)


def _karpathy(path: Path) -> Found:
    for k, image in enumerate(karpathy_images(read_caption_json(path))):
        called = "train" if image.part == "restval" else image.part or ""
        part = part_called(called, f"{str(path)!r}, images[{k}]")
        yield part, CaptionedImage(join(image.folder, image.name), image.image_id, image.captions)


def _coco(files: dict[Part, Path], source: CocoCaptions) -> Found:
    for part, path in files.items():
        folder = source.prefixes.get(part, "")
        for image in coco_images(read_caption_json(path)):
            yield part, CaptionedImage(join(folder, image.name), image.image_id, image.captions)


def _flickr(file: Path, lists: Path | dict[Part, Path]) -> Found:
    for part, name, captions in flickr_images(file, lists):
        yield part, CaptionedImage(name, name, tuple(captions))


def _table(path: Path, source: CsvCaptions) -> Found:
    captions: dict[str, list[str]] = {}
    parts: dict[str, Part] = {}
    for where, row in read_rows(path, [source.path, source.split, *source.captions]):
        if not (image := _image_path(row[source.path])):
            raise DataError(f"{where}: the cell of {source.path!r} is empty.")
        part = part_called(row[source.split], where)
        if (earlier := parts.setdefault(image, part)) != part:
            raise DataError(f"{where}: {image!r} is in {part}, and in {earlier} in an earlier row.")
        captions.setdefault(image, []).extend(row[column] for column in source.captions)
    for image, texts in strip_captions(captions, path).items():
        yield parts[image], CaptionedImage(image, image, tuple(texts))


def _class_table(path: Path, source: CsvSplit, manifest: ClassManifest) -> Found:
    split = read_csv_split(path, source, manifest.listed_names)
    rows = read_rows(path, [source.path, *source.captions])
    raw = {_image_path(row[source.path]): [row[column] for column in source.captions] for _, row in rows}
    captions = strip_captions(raw, path)
    for part in PARTS:
        for item in split.part(part):
            yield part, CaptionedImage(item.path, item.path, tuple(captions[item.path]))


def _image_path(cell: str) -> str:
    return cell.strip().replace("\\", "/")


def _into_parts(found: Found, files: str | dict[Part, str]) -> Parts[CaptionedImage]:
    """The parts, after a look for images that stand twice or have no caption; `files` say who is in which part."""
    parts: dict[Part, list[CaptionedImage]] = {part: [] for part in PARTS}
    part_of: dict[str, Part] = {}
    for part, image in found:
        if (earlier := part_of.setdefault(image.path, part)) != part:
            raise DataError(f"{files!r}: {image.path!r} is in {earlier} and in {part}.")
        parts[part].append(image)
    images = [image for part in PARTS for image in parts[part]]
    check_inside((image.path for image in images), files)
    if len(images) > len(part_of):
        counts = Counter(image.path for image in images)
        raise DataError(f"{files!r}: listed twice: {listed(path for path, count in counts.items() if count > 1)}.")
    if bare := [image.path for image in images if not image.captions]:
        raise DataError(f"{files!r}: {len(bare)} images have no caption: {listed(bare)}.")
    if not images:
        raise DataError(f"{files!r} holds no image.")
    return Parts(parts["train"], parts["val"], parts["test"])
