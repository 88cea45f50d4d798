"""One order of images for any number of processes."""

from collections.abc import Iterator

import torch
from jaxtyping import Int
from lightning.pytorch import Trainer
from torch import Tensor
from torch.utils.data import DistributedSampler, Sampler

from aape_lightning.errors import DataError

__all__ = ["EvalSampler", "TrainSampler", "refuse_idle_processes", "replicas"]


def replicas(trainer: Trainer | None) -> dict[str, int]:
    """`num_replicas` and `rank` of a Trainer's process; of the only one without a Trainer."""
    if trainer is None:
        return {"num_replicas": 1, "rank": 0}
    return {"num_replicas": trainer.world_size, "rank": trainer.global_rank}


class TrainSampler(DistributedSampler[tuple[int, int]]):
    """Shuffles by (seed, epoch) and deals global batches out to processes.

    Every number of processes sees the same global batches of `batch_size * num_replicas` images, and a resumed run sees
    the order that the interrupted one would have seen. An incomplete last global batch is dropped, as in CoOp's recipe,
    unless it is the only one: then each process has as many images as the others. Subclassing `DistributedSampler`
    keeps Lightning from replacing it.

    Yields:
        (epoch, position): the epoch is what seeds the image's augmentation.

    Args:
        size: Number of images.
        batch_size: Images a batch and process.
        num_replicas: Number of processes.
        rank: This process.
        seed: Seed of the order.

    Raises:
        DataError: If there are fewer images than processes.
    """

    def __init__(self, size: int, batch_size: int, *, num_replicas: int, rank: int, seed: int) -> None:
        Sampler.__init__(self)
        refuse_idle_processes(size, num_replicas)
        self.size = size
        self.batch_size = batch_size
        self.num_replicas = num_replicas
        self.rank = rank
        self.seed = seed
        self.epoch = 0

    def _global_batches(self) -> int:
        return self.size // (self.batch_size * self.num_replicas)

    def order(self) -> Int[Tensor, " n"]:
        """This process's positions in this epoch."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(self.size, generator=generator)
        if batches := self._global_batches():
            order = order[: batches * self.batch_size * self.num_replicas]
            order = order.view(batches, self.batch_size, self.num_replicas)[:, :, self.rank].reshape(-1)
        else:
            order = order[: len(self) * self.num_replicas][self.rank :: self.num_replicas]
        return order

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((self.epoch, position) for position in self.order().tolist())

    def __len__(self) -> int:
        return self._global_batches() * self.batch_size or self.size // self.num_replicas


class EvalSampler(DistributedSampler[tuple[int, int]]):
    """Deals every image out exactly once, in order, without padding: counts are right in any number of processes.

    Args:
        size: Number of images.
        num_replicas: Number of processes.
        rank: This process.

    Raises:
        DataError: If there are fewer images than processes.
    """

    def __init__(self, size: int, *, num_replicas: int, rank: int) -> None:
        Sampler.__init__(self)
        refuse_idle_processes(size, num_replicas)
        self.mine = range(rank, size, num_replicas)

    def order(self) -> Int[Tensor, " n"]:
        """This process's positions."""
        return torch.arange(self.mine.start, self.mine.stop, self.mine.step)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((0, position) for position in self.mine)

    def __len__(self) -> int:
        return len(self.mine)

    def set_epoch(self, epoch: int) -> None:
        """Evaluation has one order; Lightning calls this all the same."""


def refuse_idle_processes(size: int, processes: int, things: str = "images") -> None:
    """Refuse a part that leaves a process without an image: in a step, or for a metric, all wait for all.

    Args:
        size: How many images there are.
        processes: How many processes share them.
        things: What they are, for the error.

    Raises:
        DataError: If there are fewer images than processes.
    """
    if size < processes and processes > 1:
        raise DataError(
            f"Each of the {processes} processes needs one of the {things}, of which there "
            f"{'is' if size == 1 else 'are'} only {size}. Start fewer: --trainer.devices {max(1, size)}."
        )
