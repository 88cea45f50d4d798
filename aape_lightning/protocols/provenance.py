"""What it takes to make a result again: versions, and a hash of what determines it."""

import datetime
import hashlib
import importlib.metadata
import json
import platform
import re
from pathlib import Path
from typing import Any

import torch

from aape_lightning import __version__

__all__ = ["config_hash", "device_name", "now", "versions"]

_LIBRARIES = ("torch", "torchvision", "lightning", "torchmetrics", "clip-anytorch", "jsonargparse", "numpy", "pillow")
# What says where and how to compute, not what: the same result comes out of it.
_NAMED = ("generator_from", "language_model")  # hyper-parameters that may be paths
_PLACES = {
    "data": ("root", "cache_dir", "num_workers", "backbone"),
    "trainer": ("default_root_dir", "logger", "callbacks", "enable_progress_bar", "enable_model_summary"),
}


def versions() -> dict[str, str]:
    """Versions of this project, Python, and the libraries that compute results."""
    found = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    return {"aape_lightning": __version__, "python": platform.python_version(), **found}


def device_name(device: torch.device) -> str:
    """The device as results name it: a GPU's model, or the processor's with the number of threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type != "cpu":
        return device.type
    threads = torch.get_num_threads()
    return f"{_processor()} ({threads} thread{'s' * (threads > 1)})"


def _processor() -> str:
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return (found.group(1).strip() if found else "") or platform.processor() or platform.machine() or "CPU"


def now() -> str:
    """The time, ISO 8601, UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def config_hash(config: dict[str, Any], *contents: str) -> str:
    """Hash of all that determines a result: the resolved configuration, less what only says where to compute.

    Args:
        config: The resolved configuration, with `model`, `data`, `trainer` and `seed_everything`.
        contents: Hashes of what lies behind its names: the backbone's fingerprint, the data's contents.
    """
    model, data = config["model"], _without(config["data"].get("init_args", {}), _PLACES["data"])
    trainer = _without(config["trainer"], _PLACES["trainer"])
    contents = (*contents, *_named_files(model))
    determining = [model, config["data"]["class_path"], data, trainer, config.get("seed_everything"), *contents]
    return hashlib.sha256(json.dumps(determining, sort_keys=True, default=str).encode()).hexdigest()


def _named_files(model: dict[str, Any]) -> list[str]:
    """What lies behind the paths that a task names: another run's checkpoint, the folder of a language model.

    Of each file its name, size and first mebibyte: weights of another training differ there.
    """
    choices = model.get("init_args") or {}
    places = [Path(choices[name]) for name in _NAMED if isinstance(choices.get(name), str)]
    files = [file for place in places for file in (sorted(place.iterdir()) if place.is_dir() else [place])]
    return [_digest(file) for file in files if file.is_file()]


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        start = opened.read(2**20)
    return hashlib.sha256(f"{file.name} {file.stat().st_size} ".encode() + start).hexdigest()


def _without(values: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}
