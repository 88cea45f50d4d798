"""Rows of every process as one tensor, with gradients that flow back to the process that a row came from."""

from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["gather_rows", "own_rows"]


def gather_rows(rows: Float[Tensor, "b d"]) -> Float[Tensor, "n d"]:
    """The rows of all processes, those of process 0 first; the rows themselves where there is one process.

    Every process calls it, with as many rows as the others. In the backward pass a row's gradient is the sum of what
    the losses of all processes ask of it, so that what DDP averages is the gradient of the mean of these losses.

    Args:
        rows: This process's rows; b is the same in every process, and n is b times their number.
    """
    if _processes() == 1:
        return rows
    gathered: Tensor = _GatherRows.apply(rows)
    return gathered


def own_rows(rows: Float[Tensor, "b d"]) -> Int[Tensor, " b"]:
    """Where this process's rows lie in what `gather_rows` makes of them."""
    first = dist.get_rank() * len(rows) if _processes() > 1 else 0
    return torch.arange(first, first + len(rows), device=rows.device)


def _processes() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:  # noqa: ANN401 - torch gives its context no type
        ctx.first, ctx.count = dist.get_rank() * len(rows), len(rows)
        gathered = [torch.empty_like(rows, memory_format=torch.contiguous_format) for _ in range(_processes())]
        dist.all_gather(gathered, rows.contiguous())
        return torch.cat(gathered)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401
        # Every process keeps its own rows of the sum. A reduce-scatter would send half as much, but gloo has it only in
        # recent versions of torch, and these are the gradients of a batch and not of a model.
        total = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total.narrow(0, ctx.first, ctx.count)
