"""What an aggregator does on images that it was not trained on: where it attends, and how close its summaries come."""

from typing import Any

import torch
from jaxtyping import Bool, Float
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.nn import functional as F

from aape_lightning.batch import ClassificationBatch
from aape_lightning.data import ClassificationDataModule
from aape_lightning.modules import AttentionAggregator, prompt_mean

__all__ = ["diagnose"]


@torch.no_grad()
def diagnose(task: LightningModule, data: ClassificationDataModule) -> dict[str, float]:
    """Means over the held-out (validation) images of the training classes.

    Args:
        task: A trained task; one without an aggregator or generator gives fewer values.
        data: The data that it was trained on.

    Returns:
        `cosine/prompt_mean`, `cosine/summary` and `cosine/aape`: cosine of the image with the mean sentence, with p^a,
        and with h(x). `attention/KIND` and `attention/uniform/KIND`: share of attention on the sentences of a kind, and
        their share among the sentences, where the dataset knows its sentences' kinds (the shapes world does).
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
    if "generator" in modules:
        values["cosine/aape"] = _cosine(image, modules["generator"](image))
    if isinstance(aggregator, AttentionAggregator):
        values |= _attention_by_kind(aggregator.attention(prompts, mask, image), batch, data)
    return values


def _cosine(left: Float[Tensor, "b d"], right: Float[Tensor, "b d"]) -> float:
    return float(F.cosine_similarity(left, right).mean())


def _attention_by_kind(
    attention: Float[Tensor, "b n"], batch: ClassificationBatch, data: ClassificationDataModule
) -> dict[str, float]:
    kinds = data.sentence_kinds()
    uniform = batch["prompt_mask"] / batch["prompt_mask"].sum(1, keepdim=True)
    values: dict[str, float] = {}
    for kind in sorted({kind for row in kinds for kind in row}):
        of_kind = _mask_of(kind, kinds, attention.shape[1]).to(attention.device)[batch["label"]]
        values[f"attention/{kind}"] = float((attention * of_kind).sum(1).mean())
        values[f"attention/uniform/{kind}"] = float((uniform * of_kind).sum(1).mean())
    return values


def _mask_of(kind: str, kinds: list[list[str]], width: int) -> Bool[Tensor, "k n"]:
    mask = torch.zeros(len(kinds), width, dtype=torch.bool)
    for row, of_class in enumerate(kinds):
        for column, found in enumerate(of_class):
            mask[row, column] = found == kind
    return mask
