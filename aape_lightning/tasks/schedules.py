"""How the CoOp family is optimized: SGD along its learning-rate curve."""

import math
from collections.abc import Iterable

import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import nn

__all__ = ["coop_learning_rate", "sgd_by_epoch"]

_MOMENTUM = 0.9

_WARMUP_LR = 1e-5


def coop_learning_rate(epoch: int, *, lr: float, epochs: int) -> float:
    """The learning rate of an epoch: one epoch of constant warm-up at 1e-5, then a cosine.

    The warm-up is counted among the epochs and the cosine starts at its beginning, so that the rate never reaches zero:
    the recipe of CoOp, CoCoOp, KgCoOp, ProGrad, MaPLe and PromptSRC (Dassl's cosine with WARMUP_EPOCH 1,
    WARMUP_CONS_LR 1e-5 and WARMUP_RECOUNT).

    Args:
        epoch: Counted from 0.
        lr: The highest rate, that of epoch 1.
        epochs: All epochs of the run.

    Example:
        >>> [f"{coop_learning_rate(epoch, lr=2e-3, epochs=10):.2e}" for epoch in (0, 1, 2, 9)]
        ['1.00e-05', '2.00e-03', '1.95e-03', '1.91e-04']
    """
    if epoch < 1:
        return _WARMUP_LR
    return 0.5 * lr * (1 + math.cos(math.pi * (epoch - 1) / epochs))


def sgd_by_epoch(
    parameters: Iterable[nn.Parameter], *, lr: float, weight_decay: float, epochs: int
) -> OptimizerLRScheduler:
    """SGD with momentum 0.9, its learning rate stepped each epoch along `coop_learning_rate`.

    Args:
        parameters: What is trained; weight decay decays all of it.
        lr: The highest rate.
        weight_decay: SGD's.
        epochs: All epochs of the run, or of the stage that trains these parameters.
    """
    optimizer = torch.optim.SGD(parameters, lr=lr, momentum=_MOMENTUM, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda epoch: coop_learning_rate(epoch, lr=lr, epochs=epochs) / lr
    )
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "epoch"}}
