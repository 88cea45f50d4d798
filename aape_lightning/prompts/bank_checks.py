"""What is checked of a prompt bank's file, which a stranger may have written: that its parts belong together."""

import json

import torch
from torch import Tensor

__all__ = ["check_parts", "packed_texts"]


def packed_texts(packed: Tensor) -> list[str]:
    """Texts out of one tensor of bytes.

    Raises:
        ValueError: If the bytes are no JSON list of texts.
    """
    try:
        texts = json.loads(packed.numpy().tobytes().decode("utf-8"))
    except RecursionError as error:
        raise ValueError("its texts are nested too deeply") from error
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError("its texts and keys must be lists of texts")
    "".join(texts).encode()  # half of a surrogate pair is no text
    return texts


def check_parts(tensors: dict[str, Tensor], keys: list[str], texts: list[str], width: int) -> None:
    """Check that embeddings, offsets, keys and texts belong to one bank.

    Args:
        tensors: `embeddings` and `offsets`.
        keys: The keys.
        texts: The sentences.
        width: The backbone's embedding width d.

    Raises:
        ValueError: If one is of another shape or kind, a key stands twice or has no sentence, or the offsets do not
            run from the first sentence to the last.
    """
    embeddings, offsets = tensors["embeddings"], tensors["offsets"]
    if not embeddings.is_floating_point() or embeddings.shape != (len(texts), width):
        raise ValueError(f"its embeddings are {embeddings.dtype} of shape {tuple(embeddings.shape)}, and should be "
                         f"numbers of shape {(len(texts), width)}")  # fmt: skip
    if offsets.dtype != torch.int64 or offsets.shape != (len(keys) + 1,) or len(set(keys)) < len(keys):
        raise ValueError(f"its {len(keys)} keys are not those of its offsets, or one stands twice")
    if offsets[0] != 0 or offsets[-1] != len(texts) or bool((offsets.diff() < 0).any()):
        raise ValueError(f"its offsets do not run from 0 to {len(texts)}, the number of its sentences")
