"""What a classifier says of images: for people, for tables, for scripts."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
from jaxtyping import Float
from torch import Tensor

__all__ = ["Classification", "Prediction"]

_SHOWN = 5  # images in the representation


@dataclass(frozen=True)
class Prediction:
    """What is said of one image.

    Attributes:
        image: The image's name.
        top: The likeliest classes with their probabilities, the likeliest first.
    """

    image: str
    top: list[tuple[str, float]]

    @property
    def name(self) -> str:
        """The likeliest class."""
        return self.top[0][0]

    @property
    def probability(self) -> float:
        """Its probability."""
        return self.top[0][1]

    def __str__(self) -> str:
        return f"{self.image}: " + ", ".join(f"{name} {probability:.1%}" for name, probability in self.top)


@dataclass(frozen=True, eq=False, repr=False)
class Classification:
    """What a classifier says of images; iterating gives a `Prediction` an image.

    Attributes:
        images: The images' names.
        class_names: The classes to choose from.
        probabilities: Of each image and class, on the CPU; rows sum to 1.
        shown: How many classes an image `top`, `table` and iterating give.
        note: What to know of how the classes were called; None where all was as in training.
    """

    images: list[str]
    class_names: list[str]
    probabilities: Float[Tensor, "b c"]
    shown: int = 5
    note: str | None = None

    @property
    def names(self) -> list[str]:
        """The likeliest class of each image."""
        return [self.class_names[k] for k in self.probabilities.argmax(dim=1).tolist()]

    def top(self, k: int | None = None) -> list[list[tuple[str, float]]]:
        """The k likeliest classes of each image with their probabilities; all where there are fewer."""
        k = min(k or self.shown, len(self.class_names))
        values, places = (found[:, :k] for found in self.probabilities.sort(dim=1, descending=True, stable=True))
        return [
            [(self.class_names[place], value) for place, value in zip(row, own, strict=True)]
            for row, own in zip(places.tolist(), values.tolist(), strict=True)
        ]

    def table(self, k: int | None = None) -> pd.DataFrame:
        """One row an image: its name, and `class_1`, `probability_1` and so on, the likeliest first."""
        rows = []
        for image, top in zip(self.images, self.top(k), strict=True):
            row: dict[str, Any] = {"image": image}
            for rank, (name, probability) in enumerate(top, start=1):
                row |= {f"class_{rank}": name, f"probability_{rank}": probability}
            rows.append(row)
        return pd.DataFrame(rows)

    def as_dicts(self, k: int | None = None) -> list[dict[str, Any]]:
        """Plain values for JSON, an object an image, probabilities at full precision."""
        return [
            {"image": image, "top": [{"class": name, "probability": value} for name, value in top]}
            for image, top in zip(self.images, self.top(k), strict=True)
        ]

    def __iter__(self) -> Iterator[Prediction]:
        return iter([Prediction(image, top) for image, top in zip(self.images, self.top(), strict=True)])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, place: int) -> Prediction:
        return list(self)[place]

    def __repr__(self) -> str:
        lines = [f"  {prediction}" for prediction in list(self)[:_SHOWN]]
        more = [f"  and {len(self) - _SHOWN} more"] if len(self) > _SHOWN else []
        head = f"Classification of {len(self)} images among {len(self.class_names)} classes:"
        return "\n".join([head, *lines, *more])
