"""The shapes world as a dataset: a split of pseudo-paths, and images that are drawn from their path alone."""

from collections.abc import Collection, Sequence
from typing import get_args

from PIL import Image

from aape_lightning.data.shapes.chance import random_of
from aape_lightning.data.shapes.classes import CLASS_NAMES, class_look
from aape_lightning.data.shapes.render import render
from aape_lightning.data.shapes.scene import Scene, sample_scene
from aape_lightning.data.shapes.scenes import sample_plain_scene
from aape_lightning.data.shapes.vocabulary import STYLES
from aape_lightning.data.splits import PARTS, Item, Part, Split
from aape_lightning.errors import DataError, ImageError, did_you_mean

__all__ = ["IMAGES_PER_CLASS", "open_shapes_image", "shapes_scene", "shapes_split"]

IMAGES_PER_CLASS: dict[Part, int] = {"train": 32, "val": 4, "test": 25}
_FOLDERS = {name.replace(" ", "_"): name for name in CLASS_NAMES}


def shapes_split(styles: Sequence[str] = ("flat",), parts: Collection[Part] = PARTS) -> Split:
    """The split of the shapes world; the first half of the labels are base classes.

    Args:
        styles: Drawing styles whose images it holds.
        parts: The parts that hold images; the others are empty.

    Raises:
        DataError: If a style is unknown.
    """
    if unknown := [style for style in styles if style not in STYLES]:
        raise DataError(
            f"No drawing style {unknown[0]!r} in the shapes world; there are {', '.join(STYLES)}."
            f"{did_you_mean(unknown[0], STYLES)}"
        )
    items = {
        part: [
            Item(f"{style}/{part}/{folder}/{number:04d}.png", label)
            for style in styles
            for label, folder in enumerate(_FOLDERS)
            for number in range(count if part in parts else 0)
        ]
        for part, count in IMAGES_PER_CLASS.items()
    }
    return Split(list(CLASS_NAMES), **items)


def open_shapes_image(path: str) -> Image.Image:
    """Draw the image of a pseudo-path, 64x64 RGB; the same path gives the same image everywhere.

    Args:
        path: `STYLE/PART/CLASS_WITH_UNDERSCORES/NUMBER.png`, as in `shapes_split`, or `STYLE/scenes/PART/NUMBER.png`.

    Raises:
        ImageError: If the shapes world has no such image.
    """
    return Image.fromarray(render([shapes_scene(path)])[0])


def shapes_scene(path: str) -> Scene:
    """What the image of a pseudo-path shows: the same scene in every style.

    Raises:
        ImageError: If the shapes world has no such image.
    """
    random = random_of(f"flat/{path.partition('/')[2]}")
    match path.split("/"):
        case [style, part, folder, file] if (
            style in STYLES and part in get_args(Part) and folder in _FOLDERS and _is_file(file)
        ):
            return sample_scene(random, class_look(_FOLDERS[folder]), style)
        case [style, "scenes", part, file] if style in STYLES and part in get_args(Part) and _is_file(file):
            return sample_plain_scene(random, style)
    raise ImageError(
        f"No image {path!r} in the shapes world. Its images are named STYLE/PART/CLASS/NUMBER.png, such as "
        f"'flat/train/{next(iter(_FOLDERS))}/0000.png', or STYLE/scenes/PART/NUMBER.png, such as "
        f"'flat/scenes/train/000000.png', with a style of {', '.join(STYLES)}."
    )


def _is_file(name: str) -> bool:
    number, dot, suffix = name.partition(".")
    return dot == "." and suffix == "png" and number.isascii() and number.isdigit()
