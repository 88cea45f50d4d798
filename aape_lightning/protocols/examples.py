"""`examples.json`: what a method made of some test images, kept beside its result to be shown in a report."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from aape_lightning.errors import ResultError
from aape_lightning.files import write_json
from aape_lightning.protocols.faults import told_faults
from aape_lightning.protocols.results import read_bytes, unreadable

__all__ = [
    "EXAMPLES_FILE",
    "AnswerExample",
    "AnswerExamples",
    "CaptionExample",
    "CaptionExamples",
    "Examples",
    "RetrievalExample",
    "RetrievalExamples",
    "Retrieved",
    "make_examples",
    "read_examples",
    "write_examples",
]

EXAMPLES_FILE = "examples.json"
# What only one kind of example has.
_MARKS = {"caption": "captioning", "question": "vqa", "retrieved": "retrieval"}


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Example(_Record):
    image: str
    degradation: Literal["none", "blur", "occlusion"]


class CaptionExample(_Example):
    """An image, what was written for it, and what people wrote.

    Attributes:
        image: Path of the image in the dataset.
        degradation: How it was made worse, as `degrade` names it.
        caption: The method's.
        references: The image's own captions.
    """

    caption: str
    references: list[str]


class AnswerExample(_Example):
    """A question about an image, with its answers.

    Attributes:
        image: Path of the image in the dataset.
        degradation: How it was made worse, as `degrade` names it.
        question: The question.
        answer: The method's answer.
        answers: Those of people.
        shots: Answered examples that were shown before it; None where the method takes none.
    """

    question: str
    answer: str
    answers: list[str]
    shots: int | None


class Retrieved(_Record):
    """One result of a search: a text, or the path of an image.

    Attributes:
        score: Its similarity with the query.
        correct: Whether it belongs to the query.
        text: The text, where texts are searched.
        image: The image's path, where images are searched.
    """

    score: float
    correct: bool
    text: str | None = None
    image: str | None = None


class RetrievalExample(_Example):
    """A search.

    Attributes:
        image: Path of the image that searches, or that is to be found.
        degradation: How it was made worse, as `degrade` names it.
        query: The text that searches; None where the image does.
        truth: Texts, or paths of images, that belong to the query.
        retrieved: What was found, the best first.
    """

    query: str | None
    truth: list[str]
    retrieved: list[Retrieved]


class _Examples(_Record):
    manifest: str
    root: str | None


class CaptionExamples(_Examples):
    """Captions, and the dataset that they are of: its manifest by name or path, and its data root."""

    kind: Literal["captioning"]
    examples: list[CaptionExample]


class AnswerExamples(_Examples):
    """Answers, and the dataset that they are of."""

    kind: Literal["vqa"]
    examples: list[AnswerExample]


class RetrievalExamples(_Examples):
    """Searches, and the dataset that they are of."""

    kind: Literal["retrieval"]
    examples: list[RetrievalExample]


Examples = CaptionExamples | AnswerExamples | RetrievalExamples
_EXAMPLES: TypeAdapter[Examples] = TypeAdapter(Annotated[Examples, Field(discriminator="kind")])


def make_examples(manifest: str, root: str | None, examples: Sequence[Mapping[str, Any]]) -> Examples:
    """Examples from plain values; their kind is known by their keys.

    Args:
        manifest: Name or path of the dataset's manifest.
        root: The data root; the manifest's own where None.
        examples: One or more, all of one kind.

    Raises:
        ResultError: If they are of no kind that a report can show.
    """
    kind = next((kind for mark, kind in _MARKS.items() if mark in examples[0]), None)
    held = {"kind": kind, "manifest": manifest, "root": root, "examples": [*examples]}
    try:
        return _EXAMPLES.validate_json(json.dumps(held))
    except ValidationError as error:
        raise ResultError(f"These examples of a test cannot be kept: {told_faults(error)}.") from error


def write_examples(folder: Path, examples: Examples) -> Path:
    """Write `examples.json` into a folder, whole or not at all."""
    path = folder / EXAMPLES_FILE
    write_json(path, examples.model_dump(exclude_unset=True))
    return path


def read_examples(path: Path) -> Examples:
    """Read one `examples.json`.

    Raises:
        ResultError: If the file cannot be read or is not JSON, or a field is missing, unknown or of another type.
    """
    try:
        return _EXAMPLES.validate_json(read_bytes(path))
    except ValidationError as error:
        raise unreadable(path, "examples", error) from error
