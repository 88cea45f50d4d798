"""Images to search among: those of a part of a dataset of any kind, or of a folder, with what is said of each."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL.Image import Image

from aape_lightning.data.image_files import list_images
from aape_lightning.data.images import FolderImages, image_access, open_image
from aape_lightning.data.manifests import read_manifest
from aape_lightning.data.places import data_root
from aape_lightning.data.readers import read_caption_split, read_question_split, read_split
from aape_lightning.data.schema import CaptionManifest, ClassManifest, Manifest, QuestionManifest
from aape_lightning.data.schema.classes import CsvSplit
from aape_lightning.data.splits import PARTS, Part
from aape_lightning.errors import DataError, ImageError, listed

__all__ = ["ImageCollection", "Says", "images_in", "images_of"]

Says = Literal["captions", "classes", "nothing"]
Said = dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class ImageCollection:
    """Images in order.

    Attributes:
        title: What they are, for people.
        paths: Their paths, as `open` takes them.
        said: What is said of each image: its captions, or the name of its class; nothing where nothing is known.
        says: Which of these it is.
        open: Opens an image by its path, as RGB.
        size: Size of an image's file in bytes by its path; 0 for an image that is rendered.
    """

    title: str
    paths: list[str]
    said: list[tuple[str, ...]]
    says: Says
    open: Callable[[str], Image]
    size: Callable[[str], int]

    def find(self, path: str) -> Image:
        """An image that searches: a file, or one of these images by its path.

        Raises:
            ImageError: If it is neither, or cannot be decoded.
        """
        if Path(path).is_file():
            return open_image(Path(path))
        if path in self.paths:
            return self.open(path)
        raise ImageError(
            f"No image {path!r} (--image): it is neither a file nor a path in {self.title}, such as {self.paths[0]!r}."
        )


def images_of(manifest: str, root: str | Path | None = None, part: Part = "test") -> ImageCollection:
    """The images of a part of a dataset, each once: of classes, of captions or of questions.

    Args:
        manifest: Short name or path of a manifest, a domain, or a folder of class folders, as for `read_manifest`.
        root: The data root; the manifest's own where not given, else the current folder.
        part: Which part.

    Raises:
        ManifestError: If the manifest is unknown or malformed, or files of the dataset are missing.
        DataError: If the part has no images, or a file of the dataset is malformed.
    """
    described = read_manifest(manifest)
    place = data_root(described, root)
    parts, says = _parts(described, place)
    if not parts[part]:
        there = ", ".join(f"{name} ({len(parts[name])})" for name in PARTS)
        raise DataError(f"{described.title} has no images in its part {part!r}; its parts are {there} (--part).")
    opener, size = image_access(described, place)
    title = f"{described.title}, {part} ({len(parts[part]):,} images)"
    return ImageCollection(title, list(parts[part]), list(parts[part].values()), says, opener, size)


def _parts(manifest: Manifest, root: Path) -> tuple[dict[Part, Said], Says]:
    """What is said of each part's images, and what kind of saying that is."""
    if isinstance(manifest, CaptionManifest) or _has_caption_columns(manifest):
        assert isinstance(manifest, CaptionManifest | ClassManifest)
        captioned = read_caption_split(manifest, root)
        return {part: {image.path: image.captions for image in captioned.part(part)} for part in PARTS}, "captions"
    if isinstance(manifest, QuestionManifest):
        asked = read_question_split(manifest, root)
        return {part: {question.path: () for question in asked.part(part)} for part in PARTS}, "nothing"
    assert isinstance(manifest, ClassManifest)
    split = read_split(manifest, root)
    names = split.class_names
    return {part: {item.path: (names[item.label],) for item in split.part(part)} for part in PARTS}, "classes"


def _has_caption_columns(manifest: Manifest) -> bool:
    split = manifest.split if isinstance(manifest, ClassManifest) else None
    return isinstance(split, CsvSplit) and bool(split.captions)


def images_in(folder: Path) -> ImageCollection:
    """All images in a folder and below, of which nothing is said.

    Args:
        folder: The folder; paths are relative to it.

    Raises:
        DataError: If there is no such folder, or no image in it.
        ImageError: If one is a symbolic link to a file that is not there.
    """
    if not folder.is_dir():
        raise DataError(f"No folder {str(folder)!r} to search in (--images).")
    paths = list_images(folder)
    if not paths:
        raise DataError(f"The folder {str(folder)!r} (--images) and those below it hold no image.")
    if broken := [path for path in paths if not (folder / path).exists()]:
        raise ImageError(
            f"{len(broken)} of the images in {str(folder)!r} (--images) are symbolic links to files that are not "
            f"there: {listed(broken, limit=3)}. Remove the links, or put the files where they lead."
        )
    files = FolderImages(folder)
    title = f"{folder} ({len(paths):,} images)"
    return ImageCollection(title, paths, [()] * len(paths), "nothing", files.open, files.size)
