"""What lies in folders of images, always in sorted order: file systems list in orders of their own."""

import os
from pathlib import Path

from aape_lightning.errors import ManifestError

__all__ = ["IMAGE_SUFFIXES", "class_folders", "list_images"]

IMAGE_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})


def class_folders(folder: Path) -> list[str]:
    """The names of a folder's sub-folders, sorted; hidden ones are left out."""
    if not folder.is_dir():
        raise ManifestError(f"No folder {str(folder)!r}, where class folders should lie.")
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))


def list_images(folder: Path) -> list[str]:
    """Paths of the images in a folder and below, relative to it, with forward slashes, sorted."""
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inside = os.path.relpath(place, folder).replace(os.sep, "/")
        prefix = "" if inside == "." else f"{inside}/"
        found += [
            f"{prefix}{name}"
            for name in files
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES
        ]
    return sorted(found)
