"""One example as the page shows it: an image, what is true of it, and what each method made of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aape_lightning.metrics.vqa import exact_match, soft_accuracy
from aape_lightning.protocols.examples import AnswerExample, CaptionExample, RetrievalExample, Retrieved
from aape_lightning.report.images import Images
from aape_lightning.report.train_test.tables import condition_words

__all__ = ["Card", "Example", "Hit", "Picture", "make_card"]

Example = CaptionExample | AnswerExample | RetrievalExample

_SIZE, _SMALL = 224, 112
_PEOPLE = 10
_SOUGHT = "the image that it belongs to"


@dataclass(frozen=True)
class Picture:
    """An image on the page.

    Attributes:
        address: Its `data:` address; None where it cannot be opened.
        alt: What it shows, as far as the dataset says.
    """

    address: str | None
    alt: str


@dataclass(frozen=True)
class Hit:
    """One thing that a method wrote or found.

    Attributes:
        text: A text; None where an image was found.
        picture: That image.
        mark: `right`, `partly right` or `wrong`; empty where it is neither.
    """

    text: str | None = None
    picture: Picture | None = None
    mark: str = ""


@dataclass(frozen=True)
class Card:
    """One example.

    Attributes:
        heading: What was asked or searched with; empty where the image says it all.
        condition: How many examples were shown, and how the image was made worse; that the image is sought where a text
            searches; empty of a clean image alone.
        picture: The image.
        truth_name: What the truth is called.
        truth: What people wrote, or what belongs to the query.
        hits: What each method wrote or found, the best first.
    """

    heading: str
    condition: str
    picture: Picture
    truth_name: str
    truth: Sequence[str]
    hits: Mapping[str, Sequence[Hit]]


def make_card(by_method: Mapping[str, Example], images: Images) -> Card:
    """The card of one example.

    Args:
        by_method: The same example as each method has it.
        images: The dataset's images.
    """
    example = next(iter(by_method.values()))
    shots = example.shots if isinstance(example, AnswerExample) else None
    return Card(
        heading=_heading(example),
        condition=_SOUGHT if _seeks_image(example) else _condition(shots, example.degradation),
        picture=Picture(images.address(example.image, example.degradation, _SIZE), _alt(example)),
        truth_name=_truth_name(example),
        truth=_truth(example),
        hits={method: _hits(of_method, images) for method, of_method in by_method.items()},
    )


def _seeks_image(example: Example) -> bool:
    return isinstance(example, RetrievalExample) and example.query is not None


def _condition(shots: int | None, degradation: str) -> str:
    return "" if shots is None and degradation == "none" else ", ".join(condition_words(shots, degradation))


def _heading(example: Example) -> str:
    if isinstance(example, AnswerExample):
        return example.question
    return (example.query or "") if isinstance(example, RetrievalExample) else ""


def _alt(example: Example) -> str:
    """The image in words: its first caption, where it has one."""
    if isinstance(example, CaptionExample) and example.references:
        return example.references[0]
    if isinstance(example, RetrievalExample):
        return example.query or next(iter(example.truth), example.image)
    return f"Test image {example.image}"


def _truth_name(example: Example) -> str:
    if isinstance(example, CaptionExample):
        return "References"
    if isinstance(example, AnswerExample):
        return "Answers given"
    return "Its own captions" if example.query is None else ""


def _truth(example: Example) -> list[str]:
    if isinstance(example, CaptionExample):
        return example.references
    if isinstance(example, AnswerExample):
        return _counted(example.answers)
    return example.truth if example.query is None else []


def _counted(answers: Sequence[str]) -> list[str]:
    """Each answer once, the most common first, with how many gave it where several people were asked."""
    counts = Counter(answers).most_common()
    return [answer if len(answers) == 1 else f"{answer} ({count} of {len(answers)})" for answer, count in counts]


def _hits(example: Example, images: Images) -> list[Hit]:
    if isinstance(example, CaptionExample):
        return [Hit(text=example.caption)]
    if isinstance(example, AnswerExample):
        return [Hit(text=example.answer, mark=_verdict(example))]
    return [_found(found, images) for found in example.retrieved]


def _found(found: Retrieved, images: Images) -> Hit:
    mark = "right" if found.correct else ""
    if found.image is None:
        return Hit(text=found.text or "", mark=mark)
    return Hit(picture=Picture(images.address(found.image, "none", _SMALL), f"Test image {found.image}"), mark=mark)


def _verdict(example: AnswerExample) -> str:
    """What the metrics say of an answer: VQA accuracy where ten people answered, else exact match."""
    if not example.answers:
        return ""
    judge = soft_accuracy if len(example.answers) == _PEOPLE else exact_match
    score = float(judge(example.answer, example.answers))
    return {0.0: "wrong", 1.0: "right"}.get(score, "partly right")
