"""Texts through the text tower: at once, or by many processes together and in shards that survive a kill."""

from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from aape_lightning.backbones import Backbone
from aape_lightning.errors import PromptError
from aape_lightning.progress import progress
from aape_lightning.prompts.bank_checks import first_without_direction
from aape_lightning.shards import ShardedArray, Values

__all__ = ["embed_texts", "embed_texts_together", "text_shards"]

_BATCH = 256  # texts through the tower at once
_BATCH_ON_CPU = 64  # where more at once bring nothing, and fewer are more of one length
_SHARD = 1024  # texts between two notes of progress
_QUIET_BELOW = 2048  # texts that need no progress bar
_DOING = "embedding sentences"


def embed_texts(
    backbone: Backbone, texts: Sequence[str], device: torch.device, batch_size: int | None = None
) -> Float[Tensor, "m d"]:
    """Unit-norm embeddings of texts, on the CPU; texts beyond the context are cut.

    Args:
        backbone: The frozen encoder.
        texts: The texts.
        device: Where the text tower runs.
        batch_size: Texts at once; as suits the device where None.

    Raises:
        PromptError: If an embedding is none: a NaN, an infinity, or only zeros.
    """
    embedded = torch.empty(len(texts), backbone.embed_dim)
    with progress(quiet=len(texts) < _QUIET_BELOW) as bar:
        task, done = bar.add_task(_DOING, total=len(texts)), 0
        for values in _encoded(backbone, texts, device, batch_size):
            embedded[done : done + len(values)] = values
            done += len(values)
            bar.advance(task, len(values))
    return embedded


def text_shards(
    path: Path, backbone: Backbone, texts: Sequence[str], taken: Callable[[], bool], *, alone: bool = False
) -> ShardedArray:
    """The array file of texts' embeddings, to be filled by `embed_texts_together`.

    Args:
        path: The file. Its name must stand for these very texts and this backbone.
        backbone: The frozen encoder.
        texts: The texts; at least one.
        taken: Whether the embeddings have been taken to where they are used.
        alone: Whether no other process knows the folder, so that nothing is locked.
    """
    return ShardedArray(path, (len(texts), backbone.embed_dim), "float32", _SHARD, taken, alone=alone)


def embed_texts_together(array: ShardedArray, backbone: Backbone, texts: Sequence[str], device: torch.device) -> None:
    """Fill the array of `text_shards`, as `embed_texts` does, with every other process that fills the same one.

    Args:
        array: Where the embeddings are put; returns when all are there.
        backbone: The frozen encoder.
        texts: The texts.
        device: Where the text tower runs.

    Raises:
        PromptError: If an embedding is none: a NaN, an infinity, or only zeros.
    """

    def compute(rows: range) -> Generator[Values, None, None]:
        for values in _encoded(backbone, texts[rows.start : rows.stop], device):
            yield values.numpy()

    array.fill(compute, _DOING, quiet=len(texts) < _QUIET_BELOW)


def _encoded(
    backbone: Backbone, texts: Sequence[str], device: torch.device, batch_size: int | None = None
) -> Generator[Float[Tensor, "b d"], None, None]:
    """The embeddings, shard by shard; in each, texts of like length go through the tower together."""
    backbone.to(device)
    size = batch_size or (_BATCH_ON_CPU if device.type == "cpu" else _BATCH)
    for start in range(0, len(texts), _SHARD):
        shard = texts[start : start + _SHARD]
        order = sorted(range(len(shard)), key=lambda place: len(shard[place]))
        embedded = torch.empty(len(shard), backbone.embed_dim)
        for batch in (order[first : first + size] for first in range(0, len(order), size)):
            tokens = backbone.tokenize([shard[place] for place in batch], truncate=True)
            embedded[batch] = backbone.encode_text(tokens.to(device)).cpu()
        _require_directions(embedded, shard, backbone)
        yield embedded


def _require_directions(embedded: Float[Tensor, "b d"], texts: Sequence[str], backbone: Backbone) -> None:
    """Refuse what no cosine can be made of: one such sentence would reach every loss and every weight."""
    if (row := first_without_direction(embedded)) is not None:
        raise PromptError(
            f"What {backbone.name!r} makes of {texts[row]!r:.200} holds a NaN, an infinity, or only zeros: the "
            "backbone's weights are damaged. Take other weights (--data.backbone)."
        )
