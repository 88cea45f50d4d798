"""A search index as a safetensors file: embeddings, and names as bytes, since safetensors holds tensors only."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from torch import Tensor

from aape_lightning.errors import BackboneMismatchError, CheckpointError, DataError
from aape_lightning.files import atomic_path
from aape_lightning.prompts.bank_checks import check_numbers, packed_json
from aape_lightning.search.encoder import QueryEncoder
from aape_lightning.tensor_files import save_tensors

__all__ = ["digest", "open_index", "save_index"]

_FORMAT = "aape-search-index-1"
_REMEDY = "Remove it; the next search builds it again"


def digest(*values: object) -> str:
    """Hash of values that JSON can hold, and of the file's format."""
    return hashlib.sha256(json.dumps([_FORMAT, *values], sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def save_index(
    path: Path, encoder: QueryEncoder, embeddings: Float[Tensor, "m d"], names: Mapping[str, list[str]]
) -> None:
    """Write an index, whole or not at all.

    Args:
        path: Where to.
        encoder: What it is bound to.
        embeddings: Its rows.
        names: Lists with an entry a row.
    """
    packed = torch.frombuffer(bytearray(json.dumps(names, ensure_ascii=False).encode()), dtype=torch.uint8)
    tensors = {"embeddings": embeddings.contiguous(), "names": packed}
    hashes = {f"{name}_hash": _hash(tensor) for name, tensor in tensors.items()}
    with atomic_path(path) as temporary:
        save_tensors(tensors, temporary, {"format": _FORMAT} | _bound_to(encoder) | hashes)


def open_index(path: Path, encoder: QueryEncoder, *, verify: bool) -> tuple[Float[Tensor, "m d"], dict[str, list[str]]]:
    """Open an index; its embeddings are memory-mapped.

    Args:
        path: The file.
        encoder: What must have made it.
        verify: Check the embeddings too against their hash.

    Raises:
        DataError: If the file is missing, damaged, or no index, or an embedding is a NaN, an infinity, or only zeros.
        BackboneMismatchError: If another backbone made it.
        CheckpointError: If it was made with another checkpoint, or without one.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != _FORMAT:
                raise DataError(f"{str(path)!r} is a safetensors file, but no search index.")
            tensors = {name: file.get_tensor(name) for name in ("embeddings", "names")}
        for name in ("embeddings", "names") if verify else ("names",):
            if _hash(tensors[name]) != metadata[f"{name}_hash"]:
                raise DataError(f"{str(path)!r} is damaged: it does not hold what was written into it. {_REMEDY}.")
        names = _names(tensors["names"])
        _refuse_another(path, metadata, encoder)
        check_numbers(tensors["embeddings"], len(names["images"]), encoder.backbone.embed_dim)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{str(path)!r} cannot be read as a search index ({error}). {_REMEDY}.") from error
    return tensors["embeddings"], names


def _names(packed: Tensor) -> dict[str, list[str]]:
    """The lists with an entry a row.

    Raises:
        ValueError: If they are no such lists.
    """
    names = packed_json(packed)
    if not isinstance(names, dict) or names.keys() != {"images", "texts"}:
        raise ValueError("it must name images and texts")
    lists = [names["images"], names["texts"]]
    if not all(isinstance(entries, list) and all(isinstance(entry, str) for entry in entries) for entries in lists):
        raise ValueError("its images and texts must be lists of texts")
    if len(names["images"]) != len(names["texts"]):
        raise ValueError(f"it has {len(names['images'])} images and {len(names['texts'])} texts")
    return names


def _bound_to(encoder: QueryEncoder) -> dict[str, str]:
    backbone = encoder.backbone
    return {"backbone": backbone.fingerprint, "encoder": encoder.fingerprint, "encoder_name": str(encoder)}


def _refuse_another(path: Path, metadata: Mapping[str, str], encoder: QueryEncoder) -> None:
    used = _bound_to(encoder)
    if metadata["encoder"] == used["encoder"]:
        return
    error = CheckpointError if metadata["backbone"] == used["backbone"] else BackboneMismatchError
    raise error(
        f"The search index {str(path)!r} was made with {_told(metadata)}, and this search uses {_told(used)}. Build "
        "one for it: SearchIndex.of_images(encoder, images)."
    )


def _told(bound: Mapping[str, str]) -> str:
    return f"{bound['encoder_name']} (backbone {bound['backbone'][:12]}, query embeddings {bound['encoder'][:12]})"


def _hash(tensor: Tensor) -> str:
    return hashlib.sha256(tensor.contiguous().numpy().data).hexdigest()
