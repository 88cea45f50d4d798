"""Image files as RGB pixels: what is decoded, how its modes become RGB, and what is refused before it takes memory."""

import stat
from functools import cache
from pathlib import Path

from PIL import ExifTags, Image, UnidentifiedImageError

__all__ = ["MOST_PIXELS", "WIDEST", "as_rgb", "check_file", "check_shape", "decode", "is_turned"]

MOST_PIXELS = 2**27  # half a gigabyte while it is decoded; the largest cameras' pictures have 108 million
WIDEST = 256  # times the other side; a transform scales the shorter side up, and the longer one with it

# No more than viewers show. Pillow knows others that run programs (EPS runs Ghostscript) or that nobody tests.
_FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
_WITH_SIXTEEN_BITS = ("PNG", "PPM")  # of which Pillow makes 32-bit integers from 0 to 65,535


def decode(path: Path) -> Image.Image:
    """The first frame of an image file as RGB, as `as_rgb` gives it.

    Pixels are taken as they are stored, as CLIP's and CoOp's loaders take them: EXIF's orientation is not applied, but
    in TIFF files, where Pillow itself does.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is no regular file, none of the formats, or has a shape or a mode that is refused.
        Exception: Whatever else a decoder makes of damaged bytes.
    """
    if not check_file(path):
        raise ValueError("the file is empty")
    try:
        with Image.open(path, formats=_formats()) as image:
            check_shape(image)
            image.load()
            return as_rgb(image)
    except UnidentifiedImageError as error:
        *names, last = _formats()
        raise ValueError(f"it is damaged, or no {', '.join(names)} or {last} file") from error
    except Image.DecompressionBombError as error:
        raise ValueError(f"it has more than {MOST_PIXELS:,} pixels, the most that an image may have") from error


def check_file(path: Path) -> int:
    """Size of a file in bytes; refuses what only looks like one, since reading from a pipe or a device may never end.

    Raises:
        OSError: If there is nothing.
        ValueError: If it is no regular file.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("it is a folder" if stat.S_ISDIR(found.st_mode) else "it is no regular file")
    return found.st_size


def check_shape(image: Image.Image) -> None:
    """Refuse what would take memory without bound, by the header alone.

    Raises:
        ValueError: If there are no pixels, too many, or one side is far longer than the other.
    """
    width, height = image.size
    if not width * height:
        raise ValueError("it has no pixels")
    shape = f"it has {width:,} x {height:,} pixels"
    if width * height > MOST_PIXELS:
        raise ValueError(f"{shape}, and an image may have {MOST_PIXELS:,} at the most")
    if max(width, height) > WIDEST * min(width, height):
        raise ValueError(f"{shape}, and one side may be {WIDEST} times as long as the other at the most")


def as_rgb(image: Image.Image) -> Image.Image:
    """An open image as RGB; transparency is dropped, and 16-bit grey scaled to 8 bits, which Pillow alone would clip.

    Raises:
        ValueError: If its pixels are 32-bit numbers, of which nothing says what is white.
    """
    sixteen_bits = image.mode.startswith("I;16") or (image.mode == "I" and image.format in _WITH_SIXTEEN_BITS)
    if sixteen_bits:
        return image.convert("I").point(lambda grey: grey * (1 / 256)).convert("RGB")
    if image.mode in ("I", "F"):
        raise ValueError("its pixels are 32-bit numbers, of which nothing says what is white; write 8 or 16 bits")
    if image.mode == "P" and "transparency" in image.info:
        return image.convert("RGBA").convert("RGB")  # the same colours, without Pillow's warning
    return image if image.mode == "RGB" else image.convert("RGB")


def is_turned(image: Image.Image) -> bool:
    """Whether EXIF asks viewers to turn or mirror an image, whose pixels are taken as they are stored."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9)
    except Exception:  # damaged EXIF, of which viewers make nothing either
        return False


@cache
def _formats() -> tuple[str, ...]:
    """The formats that this Pillow was built with."""
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)
