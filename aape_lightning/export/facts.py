"""What lies beside an exported file, so that somebody without this package can use it: JSON, and class embeddings."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from aape_lightning import __version__
from aape_lightning.backbones.base import FrozenBackbone
from aape_lightning.export.preprocessing import preprocessing
from aape_lightning.export.program import Program
from aape_lightning.export.write import Format
from aape_lightning.files import atomic_path, write_json
from aape_lightning.inference.saved import SavedTask

__all__ = ["write_facts"]

_MEANINGS = {
    "image": "RGB images, made as `preprocessing` says",
    "image_embedding": "embeddings x of the image tower (aape export --what image), of unit norm",
    "class_embeddings": "one row a class, of unit norm: those beside this file, or any others of the text tower "
    "(aape export --what text), averaged over a class's texts and normalised again",
    "tokens": "texts as the backbone's tokenizer makes them, padded to the whole context",
    "aape": "AAPE h(x), of unit norm",
    "query": "what images are searched with, of unit norm",
    "text_embedding": "embeddings of the text tower, of unit norm",
    "logits": "cos(x, w_c(x)) / tau",
    "probabilities": "softmax of the logits over the classes",
}


def write_facts(
    path: Path,
    program: Program,
    form: Format,
    saved: SavedTask,
    backbone: FrozenBackbone | None,
    difference: float | None,
) -> list[Path]:
    """Write `FILE.json`, and `FILE.safetensors` where class embeddings were recorded and are an input.

    FILE is the exported file's whole name: `birds.onnx.json` is of another program than `birds.pt2.json`, and nobody's
    `model.safetensors` is overwritten.

    Args:
        path: The exported file.
        program: What it holds.
        form: Its format.
        saved: The trained task.
        backbone: The backbone, where the program has a tower of it.
        difference: The largest difference from PyTorch that was found; None where it was not looked for.

    Returns:
        The files written.
    """
    facts: dict[str, Any] = {
        "what": program.what,
        "file": path.name,
        "format": form,
        "inputs": {name: _told(name, given.shape) for name, given in program.inputs.items()},
        "outputs": {name: _told(name, shape) for name, shape in program.outputs.items()},
        "task": saved.task,
        "backbone": dict(saved.backbone_spec),
        "dataset": saved.inference.get("dataset"),
        "largest_difference_from_pytorch": difference,
        "versions": {"aape_lightning": __version__, "torch": str(torch.__version__)},
    }
    if backbone is not None and "image" in program.inputs:
        facts["preprocessing"] = preprocessing(backbone)
    if backbone is not None and "tokens" in program.inputs:
        facts["tokenizer"] = _tokenized(backbone)
    written = [path.with_name(f"{path.name}.json")]
    if "class_embeddings" in program.inputs:
        written += _write_classes(path.with_name(f"{path.name}.safetensors"), facts, saved)
    write_json(written[0], facts)
    return written


def _write_classes(path: Path, facts: dict[str, Any], saved: SavedTask) -> list[Path]:
    """Add what the classes are called, and write their embeddings; which files that made."""
    for name in ("class_names", "class_text", "templates"):
        facts[name] = saved.inference.get(name)
    embeddings = saved.tensors.get("class_embeddings")
    facts["class_embeddings"] = None if embeddings is None else path.name
    if embeddings is None:
        return []
    with atomic_path(path) as temporary:
        save_file({"class_embeddings": embeddings.contiguous()}, temporary)
    return [path]


def _tokenized(backbone: FrozenBackbone) -> dict[str, Any]:
    """The context, and a text with its tokens, to hold another tokenizer to."""
    text = "A photo of a dog."
    return {"context_length": backbone.context_length, "text": text, "tokens": backbone.tokenize([text])[0].tolist()}


def _told(name: str, shape: tuple[int | str, ...]) -> dict[str, Any]:
    return {"shape": list(shape), "dtype": "int64" if name == "tokens" else "float32", "meaning": _MEANINGS[name]}
