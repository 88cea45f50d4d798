"""What papers and repositories have published, as the YAML files beside this one hold it.

A file states what its rows share once, at the top; a row's own keys stand over those.
"""

import math
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aape_lightning.errors import ResultError
from aape_lightning.protocols.faults import told_faults
from aape_lightning.protocols.names import COOP_DATASETS

__all__ = ["AVERAGE", "THE_ELEVEN", "Published", "published_numbers", "read_published"]

AVERAGE = "average of the 11"
THE_ELEVEN = frozenset(COOP_DATASETS)
_PACKAGE = "aape_lightning.report.published"

Percent = Annotated[float, Field(ge=0, le=100)]


class Published(BaseModel):
    """One method's published numbers in one setting.

    Attributes:
        protocol: The protocol that they were measured by.
        method: The method, as its paper calls it.
        dataset: Name of the manifest; the source where there are targets; or `AVERAGE`.
        targets: Names of the manifests that were tested on, where the protocol has some.
        backbone: The architecture with OpenAI's weights, as `ViT-B/16`.
        shots: Labelled training images a class; `none` without any, `all` for the whole training part, `unknown` where
            the source does not say.
        seeds: How many were averaged; None where there are none, or the source does not say.
        values: In percent, by the names of `Result.metrics`; also `h`, the harmonic mean of base and new accuracy, and
            `targets/accuracy`, the mean over the targets.
        source: Where they were read.
        note: What else to know about them: other values in other sources, misprints.
        transductive: Whether unlabelled images of the tested classes were trained on.
        test_seeing: Whether anything was chosen on test images.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    protocol: Literal["base-to-new", "few-shot", "domain-generalization", "cross-dataset", "train-test"]
    method: str = Field(min_length=1)
    dataset: str = Field(min_length=1)
    targets: list[str] = []
    backbone: str = Field(min_length=1)
    shots: Annotated[int, Field(ge=1)] | Literal["none", "all", "unknown"]
    seeds: Annotated[int, Field(ge=1)] | None = None
    values: Annotated[dict[str, Percent], Field(min_length=1)]
    source: str = Field(min_length=1)
    note: str = ""
    transductive: bool = False
    test_seeing: bool = False

    @property
    def datasets(self) -> frozenset[str]:
        """The datasets that the numbers speak of."""
        return THE_ELEVEN if self.dataset == AVERAGE else frozenset({self.dataset})

    def fraction(self, name: str) -> float:
        """A value as a fraction, as results have it; NaN where it was not published."""
        return self.values.get(name, math.nan) / 100


@cache
def published_numbers() -> Sequence[Published]:
    """Every published number that ships with the package, file by file."""
    places = sorted(files(_PACKAGE).iterdir(), key=lambda place: place.name)
    return [row for place in places if place.name.endswith(".yaml") for row in read_published(place.read_text("utf-8"))]


def read_published(text: str) -> list[Published]:
    """The rows of one YAML file.

    Raises:
        ResultError: If a row lacks a field, or has an unknown one or one of another type.
    """
    shared = yaml.safe_load(text)
    rows = shared.pop("rows")
    try:
        return [Published.model_validate(shared | row) for row in rows]
    except ValidationError as error:
        raise ResultError(f"Published numbers are malformed: {told_faults(error)}.") from error
