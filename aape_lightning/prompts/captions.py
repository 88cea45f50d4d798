"""Captions that people wrote for images, as prompts: read from the files that the public datasets come with."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from aape_lightning.errors import DataError, ManifestError, PromptError, did_you_mean, listed
from aape_lightning.formats.csv_rows import read_rows
from aape_lightning.prompts.caption_files import coco_images, karpathy_images, read_caption_json, strip_captions

__all__ = ["CAPTION_FORMATS", "read_captions"]

Captions = dict[str, list[str]]

CAPTION_FORMATS = {
    "coco": 'JSON {"images": [{"id", "file_name"}], "annotations": [{"image_id", "caption"}]}',
    "karpathy": 'JSON {"images": [{"filename", "sentences": [{"raw"}], "split", "imgid"}]}',
    "csv": "CSV with a column image (or image_name) and a column caption (or comment)",
    "bars": "image_name| comment_number| comment, and such lines beneath, as in Flickr30k's results.csv",
    "token": "lines of image#number<TAB>caption, as in Flickr8k.token.txt",
}

_JSON_IMAGES = {"coco": coco_images, "karpathy": karpathy_images}
_LINES = {
    # Flickr30k's results.csv lacks the second bar in one of its lines.
    "bars": re.compile(r"(?P<image>[^|]+)\|\s*\d+\s*[|\s](?P<caption>.*)"),
    "token": re.compile(r"(?P<image>[^\t]+)#\d+\t(?P<caption>.*)"),
}
_IMAGE_COLUMNS, _CAPTION_COLUMNS = ("image", "image_name"), ("caption", "comment")
_HEAD = 4096  # characters that a format is recognised by; JSON may be a single line of any length


def read_captions(path: Path, format: str | None = None) -> Captions:
    """The captions of each image, by its file name, images and captions in file order.

    White space around captions is stripped and empty captions are dropped, with a warning that counts them; an image
    that is left without any keeps an empty list.

    Args:
        path: The file.
        format: One of `CAPTION_FORMATS`; recognised by the file's content where absent.

    Raises:
        PromptError: If the file is missing, or its format is unknown or not recognised.
        DataError: If it breaks its format; the message names the place.
    """
    if not path.is_file():
        raise PromptError(f"No caption file {str(path)!r}.")
    if format is not None and format not in CAPTION_FORMATS:
        raise PromptError(f"No caption format {format!r}.{did_you_mean(format, CAPTION_FORMATS)} {_known()}")
    head = _text(path, _HEAD).lstrip().split("\n", maxsplit=1)[0]
    if format in _JSON_IMAGES or (format is None and head.startswith("{")):
        return _read_json(path, format)
    format = format or _format_of(head)
    if format is None:
        raise PromptError(f"{str(path)!r} is no caption file: it begins with {head[:60]!r}. {_known()}")
    return strip_captions(_read_table(path) if format == "csv" else _read_lines(path, format), path)


def _known() -> str:
    return "\n  ".join(["The formats are:", *(f"{name}: {form}" for name, form in CAPTION_FORMATS.items())])


def _text(path: Path, size: int = -1) -> str:
    try:
        with path.open(encoding="utf-8-sig") as file:
            return file.read(size)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{str(path)!r} is not UTF-8 text: {error}.") from error


def _format_of(head: str) -> str | None:
    """The format of a text file by its first line."""
    if _columns(head.split("|")):
        return "bars"
    if _columns(_cells(head)):
        return "csv"
    return next((name for name, line in _LINES.items() if line.fullmatch(head)), None)


def _cells(*lines: str) -> list[str]:
    """The cells of a table's first row; none where it is no table."""
    try:
        return next(csv.reader(lines), [])
    except csv.Error:
        return []


def _columns(header: Sequence[str]) -> list[str]:
    """A header's columns of images and captions, as it spells them; empty if it lacks one."""
    spelled = {column.strip().lower(): column for column in header}
    found = [next((spelled[name] for name in names if name in spelled), None)
             for names in (_IMAGE_COLUMNS, _CAPTION_COLUMNS)]  # fmt: skip
    return [column for column in found if column is not None] if None not in found else []


def _read_json(path: Path, format: str | None) -> Captions:
    file = read_caption_json(path)
    if format is None and "images" not in file.fields:
        raise PromptError(f"{str(path)!r} is no caption file: it holds {listed(file.fields)}. {_known()}")
    images = _JSON_IMAGES[format or ("coco" if "annotations" in file.fields else "karpathy")]
    return {image.name: list(image.captions) for image in images(file)}


def _read_table(path: Path) -> Captions:
    header = _cells(*_text(path, _HEAD).splitlines())
    if not (columns := _columns(header)):
        raise ManifestError(
            f"{str(path)!r} has the columns {listed(header)}; captions need one of {listed(_IMAGE_COLUMNS)} and one of "
            f"{listed(_CAPTION_COLUMNS)}."
        )
    captions: Captions = {}
    for where, row in read_rows(path, columns):
        image, caption = (row[column] for column in columns)
        if not image.strip():
            raise DataError(f"{where}: the cell of {columns[0]!r} is empty.")
        captions.setdefault(image.strip(), []).append(caption)
    return captions


def _read_lines(path: Path, format: str) -> Captions:
    captions: Captions = {}
    # Not splitlines, for which some characters inside a caption end a line as well.
    for number, line in enumerate(_text(path).split("\n"), start=1):
        match = _LINES[format].fullmatch(line)
        if match is not None:
            captions.setdefault(match["image"].strip(), []).append(match["caption"])
        elif line.strip() and (captions or not _columns(line.split("|"))):
            raise DataError(
                f"{str(path)!r}, line {number}: {line[:60]!r} is not of the form: {CAPTION_FORMATS[format]}."
            )
    return captions
