"""Flickr8k's and Flickr30k's own files: captions in one file, and lists of the images of each part."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from aape_lightning.data.splits import Part, part_called
from aape_lightning.errors import DataError, listed
from aape_lightning.formats.json_records import read_json
from aape_lightning.prompts.captions import read_captions

__all__ = ["flickr_images"]


def flickr_images(file: Path, lists: Path | dict[Part, Path]) -> Iterator[tuple[Part, str, list[str]]]:
    """Each listed image's part, file name and captions; images that no list names are left out.

    A list may name images without their suffix, as those of Flickr30k Entities do.

    Args:
        file: The captions, in any form of `prompts.captions`.
        lists: A JSON `{"train": [image, ...], ...}`, or a text file a part with an image a line.

    Raises:
        PromptError: If the form of the captions is not recognised.
        DataError: If a file is malformed, a part is called otherwise, or a listed image has no captions in the file.
    """
    captions = read_captions(file)
    stems = {PurePosixPath(name).stem: name for name in captions}
    for where, part, names in _lists(lists):
        found = [name if name in captions else stems.get(name) for name in names]
        if missing := [name for name, image in zip(names, found, strict=True) if image is None]:
            raise DataError(
                f"{where} lists {len(missing)} images of which {str(file)!r} has no caption: {listed(missing)}."
            )
        yield from ((part, image, captions[image]) for image in found if image is not None)


def _lists(lists: Path | dict[Part, Path]) -> Iterator[tuple[str, Part, list[str]]]:
    if isinstance(lists, Path):
        split = read_json(lists)
        for key in split.fields:
            yield f"{str(lists)!r}, {key}", part_called(key, repr(str(lists))), split.texts(key)
        return
    for part, path in lists.items():
        try:
            lines = path.read_text(encoding="utf-8-sig").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{str(path)!r} is not UTF-8 text: {error}.") from error
        yield repr(str(path)), part, [line.strip() for line in lines if line.strip()]
