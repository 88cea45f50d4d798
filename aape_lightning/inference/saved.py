"""What inference needs of a run, out of its file: plain values and tensors, which run no code and choose no class."""

import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from aape_lightning.backbones import BackboneSpec
from aape_lightning.errors import CheckpointError, reason
from aape_lightning.inference.checks import check_inference, check_sizes, check_spec, tensors_in
from aape_lightning.inference.registry import new_task, short_name

__all__ = ["RUN_FILES", "SavedTask", "read_saved"]

RUN_FILES = ("aape.ckpt", "last.ckpt")  # what a run's folder is known by; the first that is there is read

_LONGEST = 200  # characters of a library's message
_AGGREGATOR = "aggregator."
_TRAIN_ONE = "Name the aape.ckpt of a run (aape fit --config shapes leaves one in runs/), or its folder."


@dataclass(frozen=True)
class SavedTask:
    """What inference needs of a run, in plain values and tensors.

    Attributes:
        task: Short name of the task, one of this project's.
        hyper_parameters: The arguments of its constructor.
        state_dict: Trained parameters, without the aggregator's.
        inference: Plain values that the DataModule recorded: `dataset`; of a classifier `class_names`, `class_text` and
            `templates`; of a captioner `prompt`, `image_tokens` and `decoding`; of an answerer `question_prompt` too.
            Empty for files of earlier versions.
        tensors: `class_embeddings` (c, d) of the classes trained on, where the DataModule recorded them.
        origin: The file or folder that it was read from, for messages; empty where it is from none.

    Raises:
        CheckpointError: If a value is of another kind or shape than it must be.
    """

    task: str
    hyper_parameters: dict[str, Any]
    state_dict: dict[str, Tensor]
    inference: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    origin: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        """Check what a stranger may have written."""
        spec = check_spec(self.hyper_parameters.get("backbone_spec"))
        check_sizes(self.hyper_parameters, self.state_dict)
        check_inference(self.inference, self.tensors, spec["embed_dim"])

    @property
    def backbone_spec(self) -> BackboneSpec:
        """The backbone trained on, in plain values."""
        spec: BackboneSpec = self.hyper_parameters["backbone_spec"]
        return spec

    def build(self) -> LightningModule:
        """The task with its trained weights, on the CPU in evaluation mode; every weight is accounted for.

        Raises:
            CheckpointError: If the task is unknown, or the weights are not those of such a task.
            LanguageModelError: If its language model cannot be had, or has other weights than the one trained with.
        """
        try:
            return self._built()
        except CheckpointError as error:
            if not self.origin:
                raise
            raise CheckpointError(f"{self.origin!r}: {error}") from error

    def _built(self) -> LightningModule:
        task: Any = new_task(self.task, dict(self.hyper_parameters))
        checkpoint = {"hyper_parameters": self.hyper_parameters, "state_dict": self.state_dict}
        try:
            task.on_load_checkpoint(checkpoint)
            task.load_state_dict(self.state_dict, strict=True)
        except (KeyError, RuntimeError) as error:  # what is missing, superfluous, or of another shape
            raise CheckpointError(f"The weights are not those of a {self.task}: {_misfit(error)}.") from error
        if hasattr(task, "drop_aggregator"):
            task.drop_aggregator()  # one without weights is in no file
        built: LightningModule = task.eval().requires_grad_(False)
        return built


def read_saved(path: Path) -> SavedTask:
    """Read a trained task.

    Args:
        path: A run's `aape.ckpt` or `last.ckpt`, a run's folder, or a folder written by `save_pretrained`.

    Raises:
        CheckpointError: If nothing can be read there, or it holds no trained task.
    """
    if path.is_dir():
        found = next((path / name for name in RUN_FILES if (path / name).is_file()), None)
        if found is None:
            from aape_lightning.inference.folder import read_folder

            return read_folder(path)
        path = found
    return _from_checkpoint(path)


def _from_checkpoint(path: Path) -> SavedTask:
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        state, settings = found["state_dict"], found["hyper_parameters"]
        recorded = found.get("inference") or {}
        values, tensors = dict(recorded.get("values", {})), recorded.get("tensors", {})
        settings, task = {str(key): value for key, value in settings.items()}, settings.get("_class_path")
    except Exception as error:  # torch raises a dozen kinds on files that are missing, damaged or of another kind
        raise CheckpointError(
            f"No trained task can be read from {str(path)!r}: {_told(error)}. {_TRAIN_ONE}"
        ) from error
    try:
        return SavedTask(
            task=short_name(task),
            hyper_parameters={key: value for key, value in settings.items() if not key.startswith("_")},
            state_dict=_without_aggregator(tensors_in(state, "state_dict")),
            inference=values,
            tensors=tensors_in(tensors, "recorded tensors"),
            origin=str(path),
        )
    except CheckpointError as error:
        raise CheckpointError(f"{str(path)!r}: {error}") from error


def _told(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, pickle.UnpicklingError):  # torch's own message names a way to load it that runs its code
        return "it is no checkpoint, or one that would run code of its own"
    return f"it lacks {error}" if isinstance(error, KeyError) else reason(error)


def _misfit(error: Exception) -> str:
    """What does not fit, of which torch's first line says nothing: the second begins with it."""
    lines = str(error).splitlines()
    return lines[1].strip().removesuffix(".")[:_LONGEST] if len(lines) > 1 else reason(error)


def _without_aggregator(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if not name.startswith(_AGGREGATOR)}
