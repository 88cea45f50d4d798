"""One part of a dataset on the device: which images, in which views, and what is stored of them."""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from aape_lightning.data.features import Views

__all__ = ["LoadedImages"]


@dataclass(kw_only=True)
class LoadedImages:
    """One part of the data, on the device.

    Attributes:
        items: What its positions stand for, in order.
        paths: Its images: one a position, or each once where `rows` says which position has which.
        views: Which views of the images are used.
        keys: Each image's entry in the prompt bank; None where it has none, or none is needed.
        rows: Each position's image; None where position and image are one.
        features: Stored embeddings by image and view; None where images go through the tower.
        tokens: Stored image tokens by image and view, memory-mapped; None where they are not needed or not stored.
        summaries: The trained aggregator's summaries, as `features`; stage two of the staged schedule only.
    """

    items: list[Any]
    paths: list[str]
    views: Views
    keys: Int[Tensor, " m"] | None = None
    rows: Int[Tensor, " n"] | None = None
    features: Float[Tensor, "m v d"] | None = None
    tokens: Float[Tensor, "m v t w"] | None = None
    summaries: Float[Tensor, "m v d"] | None = None

    def rows_of(self, index: Int[Tensor, " b"]) -> Int[Tensor, " b"]:
        """The images of some positions."""
        return index if self.rows is None else self.rows[index]

    def path(self, position: int) -> str:
        """The path of a position's image."""
        return self.paths[position if self.rows is None else int(self.rows[position])]
