"""What is checked of a trained task's file, which a stranger may have written."""

from collections.abc import Mapping
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from aape_lightning.backbones import BackboneSpec
from aape_lightning.errors import CheckpointError

__all__ = ["check_inference", "check_sizes", "check_spec", "tensors_in"]

# A file must not choose how much memory is taken.
_WIDEST = 2**12  # CLIPs have 512 to 1,280
_SIZES = ("hidden", "image_token_width")  # hyper-parameters that weights have as a dimension


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class _Spec(_Checked):
    name: str
    fingerprint: str
    embed_dim: int = Field(ge=1, le=_WIDEST)
    logit_scale: float = Field(gt=0)


class _Inference(_Checked):
    """All that DataModules record; each records some of it."""

    dataset: str | None = None
    class_names: list[str] | None = Field(default=None, min_length=1)
    class_text: str | None = None
    templates: list[str] | None = Field(default=None, min_length=1)
    prompt: str | None = None
    question_prompt: str | None = Field(default=None, pattern=r"\{\}")
    image_tokens: str | None = Field(default=None, pattern="^(grid|embedding)$")
    decoding: dict[str, Any] | None = None


def check_spec(spec: object) -> BackboneSpec:
    """The recorded backbone, once it is known to be one.

    Raises:
        CheckpointError: If it is missing or malformed.
    """
    if spec is None:
        raise CheckpointError("It records no backbone: nothing was trained.")
    _validate(_Spec, spec, "backbone_spec")
    checked: BackboneSpec = spec  # type: ignore[assignment]
    return checked


def tensors_in(found: object, name: str) -> dict[str, Tensor]:
    """Tensors by name, once what a file holds is known to be that.

    Args:
        found: What the file holds.
        name: What it is, for messages.

    Raises:
        CheckpointError: If it is something else.
    """
    if not isinstance(found, Mapping):
        raise CheckpointError(f"Its {name} must be tensors by name, and is {type(found).__name__}.")
    for key, value in found.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise CheckpointError(f"Its {name} must be tensors by name; {key!r} is not.")
    return dict(found)


def check_sizes(hyper_parameters: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
    """Check that there are weights, and hyper-parameters ask for no more than they hold, before anything is built.

    Raises:
        CheckpointError: If there are none, one is no number, or no weight has such a size.
    """
    if not state:
        raise CheckpointError("It holds no trained weights that are used at test time.")
    written = [tensor for tensor in state.values() if tensor.is_contiguous() and tensor.numel()]
    held = {size for tensor in written for size in tensor.shape}
    for name in _SIZES:
        size = hyper_parameters.get(name)
        if size is not None and not (isinstance(size, int) and size in held):
            raise CheckpointError(f"Its {name} is {size!r}, and none of its weights has that size.")
    for name, tensor in state.items():
        whole = tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()  # expanded, it may be huge
        if whole and not tensor.isfinite().all():
            raise CheckpointError(f"Its weights {name!r} hold a NaN or an infinity: the training diverged.")


def check_inference(values: Mapping[str, Any], tensors: Mapping[str, Tensor], width: int) -> None:
    """Check what the DataModule recorded.

    Args:
        values: The plain values.
        tensors: The tensors.
        width: The backbone's embedding width d.

    Raises:
        CheckpointError: If a value is unknown or of another kind, there are not as many class embeddings as classes, or
            one is no number.
    """
    _validate(_Inference, values, "inference")
    if unknown := [name for name in tensors if name != "class_embeddings"]:
        raise CheckpointError(f"It records tensors that are not known: {unknown[0]!r}.")
    embeddings = tensors.get("class_embeddings")
    if embeddings is None:
        return
    shape = (len(values.get("class_names") or ()), width)
    if embeddings.dtype != torch.float32 or embeddings.shape != shape:
        found = f"{str(embeddings.dtype).removeprefix('torch.')} of shape {tuple(embeddings.shape)}"
        raise CheckpointError(f"Its class_embeddings must be float32 of shape {shape}, and are {found}.")
    if not embeddings.isfinite().all():
        raise CheckpointError("Its class_embeddings hold a NaN or an infinity.")


def _validate(model: type[BaseModel], value: object, name: str) -> None:
    try:
        model.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, (name, *first["loc"])))
        raise CheckpointError(f"Its {place} is wrong: {first['msg']}.") from error
