"""Caption scores by COCO's own code (pycocoevalcap): CIDEr-D, BLEU-1 to 4, ROUGE-L, and METEOR."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aape_lightning.errors import MetricError, listed
from aape_lightning.metrics.meteor import meteor as meteor_scores
from aape_lightning.metrics.tokenisers import Tokenizer, check_tokenizer, tokenise

__all__ = ["ScoredCaptions", "caption_scores", "score_captions"]

ImageId = int | str


@dataclass(frozen=True, slots=True)
class ScoredCaptions:
    """Scores by name; a name says which tokeniser was used, such as `cider_d(ptb)`.

    Attributes:
        corpus: Of all images.
        images: Of each image.
    """

    corpus: dict[str, float]
    images: dict[ImageId, dict[str, float]]


def caption_scores(
    candidates: Mapping[Any, str],
    references: Mapping[Any, Sequence[str]],
    *,
    tokenizer: Tokenizer = "ptb",
    meteor: bool = False,
) -> dict[str, float]:
    """`ScoredCaptions.corpus` of `score_captions`.

    Raises:
        MetricError: As there.
    """
    return score_captions(candidates, references, tokenizer=tokenizer, meteor=meteor).corpus


def score_captions(
    candidates: Mapping[Any, str],
    references: Mapping[Any, Sequence[str]],
    *,
    tokenizer: Tokenizer = "ptb",
    meteor: bool = False,
) -> ScoredCaptions:
    """CIDEr-D, BLEU-1 to 4 and ROUGE-L (COCO's, beta = 1.2) of one caption an image.

    CIDEr-D weighs words by how few images' references hold them, so it needs the whole part at once, never batches, and
    is 0 on a single image. It is on its own scale (0 to 10; papers print it times 100), all others are in [0, 1].
    An empty caption is legal and scores 0.

    Args:
        candidates: A caption by image.
        references: One or more captions by image; images that have no candidate are left out.
        tokenizer: `ptb` (COCO's, in Java) or `simple`, as `tokenise` describes.
        meteor: Add METEOR, in Java.

    Raises:
        MetricError: If there is no image, an image has no reference, or Java or pycocoevalcap is missing.

    Example:
        >>> scores = caption_scores({1: "A dog.", 2: "a cat"}, {1: ["a dog"], 2: ["One cat!"]}, tokenizer="simple")
        >>> round(scores["bleu_1(simple)"], 2)
        0.75
    """
    check_tokenizer(tokenizer)
    _check(candidates, references)
    made, given = _tokenised(candidates, references, tokenizer)
    corpus, images = _coco_scores(made, given)
    if meteor:
        corpus["meteor"], images["meteor"] = meteor_scores([text for (text,) in made.values()], list(given.values()))
    named = {name: f"{name}({tokenizer})" for name in corpus}
    by_image = {
        image: {named[name]: scores[row] if text else 0.0 for name, scores in images.items()}
        for row, (image, (text,)) in enumerate(made.items())
    }
    return ScoredCaptions({named[name]: score for name, score in corpus.items()}, by_image)


def _check(candidates: Mapping[Any, str], references: Mapping[Any, Sequence[str]]) -> None:
    if not candidates:
        raise MetricError("There is no caption to score.")
    if bare := [image for image in candidates if not references.get(image)]:
        raise MetricError(f"{len(bare)} of {len(candidates)} images have no reference: {listed(map(str, bare))}.")


def _tokenised(
    candidates: Mapping[Any, str], references: Mapping[Any, Sequence[str]], tokenizer: Tokenizer
) -> tuple[dict[Any, list[str]], dict[Any, list[str]]]:
    """Candidates and references in the form that pycocoevalcap takes, in one call of the tokeniser."""
    texts = [text for image, candidate in candidates.items() for text in (candidate, *references[image])]
    words = iter(tokenise(texts, tokenizer))
    made, given = {}, {}
    for image in candidates:
        made[image] = [next(words)]
        given[image] = [next(words) for _ in references[image]]
    return made, given


def _coco_scores(
    made: dict[Any, list[str]], given: dict[Any, list[str]]
) -> tuple[dict[str, float], dict[str, list[float]]]:
    """The scores of the corpus, and of each image in order."""
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    scored = {"cider_d": Cider().compute_score(given, made)}
    of_bleu = zip(*Bleu(4).compute_score(given, made, verbose=0), strict=True)
    scored |= {f"bleu_{n}": pair for n, pair in enumerate(of_bleu, start=1)}
    # To this ROUGE two empty captions are equal words; here an empty caption scores 0 whatever the references are.
    rouge = Rouge().compute_score(given, made)[1] * [bool(text) for (text,) in made.values()]
    scored["rouge_l"] = (rouge.mean(), rouge)
    corpus = {name: float(score) for name, (score, _) in scored.items()}
    return corpus, {name: [float(score) for score in scores] for name, (_, scores) in scored.items()}
