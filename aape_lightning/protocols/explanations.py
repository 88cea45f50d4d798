"""`explanations.json`: what an aggregator attended to, and how far h(x) moved, kept beside a result to be shown."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aape_lightning.files import write_json
from aape_lightning.protocols.results import read_bytes, unreadable

__all__ = [
    "EXPLANATIONS_FILE",
    "Choice",
    "Cosines",
    "ExplainedClass",
    "ExplainedClasses",
    "ExplainedImage",
    "Explanations",
    "Sentence",
    "read_explanations",
    "write_explanations",
]

EXPLANATIONS_FILE = "explanations.json"


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Sentence(_Record):
    """A sentence and the attention that it received.

    Attributes:
        text: The sentence; a long one is cut short.
        share: Its share of the attention, from 0 to 1.
        kind: As `sentence_kinds` tells it; None where kinds are not known.
    """

    text: str
    share: float
    kind: str | None = None


class Choice(_Record):
    """A class with the probability that the method gave it, from 0 to 1."""

    name: str
    probability: float


class ExplainedImage(_Record):
    """A test image: what it was taken for, and what the aggregator attended to.

    Attributes:
        image: Path of the image in the dataset.
        label: Its true class, whose sentences the aggregator was given.
        choices: The classes of the highest probability, the highest first, and the true one, where it is not of them.
        attended: The sentences of the largest shares, the largest first.
        others: How many sentences there are beside them.
        others_share: The share of attention that those received together.
    """

    image: str
    label: str
    choices: Annotated[list[Choice], Field(min_length=1)]
    attended: Annotated[list[Sentence], Field(min_length=1)]
    others: int
    others_share: float

    @property
    def is_right(self) -> bool:
        """Whether the true class is the one of the highest probability."""
        return self.choices[0].name == self.label


class Cosines(_Record):
    """Mean cosines over a class's images: of image x, mean sentence, summary p^a, and AAPE h(x); from -1 to 1.

    Attributes:
        image_mean: cos(x, mean sentence).
        image_aape: cos(x, h(x)).
        mean_aape: cos(mean sentence, h(x)).
        summary_aape: cos(p^a, h(x)).
    """

    image_mean: float
    image_aape: float
    mean_aape: float
    summary_aape: float


class ExplainedClass(_Record):
    """A class: which of its sentences the aggregator attended to, in the mean over its test images.

    Attributes:
        name: The class.
        images: How many images the means are over.
        sentences: How many sentences the class has.
        half: How many of them, the most attended first, receive half of the attention.
        most: Those of the largest mean shares, the largest first.
        least: Those of the smallest mean shares, the smallest first; none of `most`.
        cosines: How far h(x) moved.
    """

    name: str
    images: int
    sentences: int
    half: int
    most: Annotated[list[Sentence], Field(min_length=1)]
    least: list[Sentence]
    cosines: Cosines


class ExplainedClasses(_Record):
    """Images and classes of one class subset.

    Attributes:
        classes: The subset.
        images: Some test images: right ones, then wrong ones.
        by_class: Some classes, in the dataset's order.
    """

    classes: Literal["all", "base", "new"]
    images: list[ExplainedImage]
    by_class: Annotated[list[ExplainedClass], Field(min_length=1)]


class Explanations(_Record):
    """What one run explains.

    Attributes:
        manifest: Name or path of the dataset's manifest.
        root: The data root; the manifest's own where None.
        parts: By class subset.
    """

    manifest: str
    root: str | None
    parts: Annotated[list[ExplainedClasses], Field(min_length=1)]


def write_explanations(folder: Path, explanations: Explanations) -> Path:
    """Write `explanations.json` into a folder, whole or not at all."""
    path = folder / EXPLANATIONS_FILE
    write_json(path, explanations.model_dump(exclude_none=True) | {"root": explanations.root})
    return path


def read_explanations(path: Path) -> Explanations:
    """Read one `explanations.json`.

    Raises:
        ResultError: If the file cannot be read or is not JSON, or a field is missing, unknown or of another type.
    """
    try:
        return Explanations.model_validate_json(read_bytes(path))
    except ValidationError as error:
        raise unreadable(path, "explanations", error) from error
