"""How tasks start their weights: from a seed of their own."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["built_from", "drawn_seed"]


def drawn_seed() -> int:
    """A seed from the global generator, for a task to draw when it is made and to build from later."""
    return int(torch.randint(2**62, ()))


@contextmanager
def built_from(seed: int) -> Iterator[None]:
    """Weights made inside start from the seed; the global generator goes on as if there had been none.

    What a DataModule draws from that generator until a task knows its backbone depends on which caches exist, and must
    not reach the weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
