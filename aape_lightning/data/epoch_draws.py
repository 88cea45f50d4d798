"""What each epoch chooses anew: a view of an image, a caption of an image."""

import zlib

import torch
from jaxtyping import Int
from torch import Tensor

__all__ = ["EpochDraws"]


class EpochDraws:
    """Numbers that depend on seed and epoch alone: the same in every process and in a resumed run.

    Args:
        seed: Seed of all draws.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._last: dict[str, tuple[int, Tensor]] = {}

    def below(
        self, counts: int | Int[Tensor, " m"], size: int, what: str, epoch: int, device: torch.device
    ) -> Int[Tensor, " m"]:
        """A number below each count; one epoch's are kept until the next one's are asked for.

        Args:
            counts: How many there are to choose from.
            size: m, how many numbers.
            what: What is drawn, so that two draws of one epoch are independent.
            epoch: The epoch.
            device: Where the numbers are put.
        """
        if self._last.get(what, (None,))[0] != epoch:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch + (zlib.crc32(what.encode()) << 32))
            chance = torch.rand(size, generator=generator, dtype=torch.float64)
            self._last[what] = epoch, (chance * torch.as_tensor(counts).cpu()).long().to(device)
        return self._last[what][1]
