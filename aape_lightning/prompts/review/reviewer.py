"""The review of sentences with a text model: light curation first, then near-duplicates, strays and outliers."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from aape_lightning.errors import PromptError
from aape_lightning.prompts.curation import Curation, curate
from aape_lightning.prompts.review.findings import Review
from aape_lightning.prompts.review.flags import Flag, Kind, Thresholds
from aape_lightning.prompts.review.similarity import class_fit, misplaced, near_duplicates, off_topic
from aape_lightning.prompts.review.text_models import TextModel

__all__ = ["curate_known", "find_flags", "review"]


def review(sentences: Mapping[str, Sequence[str]], model: TextModel, thresholds: Thresholds) -> Review:
    """Curate sentences lightly, embed what is left, and flag what stands out.

    Args:
        sentences: Sentences by class.
        model: The text model.
        thresholds: When a sentence is flagged.

    Raises:
        PromptError: If no class has a sentence.
    """
    curation, without = curate_known(sentences)
    if not curation.sentences:
        raise PromptError(f"None of the {len(sentences)} classes has a sentence, so there is nothing to review.")
    embeddings = model.encode([text for texts in curation.sentences.values() for text in texts])
    names = model.encode([name.replace("_", " ") for name in curation.sentences])
    flags, own = find_flags(curation.sentences, embeddings, names, thresholds)
    return Review(curation, without, flags, own)


def curate_known(sentences: Mapping[str, Sequence[str]]) -> tuple[Curation, list[str]]:
    """The light curation of the classes that have sentences, whatever their length; and the classes that have none."""
    without = [name for name, texts in sentences.items() if not _has_sentences(texts)]
    return _curate({name: list(texts) for name, texts in sentences.items() if name not in without}), without


def _has_sentences(texts: Sequence[str]) -> bool:
    try:
        _curate({"": list(texts)})
    except PromptError:
        return False
    return True


def _curate(sentences: dict[str, list[str]]) -> Curation:
    return curate(sentences, context_length=0, token_count=lambda _: 0, truncate=True)


def find_flags(
    sentences: Mapping[str, Sequence[str]],
    embeddings: Float[Tensor, "m d"],
    names: Float[Tensor, "k d"],
    thresholds: Thresholds,
) -> tuple[list[Flag], dict[str, list[float]]]:
    """Flag what stands out.

    Args:
        sentences: Sentences by class; every class has one at least.
        embeddings: Their unit-norm embeddings, class after class.
        names: Unit-norm embeddings of the classes' names.
        thresholds: When a sentence is flagged.

    Returns:
        The flags by `Flag.rank`, and each sentence's fit with its own class, by class.
    """
    classes = list(sentences)
    places = [(name, position) for name in classes for position in range(len(sentences[name]))]
    offsets = torch.tensor([0, *map(len, sentences.values())]).cumsum(0)
    fit = class_fit(embeddings, offsets, names)

    def text(row: int) -> str:
        name, position = places[row]
        return sentences[name][position]

    def flag(kind: Kind, row: int, against: str, cosine: float) -> Flag:
        return Flag(kind, *places[row], text(row), against, cosine, float(fit.own[row]))

    def misfits(kind: Kind, mask: Tensor) -> list[Flag]:
        rows = mask.nonzero().flatten().tolist()
        return [flag(kind, row, classes[int(fit.closest[row])], float(fit.best[row])) for row in rows]

    repeats = near_duplicates(embeddings, offsets, thresholds.near_duplicates)
    outliers = off_topic(fit, thresholds.off_topic)
    strays = misplaced(fit, thresholds.misplaced) & ~outliers  # what fits no class has no better one either
    flags = [
        *(flag("near-duplicates", row, text(earlier), cosine) for row, (earlier, cosine) in repeats.items()),
        *misfits("misplaced", strays),
        *misfits("off-topic", outliers),
    ]
    own = dict(zip(classes, map(Tensor.tolist, fit.own.split(offsets.diff().tolist())), strict=True))
    return sorted(flags, key=lambda found: found.rank), own
