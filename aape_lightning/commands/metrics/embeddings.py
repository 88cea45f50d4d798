"""Files of embeddings: NumPy's .npy and safetensors, and of whose caption is whose."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor

from aape_lightning.errors import DataError, listed, reason
from aape_lightning.formats.json_content import parse_json
from aape_lightning.formats.npy_array import map_array

__all__ = ["equal_owners", "read_embeddings", "read_owners"]

_WIDEST = 8  # bytes of a number; torch has none that are wider


def read_embeddings(path: Path) -> Float[Tensor, "n d"]:
    """The one table of floating-point numbers that a file holds.

    Raises:
        DataError: If the file is damaged, or holds something else.
    """
    if path.suffix not in (".npy", ".safetensors"):
        raise DataError(f"{str(path)!r} must be a .npy or .safetensors file of embeddings.")
    values = torch.from_numpy(_read_npy(path)) if path.suffix == ".npy" else _read_safetensors(path)
    if values.ndim != 2 or not values.is_floating_point():
        kind = str(values.dtype).removeprefix("torch.")
        raise DataError(
            f"{str(path)!r} must hold embeddings, one a row, as floating-point numbers of two axes, not {kind} of the "
            f"shape {tuple(values.shape)}."
        )
    return values


def read_owners(path: Path, captions: int) -> Int[Tensor, " m"]:
    """The row of the image that each caption belongs to.

    Args:
        path: The file.
        captions: How many captions there are.

    Raises:
        DataError: If the file is neither .npy nor .json, or holds something else than a whole number a caption.
    """
    if path.suffix not in (".npy", ".json"):
        raise DataError(f"{str(path)!r} (--owner) must be a .npy or .json file.")
    values = _read_npy(path) if path.suffix == ".npy" else _read_list(path)
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise DataError(
            f"{str(path)!r} (--owner) must hold one row of whole numbers, from 0: the image of each caption; not "
            f"{values.dtype} of the shape {values.shape}."
        )
    if len(values) != captions:
        raise DataError(f"{str(path)!r} (--owner) says of {len(values)} captions whose they are; there are {captions}.")
    return torch.from_numpy(values.astype(np.int64))


def equal_owners(images: int, captions: int) -> Int[Tensor, " m"]:
    """Whose caption is whose where every image has equally many, image by image.

    Raises:
        DataError: If the numbers do not divide.
    """
    if not images or captions % images or not captions:
        raise DataError(
            f"{captions} captions cannot be equally many for each of {images} images: say whose each is with --owner O."
        )
    return torch.arange(images).repeat_interleave(captions // images)


def _read_npy(path: Path) -> NDArray[np.generic]:
    try:
        values = map_array(path, "r")
    except ValueError as error:
        raise DataError(f"{str(path)!r} is no array of numbers in NumPy's format: {reason(error)}.") from error
    if values.dtype.kind not in "fiu" or values.itemsize > _WIDEST:
        raise DataError(f"{str(path)!r} must hold one array of numbers of at most 64 bits.")
    return np.array(values, dtype=values.dtype.newbyteorder("="), order="C")


def _read_safetensors(path: Path) -> Tensor:
    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            if len(names) != 1:
                raise DataError(f"{str(path)!r} must hold one tensor, and holds {len(names)}: {listed(names)}.")
            tensor: Tensor = file.get_tensor(names[0])
    except SafetensorError as error:
        raise DataError(f"{str(path)!r} is no safetensors file: {reason(error)}.") from error
    return tensor


def _read_list(path: Path) -> NDArray[np.generic]:
    try:
        return np.asarray(parse_json(path))
    except ValueError as error:  # lists of different lengths
        raise DataError(f"{str(path)!r} is no list of numbers in JSON: {reason(error)}.") from error
