"""The tasks that inference knows: a file names one of them by its short name, and never a place to import from."""

import importlib
import inspect
from typing import Any

from lightning.pytorch import LightningModule

from aape_lightning.errors import CheckpointError, did_you_mean, listed, reason

__all__ = ["TASK_NAMES", "new_task", "short_name"]

_PACKAGE = "aape_lightning."
_HOMES = {
    "ClassificationTask": "tasks",
    "GeneratorTask": "tasks",
    "RetrievalTask": "tasks",
    "CaptioningTask": "tasks",
    "VQATask": "tasks",
    "VQAClassifierTask": "tasks",
    "CLIPAdapterTask": "baselines",
    "LinearProbeTask": "baselines",
    "TipAdapterTask": "baselines",
}
_OTHERS = {
    "AggregatorTask": "it trains an aggregator alone, which nothing at test time uses",
    "CausalLMTask": "it trains a language model, which is a folder of its own: RUN/language_model",
    "ContrastiveTask": "it trains a CLIP, which is a file of its own: pass that as --backbone",
} | dict.fromkeys(
    ("CoOpTask", "CoCoOpTask", "KgCoOpTask", "ProGradTask", "MaPLeTask", "PromptSRCTask"),
    "it learns prompts through the backbone's own towers; use aape predict --config RUN/config.yaml --ckpt_path "
    "RUN/last.ckpt",
)

TASK_NAMES = tuple(_HOMES)


def short_name(class_path: object) -> str:
    """The short name of a task out of the class path that a checkpoint records.

    Args:
        class_path: Such as `aape_lightning.tasks.classification.ClassificationTask`.

    Raises:
        CheckpointError: If it is of another package, or not recorded.

    Example:
        >>> short_name("aape_lightning.tasks.classification.ClassificationTask")
        'ClassificationTask'
    """
    if not isinstance(class_path, str) or not class_path.startswith(_PACKAGE):
        raise CheckpointError(
            f"The checkpoint is of the class {class_path!r}, and only those of aape_lightning are built from a file. "
            "Load one of your own with CLASS.load_from_checkpoint(PATH)."
        )
    return class_path.rpartition(".")[2]


def new_task(name: str, hyper_parameters: dict[str, Any]) -> LightningModule:
    """A task with untrained weights.

    Args:
        name: Its short name.
        hyper_parameters: The arguments of its constructor.

    Raises:
        CheckpointError: If there is no such task, or it does not take these hyper-parameters.
    """
    if name in _OTHERS:
        raise CheckpointError(f"A {name} is of no use here: {_OTHERS[name]}.")
    if name not in _HOMES:
        raise CheckpointError(
            f"The checkpoint is of a task {name!r}, which is none of {listed(_HOMES, limit=20)}."
            f"{did_you_mean(name, _HOMES)}"
        )
    task_class = getattr(importlib.import_module(_PACKAGE + _HOMES[name]), name)
    taken = inspect.signature(task_class.__init__).parameters
    if unknown := [key for key in hyper_parameters if key not in taken]:
        raise CheckpointError(
            f"The checkpoint has hyper-parameters that {name} does not take: {listed(unknown)}. It was written by "
            "another version of aape_lightning, or is damaged."
        )
    try:
        task: LightningModule = task_class(**hyper_parameters)
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:  # values of no use to it
        told = f"No {name} can be built of the checkpoint's hyper-parameters: {reason(error)}."
        raise CheckpointError(told) from error
    return task
