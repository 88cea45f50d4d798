"""What is checked of a prompt bank's file, which a stranger may have written: that its parts belong together."""

import json
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["check_numbers", "check_parts", "first_without_direction", "packed_json", "packed_texts"]

_ROWS = 2**14  # looked at together, so that little memory is taken beside the embeddings


def packed_json(packed: Tensor) -> Any:  # noqa: ANN401 - JSON has no type of its own
    """What one tensor of bytes holds as JSON.

    Raises:
        ValueError: If the bytes are no JSON in UTF-8.
    """
    try:
        return json.loads(packed.numpy().tobytes().decode("utf-8"))
    except RecursionError as error:
        raise ValueError("its texts are nested too deeply") from error


def packed_texts(packed: Tensor) -> list[str]:
    """Texts out of one tensor of bytes.

    Raises:
        ValueError: If the bytes are no JSON list of texts.
    """
    texts = packed_json(packed)
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError("its texts and keys must be lists of texts")
    "".join(texts).encode()  # half of a surrogate pair is no text
    return texts


def first_without_direction(embeddings: Float[Tensor, "n d"]) -> int | None:
    """The first row of which no cosine can be made, for it holds a NaN, an infinity, or only zeros; None if all can."""
    for start in range(0, len(embeddings), _ROWS):
        norms = torch.linalg.vector_norm(embeddings[start : start + _ROWS], dim=1)
        if len(bad := (~(norms.isfinite() & (norms > 0))).nonzero()):
            return start + int(bad[0])
    return None


def check_numbers(embeddings: Tensor, rows: int, width: int) -> None:
    """Check that embeddings are there, are numbers, and none is a zero vector, which has no direction.

    Args:
        embeddings: The embeddings.
        rows: How many there should be.
        width: The backbone's embedding width d.

    Raises:
        ValueError: If they are of another shape or kind, or a row holds a NaN, an infinity or nothing but zeros.
    """
    if embeddings.dtype != torch.float32 or embeddings.shape != (rows, width):
        kind = str(embeddings.dtype).removeprefix("torch.")
        raise ValueError(f"its embeddings are {kind} of shape {tuple(embeddings.shape)}, and should be float32 of "
                         f"shape {(rows, width)}")  # fmt: skip
    if (row := first_without_direction(embeddings)) is not None:
        raise ValueError(f"row {row} of its embeddings holds a NaN, an infinity, or only zeros")


def check_parts(tensors: dict[str, Tensor], keys: list[str], texts: list[str], width: int) -> None:
    """Check that embeddings, offsets, keys and texts belong to one bank.

    Args:
        tensors: `embeddings` and `offsets`.
        keys: The keys.
        texts: The sentences.
        width: The backbone's embedding width d.

    Raises:
        ValueError: If one is of another shape or kind, an embedding is none (see `check_numbers`), a key stands twice
            or has no sentence, or the offsets do not run from the first sentence to the last.
    """
    embeddings, offsets = tensors["embeddings"], tensors["offsets"]
    check_numbers(embeddings, len(texts), width)
    if offsets.dtype != torch.int64 or offsets.shape != (len(keys) + 1,) or len(set(keys)) < len(keys):
        raise ValueError(f"its {len(keys)} keys are not those of its offsets, or one stands twice")
    if offsets[0] != 0 or offsets[-1] != len(texts) or bool((offsets.diff() < 0).any()):
        raise ValueError(f"its offsets do not run from 0 to {len(texts)}, the number of its sentences")
