"""Images with captions as annotation JSON holds them: COCO's form and Karpathy's."""

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from aape_lightning.errors import listed
from aape_lightning.formats.json_records import Record, read_json

__all__ = ["AnnotatedImage", "coco_images", "karpathy_images", "read_caption_json", "strip_captions"]

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """One image of an annotation file.

    Attributes:
        name: Its file name.
        folder: The folder that the file names beside it; empty where it names none.
        image_id: What identifies it in the file.
        captions: Its captions, stripped, in file order; those that were empty are not among them.
        part: What the file calls the part that it belongs to; None where it does not say.
    """

    name: str
    folder: str
    image_id: int | str
    captions: tuple[str, ...]
    part: str | None


def strip_captions(captions: Mapping[K, Iterable[str]], path: Path) -> dict[K, list[str]]:
    """Strip white space and drop empty captions, with a warning that counts them; no key is dropped.

    Args:
        captions: Captions by whatever identifies an image.
        path: The file that they are from, for the warning.
    """
    kept, empty = {}, 0
    for key, texts in captions.items():
        stripped = [text.strip() for text in texts]
        kept[key] = [text for text in stripped if text]
        empty += len(stripped) - len(kept[key])
    if empty:
        warnings.warn(f"{str(path)!r}: {empty} empty captions are dropped.", stacklevel=2)
    return kept


def read_caption_json(path: Path) -> Record:
    """A JSON file of captions, for `coco_images` or `karpathy_images`.

    Raises:
        DataError: If the file is not JSON, or holds something else than an object.
    """
    return read_json(path, inner=_raw_text)


def _raw_text(fields: dict[str, Any]) -> dict[str, Any] | str:
    """A sentence's text alone: Karpathy's files hold its words as well, most of their size."""
    raw = fields.get("raw")
    return raw if isinstance(raw, str) else fields


def coco_images(file: Record) -> list[AnnotatedImage]:
    """The images of `{"images": [{"id", "file_name"}], "annotations": [{"image_id", "caption"}]}`.

    Raises:
        DataError: If the file is of another form, an id or a file name stands twice, or a caption belongs to no image.
    """
    names: dict[int | str, str] = {}
    for image in file.records("images"):
        if (image_id := image.identity("id")) in names:
            raise image.fault(f"the image id {image_id!r} stands twice.")
        names[image_id] = image.text("file_name")
    captions: dict[int | str, list[str]] = {image_id: [] for image_id in names}
    for annotation in file.records("annotations"):
        if (image_id := annotation.identity("image_id")) not in captions:
            raise annotation.fault(f"no image has the id {image_id!r}.")
        captions[image_id].append(annotation.text("caption"))
    kept = strip_captions(captions, file.path)
    images = [AnnotatedImage(name, "", image_id, tuple(kept[image_id]), None) for image_id, name in names.items()]
    return _each_once(file, images)


def karpathy_images(file: Record) -> list[AnnotatedImage]:
    """The images of Karpathy's `{"images": [{"filename", "sentences": [{"raw"}], "split", "imgid"}]}`.

    COCO's has `filepath`, the image's folder, and `cocoid`, which identifies it instead of `imgid`.

    Raises:
        DataError: If the file is of another form, or an image stands twice.
    """
    images = list(file.records("images"))
    raw = {k: image.texts("sentences") for k, image in enumerate(images)}
    kept = strip_captions(raw, file.path)
    annotated = [
        AnnotatedImage(
            name=image.text("filename"),
            folder=image.optional_text("filepath") or "",
            image_id=image.identity("cocoid" if "cocoid" in image.fields else "imgid"),
            captions=tuple(kept[k]),
            part=image.text("split"),
        )
        for k, image in enumerate(images)
    ]
    return _each_once(file, annotated)


def _each_once(file: Record, images: list[AnnotatedImage]) -> list[AnnotatedImage]:
    """The images, unless two share a file name: captions are kept by it."""
    seen, twice = set[str](), []
    for image in images:
        if image.name in seen:
            twice.append(image.name)
        seen.add(image.name)
    if twice:
        raise file.fault(f"several images are called {listed(twice)}.")
    return images
