"""What lies in folders of images, always in sorted order: file systems list in orders of their own."""

import os
from pathlib import Path

from aape_lightning.errors import DataError, ManifestError

__all__ = ["IMAGE_SUFFIXES", "class_folders", "list_images", "written_name"]

IMAGE_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})


def class_folders(folder: Path) -> list[str]:
    """The names of a folder's sub-folders, sorted; hidden ones are left out.

    Raises:
        ManifestError: If there is no such folder, or it cannot be read.
        DataError: If a name is no UTF-8.
    """
    if not folder.is_dir():
        raise ManifestError(f"No folder {str(folder)!r}, where class folders should lie.")
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith(".")]
    except OSError as error:
        raise _closed(error) from error
    return sorted(written_name(name) for name in names)


def list_images(folder: Path) -> list[str]:
    """Paths of the images in a folder and below, relative to it, with forward slashes, sorted.

    Raises:
        ManifestError: If a folder cannot be read.
        DataError: If a name is no UTF-8.
    """

    def stop(error: OSError) -> None:
        raise _closed(error) from error  # else the images of a folder that cannot be read would be left out unseen

    found = []
    for place, folders, files in os.walk(folder, onerror=stop):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inside = os.path.relpath(place, folder).replace(os.sep, "/")
        prefix = "" if inside == "." else f"{inside}/"
        found += [
            written_name(f"{prefix}{name}")
            for name in files
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES
        ]
    return sorted(found)


def _closed(error: OSError) -> ManifestError:
    return ManifestError(f"The folder {error.filename!r} cannot be read ({error.strerror}). See who may: ls -ld FOLDER")


def written_name(name: str) -> str:
    """A name that can be written into results, which Linux does not ask of names.

    Raises:
        DataError: If it is not UTF-8.
    """
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"The name of the file or folder {name!a} is not UTF-8. Rename it.") from error
    return name
