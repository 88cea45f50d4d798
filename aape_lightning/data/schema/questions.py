"""Manifests of questions about images."""

import re
from typing import Annotated, Literal

from pydantic import Field, model_validator

from aape_lightning.data.schema.base import InnerPath, Manifest, Strict
from aape_lightning.data.splits import Part

__all__ = ["CsvQuestions", "QuestionCounts", "QuestionManifest", "ShapesQuestions", "VqaQuestions"]


_PLACE = re.compile(r"\{0?(?::0?\d{0,2}d?)?\}")  # no attributes, and no width that takes memory


class VqaQuestions(Strict):
    """VQA's official JSON: questions, and annotations with ten answers each where they are public.

    Attributes:
        questions: Each part's questions, relative to the dataset's folder.
        annotations: Each part's annotations; a part without them has questions only.
        images: Each part's image path with a place for the number, such as `val2014/COCO_val2014_{:012d}.jpg`.
    """

    format: Literal["vqa"]
    questions: dict[Part, InnerPath] = Field(min_length=1)
    annotations: dict[Part, InnerPath] = {}
    images: dict[Part, InnerPath]

    @model_validator(mode="after")
    def _parts_agree(self) -> "VqaQuestions":
        if self.images.keys() != self.questions.keys() or not self.annotations.keys() <= self.questions.keys():
            raise ValueError("`images` must name the parts of `questions`, and `annotations` no others")
        for template in self.images.values():
            rest, places = _PLACE.subn("", template)
            if places != 1:
                raise ValueError(f"{template!r} needs one place for an image's number, such as {{:012d}}")
            if "{" in rest or "}" in rest:
                raise ValueError(f"{template!r} may hold an image's number only, such as {{:012d}}")
        return self


class CsvQuestions(Strict):
    """Tables with a row a question, one a part.

    Attributes:
        files: Each part's CSV file, relative to the dataset's folder; its first row names the columns.
        image: Column of the image's path; without a suffix the file of that stem is looked for in the image folder.
        question: Column of the question.
        answer: Column of the answer.
        separator: What stands between the answers of a cell that holds several; a cell is one answer where absent.
    """

    format: Literal["csv"]
    files: dict[Part, InnerPath] = Field(min_length=1)
    image: str = "image"
    question: str = "question"
    answer: str = "answer"
    separator: str | None = Field(None, min_length=1)


class ShapesQuestions(Strict):
    """The embedded shapes world: scenes with questions and answers, drawn and written by the package."""

    format: Literal["shapes"]


QuestionSplit = Annotated[VqaQuestions | CsvQuestions | ShapesQuestions, Field(discriminator="format")]


class QuestionCounts(Strict):
    """Questions that a dataset of questions must hold."""

    train: int = 0
    val: int = 0
    test: int = 0


class QuestionManifest(Manifest):
    """A dataset of questions about images.

    Attributes:
        split: Where questions, answers and parts come from.
        counts: Questions that it must hold.
    """

    kind: Literal["questions"]
    split: QuestionSplit
    counts: QuestionCounts | None = None
