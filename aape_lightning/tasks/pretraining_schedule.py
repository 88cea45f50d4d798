"""What pretraining from scratch has in common: which weights decay, and a warm-up before the cosine."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

__all__ = ["decay_groups", "warmup_cosine"]


def decay_groups(parameters: Iterable[nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """AdamW's groups: matrices and convolutions decay; biases, gains and scalars do not."""
    parameters = list(parameters)
    return [
        {"params": [parameter for parameter in parameters if parameter.ndim >= 2], "weight_decay": weight_decay},
        {"params": [parameter for parameter in parameters if parameter.ndim < 2], "weight_decay": 0.0},
    ]


def warmup_cosine(optimizer: torch.optim.Optimizer, warmup: int, total: float) -> torch.optim.lr_scheduler.LambdaLR:
    """A learning rate that rises linearly over `warmup` steps and falls to zero along a cosine over the rest.

    Args:
        optimizer: Whose learning rate it is.
        warmup: Steps of the rise.
        total: Steps of the run.
    """

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        done = min(1.0, (step - warmup) / max(1, total - warmup))
        return 0.5 * (1 + math.cos(math.pi * done))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
