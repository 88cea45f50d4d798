"""Pictures of a run: some images with their classes, and what the aggregator attended to in them."""

from collections.abc import Sequence
from textwrap import fill, shorten

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from aape_lightning.protocols.explanations import ExplainedImage
from aape_lightning.report.figures.drawing import plain

__all__ = ["attention_picture", "image_grid"]

_COLUMNS = 4
_BAR, _RIGHT, _WRONG = "#2a6fbb", "#1a7f37", "#b42318"
_DPI = 100
_NARROW = 28  # characters above an image


def image_grid(images: Sequence[Image.Image], titles: Sequence[str]) -> Image.Image:
    """Images side by side, four a row, each under its title.

    Args:
        images: One or more.
        titles: One an image.
    """
    columns = min(_COLUMNS, len(images))
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(2.4 * columns, 2.7 * rows), dpi=_DPI, layout="constrained")
    places = figure.subplots(rows, columns, squeeze=False).flat
    for axes in places:
        axes.set_axis_off()
    for axes, image, title in zip(figure.axes, images, titles, strict=False):
        axes.imshow(image)
        axes.set_title(plain(fill(title, _NARROW)), fontsize=9)
    return _drawn(figure)


def attention_picture(images: Sequence[Image.Image], explained: Sequence[ExplainedImage]) -> Image.Image:
    """A row an image: the image with its class and prediction, and beside it the sentences most attended to.

    Args:
        images: The images, one or more.
        explained: What is told of each.
    """
    figure = Figure(figsize=(11, 2.3 * len(images)), dpi=_DPI, layout="constrained")
    rows = figure.subplots(len(images), 2, squeeze=False, width_ratios=(2, 5))
    for (left, right), image, told in zip(rows, images, explained, strict=True):
        _image(left, image, told)
        _sentences(right, told)
    return _drawn(figure)


def _image(axes: Axes, image: Image.Image, told: ExplainedImage) -> None:
    axes.imshow(image)
    axes.set_axis_off()
    best = told.choices[0]
    predicted = "predicted so" if told.is_right else f"predicted {best.name}"
    said = f"{fill(told.label, _NARROW)}\n{fill(f'{predicted}, {100 * best.probability:.0f} %', _NARROW)}"
    axes.set_title(plain(said), fontsize=9, color=_RIGHT if told.is_right else _WRONG)


def _sentences(axes: Axes, told: ExplainedImage) -> None:
    shares = [100 * sentence.share for sentence in told.attended]
    axes.barh(range(len(shares)), shares, height=0.5, color=_BAR)
    uniform = 100 / (len(shares) + told.others)
    axes.axvline(uniform, color="#555555", linestyle=":")
    axes.invert_yaxis()
    axes.set_yticks(range(len(shares)), [_sentence(sentence.text) for sentence in told.attended], fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(axis="x", labelsize=8)
    rest = f"; {told.others} more sentences share {100 * told.others_share:.0f} %" if told.others else ""
    axes.set_xlabel(f"percent of the attention (dotted: uniform){rest}", fontsize=8)


def _sentence(text: str) -> str:
    return plain(fill(shorten(text, 110, placeholder=" ..."), 60))


def _drawn(figure: Figure) -> Image.Image:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
