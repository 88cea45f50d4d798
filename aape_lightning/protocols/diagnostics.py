"""What an aggregator does on images that it was not trained on: where it attends, and how close its summaries come."""

from typing import Any

import torch
from jaxtyping import Bool, Float
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.nn import functional as F

from aape_lightning.batch import ClassificationBatch
from aape_lightning.data import ClassificationDataModule
from aape_lightning.modules import (
    Aggregator,
    AttentionAggregator,
    MeanAggregator,
    RandomAggregator,
    prompt_mean,
)

__all__ = ["diagnose"]


@torch.no_grad()
def diagnose(task: LightningModule, data: ClassificationDataModule) -> dict[str, float]:
    """Means over the held-out (validation) images of the training classes.

    Args:
        task: A trained task; one without an aggregator or generator gives fewer values.
        data: The data that it was trained on.

    Returns:
        `cosine/prompt_mean`, `cosine/summary` and `cosine/aape`: cosine of the image with the mean sentence, with p^a,
        and with h(x). `attention/KIND` and `attention/uniform/KIND`: what share of p^a comes from the sentences of a
        kind, and their share among the sentences, where kinds are known (in the shapes world, and of sentences that
        were injected as noise). The share is that of the attention; for the mean it is the uniform one, for the random
        sentence the share of images whose sentence is of the kind, and the MLP has none.
    """
    batch, modules = data.held_out(), dict(task.named_children())
    if batch is None or not {"aggregator", "generator"} & modules.keys():
        return {}
    task.eval().to(data.device)
    image, prompts, mask = batch["image_embedding"], batch["prompts"], batch["prompt_mask"]
    values = {"cosine/prompt_mean": _cosine(image, prompt_mean(prompts, mask))}
    aggregator: Any = modules.get("aggregator")
    if aggregator is not None:
        values["cosine/summary"] = _cosine(image, aggregator(prompts, mask, image))
        values |= _shares_by_kind(_shares(aggregator, prompts, mask, image), batch, data)
    if "generator" in modules:
        values["cosine/aape"] = _cosine(image, modules["generator"](image))
    return values


def _cosine(left: Float[Tensor, "b d"], right: Float[Tensor, "b d"]) -> float:
    return float(F.cosine_similarity(left, right).mean())


def _shares(
    aggregator: Aggregator, prompts: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"], image: Float[Tensor, "b d"]
) -> Float[Tensor, "b n"] | None:
    """What share of each summary comes from each sentence; None where that is not defined."""
    match aggregator:
        case AttentionAggregator():
            return aggregator.attention(prompts, mask, image)
        case MeanAggregator():
            return _uniform(mask)
        case RandomAggregator():  # sentences of one embedding share its place
            return _uniform((prompts == aggregator(prompts, mask, image)[:, None]).all(-1) & mask)
    return None


def _uniform(mask: Bool[Tensor, "b n"]) -> Float[Tensor, "b n"]:
    return mask / mask.sum(1, keepdim=True)


def _shares_by_kind(
    shares: Float[Tensor, "b n"] | None, batch: ClassificationBatch, data: ClassificationDataModule
) -> dict[str, float]:
    if shares is None:
        return {}
    kinds = data.sentence_kinds()
    uniform = _uniform(batch["prompt_mask"])
    values: dict[str, float] = {}
    for kind in sorted({kind for row in kinds for kind in row}):
        of_kind = _mask_of(kind, kinds, shares.shape[1]).to(shares.device)[batch["label"]]
        values[f"attention/{kind}"] = float((shares * of_kind).sum(1).mean())
        values[f"attention/uniform/{kind}"] = float((uniform * of_kind).sum(1).mean())
    return values


def _mask_of(kind: str, kinds: list[list[str]], width: int) -> Bool[Tensor, "k n"]:
    mask = torch.zeros(len(kinds), width, dtype=torch.bool)
    for row, of_class in enumerate(kinds):
        for column, found in enumerate(of_class):
            mask[row, column] = found == kind
    return mask
