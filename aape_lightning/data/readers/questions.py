"""Questions about images with their answers: VQA's official JSON, tables, and the shapes world's."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from sys import intern
from typing import Any, NamedTuple

from aape_lightning.data.image_files import IMAGE_SUFFIXES, list_images
from aape_lightning.data.places import annotation_file, image_folder
from aape_lightning.data.schema import QuestionManifest
from aape_lightning.data.schema.questions import CsvQuestions, ShapesQuestions, VqaQuestions
from aape_lightning.data.shapes import shapes_questions
from aape_lightning.data.splits import PARTS, Part, Parts
from aape_lightning.errors import DataError, listed
from aape_lightning.formats.csv_rows import read_rows
from aape_lightning.formats.inside import check_inside
from aape_lightning.formats.json_records import Record, read_json

__all__ = ["Question", "read_question_split"]

_PERSONS = 10  # VQA asks ten; an answer that all of them give is worth 1 and every other 0


@dataclass(frozen=True, slots=True)
class Question:
    """One question about an image.

    Attributes:
        path: Where the image lies, relative to the dataset's image folder, with forward slashes.
        question: The question.
        answers: VQA's answers, one a person, so that how often one stands there counts (the shapes world's only answer
            ten times); or a table's, each once. Empty where they are not public.
        question_id: What identifies it: VQA's number, or the part and the row, such as `test-0`.
        question_type: VQA's type, the question's first words; or the shapes world's, what kind of question it is; None
            where there is none.
        answer_type: VQA's type (`yes/no`, `number` or `other`); None where there is none.
    """

    path: str
    question: str
    answers: tuple[str, ...]
    question_id: int | str
    question_type: str | None = None
    answer_type: str | None = None


def read_question_split(manifest: QuestionManifest, root: Path) -> Parts[Question]:
    """The questions of a dataset, each part in the order of its file; a row that stands twice in a table is kept twice.

    Args:
        manifest: The dataset.
        root: The data root, under which the dataset's folder lies.

    Raises:
        ManifestError: If the dataset's folder or a file of it is missing, or a table lacks a column.
        DataError: If a file is malformed, a question or an answer of a table is empty, questions and annotations do
            not match, a table's image without a suffix is not in the image folder, or is there twice, or an image's
            path leads out of the image folder.
    """
    source = manifest.split
    parts: dict[Part, list[Question]] = {"train": [], "val": [], "test": []}
    if isinstance(source, ShapesQuestions):
        parts |= {part: list(_shapes(part)) for part in PARTS}
    elif isinstance(source, VqaQuestions):
        for part, name in source.questions.items():
            notes = source.annotations.get(part)
            annotated = None if notes is None else annotation_file(manifest, root, notes)
            parts[part] = _vqa(annotation_file(manifest, root, name), annotated, source.images[part])
    else:
        images = _Images(manifest, root)
        for part, name in source.files.items():
            parts[part] = list(_table(annotation_file(manifest, root, name), part, source, images))
    for part, questions in parts.items():
        check_inside((question.path for question in questions), f"{manifest.title}, {part}")
    return Parts(**parts)


def _shapes(part: Part) -> Iterator[Question]:
    asked = [(path, about) for path, questions in shapes_questions(part).items() for about in questions]
    for index, (path, about) in enumerate(asked):
        answers, number = (about.answer,) * _PERSONS, f"{part}-{index}"
        yield Question(path, about.question, answers, number, about.question_type, about.answer_type)


class _Annotation(NamedTuple):
    answers: tuple[str, ...] = ()
    types: tuple[str | None, str | None] = (None, None)


def _vqa(path: Path, annotated: Path | None, image: str) -> list[Question]:
    annotations = {} if annotated is None else _annotations(annotated)
    found: dict[int | str, Question] = {}
    for record in read_json(path).records("questions"):
        number = record.identity("question_id")
        if number in found:
            raise record.fault(f"the question id {number!r} stands twice.")
        answers, types = annotations.get(number, _Annotation())
        question = record.text("question").strip()
        found[number] = Question(_image_path(record, image), question, answers, number, *types)
    if annotated is not None and (unmatched := annotations.keys() ^ found.keys()):
        ids = listed(sorted(map(str, unmatched)))
        raise DataError(
            f"{str(path)!r} and {str(annotated)!r} do not belong together: {len(unmatched)} question ids stand in only "
            f"one of the two: {ids}."
        )
    return list(found.values())


def _annotations(path: Path) -> dict[int | str, _Annotation]:
    found: dict[int | str, _Annotation] = {}
    for record in read_json(path, inner=_answer_text).records("annotations"):
        number = record.identity("question_id")
        if number in found:
            raise record.fault(f"the question id {number!r} stands twice.")
        types = (record.optional_text("question_type"), record.optional_text("answer_type"))
        found[number] = _Annotation(tuple(record.texts("answers")), types)
    return found


def _answer_text(fields: dict[str, Any]) -> dict[str, Any] | str:
    """An answer's text alone, each distinct text once: VQA v2 has six and a half million answers."""
    answer = fields.get("answer")
    return intern(answer.strip()) if isinstance(answer, str) and "question_id" not in fields else fields


def _image_path(record: Record, image: str) -> str:
    number = record.identity("image_id")
    try:
        return image.format(number)
    except ValueError as error:
        raise record.fault(f"the image id {number!r} does not fit {image!r}.") from error


def _table(path: Path, part: Part, source: CsvQuestions, images: "_Images") -> Iterator[Question]:
    columns = [source.image, source.question, source.answer]
    for index, (where, row) in enumerate(read_rows(path, columns)):
        image, question, answer = (row[column].strip() for column in columns)
        answers = [text.strip() for text in (answer.split(source.separator) if source.separator else [answer])]
        given = tuple(dict.fromkeys(text for text in answers if text))
        for column, content in zip(columns, (image, question, given), strict=True):
            if not content:
                raise DataError(f"{where}: the cell of {column!r} is empty.")
        yield Question(images.path(image, where), question, given, f"{part}-{index}")


class _Images:
    """The paths of images that tables may name without a suffix; their folder is listed when the first one does."""

    def __init__(self, manifest: QuestionManifest, root: Path) -> None:
        self.manifest, self.root = manifest, root

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        stems: dict[str, list[str]] = {}
        for path in list_images(image_folder(self.manifest, self.root)):
            stems.setdefault(os.path.splitext(path)[0], []).append(path)
        return stems

    def path(self, cell: str, where: str) -> str:
        named = cell.replace("\\", "/")
        if os.path.splitext(named)[1].lower() in IMAGE_SUFFIXES:
            return named
        found = self._by_stem.get(named, [])
        if len(found) != 1:
            what = f"several images: {listed(found)}" if found else "no image"
            folder = str(image_folder(self.manifest, self.root))
            raise DataError(f"{where}: {cell!r} names {what} in {folder!r}, whatever the suffix.")
        return found[0]
