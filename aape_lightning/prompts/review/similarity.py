"""What embeddings tell of sentences about classes: which say the same, and how well each fits which class.

Sentences lie class after class: class c's are rows `offsets[c]` to `offsets[c + 1]`, as in a prompt bank. Everything
runs in blocks of rows, so that 50,000 sentences of 1,000 classes take no more memory than their embeddings and a block.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

__all__ = ["ClassFit", "class_fit", "misplaced", "near_duplicates", "off_topic"]

_BLOCK = 2048  # rows at once


def near_duplicates(
    embeddings: Float[Tensor, "m d"], offsets: Int[Tensor, " k1"], threshold: float
) -> dict[int, tuple[int, float]]:
    """Sentences that nearly repeat an earlier one of their class that is no near-duplicate itself.

    Args:
        embeddings: The sentences' unit-norm embeddings, class after class.
        offsets: Where each class begins, and the end.
        threshold: The least cosine of near-duplicates.

    Returns:
        For the row of each near-duplicate, the closest such earlier row and their cosine.
    """
    found: dict[int, tuple[int, float]] = {}
    for start, stop in pairwise(offsets.tolist()):
        group = embeddings[start:stop]
        position = torch.arange(stop - start)
        is_kept = torch.ones(stop - start, dtype=torch.bool)
        for rows in position.split(_BLOCK):
            cosines = (group[rows] @ group.T).masked_fill(position >= rows[:, None], -torch.inf)
            for row in (cosines.amax(1) >= threshold).nonzero().flatten().tolist():
                cosine, earlier = cosines[row].masked_fill(~is_kept, -torch.inf).max(0)
                if cosine >= threshold:
                    is_kept[rows[row]] = False
                    found[start + int(rows[row])] = (start + int(earlier), float(cosine))
    return found


@dataclass(frozen=True)
class ClassFit:
    """How well sentences fit classes.

    A sentence's fit with a class is the greater of two cosines: to the class's name, and to the centroid of the class's
    sentences, of which the sentence itself is left out. For its own class a lone sentence has the name only.

    Attributes:
        own: Each sentence's fit with its own class.
        other: Its best fit with another class; minus infinity where there is none.
        closest: The class that it fits best, its own or another.
    """

    own: Float[Tensor, " m"]
    other: Float[Tensor, " m"]
    closest: Int[Tensor, " m"]

    @property
    def best(self) -> Float[Tensor, " m"]:
        """Each sentence's fit with the class that it fits best."""
        return torch.maximum(self.own, self.other)


def class_fit(embeddings: Float[Tensor, "m d"], offsets: Int[Tensor, " k1"], names: Float[Tensor, "k d"]) -> ClassFit:
    """The fit of each sentence with its own class and with the best of the others.

    Args:
        embeddings: The sentences' unit-norm embeddings, class after class.
        offsets: Where each class begins, and the end.
        names: Unit-norm embeddings of the classes' names.
    """
    counts = offsets.diff()
    labels = torch.arange(len(names)).repeat_interleave(counts)
    totals = torch.zeros_like(names).index_add(0, labels, embeddings)
    centroids = F.normalize(totals, dim=-1)
    blocks = [
        _fit_block(rows, own_class, totals, centroids, names, counts)
        for rows, own_class in zip(embeddings.split(_BLOCK), labels.split(_BLOCK), strict=True)
    ]
    own, other, closest = (torch.cat(column) for column in zip(*blocks, strict=True))
    return ClassFit(own, other, closest)


def _fit_block(
    rows: Tensor, labels: Tensor, totals: Tensor, centroids: Tensor, names: Tensor, counts: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    rest = F.normalize(totals[labels] - rows, dim=-1)
    with_rest = (rows * rest).sum(-1).masked_fill(counts[labels] == 1, -torch.inf)
    own = torch.maximum(with_rest, (rows * names[labels]).sum(-1))
    fits = torch.maximum(rows @ centroids.T, rows @ names.T)
    other, nearest = fits.scatter(1, labels[:, None], -torch.inf).max(1)
    return own, other, torch.where(own >= other, labels, nearest)


def misplaced(fit: ClassFit, margin: float) -> Bool[Tensor, " m"]:
    """Sentences that fit another class better than their own, by more than a margin in cosine."""
    return fit.other - fit.own > margin


def off_topic(fit: ClassFit, deviations: float) -> Bool[Tensor, " m"]:
    """Sentences that fit no class: outliers among all sentences' angles to the class that each fits best.

    Angles, since cosines crowd below 1: a set of varied sentences would have no outliers by their cosines.

    Args:
        fit: The sentences' fits.
        deviations: How many median absolute deviations beyond the median an outlier lies.
    """
    angles = fit.best.clamp(-1, 1).arccos()
    median = angles.median()
    deviation = (angles - median).abs().median()
    return angles > median + deviations * deviation
