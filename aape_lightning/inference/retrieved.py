"""What a search found among images or texts that were handed over."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from jaxtyping import Float
from torch import Tensor

from aape_lightning.errors import DataError

__all__ = ["Match", "Retrieved", "retrieved"]


@dataclass(frozen=True)
class Match:
    """One thing that was found.

    Attributes:
        rank: Its place, from 1.
        score: Cosine of its embedding with the query's.
        found: The image's name, or the text.
    """

    rank: int
    score: float
    found: str


@dataclass(frozen=True, repr=False)
class Retrieved:
    """What a search found; iterating gives a `Match` each, the best first.

    Attributes:
        query: The text, or the name of the image that searched.
        matches: What was found.
    """

    query: str
    matches: list[Match]

    def table(self) -> pd.DataFrame:
        """One row a match."""
        return pd.DataFrame(self.as_dicts())

    def as_dicts(self) -> list[dict[str, Any]]:
        """Plain values for JSON, scores at full precision."""
        return [dict(vars(match)) for match in self.matches]

    def __iter__(self) -> Iterator[Match]:
        return iter(self.matches)

    def __len__(self) -> int:
        return len(self.matches)

    def __getitem__(self, place: int) -> Match:
        return self.matches[place]

    def __repr__(self) -> str:
        lines = [f"  {match.rank}. {match.score:.3f} {match.found}" for match in self.matches]
        return "\n".join([f"Found for {self.query!r}:", *lines])


def retrieved(
    query: str, embedding: Float[Tensor, " d"], among: Float[Tensor, "m d"], names: Sequence[str], top: int
) -> Retrieved:
    """What is nearest to a query, the nearest first; equal ones in their order.

    Args:
        query: The query's name.
        embedding: Its unit-norm embedding.
        among: The unit-norm embeddings to search among.
        names: What each of them is of.
        top: How many are found; all where there are fewer.

    Raises:
        DataError: If `top` is below 1.
    """
    if top < 1:
        raise DataError(f"The number of results is {top}; it must be 1 or more (--top).")
    # In single precision equal rows may score differently in the last bit.
    scores, rows = (among.double() @ embedding.double()).sort(descending=True, stable=True)
    pairs = zip(scores[:top].tolist(), rows[:top].tolist(), strict=True)
    return Retrieved(query, [Match(rank, score, names[row]) for rank, (score, row) in enumerate(pairs, start=1)])
