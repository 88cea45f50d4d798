"""What `--ckpt_path` names, looked at before Lightning reads it: a stranger's file runs no code and chooses no class.

LightningCLI lays the hyper-parameters of a checkpoint over the recipe, where a mapping with a `class_path` stands for
an object to build. So whatever could name a class is refused here, but for the class of the task itself.
"""

import pickle
import sys
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule
from packaging.version import InvalidVersion, Version

from aape_lightning.errors import CheckpointError, reason, shown
from aape_lightning.language.load import refuse_unasked

__all__ = ["check_checkpoint"]

_PACKAGE = "aape_lightning."
_CLASS, _OWN = "class_path", frozenset({"_class_path", "_instantiator"})
_PLAIN = (type(None), bool, int, float, str)
_FIRST = Version("2.6")


def check_checkpoint(path: Path, task: str | None, language_model: str | None = None, *, resumes: bool) -> None:
    """Check that a file is a checkpoint of a task, and holds tensors and plain values only.

    Args:
        path: The file of `--ckpt_path`.
        task: Class path of the task that the recipe names; None where it names none.
        language_model: The language model that the recipe names; None where it names none.
        resumes: Whether a run is to go on from it.

    Raises:
        LanguageModelError: If it names a language model that would be downloaded from somebody's repository.
        CheckpointError: If it is missing or no checkpoint, of a Lightning before ours, or would run code, or names a
            class to build or to import that is neither the recipe's nor a task of this package.
    """
    told = f"{str(path)!r} (--ckpt_path)"
    found = _read(path, told)
    if not isinstance(found, dict) or not isinstance(found.get("state_dict"), dict):
        raise CheckpointError(f"{told} holds no state_dict, so it is no checkpoint of a task.")
    _check_version(found.get("pytorch-lightning_version"), told)
    _check_hyper_parameters(found.get("hyper_parameters") or {}, task, told)
    if (named := (found.get("hyper_parameters") or {}).get("language_model")) != language_model:
        refuse_unasked(named, told)
    if resumes and "optimizer_states" not in found:
        raise CheckpointError(f"{told} holds no state of a run; resume from last.ckpt beside it.")


def _read(path: Path, told: str) -> object:
    try:
        found: object = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"No checkpoint {told}. A run leaves aape.ckpt and last.ckpt.") from error
    except pickle.UnpicklingError as error:  # torch's own message names a way to load it that runs its code
        raise CheckpointError(f"{told} is no checkpoint, or one that would run code of its own.") from error
    except Exception as error:  # torch raises a dozen kinds on files that are damaged or of another kind
        raise CheckpointError(
            f"{told} is no checkpoint that holds tensors and plain values only: {reason(error)}."
        ) from error
    return found


def _check_version(version: object, told: str) -> None:
    """Refuse what Lightning, which changes checkpoints of older versions into its own form, would stumble over."""
    try:
        written = Version(version) if isinstance(version, str) else None
    except InvalidVersion:
        written = None
    if written is None or written < _FIRST:
        raise CheckpointError(
            f"{told} is of Lightning's version {shown(version)}; those of aape_lightning are of {_FIRST} or later."
        )


def _check_hyper_parameters(found: object, task: str | None, told: str) -> None:
    if not isinstance(found, dict):
        raise CheckpointError(f"{told} has hyper-parameters that are no mapping, but {type(found).__name__}.")
    if "_class_path" in found:
        _check_class(found["_class_path"], task, told)
    for name, value in found.items():
        if not isinstance(name, str) or not name.isidentifier():
            raise CheckpointError(f"{told} has a hyper-parameter {name!r:.80}, which is no name.")
        if name not in _OWN:
            _check_plain(name, name, told)
            _check_plain(name, value, told)


def _check_class(name: object, task: str | None, told: str) -> None:
    """The class of the recipe, or a task of this package; both were imported already, for nothing is imported here."""
    module, _, short = str(name).rpartition(".")
    known = getattr(sys.modules.get(module), short, None)
    is_task = isinstance(known, type) and issubclass(known, LightningModule)
    if not is_task or not (name == task or str(name).startswith(_PACKAGE)):
        raise CheckpointError(
            f"{told} is of the class {name!r:.120}, which is neither the recipe's nor a task of aape_lightning. Where "
            "it is a task of your own, name the recipe that it was trained with: --config RUN/config.yaml."
        )


def _check_plain(name: str, value: object, told: str) -> None:
    """Refuse what could name a class, at any depth; a loop, for a file may nest deeper than Python recurses."""
    seen: set[int] = set()
    left: list[Any] = [value]
    while left:
        part = left.pop()
        if isinstance(part, str):
            if _names_a_class(part):
                raise CheckpointError(
                    f"{told} names a class to build in its hyper-parameter {name!r}: {part!r:.120}. Checkpoints of "
                    "aape_lightning hold plain values; this one was changed, or is another program's."
                )
        elif isinstance(part, dict | list | tuple):
            if id(part) not in seen:
                seen.add(id(part))
                left += [*part, *part.values()] if isinstance(part, dict) else part
        elif not isinstance(part, _PLAIN):
            kind = type(part).__name__
            raise CheckpointError(f"{told} has a hyper-parameter {name!r} that holds no plain value, but a {kind}.")


def _names_a_class(text: str) -> bool:
    """Whether a text, which may be read as YAML, holds the key of a class, plain or written in YAML's escapes."""
    return _CLASS in text or ("\\" in text and '"' in text)
