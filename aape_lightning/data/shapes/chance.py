"""Randomness that is the same in every process, on every machine, with every version of Python.

All of it is built on `Random.random()`, the one method whose stream Python promises to keep.
"""

import hashlib
from collections.abc import Iterable, Sequence
from random import Random
from typing import TypeVar

__all__ = ["between", "pick", "random_of", "shuffled"]

T = TypeVar("T")


def random_of(key: str) -> Random:
    """A generator seeded by a text; Python's own `hash` of a text differs between processes."""
    return Random(int.from_bytes(hashlib.blake2b(key.encode(), digest_size=16).digest(), "big"))


def pick(random: Random, choices: Sequence[T]) -> T:
    """One of the choices, all alike likely."""
    return choices[int(random.random() * len(choices))]


def between(random: Random, low: float, high: float) -> float:
    """A number from `low` to `high`, all alike likely."""
    return low + (high - low) * random.random()


def shuffled(random: Random, items: Iterable[T]) -> list[T]:
    """The items in random order."""
    return [item for _, _, item in sorted((random.random(), place, item) for place, item in enumerate(items))]
