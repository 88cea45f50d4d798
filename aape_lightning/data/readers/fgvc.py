"""FGVC-Aircraft's own lists: the one dataset of CoOp's that has text files where the others have CoOp's split JSON."""

from pathlib import Path

from aape_lightning.data.splits import Item, Part, Split
from aape_lightning.errors import DataError, ManifestError, did_you_mean

__all__ = ["read_fgvc_split"]

_VARIANTS = "variants.txt"


def read_fgvc_split(folder: Path) -> Split:
    """Read `variants.txt` and `images_variant_{train,val,test}.txt`; a label is a line's number in the first.

    A line of the others is an image's number and its variant's name, which may hold spaces and slashes ("F-16A/B").

    Args:
        folder: The dataset's folder, beside whose `images` the lists lie.

    Raises:
        ManifestError: If a list is missing.
        DataError: If a list is empty, or a line names no variant.
    """
    class_names = _lines(folder / _VARIANTS)
    labels = {name: label for label, name in enumerate(class_names)}
    if len(labels) != len(class_names):
        raise DataError(f"{str(folder / _VARIANTS)!r} names a variant twice; sentences are kept by name.")
    parts: tuple[Part, ...] = ("train", "val", "test")
    return Split(class_names, **{part: _items(folder / f"images_variant_{part}.txt", labels) for part in parts})


def _items(path: Path, labels: dict[str, int]) -> list[Item]:
    items = []
    for number, line in enumerate(_lines(path), start=1):
        image, _, name = line.partition(" ")
        if name not in labels:
            raise DataError(
                f"{str(path)!r}, line {number}: {line!r} names no variant of {_VARIANTS}.{did_you_mean(name, labels)}"
            )
        items.append(Item(f"{image}.jpg", labels[name]))
    return items


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise ManifestError(
            f"No list {str(path)!r}. FGVC-Aircraft's archive has it in its folder data/; copy it there."
        )
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{str(path)!r} is not UTF-8 text: {error}.") from error
    if not lines:
        raise DataError(f"{str(path)!r} is empty.")
    return lines
