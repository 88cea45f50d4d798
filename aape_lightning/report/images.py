"""Images of a dataset for the page: opened, made small, and held in the page itself."""

import base64
import io
from functools import cached_property
from pathlib import Path

from PIL import Image

from aape_lightning.data.images import image_opener
from aape_lightning.data.manifests import read_manifest
from aape_lightning.data.places import data_root
from aape_lightning.data.schema import Manifest
from aape_lightning.errors import AAPEError, reason

__all__ = ["Images"]

_QUALITY = 82


class Images:
    """A dataset's images as `data:` addresses.

    Args:
        manifest: Name or path of the dataset's manifest.
        root: The data root; the manifest's own where None.

    Attributes:
        failures: Why images could not be opened, by path.
    """

    def __init__(self, manifest: str, root: str | None) -> None:
        self.name = manifest
        self.root = root
        self.failures: dict[str, str] = {}
        self._addresses: dict[tuple[str, str, int], str | None] = {}

    def address(self, path: str, degradation: str, size: int) -> str | None:
        """An image that fits into a square of so many pixels; None where it cannot be opened."""
        key = path, degradation, size
        if key not in self._addresses:
            try:
                self._addresses[key] = _encoded(self._open(path, degradation), size)
            except (AAPEError, OSError) as error:
                self.failures[path] = reason(error)
                self._addresses[key] = None
        return self._addresses[key]

    def _open(self, path: str, degradation: str) -> Image.Image:
        manifest, root = self._dataset
        return image_opener(manifest, root, degradation)(path)

    @cached_property
    def _dataset(self) -> tuple[Manifest, Path]:
        manifest = read_manifest(self.name)
        return manifest, data_root(manifest, self.root)


def _encoded(image: Image.Image, size: int) -> str:
    small, buffer = image.copy(), io.BytesIO()
    small.thumbnail((size, size), Image.Resampling.LANCZOS)
    small.save(buffer, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
