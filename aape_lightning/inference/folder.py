"""A trained task as a folder to share: tensors without pickles, and a configuration that people can read."""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from aape_lightning import __version__
from aape_lightning.errors import CheckpointError, ExportError, reason
from aape_lightning.files import atomic_path, write_json
from aape_lightning.inference.saved import RUN_FILES, SavedTask

__all__ = ["CARD_FILE", "CONFIG_FILE", "FOLDER_FILES", "WEIGHTS_FILE", "read_folder", "write_folder"]

CONFIG_FILE, WEIGHTS_FILE, CARD_FILE = "config.json", "model.safetensors", "README.md"
FOLDER_FILES = (CONFIG_FILE, WEIGHTS_FILE, CARD_FILE)

_FORMAT = 1
_SPEC = "backbone_spec"
_RECORDED = "inference."  # before the names of what the DataModule recorded, which are no weights


class _Config(BaseModel):
    """`config.json`.

    Attributes:
        library: Whose folder it is.
        format: Version of this schema.
        version: The package that wrote it.
        task: Short name of the task.
        backbone: The backbone trained on, in plain values.
        hyper_parameters: The task's, without the backbone.
        inference: What the DataModule recorded, as in `SavedTask`.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    library: Literal["aape_lightning"] = "aape_lightning"
    format: int = Field(default=_FORMAT, ge=1, le=_FORMAT)
    version: str = __version__
    task: str
    backbone: dict[str, Any]
    hyper_parameters: dict[str, Any]
    inference: dict[str, Any] = {}


def write_folder(saved: SavedTask, folder: Path) -> None:
    """Write `config.json` and `model.safetensors`, each whole or not at all.

    Args:
        saved: The task.
        folder: Where to; made where it is missing.

    Raises:
        ExportError: If it is a run's folder, or holds the `config.json` of something else.
    """
    _refuse_place(folder)
    config = _Config(
        task=saved.task,
        backbone=dict(saved.backbone_spec),
        hyper_parameters={name: value for name, value in saved.hyper_parameters.items() if name != _SPEC},
        inference=saved.inference,
    )
    named = saved.state_dict | {_RECORDED + name: tensor for name, tensor in saved.tensors.items()}
    # Copies, since safetensors refuses tensors that share memory.
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in named.items()}
    with atomic_path(folder / WEIGHTS_FILE) as temporary:
        save_file(tensors, temporary, {"format": "pt"})
    write_json(folder / CONFIG_FILE, config.model_dump())


def _refuse_place(folder: Path) -> None:
    """A run's folder would still be read as the run's, and its README.md be taken for the model card."""
    told = f"{str(folder)!r} cannot be shared from"
    if any((folder / name).exists() for name in RUN_FILES):
        raise ExportError(f"{told}: it is a run's folder. Name a new one.")
    if (folder / CONFIG_FILE).exists():
        try:
            _config(folder)
        except CheckpointError as error:
            raise ExportError(f"{told}: its {CONFIG_FILE} is of something else. Name a new folder.") from error


def read_folder(folder: Path) -> SavedTask:
    """Read a folder that `write_folder` wrote, or a stranger did: no code of it is run, and no class chosen by it.

    Raises:
        CheckpointError: If a file is missing, damaged, of a later version, or does not fit the other.
    """
    config, tensors = _config(folder), _tensors(folder)
    try:
        return SavedTask(
            task=config.task,
            hyper_parameters=config.hyper_parameters | {_SPEC: config.backbone},
            state_dict={name: tensor for name, tensor in tensors.items() if not name.startswith(_RECORDED)},
            inference=config.inference,
            tensors={
                name.removeprefix(_RECORDED): tensor for name, tensor in tensors.items() if name.startswith(_RECORDED)
            },
            origin=str(folder),
        )
    except CheckpointError as error:
        raise CheckpointError(f"{str(folder)!r}: {error}") from error


def _config(folder: Path) -> _Config:
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise CheckpointError(
            f"{str(folder)!r} is neither a run's folder (with aape.ckpt or last.ckpt) nor one that was shared (with "
            f"{CONFIG_FILE} and {WEIGHTS_FILE}). Make one with: aape share RUN/aape.ckpt FOLDER."
        )
    try:
        return _Config.model_validate(json.loads(path.read_bytes()))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        raise CheckpointError(
            f"{str(path)!r} is no configuration of aape_lightning {__version__}: {place}: {first['msg']}. It was "
            "written by a later version or another library, or is damaged."
        ) from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{str(path)!r} is not JSON: {reason(error)}.") from error


def _tensors(folder: Path) -> dict[str, Tensor]:
    path = folder / WEIGHTS_FILE
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        found = "there is no such file" if not path.is_file() else reason(error)
        raise CheckpointError(f"No weights can be read from {str(path)!r}: {found}. Fetch the folder again.") from error
