"""Batches of positions: with stored features a batch is its positions, and all else is a gather on the device."""

from collections.abc import Iterator
from typing import Any

import torch

from aape_lightning.batch import ImageBatch
from aape_lightning.data.samplers import EpochSampler, EvalSampler, TrainSampler

__all__ = ["PositionLoader"]


class PositionLoader:
    """Slices of a sampler's order, which goes to the device once an epoch: no worker, collation or copy in a step.

    The order is the sampler's under `--trainer.overfit_batches` too, where Lightning says that it is not.

    Args:
        sampler: Orders the positions; Lightning tells it the epoch.
        batch_size: Positions a batch.
        device: Where batches live.
    """

    batch_sampler = None  # Lightning asks what has a sampler for it

    def __init__(self, sampler: TrainSampler | EvalSampler, batch_size: int, device: torch.device) -> None:
        self.sampler = sampler
        self.batch_size = batch_size
        self.device = device

    def __len__(self) -> int:
        return -(-len(self.sampler) // self.batch_size)

    def __iter__(self) -> Iterator[ImageBatch]:
        behind = self.sampler.behind() if isinstance(self.sampler, EpochSampler) else 0
        for index in self.sampler.order()[behind * self.batch_size :].to(self.device).split(self.batch_size):
            if len(index):  # an empty order is split into one empty batch
                yield {"index": index}

    def state_dict(self) -> dict[str, Any]:
        """Nothing: the sampler knows its place. Lightning takes loaders without a state for ones that lose it."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing to load."""
