"""Examples of one dataset side by side: the same images for every method, from the first seed of each."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aape_lightning.protocols.examples import (
    EXAMPLES_FILE,
    AnswerExample,
    Examples,
    RetrievalExample,
    read_examples,
)
from aape_lightning.protocols.results import Result
from aape_lightning.report.images import Images
from aape_lightning.report.train_test.cards import Card, Example, make_card

__all__ = ["Gallery", "gallery"]

_MOST_CARDS = 12
_TITLES = {"captioning": "Captions", "vqa": "Questions and answers", "retrieval": "Searches"}


@dataclass(frozen=True)
class Gallery:
    """Examples of one dataset.

    Attributes:
        title: Its heading.
        kind: `captioning`, `vqa` or `retrieval`.
        seeds: The seed whose examples are shown, by method.
        cards: The examples.
        failures: Why images could not be opened, by path.
    """

    title: str
    kind: str
    seeds: Mapping[str, int]
    cards: Sequence[Card]
    failures: Mapping[str, str]


def gallery(runs: Sequence[Result], folders: Mapping[tuple[str, int], Path]) -> Gallery | None:
    """The examples of the first seed of each method that left some; None where none did.

    Args:
        runs: The results on one dataset, by method in order of display, and seed.
        folders: Where they lie, by method and seed.

    Raises:
        ResultError: If a file of examples is malformed.
    """
    found: dict[str, Examples] = {}
    seeds: dict[str, int] = {}
    for run in runs:
        path = folders[run.method, run.seed] / EXAMPLES_FILE
        if run.method not in found and path.is_file():
            found[run.method], seeds[run.method] = read_examples(path), run.seed
    if not found:
        return None
    first = next(iter(found.values()))
    images = Images(first.manifest, first.root)
    cards = [make_card(by_method, images) for by_method in _chosen(_side_by_side(found))]
    return Gallery(_TITLES[first.kind], first.kind, seeds, cards, images.failures)


def _side_by_side(found: Mapping[str, Examples]) -> list[dict[str, Example]]:
    """The examples that are the same of every method, by method."""
    together: dict[tuple[object, ...], dict[str, Example]] = {}
    for method, examples in found.items():
        for example in examples.examples:
            together.setdefault(_identity(example), {})[method] = example
    return list(together.values())


def _identity(example: Example) -> tuple[object, ...]:
    return *_subject(example), *_condition(example)


def _condition(example: Example) -> tuple[object, ...]:
    return example.degradation, example.shots if isinstance(example, AnswerExample) else None


def _subject(example: Example) -> tuple[object, ...]:
    """What an example is of, under whatever condition."""
    own: object = None
    if isinstance(example, AnswerExample):
        own = example.question
    elif isinstance(example, RetrievalExample):
        own = example.query
    return type(example), example.image, own


def _chosen(examples: Sequence[dict[str, Example]]) -> list[dict[str, Example]]:
    """At most so many: subjects spread evenly over all, each condition as often as any other."""
    firsts = [next(iter(by_method.values())) for by_method in examples]
    subjects = list(dict.fromkeys(map(_subject, firsts)))
    count = min(_MOST_CARDS, len(subjects))
    kept = {subjects[k * len(subjects) // count] for k in range(count)}
    left = [place for place, example in enumerate(firsts) if _subject(example) in kept]
    shown: Counter[tuple[object, ...]] = Counter()
    chosen: list[int] = []
    while left and len(chosen) < _MOST_CARDS:
        place = min(left, key=lambda k: (shown[_subject(firsts[k])], shown[_condition(firsts[k])]))
        shown.update([_subject(firsts[place]), _condition(firsts[place])])
        chosen.append(place)
        left.remove(place)
    return [examples[place] for place in sorted(chosen)]
