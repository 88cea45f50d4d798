"""Draws that exist already: this project's JSON, cross_modal_adaptation's JSON, and CoOp's pickles, read safely.

They may hold the absolute paths of the machine that made them; paths are found again in the split by how they end.
"""

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aape_lightning.data.draw_pickles import Datum, read_pickled_draw
from aape_lightning.data.draws import Draw
from aape_lightning.data.splits import Item, Part, Split
from aape_lightning.errors import DataError, listed
from aape_lightning.formats.json_content import parse_json

__all__ = ["read_draw"]


def read_draw(path: Path, split: Split) -> Draw:
    """Read a draw of a dataset's images, in its order.

    Args:
        path: `.json` with `{"train": [path, ...], "val": [...]}`, as `aape data draw` prints it, or with
            `{"train": {"data": [{"impath": path}, ...]}, "val": ...}`; or a pickle of CoOp's `split_fewshot/`.
        split: The dataset's split, in which every image must be, in the same part.

    Raises:
        DataError: If the file is missing, of another form, or names images that the split has not.
    """
    if not path.is_file():
        raise DataError(f"No draw {str(path)!r}. Write one with: aape data draw --manifest M --shots K --seed S > FILE")
    try:
        parts = parse_json(path) if path.suffix == ".json" else read_pickled_draw(path)
        train, val = (_paths(parts, part) for part in ("train", "val"))
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, IndexError, pickle.UnpicklingError) as error:
        raise DataError(
            f"{str(path)!r} is no draw ({type(error).__name__}: {error}). It must be JSON "
            '({"train": [path, ...], "val": [path, ...]}) or a pickle of CoOp\'s split_fewshot folder.'
        ) from error
    return Draw(_found(path, "train", train, split), _found(path, "val", val, split))


def _paths(parts: Any, part: Part) -> list[str]:  # noqa: ANN401 - a stranger's file
    entries = parts[part]["data"] if isinstance(parts[part], dict) else parts[part]
    paths = [_path_of(entry) for entry in entries]
    if not all(isinstance(path, str) for path in paths):
        raise TypeError(f"{part} holds something that is no path")
    return paths


def _path_of(entry: Any) -> Any:  # noqa: ANN401
    if isinstance(entry, dict):
        return entry["impath"]
    return entry._impath if isinstance(entry, Datum) else entry


def _found(path: Path, part: Part, paths: Sequence[str], split: Split) -> list[Item]:
    """The split's items of these paths, whatever folders stand before them."""
    items = {item.path: item for item in split.part(part)}
    longest = max((item.count("/") + 1 for item in items), default=0)
    found = [next((items[end] for end in _ends(path, longest) if end in items), None) for path in paths]
    if unknown := [path for path, item in zip(paths, found, strict=True) if item is None]:
        raise DataError(
            f"{str(path)!r} names {len(unknown)} {part} images that the split has not: {listed(unknown, limit=3)}."
        )
    return [item for item in found if item is not None]


def _ends(path: str, longest: int) -> list[str]:
    """The path's ends of at most so many steps, the longest first."""
    steps = path.replace("\\", "/").split("/")[-longest:]
    return ["/".join(steps[start:]) for start in range(len(steps))]
