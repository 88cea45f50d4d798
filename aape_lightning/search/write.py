"""A search's result as a file: a contact sheet, a page, or JSON."""

from collections.abc import Callable
from pathlib import Path

from PIL.Image import Image

from aape_lightning.errors import DataError
from aape_lightning.files import atomic_path, write_json, write_text
from aape_lightning.search.page import render_page
from aape_lightning.search.result import SearchResult
from aape_lightning.search.sheet import draw_sheet

__all__ = ["SUFFIXES", "check_suffix", "write_result"]

SUFFIXES = (".png", ".html", ".json")


def check_suffix(path: Path) -> None:
    """Refuse a file of a kind that is not written, before any work is done.

    Raises:
        DataError: If its name ends otherwise.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"{str(path)!r} (--out) must end in {', '.join(SUFFIXES)}, which say what is written.")


def write_result(path: Path, result: SearchResult, open_image: Callable[[str], Image]) -> None:
    """Write a result, whole or not at all.

    Args:
        path: Where to: `.png` is a contact sheet, `.html` a page that holds its images, `.json` everything but images.
        result: The search.
        open_image: Opens an image by its path.

    Raises:
        DataError: If the name ends otherwise.
        ImageError: If an image that was found can no longer be opened.
    """
    check_suffix(path)
    match path.suffix.lower():
        case ".json":
            write_json(path, result.as_dict())
        case ".html":
            write_text(path, render_page(result, open_image))
        case _:
            with atomic_path(path) as temporary:
                temporary.write_bytes(draw_sheet(result, open_image))
