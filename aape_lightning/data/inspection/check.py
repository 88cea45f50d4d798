"""A dataset of any kind against its manifest."""

from collections.abc import Iterable
from pathlib import Path

from aape_lightning.data.images import image_access
from aape_lightning.data.inspection.check_classes import check_classes
from aape_lightning.data.inspection.checked import Checked, Decode, check_images
from aape_lightning.data.readers.captions import CaptionedImage, read_caption_split
from aape_lightning.data.readers.questions import Question, read_question_split
from aape_lightning.data.schema import CaptionManifest, ClassManifest, Manifest, QuestionManifest
from aape_lightning.data.splits import PARTS, Parts

__all__ = ["check_dataset"]


def check_dataset(manifest: Manifest, root: Path, *, decode: Decode = "all") -> Checked:
    """Check a dataset of classes, captions or questions.

    Args:
        manifest: The dataset.
        root: The data root.
        decode: Which images are decoded; every listed file is looked for by name all the same.

    Raises:
        ManifestError: If a folder or a file is missing.
        DataError: If a file is malformed.
    """
    if isinstance(manifest, ClassManifest):
        return check_classes(manifest, root, decode=decode)
    if isinstance(manifest, CaptionManifest):
        return _check_captions(manifest, root, decode)
    assert isinstance(manifest, QuestionManifest)
    return _check_questions(manifest, root, decode)


def _check_captions(manifest: CaptionManifest, root: Path, decode: Decode) -> Checked:
    checked, split = Checked(manifest.title), read_caption_split(manifest, root)
    _count(checked, manifest, split)
    images = [image for part in PARTS for image in split.part(part)]
    captions = manifest.counts.captions if manifest.counts else None
    checked.count("captions", sum(len(image.captions) for image in images), captions)
    _images(checked, manifest, root, images, decode)
    return checked


def _check_questions(manifest: QuestionManifest, root: Path, decode: Decode) -> Checked:
    checked, split = Checked(manifest.title), read_question_split(manifest, root)
    _count(checked, manifest, split)
    questions = [question for part in PARTS for question in split.part(part)]
    without = sum(not question.answers for question in questions)
    checked.rows.append(("questions without answers", f"{without:,}", "-"))
    _images(checked, manifest, root, questions, decode)
    return checked


def _count(checked: Checked, manifest: Manifest, split: Parts[CaptionedImage] | Parts[Question]) -> None:
    expected = dict(manifest.counts or ())
    for part in PARTS:
        checked.count(part, len(split.part(part)), expected.get(part))


def _images(
    checked: Checked, manifest: Manifest, root: Path, entries: Iterable[CaptionedImage | Question], decode: Decode
) -> None:
    opener, size = image_access(manifest, root)
    check_images(checked, sorted({entry.path for entry in entries}), size, opener, decode)
