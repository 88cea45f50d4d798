"""Explanations as the page shows them: images beside sentences, and classes."""

from collections.abc import Sequence
from dataclasses import dataclass

from aape_lightning.protocols.explanations import ExplainedClass, ExplainedClasses, ExplainedImage
from aape_lightning.report.explained.bars import Bars, choice_bars, sentence_bars
from aape_lightning.report.images import Images

__all__ = ["ClassView", "ImageView", "PartView", "part_view"]

_SIZE = 224


@dataclass(frozen=True)
class ImageView:
    """One test image.

    Attributes:
        address: Its `data:` address; None where it cannot be opened.
        alt: What it is, in words.
        label: Its true class.
        said: The class that the method says.
        is_right: Whether that is the true one.
        choices: What the method says.
        attended: The sentences of the true class that were attended to most.
        others: How many there are beside them.
        others_share: What those received together.
    """

    address: str | None
    alt: str
    label: str
    said: str
    is_right: bool
    choices: Bars
    attended: Bars
    others: int
    others_share: float


@dataclass(frozen=True)
class ClassView:
    """One class.

    Attributes:
        name: Its name.
        images: How many test images the means are over.
        sentences: How many sentences it has.
        half: How many of them, the most attended first, receive half of the attention.
        most: Those attended to most.
        least: Those attended to least.
    """

    name: str
    images: int
    sentences: int
    half: int
    most: Bars
    least: Bars


@dataclass(frozen=True)
class PartView:
    """Images and classes of one class subset.

    Attributes:
        classes: The subset, as the DataModule names it.
        title: What the page calls it.
        images: Test images, right ones first.
        by_class: Classes.
    """

    classes: str
    title: str
    images: Sequence[ImageView]
    by_class: Sequence[ClassView]

    @property
    def sentences(self) -> list[Bars]:
        """Every list of sentences that is shown."""
        of_classes = [shown for one in self.by_class for shown in (one.most, one.least)]
        return [*(image.attended for image in self.images), *of_classes]

    @property
    def right(self) -> int:
        """How many of the images the method has right."""
        return sum(image.is_right for image in self.images)


def part_view(part: ExplainedClasses, images: Images) -> PartView:
    """One class subset for the page.

    Args:
        part: What was recorded.
        images: The dataset's images.
    """
    return PartView(
        part.classes,
        f"{part.classes.capitalize()} classes",
        [_image(image, images) for image in part.images],
        [_class(one) for one in part.by_class],
    )


def _image(found: ExplainedImage, images: Images) -> ImageView:
    count = len(found.attended) + found.others
    said = found.choices[0].name
    return ImageView(
        address=images.address(found.image, "none", _SIZE),
        alt=f"Test image of the class {found.label}, " + ("recognised." if found.is_right else f"taken for {said}."),
        label=found.label,
        said=said,
        is_right=found.is_right,
        choices=choice_bars(found.choices, found.label),
        attended=sentence_bars(found.attended, count, found.attended[0].share),
        others=found.others,
        others_share=found.others_share,
    )


def _class(found: ExplainedClass) -> ClassView:
    largest = found.most[0].share
    return ClassView(
        name=found.name,
        images=found.images,
        sentences=found.sentences,
        half=found.half,
        most=sentence_bars(found.most, found.sentences, largest),
        least=sentence_bars(found.least, found.sentences, largest),
    )
