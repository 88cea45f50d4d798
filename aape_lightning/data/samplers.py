"""One order of images for any number of processes."""

from collections.abc import Iterator
from typing import TypeVar

import torch
from jaxtyping import Int
from lightning.pytorch import Trainer
from torch import Tensor
from torch.utils.data import DistributedSampler, Sampler

from aape_lightning.errors import DataError

__all__ = ["EpochSampler", "EvalSampler", "TrainSampler", "refuse_idle_processes", "replicas"]


Key = TypeVar("Key")


def replicas(trainer: Trainer | None) -> dict[str, int]:
    """`num_replicas` and `rank` of a Trainer's process; of the only one without a Trainer."""
    if trainer is None:
        return {"num_replicas": 1, "rank": 0}
    return {"num_replicas": trainer.world_size, "rank": trainer.global_rank}


class EpochSampler(DistributedSampler[Key]):
    """What the training samplers share: the epoch, and where in it a run that was cut there goes on.

    A checkpoint that was written inside an epoch holds how many batches a process had trained on; what workers had
    prefetched is not counted. The run that is resumed leaves them out, unread. Subclassing `DistributedSampler` keeps
    Lightning from replacing it.

    Args:
        trainer: Who trains; None where an epoch always begins with its first batch.
    """

    def __init__(self, trainer: Trainer | None) -> None:
        Sampler.__init__(self)
        self.trainer = trainer
        self.epoch = 0

    def behind(self) -> int:
        """How many batches of this epoch were trained on before the run was resumed."""
        # Not from a loader's state: Lightning loads none where an optimizer has asked for the number of steps before.
        loop = None if self.trainer is None else self.trainer.fit_loop.epoch_loop
        return loop.batch_progress.current.ready if loop is not None and loop.restarting else 0


class TrainSampler(EpochSampler[tuple[int, int]]):
    """Shuffles by (seed, epoch) and deals global batches out to processes.

    Every number of processes sees the same global batches of `batch_size * num_replicas` images, and a resumed run sees
    the order that the interrupted one would have seen. An incomplete last global batch is dropped, as in CoOp's recipe,
    unless it is the only one: then each process has as many images as the others.

    Yields:
        (epoch, position): the epoch is what seeds the image's augmentation.

    Args:
        size: Number of images.
        batch_size: Images a batch and process.
        num_replicas: Number of processes.
        rank: This process.
        seed: Seed of the order.
        trainer: As for `EpochSampler`.

    Raises:
        DataError: If there are fewer images than processes.
    """

    def __init__(
        self, size: int, batch_size: int, *, num_replicas: int, rank: int, seed: int, trainer: Trainer | None = None
    ) -> None:
        super().__init__(trainer)
        refuse_idle_processes(size, num_replicas)
        self.size = size
        self.batch_size = batch_size
        self.num_replicas = num_replicas
        self.rank = rank
        self.seed = seed

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
        left = self.order()[self.behind() * self.batch_size :]
        return ((self.epoch, position) for position in left.tolist())

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
