"""`outcomes.json`: what became of the test images, kept beside a classifier's result: confusions and calibration."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, model_validator

from aape_lightning.files import write_text
from aape_lightning.metrics import Reliability
from aape_lightning.protocols.results import read_bytes, unreadable

__all__ = ["OUTCOMES_FILE", "PartOutcomes", "read_outcomes", "write_outcomes"]

OUTCOMES_FILE = "outcomes.json"


class PartOutcomes(BaseModel):
    """What became of the images of one tested part.

    Attributes:
        classes: The names of its classes.
        images: How many images each class has.
        correct: How many of them were predicted rightly.
        confusions: True class, predicted class (places among `classes`) and how many images, the most first.
        reliability: The images in bins of equal width by confidence.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    classes: list[str]
    images: list[int]
    correct: list[int]
    confusions: list[tuple[int, int, int]]
    reliability: Reliability

    @model_validator(mode="after")
    def _agrees(self) -> "PartOutcomes":
        count = len(self.classes)
        if not len(self.images) == len(self.correct) == count:
            raise ValueError(f"{count} classes, but {len(self.images)} counts of images and {len(self.correct)} right")
        if any(not 0 <= place < count for true, predicted, _ in self.confusions for place in (true, predicted)):
            raise ValueError(f"a confusion names a class beyond the {count} that there are")
        if len({len(counts) for counts in self.reliability}) > 1:
            raise ValueError("the counts by confidence are of different numbers of bins")
        return self


_PARTS: TypeAdapter[dict[str, PartOutcomes]] = TypeAdapter(dict[str, PartOutcomes])


def write_outcomes(folder: Path, parts: Mapping[str, PartOutcomes]) -> Path:
    """Write `outcomes.json` into a folder, whole or not at all.

    Args:
        folder: Where to.
        parts: The outcomes by the tested part: `base` and `new`, `source` and the targets, or `all`.
    """
    path = folder / OUTCOMES_FILE
    # Without spaces: of 1,000 classes thousands of pairs are confused.
    write_text(path, _PARTS.dump_json(dict(parts)).decode() + "\n")
    return path


def read_outcomes(path: Path) -> dict[str, PartOutcomes]:
    """Read one `outcomes.json`.

    Raises:
        ResultError: If the file cannot be read or is not JSON, a field is missing, unknown or of another type, or its
            counts disagree.
    """
    try:
        return _PARTS.validate_json(read_bytes(path))
    except ValidationError as error:
        raise unreadable(path, "outcomes", error) from error
