"""What a run depends on beside its recipe: versions, devices, optional libraries, caches."""

import importlib.metadata
import importlib.util
import os
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aape_lightning import __version__
from aape_lightning.commands.shown import shown_path

__all__ = ["EXTRAS", "surroundings"]

_PACKAGE = Path(__file__).parents[1]
_LIBRARIES = (
    "torch", "torchvision", "lightning", "jsonargparse", "torchmetrics", "clip-anytorch", "transformers",
    "sentence-transformers", "huggingface-hub", "safetensors", "numpy", "pillow",
)  # fmt: skip

# Each extra of pyproject.toml: the modules that it installs, and what they are for.
EXTRAS: dict[str, tuple[tuple[str, ...], str]] = {
    "open-clip": (("open_clip",), "backbones open_clip:MODEL/WEIGHTS"),
    "caption": (("pycocoevalcap",), "CIDEr-D, BLEU, ROUGE-L and METEOR"),
    "generate": (("openai",), "aape prompts generate, from an endpoint"),
    "export": (("onnx", "onnxscript", "onnxruntime"), "aape export --format onnx"),
    "logs": (("tensorboard",), "metrics and figures in TensorBoard"),
    "wandb": (("wandb",), "--config wandb"),
    "mlflow": (("mlflow",), "--config mlflow"),
}


def surroundings() -> dict[str, Any]:
    """All of it in plain values; the home folder is `~`.

    Returns:
        `versions` by library, `devices` with memory (bytes) and precisions, `extras`, `caches` with path and size
        (bytes), and the names of what is `shipped`.
    """
    return {
        "versions": _versions(),
        "devices": _devices(),
        "extras": {name: _extra(modules, purpose) for name, (modules, purpose) in EXTRAS.items()},
        "caches": _caches(),
        "shipped": _shipped(),
    }


def _versions() -> dict[str, str]:
    import torch

    found = {"aape_lightning": __version__, "python": platform.python_version()}
    found |= {name: version for name in _LIBRARIES if (version := _version(name))}
    found["CUDA"] = str(torch.version.cuda or "none (torch was built without it)")
    found["system"] = f"{platform.system()} {platform.machine()}"
    return found


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _devices() -> list[dict[str, Any]]:
    import torch

    cpu = {"name": "cpu", "cores": os.cpu_count(), "memory": _memory(), "precisions": ["float32", "bfloat16"]}
    found: list[dict[str, Any]] = [cpu]
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        # Tensor cores for half precision came with compute capability 7, for bfloat16 with 8.
        more = ["float16"] * (properties.major >= 7) + ["bfloat16"] * (properties.major >= 8)
        name = f"cuda:{index} {properties.name}"
        found.append({"name": name, "memory": properties.total_memory, "precisions": ["float32", *more]})
    if torch.backends.mps.is_available():
        found.append({"name": "mps", "memory": None, "precisions": ["float32", "float16"]})
    return found


def _memory() -> int | None:
    """Bytes of main memory, where the system tells."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def _extra(modules: Iterable[str], purpose: str) -> dict[str, Any]:
    there = all(importlib.util.find_spec(module) for module in modules)
    return {"installed": there, "libraries": list(modules), "for": purpose}


def _caches() -> dict[str, dict[str, Any]]:
    from huggingface_hub.constants import HF_HUB_CACHE

    from aape_lightning.commands.cache.entries import KINDS, entries_in
    from aape_lightning.files import cache_dir

    entries, place = entries_in(cache_dir()), cache_dir()
    found: dict[str, dict[str, Any]] = {}
    for kind in KINDS:
        own = [entry for entry in entries if entry.kind == kind]
        size = sum(entry.bytes for entry in own)
        found[kind] = {"path": shown_path(place / kind), "bytes": size, "entries": len(own)}
    # Where clip-anytorch and the Hub's client keep what they have downloaded.
    for name, folder in {"CLIP weights": Path.home() / ".cache" / "clip", "Hugging Face": Path(HF_HUB_CACHE)}.items():
        found[name] = {"path": shown_path(folder), "bytes": _size(folder)}
    return found


def _size(folder: Path) -> int:
    files = (Path(place) / name for place, _, names in os.walk(folder) for name in names)
    return sum(path.lstat().st_size for path in files if path.is_file() and not path.is_symlink())


def _name(weights: Path) -> str:
    """As load_backbone and load_language_model name what lies in the package, whose imports take seconds."""
    return weights.stem.replace("_", "-")


def _shipped() -> dict[str, list[str]]:
    from aape_lightning.resources import manifest_names, method_names, recipe_names, written_names

    return {
        "backbones": [_name(path) for path in sorted((_PACKAGE / "backbones" / "weights").glob("*.pt"))],
        "language models": [_name(path) for path in sorted((_PACKAGE / "language" / "weights").glob("*"))],
        "recipes": list(recipe_names()),
        "methods": list(method_names()),
        "manifests": list(manifest_names()),
        "written protocols": list(written_names()),
    }
