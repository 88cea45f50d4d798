"""Images of a dataset of any kind by their paths in its split: opened as RGB, or measured."""

from collections.abc import Callable
from pathlib import Path

from PIL import Image

from aape_lightning.data.decoding import check_file, decode
from aape_lightning.data.degrade import degrade
from aape_lightning.data.places import image_folder, is_built_in
from aape_lightning.data.schema import Manifest
from aape_lightning.data.shapes import open_shapes_image
from aape_lightning.errors import ImageError, reason
from aape_lightning.formats.inside import leads_out

__all__ = ["DegradedImages", "FolderImages", "file_size", "image_access", "image_opener", "open_image"]


def image_access(manifest: Manifest, root: Path) -> tuple[Callable[[str], Image.Image], Callable[[str], int]]:
    """How to open an image of a dataset and how to measure it: `image_opener` and `file_size`."""
    return image_opener(manifest, root), file_size(manifest, root)


def image_opener(manifest: Manifest, root: Path, degradation: str = "none") -> Callable[[str], Image.Image]:
    """How to open an image of a dataset by its path in the split, as RGB; can be pickled for worker processes.

    Args:
        manifest: The dataset.
        root: The data root.
        degradation: How the image is made worse, as `degrade` names it.
    """
    opener = open_shapes_image if is_built_in(manifest) else FolderImages(image_folder(manifest, root)).open
    return opener if degradation == "none" else DegradedImages(opener, degradation).open


def file_size(manifest: Manifest, root: Path) -> Callable[[str], int]:
    """Size in bytes of a dataset's image by its path in the split; 0 for an image that is rendered.

    The returned function raises `ImageError` for a missing file.
    """
    if is_built_in(manifest):
        return lambda path: 0
    return FolderImages(image_folder(manifest, root)).size


class DegradedImages:
    """Images made worse.

    Args:
        opener: Opens an image by its path.
        kind: As `degrade` names it.
    """

    def __init__(self, opener: Callable[[str], Image.Image], kind: str) -> None:
        self.opener = opener
        self.kind = kind

    def open(self, path: str) -> Image.Image:
        """A degraded image as RGB."""
        return degrade(self.opener(path), self.kind, path)


class FolderImages:
    """The images under a folder.

    Args:
        folder: What their paths are relative to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self, path: str) -> Image.Image:
        """An image as RGB, as `open_image` gives it."""
        return open_image(self._place(path))

    def size(self, path: str) -> int:
        """Size of an image's file in bytes.

        Raises:
            ImageError: If there is none, it is no regular file, or its path leads out of the folder.
        """
        file = self._place(path)
        try:
            return check_file(file)
        except FileNotFoundError as error:
            raise _missing(file) from error
        except (OSError, ValueError) as error:
            raise _unreadable(file, error) from error

    def _place(self, path: str) -> Path:
        if leads_out(path):  # whatever reader the path came through
            raise ImageError(f"The image {path!r} lies outside {str(self.folder)!r}, to which it is relative.")
        return self.folder / path


def open_image(path: Path) -> Image.Image:
    """Decode an image file as RGB, as `decode` does.

    Raises:
        ImageError: If the file is missing, damaged, refused, or no image.
    """
    try:
        return decode(path)
    except FileNotFoundError as error:
        raise _missing(path) from error
    except Exception as error:  # Pillow's decoders raise whatever damaged bytes make them stumble over
        raise _unreadable(path, error) from error


def _missing(path: Path) -> ImageError:
    return ImageError(
        f"No image {str(path)!r}, though the split lists it. Find all that are missing with: "
        "aape data check --manifest MANIFEST --root ROOT"
    )


def _unreadable(path: Path, error: Exception) -> ImageError:
    return ImageError(
        f"{str(path)!r} cannot be decoded ({reason(error)}). Replace the file; find all such files with: "
        "aape data check --manifest MANIFEST --root ROOT"
    )
