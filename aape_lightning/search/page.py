"""A search's result as one HTML page that holds its images."""

import base64
import io
from collections.abc import Callable
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from PIL.Image import Image, Resampling

from aape_lightning import __version__
from aape_lightning.search.result import SearchResult

__all__ = ["render_page"]

_SIDE = 320  # pixels
_QUALITY = 85


def render_page(result: SearchResult, open_image: Callable[[str], Image]) -> str:
    """The page's HTML.

    Args:
        result: The search.
        open_image: Opens an image by its path.
    """
    environment = Environment(
        loader=PackageLoader("aape_lightning.search"),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    values: dict[str, Any] = {
        "result": result,
        "picture": None if result.picture is None else _address(result.picture),
        "pictures": {hit.image: _address(open_image(hit.image)) for hit in result.hits},
        "version": __version__,
    }
    return environment.get_template("result.html.j2").render(values)


def _address(image: Image) -> str:
    """A small copy of an image, as an address that holds it."""
    small, buffer = image.copy(), io.BytesIO()
    small.thumbnail((_SIDE, _SIDE), Resampling.LANCZOS)
    small.save(buffer, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
