"""The contact sheet: the query on top, what was found beneath it, each with its rank and score."""

import io
import math
import textwrap
from collections.abc import Callable

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL.Image import Image, Resampling

from aape_lightning.search.index import Hit
from aape_lightning.search.result import SearchResult, one_line

__all__ = ["draw_sheet"]

# In inches, from the upper left corner.
_WIDTH, _MARGIN, _GAP = 10.0, 0.25, 0.15
_COLUMNS = 5
_SIDE = (_WIDTH - 2 * _MARGIN - (_COLUMNS - 1) * _GAP) / _COLUMNS
_LABEL = 0.85  # beneath an image
_ROW = 0.95  # a caption with its image
_HEADING = 0.75
_APART = 0.4  # between the image that searches and what it finds
_DPI, _PIXELS = 120, 480
_INK, _MUTED = "#1c2430", "#515d6c"


def draw_sheet(result: SearchResult, open_image: Callable[[str], Image]) -> bytes:
    """The sheet as a PNG.

    Args:
        result: The search.
        open_image: Opens an image by its path.
    """
    with mpl.rc_context({"font.family": "DejaVu Sans"}):  # comes with matplotlib, so sheets look alike everywhere
        top = _MARGIN + _HEADING + (_SIDE + _APART if result.picture else 0)
        sheet = _Sheet(top + _height(result) + _MARGIN)
        sheet.write(_MARGIN, _MARGIN, textwrap.shorten(result.heading, 100, placeholder=" …"), size=13.0, bold=True)
        sheet.write(_MARGIN, _MARGIN + 0.32, textwrap.shorten(result.details, 150, placeholder=" …"), color=_MUTED)
        if result.picture:
            sheet.show(_MARGIN, _MARGIN + _HEADING, _SIDE, result.picture)
        place = _place_image if result.find == "images" else _place_caption
        for number, hit in enumerate(result.hits):
            place(sheet, number, top, hit, open_image(hit.image))
        return sheet.png()


def _height(result: SearchResult) -> float:
    count = len(result.hits)
    return math.ceil(count / _COLUMNS) * (_SIDE + _LABEL) if result.find == "images" else count * _ROW


def _place_image(sheet: "_Sheet", number: int, top: float, hit: Hit, image: Image) -> None:
    row, column = divmod(number, _COLUMNS)
    left, upper = _MARGIN + column * (_SIDE + _GAP), top + row * (_SIDE + _LABEL)
    sheet.show(left, upper, _SIDE, image)
    sheet.write(left, upper + _SIDE + 0.06, f"{hit.rank}   {hit.score:.3f}", bold=True)
    sheet.write(left, upper + _SIDE + 0.23, _tail(hit.image, 28), color=_MUTED)
    sheet.write(left, upper + _SIDE + 0.39, _wrapped(hit.text, 28, 2))


def _place_caption(sheet: "_Sheet", number: int, top: float, hit: Hit, image: Image) -> None:
    upper, side = top + number * _ROW, _ROW - _GAP
    sheet.show(_MARGIN, upper, side, image)
    left = _MARGIN + side + _GAP
    sheet.write(left, upper, f"{hit.rank}   {hit.score:.3f}", bold=True)
    text = _wrapped(hit.text, 120, 2)
    sheet.write(left, upper + 0.2, text, size=9.5)
    sheet.write(left, upper + 0.4 + 0.17 * text.count("\n"), _tail(hit.image, 120), color=_MUTED)


def _wrapped(text: str, width: int, lines: int) -> str:
    return "\n".join(textwrap.wrap(one_line(text), width, max_lines=lines, placeholder=" …"))


def _tail(path: str, length: int) -> str:
    """A path's end, which tells files apart."""
    return path if len(path) <= length else f"…{path[1 - length :]}"


class _Sheet:
    """A white page on which images and texts are placed by inches."""

    def __init__(self, height: float) -> None:
        self.height = height
        self.figure = Figure(figsize=(_WIDTH, height), facecolor="white")
        FigureCanvasAgg(self.figure)

    def show(self, left: float, upper: float, side: float, image: Image) -> None:
        """Place an image into a square."""
        small = image.copy()
        small.thumbnail((_PIXELS, _PIXELS), Resampling.LANCZOS)
        axes = self.figure.add_axes(
            (left / _WIDTH, 1 - (upper + side) / self.height, side / _WIDTH, side / self.height), anchor="SW"
        )
        axes.imshow(small, interpolation="bilinear")
        axes.set_axis_off()

    def write(
        self, left: float, upper: float, text: str, *, size: float = 8.5, bold: bool = False, color: str = _INK
    ) -> None:
        """Place a text, as it is: a dollar sign begins no formula."""
        place = left / _WIDTH, 1 - upper / self.height
        self.figure.text(
            *place, text, va="top", size=size, weight="bold" if bold else "normal", color=color, parse_math=False
        )

    def png(self) -> bytes:
        """The page as a file's content."""
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", dpi=_DPI)
        return buffer.getvalue()
