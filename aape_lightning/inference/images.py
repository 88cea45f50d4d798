"""The images that a user hands over: files, folders, patterns, or open images, each with a name to be known by."""

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from aape_lightning.data.decoding import as_rgb, check_shape, decode
from aape_lightning.data.image_files import list_images, written_name
from aape_lightning.errors import DataError, ImageError, reason

__all__ = ["AnyImage", "AnyImages", "NamedImage", "named_images"]


@dataclass(frozen=True)
class NamedImage:
    """One image.

    Attributes:
        name: Its path; of an open image its file's, or else its number.
        image: The image where it is open already; None for a file.
    """

    name: str
    image: Image.Image | None = None

    def open(self) -> Image.Image:
        """The image as RGB, decoded as in training.

        Raises:
            ImageError: If the file is missing or cannot be decoded.
        """
        try:
            if self.image is None:
                return decode(Path(self.name))
            check_shape(self.image)
            self.image.load()  # which Pillow puts off
            return as_rgb(self.image)
        except FileNotFoundError as error:
            raise ImageError(f"The image {self.name!r} cannot be read: there is no such file.") from error
        except Exception as error:  # Pillow's decoders raise whatever damaged bytes make them stumble over
            raise ImageError(f"The image {self.name!r} cannot be read: {reason(error)}.") from error


AnyImage = Image.Image | NamedImage | str | Path
AnyImages = AnyImage | Sequence[AnyImage]


def named_images(images: AnyImages) -> list[NamedImage]:
    """Images by name, in the order given; those of a folder or of a pattern in the order of their names.

    Args:
        images: An open image, a file, a folder (all images in it and below), a pattern such as `photos/*.jpg`, an image
            that is named already, or a sequence of these.

    Raises:
        DataError: If a folder holds no image, a file's name is no UTF-8, or there are no images at all.
        ImageError: If a file is missing, or a pattern stands for none.
    """
    several = [images] if isinstance(images, Image.Image | NamedImage | str | Path) else list(images)
    if not several:
        raise DataError("No images are given.")
    found: list[NamedImage] = []
    for image in several:
        if isinstance(image, NamedImage):
            found.append(image)
        elif isinstance(image, Image.Image):
            found.append(NamedImage(str(getattr(image, "filename", "") or f"image {len(found) + 1}"), image))
        else:
            found += [NamedImage(written_name(name)) for name in _paths(str(image))]
    return found


def _paths(place: str) -> list[str]:
    if os.path.isfile(place):  # which a text too long for a name is not; pathlib would raise
        return [place]
    if os.path.isdir(place):
        inside = [str(Path(place, name)) for name in list_images(Path(place))]
        if not inside:
            raise DataError(f"The folder {place!r} and those below it hold no image.")
        return inside
    if matches := sorted(match for match in glob.glob(place, recursive=True) if Path(match).is_file()):
        return matches
    kind = "file or folder matches the pattern" if glob.has_magic(place) else "image or folder"
    raise ImageError(f"No {kind} {place!r}.")
